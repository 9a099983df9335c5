/*
 * The one clock of every measurement: CLOCK_MONOTONIC, u64 nanoseconds.
 *
 * A thread that reads it for every request may do so through the CPU's time
 * stamp counter: a reading costs less than half, and is held to CLOCK_MONOTONIC
 * by looking at both every millisecond.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_CLOCK_H
#define SOCKBENCH_LOADGEN_MEASURE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL

static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* CPU time that the calling thread has used. */
static inline uint64_t clock_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* A thread's own view of CLOCK_MONOTONIC; not to be shared. */
struct clock_view {
    uint64_t base_ticks; /* when it last looked at both clocks */
    uint64_t base_ns;
    uint64_t limit_ticks;  /* so far from there it counts; 0: not (yet) */
    uint64_t rate;         /* ns a tick, times 2^32 */
    uint64_t true_rate;    /* as measured; `rate` may make up for something */
    uint64_t anchor_ticks; /* where it is measured from */
    uint64_t anchor_ns;
    uint64_t said_ns;    /* by the last look */
    uint64_t pair_ticks; /* both clocks read within that: neither waited */
    bool trusts_ticks;
};

/*
 * Counts ticks where the kernel itself keeps time by them (its clocksource is
 * "tsc", so they run at one rate on every CPU and in every state), and asks the
 * kernel elsewhere.
 */
void clock_view_open(struct clock_view *view);

/* Looks at both clocks: what clock_view_ns does now and then. */
uint64_t clock_view_look(struct clock_view *view);

/* "tsc" or "clock_gettime". */
const char *clock_view_source(const struct clock_view *view);

/* CLOCK_MONOTONIC to within 1 us (a few tens of ns as a rule); never less than
 * this view said before. */
static inline uint64_t clock_view_ns(struct clock_view *view)
{
#ifdef __x86_64__
    const uint64_t ticks = __builtin_ia32_rdtsc() - view->base_ticks;
    if (ticks < view->limit_ticks)
        return view->base_ns + (ticks * view->rate >> 32);
#endif
    return clock_view_look(view);
}

#endif
