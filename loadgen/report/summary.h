/*
 * The report of a run: JSON by results/schema/load.schema.json, and the text
 * that a person reads, which is made from that JSON alone.
 */
#ifndef SOCKBENCH_LOADGEN_REPORT_SUMMARY_H
#define SOCKBENCH_LOADGEN_REPORT_SUMMARY_H

#include "loadgen/plan/plan.h"
#include "loadgen/run.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A new report. before: host_state() taken before the run (the reference is
 * taken over). */
json_t *summary_make(const struct plan *plan, const struct run_result *result,
                     json_t *before, int argc, char *const *argv);

/* The exit code that the report's verdict stands for. */
int summary_exit_code(const json_t *report);

/* Two lines of summary, and unless brief the rows, the losses, the evidence and
 * the verdict. */
void summary_print(const json_t *report, bool brief, FILE *out);

#endif
