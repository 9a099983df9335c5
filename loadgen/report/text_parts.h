/*
 * The text of a report, as its rooms see it: each writes one block, from the
 * report's JSON and nothing else, and nothing where the report has nothing to
 * say about it. `text_values` finds the values.
 */
#ifndef SOCKBENCH_LOADGEN_REPORT_TEXT_PARTS_H
#define SOCKBENCH_LOADGEN_REPORT_TEXT_PARTS_H

#include "servers/cli/units.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define QUANTILE_TEXT_MAX (UNITS_TEXT_MAX + 2)

/* The value at a path such as "load.flows.served"; NULL, 0 or "-" where it is
 * not there. */
json_t *text_at(const json_t *object, const char *path);
uint64_t text_count(const json_t *object, const char *path);
double text_real(const json_t *object, const char *path);
const char *text_word(const json_t *object, const char *path);

/* A run that ended in its warm-up has none. */
bool text_has_window(const json_t *report);
#define TEXT_NO_WINDOW "the run ended before its window began"

/* "1,235". Returns text. */
char *text_rounded(double value, char text[static UNITS_TEXT_MAX]);

/* The same of the number at a path: "-" for what is not known. */
const char *text_figure(const json_t *object, const char *path,
                        char text[static UNITS_TEXT_MAX]);

/* The row of quantile q of a histogram, or NULL. */
const json_t *text_quantile_row(const json_t *hist, double q);

/* The duration at q of a histogram: "-" where it was not given, "> 1 s" where
 * those that were given up hold its rank, "~5 us" where it is below what the
 * generator was late by. */
const char *text_quantile(const json_t *hist, double q,
                          char text[static QUANTILE_TEXT_MAX]);

void text_header(const json_t *report, FILE *out);
void text_latency(const json_t *report, FILE *out);
void text_requests(const json_t *report, FILE *out);
void text_datagrams(const json_t *report, FILE *out);
void text_tcp(const json_t *report, FILE *out);
void text_evidence(const json_t *report, FILE *out);
void text_verdict(const json_t *report, FILE *out);

#endif
