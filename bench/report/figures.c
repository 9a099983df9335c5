#include "bench/report/figures.h"

#include "servers/cli/units.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

_Static_assert(FIGURE_MAX >= UNITS_TEXT_MAX, "a count fits");

/* Three figures of a value below 1000. */
static char *scaled(double value, const char *unit,
                    char text[static FIGURE_MAX])
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    double factor = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
    snprintf(text, FIGURE_MAX, "%.*f %s", decimals,
             round(value * factor) / factor, unit);
    return text;
}

static char *unknown(char text[static FIGURE_MAX])
{
    text[0] = '-';
    text[1] = '\0';
    return text;
}

char *figure_duration(double ns, char text[static FIGURE_MAX])
{
    if (isnan(ns))
        return unknown(text);
    if (ns < 999.5)
        snprintf(text, FIGURE_MAX, "%.0f ns", round(ns));
    else if (ns < 999500)
        scaled(ns / 1e3, "us", text);
    else if (ns < 999500000)
        scaled(ns / 1e6, "ms", text);
    else
        scaled(ns / 1e9, "s", text);
    return text;
}

char *figure_percentile(double ns, double above, bool doubtful,
                        char text[static FIGURE_MAX])
{
    char number[FIGURE_MAX];
    if (isnan(ns) || (isinf(ns) && isnan(above)))
        return unknown(text);
    figure_duration(isinf(ns) ? above : ns, number);
    snprintf(text, FIGURE_MAX, "%s%.28s",
             isinf(ns)  ? "> "
             : doubtful ? "~"
                        : "",
             number);
    return text;
}

char *figure_count(double count, char text[static FIGURE_MAX])
{
    if (isnan(count))
        return unknown(text);
    return units_format_count((uint64_t)round(count), text);
}

char *figure_memory(double bytes, char text[static FIGURE_MAX])
{
    double kib = bytes / 1024;
    if (isnan(bytes))
        return unknown(text);
    if (kib < 1023.5)
        snprintf(text, FIGURE_MAX, "%.0f KiB", round(kib));
    else if (kib < 1023.5 * 1024)
        scaled(kib / 1024, "MiB", text);
    else
        scaled(kib / 1024 / 1024, "GiB", text);
    return text;
}
