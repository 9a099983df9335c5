/*
 * The addresses that clients come from (--source): one address has some 28,000
 * ports towards a server, and a server that tells its clients apart by address
 * wants several. Connection k takes the k-th of them, round and round.
 */
#ifndef SOCKBENCH_LOADGEN_SOURCES_H
#define SOCKBENCH_LOADGEN_SOURCES_H

#include "servers/wire/address.h"

#include <stdint.h>

#define SOURCES_MAX 256u

struct sources {
    struct address *list; /* without ports */
    uint32_t count;       /* 0: the kernel chooses */
};

/*
 * "127.0.0.2,127.0.0.3": numeric IPv4 or IPv6 addresses. 0; -EINVAL with
 * *ret_why (static text) when text is something else, or -ENOMEM. *ret is
 * released by sources_done, and untouched on failure.
 */
int sources_parse(const char *text, struct sources *ret, const char **ret_why);
void sources_done(struct sources *sources);

/*
 * Binds fd to the source of connection `index`. The port is left open until
 * connect (IP_BIND_ADDRESS_NO_PORT, Linux 4.2), which can use one again towards
 * another server. 0 or -errno; without sources nothing is done.
 */
int sources_bind(const struct sources *sources, uint32_t index, int fd);

/* The first source that sockets of this machine cannot have, with *ret_error
 * the reason; or NULL. */
const struct address *sources_find_bad(const struct sources *sources,
                                       int socket_type, int *ret_error);

#endif
