/*
 * What this machine and this program can do at best: the probes of
 * sockbench-selftest. Each puts what it finds into the report. `pace` says for
 * how long.
 */
#ifndef SOCKBENCH_LOADGEN_SELFTEST_SELFTEST_H
#define SOCKBENCH_LOADGEN_SELFTEST_SELFTEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SELFTEST_MESSAGE_BYTES 64

struct selftest_pace {
    int cpu; /* that the probing threads are pinned to */
    unsigned windows;
    uint64_t raw_window_ns;
    uint64_t generator_requests; /* in each window */
    uint64_t spinning_ns;
    uint64_t sleeping_ns;
};

/* generator{}: a request on the null engine, checked and not. 0 or -errno. */
int selftest_generator(json_t *report, const struct selftest_pace *pace);

/* raw_loop{tcp, udp, unix, unix_dgram}: round trips of one thread that holds
 * both ends of a pair. What is not possible here is null, with the reason. */
void selftest_raw_loop(json_t *report, const struct selftest_pace *pace);

/* pacing{spinning, sleeping}: how late sends are. 0 or -errno. */
int selftest_pacing(json_t *report, const struct selftest_pace *pace);

/* clock{} and histogram{}: what a reading and a sample cost. 0 or -errno. */
int selftest_instruments(json_t *report);

#endif
