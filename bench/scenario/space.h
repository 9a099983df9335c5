/* Whether a trial has a network namespace to itself, as it is asked for. */
#ifndef SOCKBENCH_BENCH_SCENARIO_SPACE_H
#define SOCKBENCH_BENCH_SCENARIO_SPACE_H

#define SPACE_CHOICES "auto|private|host"
#define SPACE_HELP                                                             \
    "a network namespace for server and load: auto (for datagrams, where "     \
    "allowed), private (for all) or host (none)"

enum space {
    SPACE_AUTO,    /* datagrams do, where the machine allows it */
    SPACE_PRIVATE, /* yes, or it is skipped */
    SPACE_HOST,    /* no */
};

/* "auto", "private" or "host". 0, or -EINVAL for another text. */
int space_parse(const char *text, enum space *ret_space);

#endif
