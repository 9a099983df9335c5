/* Ctrl-C and SIGTERM as a descriptor, so that what was measured is kept. */
#ifndef SOCKBENCH_BENCH_INTERRUPT_H
#define SOCKBENCH_BENCH_INTERRUPT_H

/*
 * Blocks SIGINT and SIGTERM, and ignores SIGPIPE and SIGXFSZ: a closed pipe or
 * a full disk is told by write(2), not by a death in the middle of a report. A
 * descriptor that is readable once a signal came, or -errno.
 */
int interrupt_open(void);

/* The signal that came, taken from the descriptor; or 0. */
int interrupt_take(int fd);

/* "interrupted (SIGINT)": why a report is not complete. */
const char *interrupt_text(int number);

#endif
