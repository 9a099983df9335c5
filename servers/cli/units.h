/*
 * Quantities as people type and read them.
 *
 * Durations: a decimal number and ns, us, ms, s, m or h ("1.5ms"); "0" alone
 * needs no unit. Sizes: bytes, with k, M or G for powers of 1024 ("64k").
 * Counts and rates: with k, M or G for powers of 1000 ("50k").
 *
 * All parsers return 0, -EINVAL (not such a quantity) or -ERANGE (does not
 * fit), and leave *ret untouched on failure.
 */
#ifndef SOCKBENCH_SERVERS_CLI_UNITS_H
#define SOCKBENCH_SERVERS_CLI_UNITS_H

#include <stdint.h>

#define UNITS_TEXT_MAX 32
#define UNITS_THINGS_MAX 64

int units_parse_duration(const char *text, uint64_t *ret_ns);
int units_parse_bytes(const char *text, uint64_t *ret_bytes);
int units_parse_count(const char *text, uint64_t *ret_count);
int units_parse_rate(const char *text, double *ret_per_s);

/* "940 ns", "12.3 us", "1.02 ms", "1.5 s": three figures. Returns text. */
char *units_format_duration(uint64_t ns, char text[static UNITS_TEXT_MAX]);

/* "1,234,567". Returns text. */
char *units_format_count(uint64_t count, char text[static UNITS_TEXT_MAX]);

/* "1 reply", "1,234 replies". Returns text. */
char *units_format_things(uint64_t count, const char *one, const char *many,
                          char text[static UNITS_THINGS_MAX]);

/* "64 B", "65,507 B", "16 KiB", "1.50 MiB". Returns text. */
char *units_format_bytes(uint64_t bytes, char text[static UNITS_TEXT_MAX]);

#endif
