/*
 * Facts of the machine that a number depends on. What cannot be read is null,
 * with the reason beside it in "absent". The host's name is never taken.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_HOST_H
#define SOCKBENCH_LOADGEN_MEASURE_HOST_H

#include "loadgen/measure/report.h"

/* What stays the same during a run, and "key": a hash over what must match
 * before two reports may be compared. Puts an object under key. */
void host_put_environment(json_t *object, const char *key);

/* What changes: load, pressure, steal, frequency, kernel counters of TCP and
 * UDP. Called before and after a run. A new reference. */
json_t *host_state(void);

#endif
