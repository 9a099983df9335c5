#include "servers/support/tell.h"

#include "servers/cli/log.h"

#include <stdio.h>
#include <string.h>

/* After a reset the kernel knows the peer no more: an empty name. */
static char *name_of(const struct server *server, int fd,
                     char text[static ADDRESS_TEXT_MAX])
{
    struct address peer = {.socket_type = server->address.socket_type,
                           .length = sizeof peer.u};
    if (getpeername(fd, &peer.u.any, &peer.length) < 0)
        *text = '\0';
    else
        address_format(&peer, text);
    return text;
}

void tell_client(const struct server *server, int fd, const char *what)
{
    char name[ADDRESS_TEXT_MAX];
    if (*name_of(server, fd, name))
        log_limited(TELL_LINES_PER_S, "client %s on descriptor %d %s", name, fd,
                    what);
    else
        log_limited(TELL_LINES_PER_S,
                    "client on descriptor %d %s (after a reset)", fd, what);
}

/* One byte as C would write it in a string; where it ends. */
static char *put_byte(char *at, uint8_t byte)
{
    static const char escapes[] = "\aa\bb\tt\nn\vv\ff\rr\"\"\\\\";
    static const char digits[] = "0123456789abcdef";
    for (const char *e = escapes; *e; e += 2) {
        if (byte != (uint8_t)*e)
            continue;
        *at++ = '\\';
        *at++ = e[1];
        return at;
    }
    if (byte >= 0x20 && byte < 0x7f) {
        *at++ = (char)byte;
        return at;
    }
    *at++ = '\\';
    *at++ = 'x';
    *at++ = digits[byte >> 4];
    *at++ = digits[byte & 15];
    return at;
}

char *tell_quote(const uint8_t *data, size_t length,
                 char text[static TELL_TEXT_MAX])
{
    const size_t shown = length < TELL_BYTES_MAX ? length : TELL_BYTES_MAX;
    char *at = text;
    *at++ = '"';
    for (size_t i = 0; i < shown; i++)
        at = put_byte(at, data[i]);
    *at++ = '"';
    *at = '\0';
    if (shown < length)
        memcpy(at, "...", sizeof "...");
    return text;
}

void tell_bytes(const struct server *server, int fd, const char *what,
                const uint8_t *data, size_t length)
{
    char name[ADDRESS_TEXT_MAX];
    char text[TELL_TEXT_MAX];
    name_of(server, fd, name);
    log_limited(
        TELL_LINES_PER_S, "client %s%son descriptor %d: %s %zu bytes: %s", name,
        *name ? " " : "", fd, what, length, tell_quote(data, length, text));
}

void tell_datagram(const struct server *server,
                   const struct sockaddr_storage *source,
                   socklen_t source_length, const char *what,
                   const uint8_t *data, size_t length)
{
    struct address peer = {.socket_type = server->address.socket_type,
                           .length = source_length};
    char name[ADDRESS_TEXT_MAX] = "(no name)";
    char text[TELL_TEXT_MAX];
    if (source_length > sizeof(sa_family_t)) {
        peer.u.storage = *source;
        address_format(&peer, name);
    }
    log_limited(TELL_LINES_PER_S, "client %s: %s %zu bytes: %s", name, what,
                length, tell_quote(data, length, text));
}
