/*
 * Where each datagram of a run died. Pure: counts in, causes out.
 *
 * Every copy is accounted for, from the first send of the warm-up to the end of
 * the server:
 *
 *     sends = client_send + local_qdisc + link_forward + server_buffer
 *             + server + link_back + client_buffer + unknown + arrived
 *
 * In a namespace of their own the two ends and the kernel count the same
 * datagrams independently, and what this leaves over (difference) is 0.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_LOSSES_H
#define SOCKBENCH_BENCH_TRIAL_LOSSES_H

#include "bench/trial/counters.h"

#include <stdbool.h>
#include <stdint.h>

/* What is known of one run. */
struct losses_facts {
    bool replies; /* the service answers */
    /* Datagrams travel in blocks, and the kernel counts blocks: only what the
     * ends counted themselves is good. */
    bool blocks;
    struct {
        uint64_t sends;     /* asked of the kernel */
        uint64_t refused;   /* by the kernel, to the client's face */
        uint64_t received;  /* replies, of every kind */
        uint64_t drops;     /* at its sockets while they were read */
        uint64_t after_end; /* at its sockets when they were read no more */
    } client;
    struct {
        bool counted; /* received and replied are known */
        uint64_t received;
        uint64_t replied;
        bool drops_known;
        uint64_t drops;
        bool left_unread; /* datagrams were queued when it was stopped */
    } server;
    /* The two had a namespace of their own: what its kernel counted. */
    bool is_private;
    struct counters kernel;
};

enum losses_by {
    LOSSES_BY_COUNTERS, /* of the namespace's kernel, held against both ends */
    LOSSES_BY_SOCKETS,  /* of the sockets of both ends alone */
    LOSSES_BY_SEQUENCE, /* counted by the ends, block by block taken apart */
};

/* One cause; a server that sends more than it was asked is below 0. */
struct losses_count {
    bool known;
    int64_t count;
};

struct losses {
    enum losses_by by;
    uint64_t sends;
    uint64_t arrived;     /* replies at the client; without replies, at the
                             server */
    bool arrived_unknown; /* without replies, and nobody counted */
    struct losses_count client_send, local_qdisc, link_forward, server_buffer,
        server, link_back, client_buffer, unknown;
    struct losses_count difference; /* known where something can contradict */
};

/* The wire between the two is the loopback, which loses nothing itself. */
void losses_of(const struct losses_facts *facts, struct losses *ret_losses);

/* "counters", "sockets" or "sequence". */
const char *losses_by_name(enum losses_by by);

#endif
