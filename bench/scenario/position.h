/*
 * Where in a JSON text a value stands, for messages: jansson keeps no
 * positions. The text must have passed jansson already.
 */
#ifndef SOCKBENCH_BENCH_SCENARIO_POSITION_H
#define SOCKBENCH_BENCH_SCENARIO_POSITION_H

#include <stdbool.h>
#include <stddef.h>

/* A path from a value up to the root: a key in an object, or an index. The
 * root has neither: up is NULL. */
struct path {
    const struct path *up;
    const char *key; /* NULL: index counts */
    size_t index;
};

struct position {
    unsigned line;   /* from 1 */
    unsigned column; /* from 1, in characters */
};

/*
 * The value at path, or its key when of_key is set. Where the path leads
 * nowhere (a missing member), the innermost container that exists.
 */
struct position position_find(const char *text, size_t length,
                              const struct path *path, bool of_key);

#endif
