#include "loadgen/report/config.h"

#include "loadgen/measure/report.h"

#include <stdio.h>
#include <string.h>

static const char *unit_of(enum option_type type)
{
    switch (type) {
    case OPTION_BYTES:
        return "_bytes";
    case OPTION_DURATION:
        return "_ns";
    case OPTION_RATE:
        return "_per_s";
    case OPTION_RATIO:
        return "_ratio";
    default:
        return "";
    }
}

static void put_value(json_t *config, const char *key, enum option_type type,
                      const void *value)
{
    switch (type) {
    case OPTION_FLAG:
    case OPTION_SWITCH:
        put_flag(config, key, *(const bool *)value);
        break;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        put_text(config, key, *(const char *const *)value);
        break;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        put_count(config, key, *(const uint64_t *)value);
        break;
    case OPTION_RATE:
    case OPTION_RATIO:
        put_real(config, key, *(const double *)value);
        break;
    }
}

void put_config(json_t *report, const struct option_table *table,
                const void *values)
{
    json_t *config = put_object(report, "config");
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *row = &table->options[i];
        char key[64];
        snprintf(key, sizeof key, "%s%s", row->name, unit_of(row->type));
        for (char *c = strchr(key, '-'); c; c = strchr(c, '-'))
            *c = '_';
        put_value(config, key, row->type, (const char *)values + row->offset);
    }
}
