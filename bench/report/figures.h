/*
 * Measured numbers as people read them: doubles, rounded once. The graphs
 * round by the same rule (bench/graphs/render.js), so that a figure in the
 * table and the same figure in a graph agree.
 */
#ifndef SOCKBENCH_BENCH_REPORT_FIGURES_H
#define SOCKBENCH_BENCH_REPORT_FIGURES_H

#include <stdbool.h>

#define FIGURE_MAX 32

/* "940 ns", "4.74 us", "12.3 ms", "1.50 s": three figures. "-" for NAN.
 * Returns text. */
char *figure_duration(double ns, char text[static FIGURE_MAX]);

/* The same with a mark: "> 1.00 s" for INFINITY, of which only `above` is
 * known, and "~4.74 us" where `doubtful`. Returns text. */
char *figure_percentile(double ns, double above, bool doubtful,
                        char text[static FIGURE_MAX]);

/* "1,234,567". "-" for NAN. Returns text. */
char *figure_count(double count, char text[static FIGURE_MAX]);

/* "330 KiB", "1.69 MiB": three figures. "-" for NAN. Returns text. */
char *figure_memory(double bytes, char text[static FIGURE_MAX]);

#endif
