/*
 * One run: threads that start together, a live line, a watchdog, and the sum of
 * what they counted.
 */
#ifndef SOCKBENCH_LOADGEN_RUN_H
#define SOCKBENCH_LOADGEN_RUN_H

#include "loadgen/loop/worker.h"
#include "loadgen/measure/machine.h"
#include "loadgen/tally.h"

#include <stdbool.h>
#include <stdio.h>

struct run_thread {
    int cpu;                   /* -1: not pinned */
    struct thread_usage usage; /* inside the window */
    uint64_t idle_window_ns;
};

struct run_result {
    struct tally total;
    struct run_thread *threads; /* course.threads of them */
    struct idlers_counts idlers;
    bool complete;
    int interrupted_by; /* a signal, or 0 */
    const char *reason; /* why it is not complete; static text */
    int error;          /* -errno of a thread that could not run */
    /* The machine about when the window began and ended. */
    bool machine_known;
    struct machine_sample machine_before, machine_after;
};

/*
 * Runs the course (all but its barriers and times filled in). cpus[i] is the
 * CPU of thread i, or -1. live: where to write a line a second, or NULL. 0 or
 * -errno when nothing could start; release with run_result_done either way.
 */
int run(struct course *course, const int *cpus, FILE *live,
        struct run_result *ret);
void run_result_done(struct run_result *result);

/* From the handler of this signal: the run in progress ends, and is kept. */
void run_interrupt(int signal);

#endif
