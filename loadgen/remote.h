/*
 * Targets beyond this machine's loopback. They are loaded only when asked for
 * (--allow-remote), only after they have echoed a random nonce from the very
 * address that is to be loaded, and only up to caps, each lifted by its own
 * option: a stranger's host is not to be hit by a slip of the keyboard, or by
 * a spoofed answer.
 */
#ifndef SOCKBENCH_LOADGEN_REMOTE_H
#define SOCKBENCH_LOADGEN_REMOTE_H

#include "loadgen/idlers.h"
#include "loadgen/options.h"
#include "loadgen/sources.h"
#include "servers/wire/service.h"

#include <stdbool.h>

#define REMOTE_TEXT_MAX 200
#define REMOTE_SILENCE_NS 2000000000ULL /* of datagrams, then the run ends */

/* What remains of the caps for a closed loop, beside silent clients. */
struct remote_caps {
    double requests_per_s;
    double bits_per_s; /* of requests, without headers */
};

/* True with *ret_caps when what is asked for is within the caps; else `text`
 * says what is not, and what lifts it. mean_bytes: of a request. */
bool remote_is_within_caps(const struct load_options *options,
                           const struct idlers_words *idlers, double mean_bytes,
                           struct remote_caps *ret_caps,
                           char text[static REMOTE_TEXT_MAX]);

/*
 * Sends 32 random bytes that upper-casing leaves alone, and waits for what the
 * service makes of them: two seconds and four datagrams, or one connection. 0;
 * -EINVAL for a service that cannot say them again, -EACCES for a broadcast
 * address, -EPROTO when the answer is another one, -ETIMEDOUT without any, or
 * -errno.
 */
int remote_ask(const struct address *target, const struct sources *sources,
               const struct service *service);

#endif
