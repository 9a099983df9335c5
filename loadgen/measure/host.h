/*
 * Facts of the machine that a number depends on. What cannot be read is null,
 * with the reason beside it in "absent". The host's name is never taken.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_HOST_H
#define SOCKBENCH_LOADGEN_MEASURE_HOST_H

#include "loadgen/measure/report.h"

#define HOST_KEY_MAX 17

/* A hash over what must be equal in two environments before their numbers
 * compare, as hexadecimal text. */
void host_key(const json_t *environment, char text[static HOST_KEY_MAX]);

/* What stays the same during a run, and "key" as host_key gives it. Puts an
 * object under key. */
void host_put_environment(json_t *object, const char *key);

/* What changes: load, pressure, steal, frequency, kernel counters of TCP and
 * UDP. Called before and after a run. A new reference. */
json_t *host_state(void);

#endif
