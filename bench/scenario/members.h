/*
 * Members of a JSON file that people wrote, taken out one by one. What is not
 * as it must be is refused in one line, file:line:col: reason.
 *
 * An absent member is no fault: its result keeps the value that it had.
 */
#ifndef SOCKBENCH_BENCH_SCENARIO_MEMBERS_H
#define SOCKBENCH_BENCH_SCENARIO_MEMBERS_H

#include "bench/scenario/position.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The file, for the line and column of what is refused. */
struct source {
    const char *file;
    const char *text;
    size_t length;
    char *error; /* where the line goes */
    size_t error_size;
};

/* Both write the line and return -EINVAL: of the value at path, of its key. */
int refuse_value(const struct source *source, const struct path *path,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));
int refuse_key(const struct source *source, const struct path *path,
               const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A key that nobody knows; near is what may have been meant, or NULL. */
int refuse_unknown_key(const struct source *source, const struct path *path,
                       const char *near);

/* Every key of object, which stands at path, must be one of names. */
int members_check(const struct source *source, json_t *object,
                  const struct path *path, const char *const *names);

/* The member called key of object, which stands at path: a text, which lives in
 * object, and a whole number from min to max. 0 or -EINVAL. */
int member_text(const struct source *source, json_t *object,
                const struct path *path, const char *key,
                const char **ret_text);
int member_number(const struct source *source, json_t *object,
                  const struct path *path, const char *key, uint64_t min,
                  uint64_t max, uint64_t *ret_number);

/* The same of a list with 1 to max entries, or an object with at most max.
 * Where it is absent *ret is NULL. */
int member_container(const struct source *source, json_t *object,
                     const struct path *path, const char *key, bool list,
                     size_t max, json_t **ret);

#endif
