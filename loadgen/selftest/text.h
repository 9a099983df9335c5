#ifndef SOCKBENCH_LOADGEN_SELFTEST_TEXT_H
#define SOCKBENCH_LOADGEN_SELFTEST_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The findings as a person reads them. kept: they are of an earlier day. */
void selftest_print(const json_t *report, bool kept, FILE *out);

#endif
