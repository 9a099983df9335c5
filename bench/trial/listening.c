#include "bench/trial/listening.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATE_LISTEN 0x0a      /* TCP_LISTEN, include/net/tcp_states.h */
#define STATE_UNCONNECTED 0x07 /* TCP_CLOSE, which an open UDP socket shows */

int listening_free_port(int socket_type, bool ipv6, uint16_t *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address =
        ipv6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t length = ipv6 ? sizeof in6 : sizeof in;
    int r = 0;
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, socket_type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, address, length) < 0 || getsockname(fd, address, &length) < 0)
        r = -errno;
    close(fd);
    if (r == 0)
        *ret_port = ntohs(ipv6 ? in6.sin6_port : in.sin_port);
    return r;
}

/* Port and state of a line; false where it is none of a socket. */
static bool read_line(const char *line, unsigned long *ret_port,
                      unsigned long *ret_state)
{
    /* "  sl: ADDRESS:PORT ADDRESS:PORT STATE ...", all hexadecimal */
    char *end;
    const char *at = strchr(line, ':');
    at = at ? strchr(at + 1, ':') : NULL;
    if (!at)
        return false;
    unsigned long port = strtoul(at + 1, &end, 16);
    at = strchr(end, ':');
    at = at ? strchr(at, ' ') : NULL;
    if (!at)
        return false;
    unsigned long state = strtoul(at, &end, 16);
    if (end == at)
        return false;
    *ret_port = port;
    *ret_state = state;
    return true;
}

bool listening_line(const char *line, int socket_type, uint16_t port)
{
    unsigned long found_port;
    unsigned long state;
    return read_line(line, &found_port, &state) && found_port == port &&
           state ==
               (socket_type == SOCK_STREAM ? STATE_LISTEN : STATE_UNCONNECTED);
}

bool listening_line_is_last(const char *line, int socket_type)
{
    unsigned long port;
    unsigned long state;
    return socket_type == SOCK_STREAM && read_line(line, &port, &state) &&
           state != STATE_LISTEN;
}

static bool in_table(pid_t pid, const char *table, int socket_type,
                     uint16_t port)
{
    char path[64];
    char line[512];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, table);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof line, file) &&
           !listening_line_is_last(line, socket_type))
        found = listening_line(line, socket_type, port);
    fclose(file);
    return found;
}

bool listening_on(pid_t pid, int socket_type, uint16_t port)
{
    bool stream = socket_type == SOCK_STREAM;
    return in_table(pid, stream ? "tcp" : "udp", socket_type, port) ||
           in_table(pid, stream ? "tcp6" : "udp6", socket_type, port);
}
