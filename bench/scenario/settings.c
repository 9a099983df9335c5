#include "bench/scenario/settings.h"

#include "bench/words.h"
#include "servers/cli/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_STRUCT_MAX 1024 /* greater than any struct of options */

/* The text that the command line would have; NULL for what has none. */
static char *text_of(const json_t *value)
{
    char number[64];
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "on" : "off");
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.15g", json_real_value(value));
    else
        return NULL;
    return strdup(number);
}

/* One value of one option, checked as the command line would. */
int setting_read(const struct source *source, const struct path *path,
                 const struct option_table *table, const char *name,
                 const json_t *value, char **ret_text)
{
    _Alignas(16) char config[OPTION_STRUCT_MAX] = {0};
    struct option_error error;
    char *text = text_of(value);
    if (!text)
        return refuse_value(source, path,
                            "%s must be a text, a number, true or false", name);
    if (options_set(table, name, text, config, &error) < 0) {
        free(text);
        return refuse_value(source, path, "%s", error.text);
    }
    *ret_text = text;
    return 0;
}

int setting_check(const struct source *source, const struct path *at,
                  const struct option_words *words)
{
    if (word_is_one_of(at->key, words->reserved))
        return refuse_key(source, at, "'%s' is decided by the bench", at->key);
    if (word_is_one_of(at->key, words->sharded))
        return refuse_key(source, at, "'%s' is decided by the sharded layout",
                          at->key);
    if (options_find(words->table, at->key))
        return 0;
    const char *near = words->own ? nearest_name(at->key, words->own) : NULL;
    return refuse_unknown_key(
        source, at, near ? near : options_nearest(words->table, at->key));
}

/* The options among the keys of object. */
int settings_read(const struct source *source, json_t *object,
                  const struct path *path, const struct option_words *words,
                  struct settings *ret_settings)
{
    const char *key;
    json_t *value;
    ret_settings->list =
        calloc(json_object_size(object) + 1, sizeof *ret_settings->list);
    if (!ret_settings->list)
        return -ENOMEM;
    json_object_foreach(object, key, value)
    {
        struct path at = {path, key, 0};
        struct setting *setting = &ret_settings->list[ret_settings->count];
        if (word_is_one_of(key, words->own))
            continue;
        int r = setting_check(source, &at, words);
        if (r == 0)
            r = setting_read(source, &at, words->table, key, value,
                             &setting->text);
        if (r < 0)
            return r;
        setting->name = key;
        ret_settings->count++;
    }
    return 0;
}

const char *settings_get(const struct settings *settings, const char *name)
{
    const char *text = NULL;
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->list[i].name, name) == 0)
            text = settings->list[i].text;
    }
    return text;
}

void settings_done(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        free(settings->list[i].text);
    free(settings->list);
}
