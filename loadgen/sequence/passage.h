/*
 * What the server noted of a run's datagrams (servers/wire/trace.h), held
 * against what the client knows: how each way went.
 *
 *     client --- forward ---> server --- back ---> client
 *
 * Counts are exact. Delays and what the server put out of order come from the
 * trace's bounded log: of its first records, when there were more.
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_PASSAGE_H
#define SOCKBENCH_LOADGEN_SEQUENCE_PASSAGE_H

#include "loadgen/measure/hist.h"
#include "loadgen/sequence/receipts.h"
#include "servers/wire/trace.h"

#include <stdbool.h>
#include <stdint.h>

/* Sums over the flows of a run, in the terms of struct trace_flow. */
struct passage_counts {
    uint64_t unique, duplicate, ancient, reordered, bytes, warmup;
    uint64_t refused, replied, send_errors;
    uint64_t foreign, damaged, unnumbered;
    uint64_t first_ns, last_ns; /* 0: nothing came */
    uint64_t flows;             /* of which anything came */
    uint64_t records, records_missed;
};

struct passage {
    struct trace trace;
    bool known; /* passage_read has been called */
    uint32_t flows;
    struct receipts receipts;
    struct passage_counts counts;
    bool order_known; /* in which the server took datagrams from its socket */
    uint64_t reordered_by_server; /* else: as much as on the way there */
    struct hist forward;          /* from the frame's time to the server */
    struct hist back;             /* from the server's send to the client */
};

/* Maps the trace and claims it for the run of this nonce. 0 or -errno; -EPROTO:
 * no trace; -E2BIG: it has no room for so many flows, but for passage_room.
 * Released by passage_done either way. */
int passage_open(struct passage *passage, const char *path, uint32_t nonce,
                 uint32_t flows);
void passage_done(struct passage *passage);

static inline uint32_t passage_room(const struct passage *passage)
{
    return passage->trace.header->flows_capacity;
}

/* The sums as of now. */
void passage_count(const struct passage *passage, struct passage_counts *ret);

static inline uint64_t passage_received(const struct passage_counts *counts)
{
    return counts->unique + counts->duplicate + counts->ancient;
}

/*
 * After the run, whose frames' times count from epoch_ns: waits until the
 * server has received and replied to so many, or patience_ns is over, and
 * fills in the rest. 0 or -ENOMEM.
 */
int passage_read(struct passage *passage, uint64_t epoch_ns, uint64_t received,
                 uint64_t replied, uint64_t patience_ns);

#endif
