/*
 * What a server answers, as data, so that every model runs the same code:
 *
 *   reply = prefix ++ transform(request)
 *
 * On datagrams the prefix stands before the data of each. A stream has no
 * messages, so there a message is a line, and the prefix stands before each.
 */
#ifndef SOCKBENCH_SERVERS_WIRE_SERVICE_H
#define SOCKBENCH_SERVERS_WIRE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service {
    const char *name;
    const char *summary;
    /* Sent when a stream client connects, who is then parted from; else NULL.
     */
    const char *greeting;
    const char *prefix; /* NULL: none */
    bool replies;       /* false: what comes is counted and dropped */
    /* In place; NULL: the bytes go back unchanged. */
    void (*transform)(uint8_t *restrict data, size_t length_bytes);
};

extern const struct service *const services[]; /* NULL-terminated */

#define SERVICE_PREFIX_MAX 8

/* The service called name, or NULL. */
const struct service *service_find(const char *name);

/* What is served unless --service says otherwise: echo on SOCK_STREAM, upper on
 * SOCK_DGRAM. */
const struct service *service_default(int socket_type);

/*
 * The reply to the next length_bytes of a stream, for services with a prefix:
 * the prefix goes before every line that begins here. *at_line_start is the
 * connection's, true at first. out holds service_reply_max(length_bytes), and
 * data may be the last length_bytes of that. Returns the reply's length.
 */
size_t service_prefix_lines(const struct service *service, bool *at_line_start,
                            const uint8_t *data, size_t length_bytes,
                            uint8_t *out);

/* The longest reply to so many bytes: each could be a line of its own. */
static inline size_t service_reply_max(size_t length_bytes)
{
    return length_bytes * (1 + SERVICE_PREFIX_MAX);
}

/* 'a'..'z' become 'A'..'Z'; no other byte changes, whatever the locale. */
void service_upper(uint8_t *restrict data, size_t length_bytes);

#endif
