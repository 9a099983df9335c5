/*
 * The run as it goes, for programs that watch (--json-stream): one JSON object
 * a line on stdout, flushed at once. First "start", then an "interval" as each
 * one ends on every thread, then the "report". Schema:
 * results/schema/load-stream.schema.json.
 *
 * Threads hand in their intervals, under a lock that is taken once an interval;
 * one thread, the run's, writes.
 */
#ifndef SOCKBENCH_LOADGEN_REPORT_STREAM_JSON_H
#define SOCKBENCH_LOADGEN_REPORT_STREAM_JSON_H

#include "loadgen/tally.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct plan;
struct stream_json;

/* 0 or -ENOMEM; released by stream_json_close, which takes NULL too. */
int stream_json_open(struct stream_json **ret, FILE *out, uint32_t threads,
                     uint64_t interval_ns);
void stream_json_close(struct stream_json *stream);

void stream_json_start(struct stream_json *stream, const struct plan *plan,
                       int argc, char *const *argv);

/* From any thread: what its index-th interval counted; it ended end_ns after
 * the window's begin. stream NULL: nothing is done. */
void stream_json_hand_in(struct stream_json *stream, uint64_t index,
                         const struct interval *interval, uint64_t end_ns);

/* Writes the intervals that every thread has handed in, or with `all` those
 * that any has. stream NULL: nothing is done. */
void stream_json_write_intervals(struct stream_json *stream, bool all);

/* The last line. 0, or -errno of whichever line could not be written. */
int stream_json_finish(struct stream_json *stream, json_t *report);

/* {start_ns, end_ns, phase, completed, errors, p50_ns, p99_ns}, a new
 * reference. response: of this interval. */
json_t *stream_json_interval(uint64_t start_ns, uint64_t end_ns,
                             const struct interval *interval,
                             const struct hist *response);

#endif
