/*
 * When replies came, one by one: a bounded log that all threads of a run write,
 * to be held against what the server noted. Only with --server-trace.
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_RECEIPTS_H
#define SOCKBENCH_LOADGEN_SEQUENCE_RECEIPTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct receipt {
    uint64_t sequence;
    uint64_t received_ns;
    uint32_t flow;
};

struct receipts {
    size_t capacity;
    atomic_size_t asked; /* may be above the capacity: the rest is not kept */
    struct receipt *all;
};

/* 0 or -ENOMEM; capacity may be 0. Released by receipts_done. */
int receipts_init(struct receipts *receipts, size_t capacity);
void receipts_done(struct receipts *receipts);

void receipts_add(struct receipts *receipts, uint32_t flow, uint64_t sequence,
                  uint64_t received_ns);

/* How many are kept. */
size_t receipts_count(const struct receipts *receipts);

#endif
