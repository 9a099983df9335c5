/*
 * One table a program: it gives parsing, --help, the config block of a report,
 * the keys of a scenario and the check of the man page. getopt_long does the
 * lexing.
 */
#ifndef SOCKBENCH_SERVERS_CLI_OPTIONS_H
#define SOCKBENCH_SERVERS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_FLAG,     /* bool, set by its presence */
    OPTION_SWITCH,   /* bool, on|off */
    OPTION_TEXT,     /* const char *, points into argv or the table */
    OPTION_CHOICE,   /* const char *, one of the names in `choices` */
    OPTION_COUNT,    /* uint64_t; 50k = 50,000 */
    OPTION_BYTES,    /* uint64_t; 64k = 65,536 */
    OPTION_DURATION, /* uint64_t ns */
    OPTION_RATE,     /* double per second */
    OPTION_RATIO,    /* double */
};

struct option_spec {
    const char *name; /* canonical long name, without the dashes */
    char letter;      /* short name, or 0 */
    enum option_type type;
    size_t offset;        /* of the value in the config struct */
    const char *argument; /* what --help calls the argument; NULL for flags */
    const char *fallback; /* the default as it would be typed; NULL: zero */
    const char *help;     /* one line */
    uint64_t min;         /* inclusive, for numbers; 0, 0: no limits */
    uint64_t max;
    const char *choices; /* for OPTION_CHOICE: "a|b|c" */
    /* Optional: NULL when text is good, else why it is not. */
    const char *(*check)(const char *text);
    bool adds; /* OPTION_TEXT: given again it adds to the text, by a comma */
    unsigned needs; /* bits of the program's own; 0: nothing in particular */
};

struct option_table {
    const char *usage;   /* after the program's name, one line */
    const char *summary; /* what the program does, one or two lines */
    const char *closing; /* examples and exit codes, printed last; or NULL */
    const struct option_spec *options;
    size_t count;
};

struct option_error {
    char text[320]; /* what, on what, why: one line */
};

/* Puts every default into config. The defaults are known good. */
void options_defaults(const struct option_table *table, void *config);

/*
 * Parses argv into config, which must hold the defaults. --help and --version
 * are not treated here: they are flags of the table. argv is permuted; operands
 * begin at argv[*ret_operands]. 0, or -EINVAL with *error filled.
 */
int options_parse(const struct option_table *table, int argc, char **argv,
                  void *config, int *ret_operands, struct option_error *error);

/* Sets one option from text, as a scenario does. 0, or -EINVAL with *error. */
int options_set(const struct option_table *table, const char *name,
                const char *text, void *config, struct option_error *error);

/* Whether config has another value of it than the default: to type the default
 * is to ask for nothing. */
bool options_changed(const struct option_spec *option, const void *config);

/* The row called name, or NULL. */
const struct option_spec *options_find(const struct option_table *table,
                                       const char *name);

/* The row whose name is nearest, or NULL. */
const char *options_nearest(const struct option_table *table, const char *name);

/* --help: usage, summary, an aligned row an option, closing. */
void options_help(const struct option_table *table, const char *program,
                  FILE *out);

#endif
