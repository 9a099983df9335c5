#include "servers/wire/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct scheme {
    const char *prefix;
    int family; /* AF_UNIX, or AF_UNSPEC for host and port */
    int socket_type;
};

static const struct scheme schemes[] = {
    {"tcp://", AF_UNSPEC, SOCK_STREAM},
    {"udp://", AF_UNSPEC, SOCK_DGRAM},
    {"unix:", AF_UNIX, SOCK_STREAM},
    {"unix-dgram:", AF_UNIX, SOCK_DGRAM},
};

static int parse_unix(const char *path, int socket_type,
                      struct address *ret_address, const char **ret_why)
{
    struct address address = {.socket_type = socket_type};
    size_t length = strlen(path);
    if (length == 0 || (path[0] == '@' && length == 1)) {
        *ret_why = "the path is empty";
        return -EINVAL;
    }
    if (length >= sizeof address.u.un.sun_path) {
        *ret_why = "the path is longer than 107 bytes";
        return -EINVAL;
    }
    address.u.un.sun_family = AF_UNIX;
    memcpy(address.u.un.sun_path, path, length);
    address.length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (path[0] == '@')
        address.u.un.sun_path[0] = '\0';
    else
        address.length++;
    *ret_address = address;
    return 0;
}

/* "host:port" or "[host]:port" into its parts; NULL, or why not. */
static const char *split_host(const char *text, char *host, size_t host_size,
                              const char **ret_port)
{
    const char *end;
    const char *begin = text;
    const char *colon;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (!end || end[1] != ':')
            return "not of the form [host]:port";
        colon = end + 1;
    } else {
        colon = strchr(text, ':');
        if (!colon)
            return "the port is missing (host:port; 0 lets the system choose)";
        if (strchr(colon + 1, ':'))
            return "an IPv6 address wants brackets ([::1]:7000)";
        end = colon;
    }
    size_t length = (size_t)(end - begin);
    if (length == 0)
        return "the host is missing (127.0.0.1, ::1 or a name)";
    if (length >= host_size)
        return "the host name is too long";
    if (colon[1] == '\0')
        return "the port is missing (0 lets the system choose)";
    memcpy(host, begin, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return NULL;
}

/* getaddrinfo takes 99999 and cuts it to 16 bits. */
static bool port_fits(const char *port)
{
    size_t digits = strspn(port, "0123456789");
    if (port[digits] != '\0')
        return true; /* a service name */
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (unsigned)(port[i] - '0');
        if (value > 65535)
            return false;
    }
    return true;
}

static int parse_host(const char *text, int socket_type,
                      struct address *ret_address, const char **ret_why)
{
    char host[256];
    const char *port = NULL;
    *ret_why = split_host(text, host, sizeof host, &port);
    if (*ret_why)
        return -EINVAL;
    if (!port_fits(port)) {
        *ret_why = "the port is above 65535";
        return -EINVAL;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = socket_type};
    struct addrinfo *list = NULL;
    int r = getaddrinfo(host, port, &hints, &list);
    if (r != 0 || !list) {
        /* "Servname not supported for ai_socktype" helps nobody. */
        *ret_why = r == EAI_SERVICE  ? "no such port or service name"
                   : r == EAI_NONAME ? "no such host name"
                                     : gai_strerror(r);
        return -EINVAL;
    }
    const struct addrinfo *chosen = list;
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        if (at->ai_family == AF_INET) {
            chosen = at;
            break;
        }
    }
    struct address address = {.socket_type = socket_type,
                              .length = chosen->ai_addrlen};
    memcpy(&address.u.storage, chosen->ai_addr, chosen->ai_addrlen);
    freeaddrinfo(list);
    *ret_address = address;
    return 0;
}

int address_parse(const char *text, struct address *ret_address,
                  const char **ret_why)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const struct scheme *scheme = &schemes[i];
        size_t length = strlen(scheme->prefix);
        if (strncmp(text, scheme->prefix, length) != 0)
            continue;
        if (scheme->family == AF_UNIX)
            return parse_unix(text + length, scheme->socket_type, ret_address,
                              ret_why);
        return parse_host(text + length, scheme->socket_type, ret_address,
                          ret_why);
    }
    *ret_why = "not an address (tcp://host:port, udp://host:port, unix:/path, "
               "unix-dgram:/path)";
    return -EINVAL;
}

