/*
 * How programs speak on stderr: one line, "program: what: why". Libraries
 * never call these; programs do.
 */
#ifndef SOCKBENCH_SERVERS_CLI_LOG_H
#define SOCKBENCH_SERVERS_CLI_LOG_H

/* Exit codes, the same in every program. */
enum exit_code {
    EXIT_PASS = 0,
    EXIT_FAILED = 1,        /* failed to run */
    EXIT_USAGE = 2,         /* bad words or configuration */
    EXIT_REGRESSION = 3,    /* the candidate is slower */
    EXIT_INCONCLUSIVE = 4,  /* invalid or incomplete measurement */
    EXIT_IMPOSSIBLE = 77,   /* not possible on this machine */
    EXIT_INTERRUPTED = 130, /* Ctrl-C; the report was kept */
};

/*
 * Remembers the last part of argv0 for later lines; it is not copied. Standard
 * descriptors that are closed are opened on something that refuses their use:
 * else the next socket would get the number, and what is printed would go to
 * whoever is at its other end.
 */
void log_open(const char *argv0);
const char *log_program(void);

/* One line on stderr in one write; control characters become '?'. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* EXIT_PASS when all that was printed on stdout got there; else says so, and
 * EXIT_FAILED. (A buffer that filled up earlier has met the full device then:
 * the last flush alone does not tell.) */
int log_stdout_code(void);

/*
 * Like log_line, but at most `per_s` lines a second from this call on; what
 * was held back is counted and told with the next line that passes.
 * Thread-safe.
 */
void log_limited(unsigned per_s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
