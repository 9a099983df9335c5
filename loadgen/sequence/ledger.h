/*
 * Every copy of every datagram of one engine, from the first of the warm-up to
 * the last that the client listened for: what a chain of counters from one end
 * to the other has to close against. Kept by the engines, which see them all.
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_LEDGER_H
#define SOCKBENCH_LOADGEN_SEQUENCE_LEDGER_H

#include <stdint.h>

struct ledger {
    uint64_t sends;     /* asked of the kernel */
    uint64_t refused;   /* of those: by the kernel, with an error */
    uint64_t received;  /* replies of every kind */
    uint64_t drops;     /* by the kernel at the client's sockets */
    uint64_t after_end; /* came when the client listened no more */
};

/* Datagrams that the kernel dropped at this socket so far. */
uint64_t ledger_socket_drops(int fd);

/* Nothing more enters the socket's queue: from here on all that comes counts
 * as a drop. What is queued can still be read. 0 or -errno. */
int ledger_deafen(int fd);

void ledger_add(struct ledger *into, const struct ledger *from);

#endif
