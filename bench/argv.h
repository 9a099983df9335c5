/* A command line under construction. */
#ifndef SOCKBENCH_BENCH_ARGV_H
#define SOCKBENCH_BENCH_ARGV_H

#include <stdbool.h>
#include <stddef.h>

#define ARGV_MAX 200

struct argv {
    char *words[ARGV_MAX + 1]; /* NULL-terminated */
    size_t count;
    bool failed; /* out of memory or of room */
};

/* Adds a word. */
void argv_add(struct argv *argv, const char *word);

/* Adds "--name" and its value. */
void argv_add_option(struct argv *argv, const char *name, const char *value);

/*
 * Adds template with each {name} of names replaced by its value; other braces
 * stand for themselves.
 */
void argv_add_filled(struct argv *argv, const char *template,
                     const char *const *names, const char *const *values);

/* Frees the words; the struct is empty again. */
void argv_done(struct argv *argv);

#endif
