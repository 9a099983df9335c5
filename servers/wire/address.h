/*
 * Where a server listens and a client connects, as one line of text:
 *
 *   tcp://127.0.0.1:7000   tcp://[::1]:7000   udp://localhost:domain
 *   unix:/path  unix:@name (stream)   unix-dgram:/path  unix-dgram:@name
 *
 * Host and service names are resolved by getaddrinfo(3); where a name has
 * addresses of both families, IPv4 is taken. "@" begins an abstract name
 * (unix(7)).
 */
#ifndef SOCKBENCH_SERVERS_WIRE_ADDRESS_H
#define SOCKBENCH_SERVERS_WIRE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_TEXT_MAX 160

struct address {
    int socket_type; /* SOCK_STREAM or SOCK_DGRAM */
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } u;
};

/*
 * Parses and resolves text. 0, or -EINVAL with *ret_why (static text) saying
 * what is wrong; *ret_address is untouched then.
 */
int address_parse(const char *text, struct address *ret_address,
                  const char **ret_why);

/* The inverse, numeric. Returns text. */
char *address_format(const struct address *address,
                     char text[static ADDRESS_TEXT_MAX]);

/* The host and the port alone; the path and "" for Unix sockets. */
void address_format_parts(const struct address *address,
                          char host[static ADDRESS_TEXT_MAX],
                          char port[static 8]);

/* Local to this machine for sure: 127/8, ::1 or a Unix socket. */
bool address_is_loopback(const struct address *address);

/* An IPv4 or IPv6 multicast group, or 255.255.255.255. */
bool address_is_multicast_or_broadcast(const struct address *address);

/* The port in host order; 0 for Unix sockets. */
uint16_t address_port(const struct address *address);

bool address_equal(const struct address *a, const struct address *b);

/* The name a socket is bound to. 0 or -errno. */
int address_of_socket(int fd, int socket_type, struct address *ret_address);

#endif
