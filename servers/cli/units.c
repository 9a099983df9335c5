#include "servers/cli/units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct suffix {
    const char *name;
    double factor;
};

static const struct suffix duration_suffixes[] = {
    {"ns", 1},   {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
    {"m", 60e9}, {"h", 3600e9}, {NULL, 0},
};
static const struct suffix bytes_suffixes[] = {
    {"", 1},
    {"k", 1024},
    {"K", 1024},
    {"M", 1024. * 1024},
    {"G", 1024. * 1024 * 1024},
    {NULL, 0},
};
static const struct suffix count_suffixes[] = {
    {"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0},
};

/* A plain decimal number (no sign, no exponent, no "inf") and a suffix. */
static int parse_quantity(const char *text, const struct suffix *suffixes,
                          double *ret)
{
    size_t digits = strspn(text, "0123456789");
    size_t length = digits;
    if (text[length] == '.') {
        size_t fraction = strspn(text + length + 1, "0123456789");
        length += 1 + fraction;
        digits += fraction;
    }
    if (digits == 0 || length > 40)
        return -EINVAL;
    char number[48];
    memcpy(number, text, length);
    number[length] = '\0';
    double value = strtod(number, NULL);
    for (const struct suffix *suffix = suffixes; suffix->name; suffix++) {
        if (strcmp(text + length, suffix->name) == 0) {
            *ret = value * suffix->factor;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_whole(const char *text, const struct suffix *suffixes,
                       uint64_t *ret)
{
    double value;
    int r = parse_quantity(text, suffixes, &value);
    if (r < 0)
        return r;
    if (value >= 0x1p63)
        return -ERANGE;
    double rounded = round(value);
    if (fabs(value - rounded) > 1e-6 * (value > 1 ? value : 1))
        return -EINVAL;
    *ret = (uint64_t)rounded;
    return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
    if (strcmp(text, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    return parse_whole(text, duration_suffixes, ret_ns);
}

int units_parse_bytes(const char *text, uint64_t *ret_bytes)
{
    return parse_whole(text, bytes_suffixes, ret_bytes);
}

int units_parse_count(const char *text, uint64_t *ret_count)
{
    return parse_whole(text, count_suffixes, ret_count);
}

int units_parse_rate(const char *text, double *ret_per_s)
{
    return parse_quantity(text, count_suffixes, ret_per_s);
}

static char *format_scaled(double value, const char *unit,
                           char text[static UNITS_TEXT_MAX])
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text, UNITS_TEXT_MAX, "%.*f %s", decimals, value, unit);
    return text;
}

char *units_format_duration(uint64_t ns, char text[static UNITS_TEXT_MAX])
{
    if (ns < 1000)
        snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 " ns", ns);
    else if (ns < 999500)
        format_scaled((double)ns / 1e3, "us", text);
    else if (ns < 999500000)
        format_scaled((double)ns / 1e6, "ms", text);
    else
        format_scaled((double)ns / 1e9, "s", text);
    return text;
}

char *units_format_count(uint64_t count, char text[static UNITS_TEXT_MAX])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

char *units_format_things(uint64_t count, const char *one, const char *many,
                          char text[static UNITS_THINGS_MAX])
{
    char number[UNITS_TEXT_MAX];
    snprintf(text, UNITS_THINGS_MAX, "%s %s", units_format_count(count, number),
             count == 1 ? one : many);
    return text;
}

char *units_format_bytes(uint64_t bytes, char text[static UNITS_TEXT_MAX])
{
    static const char *const names[] = {"KiB", "MiB", "GiB"};
    char count[UNITS_TEXT_MAX];
    size_t i = 0;
    uint64_t unit = 1024;
    while (i < 2 && bytes >= 1024 * unit) {
        unit *= 1024;
        i++;
    }
    /* Sizes are chosen, not measured: what is no round number stays exact. */
    if (bytes >= 1024 && bytes % unit == 0)
        snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 " %s", bytes / unit,
                 names[i]);
    else if (bytes >= UINT64_C(1024) * 1024)
        format_scaled((double)bytes / (double)unit, names[i], text);
    else
        snprintf(text, UNITS_TEXT_MAX, "%s B",
                 units_format_count(bytes, count));
    return text;
}