/* A link-local address means nothing without its interface. */
static void format_zone(uint32_t scope, char host[static ADDRESS_TEXT_MAX])
{
    char name[IF_NAMESIZE];
    const size_t used = strlen(host);
    if (scope == 0)
        return;
    if (if_indextoname(scope, name))
        snprintf(host + used, ADDRESS_TEXT_MAX - used, "%%%s", name);
    else
        snprintf(host + used, ADDRESS_TEXT_MAX - used, "%%%u", scope);
}

void address_format_parts(const struct address *address,
                          char host[static ADDRESS_TEXT_MAX],
                          char port[static 8])
{
    port[0] = '\0';
    host[0] = '\0';
    if (address->u.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->u.in.sin_addr, host, ADDRESS_TEXT_MAX);
    } else if (address->u.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->u.in6.sin6_addr, host, ADDRESS_TEXT_MAX);
        format_zone(address->u.in6.sin6_scope_id, host);
    } else if (address->length > offsetof(struct sockaddr_un, sun_path)) {
        size_t length =
            address->length - offsetof(struct sockaddr_un, sun_path);
        const char *path = address->u.un.sun_path;
        bool abstract = path[0] == '\0';
        snprintf(host, ADDRESS_TEXT_MAX, "%s%.*s", abstract ? "@" : "",
                 (int)(length - abstract), path + abstract);
        return;
    }
    snprintf(port, 8, "%u", address_port(address));
}

char *address_format(const struct address *address,
                     char text[static ADDRESS_TEXT_MAX])
{
    char host[ADDRESS_TEXT_MAX];
    char port[8];
    address_format_parts(address, host, port);
    bool stream = address->socket_type == SOCK_STREAM;
    const char *scheme = stream ? "tcp" : "udp";
    if (address->u.any.sa_family == AF_UNIX)
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%.120s",
                 stream ? "unix" : "unix-dgram", host);
    else if (address->u.any.sa_family == AF_INET6)
        snprintf(text, ADDRESS_TEXT_MAX, "%s://[%.64s]:%s", scheme, host, port);
    else
        snprintf(text, ADDRESS_TEXT_MAX, "%s://%.64s:%s", scheme, host, port);
    return text;
}

bool address_is_loopback(const struct address *address)
{
    const struct in6_addr *in6 = &address->u.in6.sin6_addr;
    switch (address->u.any.sa_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return ntohl(address->u.in.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(in6) ||
               (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    default:
        return false;
    }
}

bool address_is_multicast_or_broadcast(const struct address *address)
{
    if (address->u.any.sa_family == AF_INET) {
        uint32_t host = ntohl(address->u.in.sin_addr.s_addr);
        return IN_MULTICAST(host) || host == INADDR_BROADCAST;
    }
    return address->u.any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_MULTICAST(&address->u.in6.sin6_addr);
}

uint16_t address_port(const struct address *address)
{
    if (address->u.any.sa_family == AF_INET)
        return ntohs(address->u.in.sin_port);
    if (address->u.any.sa_family == AF_INET6)
        return ntohs(address->u.in6.sin6_port);
    return 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->u.any.sa_family != b->u.any.sa_family ||
        address_port(a) != address_port(b))
        return false;
    switch (a->u.any.sa_family) {
    case AF_INET:
        return a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
    case AF_INET6:
        return memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr,
                      sizeof a->u.in6.sin6_addr) == 0;
    default:
        return a->length == b->length &&
               memcmp(&a->u.un, &b->u.un, a->length) == 0;
    }
}

int address_of_socket(int fd, int socket_type, struct address *ret_address)
{
    struct address address = {.socket_type = socket_type,
                              .length = sizeof address.u};
    if (getsockname(fd, &address.u.any, &address.length) < 0)
        return -errno;
    *ret_address = address;
    return 0;
}
