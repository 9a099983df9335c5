/*
 * Building and writing reports. jansson drops a key whose value is NULL (and
 * json_real(NAN) is NULL), so every value passes through these helpers: what is
 * absent is null, never missing and never NaN.
 *
 * The put_ functions take the object first and never fail visibly: out of
 * memory marks the object (see report_failed), and report_write refuses it.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_REPORT_H
#define SOCKBENCH_LOADGEN_MEASURE_REPORT_H

#include "loadgen/measure/hist.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void put_text(json_t *object, const char *key,
              const char *text); /* NULL: null */
void put_count(json_t *object, const char *key, uint64_t count);
void put_real(json_t *object, const char *key, double value); /* NAN: null */
void put_flag(json_t *object, const char *key, bool flag);
void put_null(json_t *object, const char *key);
void put_json(json_t *object, const char *key, json_t *value); /* takes value */

/* A new object or array under key, borrowed. */
json_t *put_object(json_t *object, const char *key);
json_t *put_array(json_t *object, const char *key);

/* numerator / denominator, or null when there is nothing to divide by. */
void put_ratio(json_t *object, const char *key, double numerator,
               double denominator);

/* What a reader of a histogram's quantiles must know beside the samples. */
struct hist_limits {
    uint64_t censored; /* requests given up, which rank above all samples */
    uint64_t above_ns; /* and of which only this is known: they took longer */
    uint64_t lateness_ns; /* values below it are marked; 0: none */
};

/* A histogram: {count, censored, min_ns, max_ns, mean_ns, stddev_ns,
 * hdr_v2_base64, quantiles[]}, or null when it is empty. */
void put_hist(json_t *object, const char *key, const struct hist *hist);
void put_hist_within(json_t *object, const char *key, const struct hist *hist,
                     const struct hist_limits *limits);

/* tool{version, commit, compiler, flags, liburing}. */
void put_tool(json_t *object, const char *key, const char *liburing_version);

/* "2026-01-31T12:00:00Z". */
void put_utc_now(json_t *object, const char *key);

/* A random identity of 16 hexadecimal digits. */
void put_new_id(json_t *object, const char *key);

/* True when some value could not be put, for want of memory. */
bool report_failed(void);

/*
 * Writes json to path so that an earlier file of this name is whole at every
 * moment: a temporary file in the same folder, fflush, fsync, fclose, rename,
 * fsync of the folder. 0 or -errno; on failure the earlier file is untouched
 * and the temporary one is gone.
 */
int report_write_file(const json_t *json, const char *path);

/* The same with any text. */
int report_write_text_file(const char *text, const char *path);

/* Prints json and a newline on out; 0 or -errno (a full disk is -ENOSPC). */
int report_print(const json_t *json, FILE *out);

#endif
