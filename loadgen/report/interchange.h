/* A run's response times in files that other people's tools read. */
#ifndef SOCKBENCH_LOADGEN_REPORT_INTERCHANGE_H
#define SOCKBENCH_LOADGEN_REPORT_INTERCHANGE_H

#include "loadgen/tally.h"

#include <stdint.h>

/*
 * HdrHistogram's log: a line an interval, tagged "response", in the format of
 * HistogramLogWriter 1.3. The run's window began at begin_unix_s. 0 or -errno.
 */
int interchange_write_log(const struct tally *tally, uint64_t interval_ns,
                          double begin_unix_s, const char *path);

/* The percentile distribution of the whole window (.hgrm). 0 or -errno. */
int interchange_write_distribution(const struct tally *tally, const char *path);

#endif
