/* Values of the report, found by their path and put into words. */
#include "loadgen/report/text_parts.h"

#include <stdio.h>
#include <string.h>

json_t *text_at(const json_t *object, const char *path)
{
    char key[64];
    json_t *found = NULL;
    while (object && *path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        found = json_object_get(object, key);
        object = found;
        path += length + (path[length] == '.');
    }
    return found;
}

uint64_t text_count(const json_t *object, const char *path)
{
    return (uint64_t)json_integer_value(text_at(object, path));
}

double text_real(const json_t *object, const char *path)
{
    return json_number_value(text_at(object, path));
}

const char *text_word(const json_t *object, const char *path)
{
    const char *text = json_string_value(text_at(object, path));
    return text ? text : "-";
}

bool text_has_window(const json_t *report)
{
    return text_count(report, "window.length_ns") > 0;
}

char *text_rounded(double value, char text[static UNITS_TEXT_MAX])
{
    return units_format_count(value > 0 ? (uint64_t)(value + 0.5) : 0, text);
}

const char *text_figure(const json_t *object, const char *path,
                        char text[static UNITS_TEXT_MAX])
{
    return json_is_number(text_at(object, path))
               ? text_rounded(text_real(object, path), text)
               : "-";
}

const json_t *text_quantile_row(const json_t *hist, double q)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(hist, "quantiles"), i, row)
    {
        double its = json_number_value(json_object_get(row, "q"));
        if (its > q - 1e-9 && its < q + 1e-9)
            return row;
    }
    return NULL;
}

const char *text_quantile(const json_t *hist, double q,
                          char text[static QUANTILE_TEXT_MAX])
{
    char number[UNITS_TEXT_MAX];
    const json_t *row = text_quantile_row(hist, q);
    if (!row)
        return "-";
    bool censored = json_is_null(text_at(row, "value_ns"));
    const char *mark = censored                                       ? "> "
                       : json_is_true(text_at(row, "below_lateness")) ? "~"
                                                                      : "";
    units_format_duration(text_count(row, censored ? "above_ns" : "value_ns"),
                          number);
    snprintf(text, QUANTILE_TEXT_MAX, "%s%s", mark, number);
    return text;
}
