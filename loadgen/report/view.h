/*
 * What a report is made of, as its rooms see it: `summary` writes the JSON,
 * `latency` its percentiles, `datagrams` and `patterns` its udp part,
 * `steadiness` whether the rate held still, `evidence` what else the verdict
 * rests on, `verdict` what follows from it.
 */
#ifndef SOCKBENCH_LOADGEN_REPORT_VIEW_H
#define SOCKBENCH_LOADGEN_REPORT_VIEW_H

#include "loadgen/plan/plan.h"
#include "loadgen/run.h"

#include <jansson.h>

struct view {
    const struct plan *plan;
    const struct course *course;
    const struct run_result *result;
    const struct tally *total;
    double window_s; /* 0: there was none */
};

void put_latency(json_t *report, const struct view *view);

/* The p99 of the send lateness, or of few samples the highest quantile that ten
 * of them support; and which quantile that is. */
uint64_t latency_lateness_ns(const struct view *view);
double latency_lateness_quantile(const struct view *view);

/* The timeout where the median is a request given up; 0 without samples. */
uint64_t latency_response_p50_ns(const struct view *view);

void put_udp(json_t *report, const struct view *view);

/* False one way to a server whose threads or children take datagrams from one
 * socket: in which order they did, nobody knows. */
bool arrivals_in_order_known(const struct view *view);
void put_reordered(json_t *udp, const struct view *view, uint64_t reordered,
                   uint64_t unique);

void put_patterns(json_t *udp, const struct view *view);

/* Into udp: what the server's trace adds to what the client knows, that it sent
 * so many datagrams of the window and received so many replies to them. One way
 * it replaces what the client could not see. */
void put_directions(json_t *udp, const struct view *view, uint64_t sent,
                    uint64_t back_received);

void put_stationarity(json_t *report, const struct view *view);
void put_evidence(json_t *report, const struct view *view);
void put_verdict(json_t *report, const struct view *view);

/* machine{}: this run beside what the machine can do, as far as it is known. */
void put_limit(json_t *evidence, const struct view *view,
               const json_t *environment);
/* What others did to the measurement, about the window. NAN: not known. */
struct disturbance {
    uint64_t observed_ns;
    cpu_set_t cpus;              /* of the generator */
    uint64_t busy_ns, own_ns;    /* on these */
    const char *foreign_unknown; /* why the two that follow are not known */
    uint64_t foreign_ns;
    double foreign_ratio;
    bool foreign; /* more than a measurement bears */
    double steal_ratio;
    uint64_t throttled_periods, throttled_ns;
    double throttled_ratio;
    double waited_ratio; /* of the window, by the thread that waited most */
};

void evidence_disturbance(const struct view *view, struct disturbance *ret);

/* Of the window, by the busiest thread. */
double evidence_busiest(const struct view *view);

/* Send lateness (p99) over response time (p50); NAN in a closed loop. */
double evidence_lateness_ratio(const struct view *view);

/* Intervals of the window that are whole. */
uint64_t evidence_whole_intervals(const struct view *view);

/* The median rate of the intervals [begin, end); NAN where there are fewer than
 * `least`. */
double evidence_interval_median(const struct view *view, uint64_t begin,
                                uint64_t end, uint64_t least);

/* Second half of the window against the first; NAN for short runs. */
double evidence_drift(const struct view *view);

/* Clients in the system over rate x response time, which is 1 where every
 * client always waits for a reply. NAN where that is not so. */
double evidence_littles_law(const struct view *view);

/* A thread's CPU without the passes in which it only looked at the clock. */
double evidence_busy_ns(const struct thread_usage *usage, uint64_t idle_ns);

#endif
