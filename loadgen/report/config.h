/* The config block of a report: every option, resolved, as its table says. */
#ifndef SOCKBENCH_LOADGEN_REPORT_CONFIG_H
#define SOCKBENCH_LOADGEN_REPORT_CONFIG_H

#include "servers/cli/options.h"

#include <jansson.h>

/* report.config{}: a key a row, with its unit ("step-duration" is
 * step_duration_ns). `values` is the struct that the rows' offsets are in. */
void put_config(json_t *report, const struct option_table *table,
                const void *values);

#endif
