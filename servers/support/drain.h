/*
 * How a stopping server parts from its clients, as pure logic:
 *
 *   serve    until nothing happened for 200 ms, 1.5 s at most;
 *   finish   send what is pending, then FIN, then read to the client's FIN;
 *   over     1.8 s after the stop: whatever is left is closed.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_DRAIN_H
#define SOCKBENCH_SERVERS_SUPPORT_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#define DRAIN_QUIET_NS 200000000ULL
#define DRAIN_SERVE_NS 1500000000ULL
#define DRAIN_OVER_NS 1800000000ULL

enum drain_phase {
    DRAIN_SERVE,
    DRAIN_FINISH,
    DRAIN_OVER
};

struct drain { /* all zero: not begun */
    uint64_t began_ns;
    uint64_t quiet_since_ns;
    uint64_t activity;
    bool finishing;
};

/*
 * The phase at now_ns; the first call begins the drain. activity is any number
 * that changes when clients are served.
 */
enum drain_phase drain_step(struct drain *drain, uint64_t now_ns,
                            uint64_t activity);

/* CLOCK_MONOTONIC. */
uint64_t drain_now_ns(void);

/* For loops without a timer: whether the drain, as of now, still serves. */
bool drain_serves(struct drain *drain, uint64_t activity);

#endif
