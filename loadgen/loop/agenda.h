/* Which flow is due next: a binary heap by time. */
#ifndef SOCKBENCH_LOADGEN_LOOP_AGENDA_H
#define SOCKBENCH_LOADGEN_LOOP_AGENDA_H

#include <stdint.h>

struct agenda_entry {
    double due_ns;
    uint32_t flow;
};

struct agenda {
    struct agenda_entry *entries;
    uint32_t count;
};

/* Room for `capacity` flows. 0 or -ENOMEM; released by agenda_done. */
int agenda_init(struct agenda *agenda, uint32_t capacity);
void agenda_done(struct agenda *agenda);

/* At most `capacity` times. */
void agenda_add(struct agenda *agenda, uint32_t flow, double due_ns);

/* The flow that is due first, and when; the agenda is not empty. */
static inline uint32_t agenda_first(const struct agenda *agenda)
{
    return agenda->entries[0].flow;
}

static inline double agenda_due_ns(const struct agenda *agenda)
{
    return agenda->entries[0].due_ns;
}

/* The first flow is due at due_ns instead, which is not earlier. */
void agenda_postpone_first(struct agenda *agenda, double due_ns);

#endif
