#include "bench/scenario/members.h"

#include "bench/words.h"
#include "servers/cli/nearest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int fail_at(const struct source *source, struct position position,
                   const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static int fail_at(const struct source *source, struct position position,
                   const char *format, va_list arguments)
{
    char *out = source->error;
    size_t size = source->error_size;
    int n = snprintf(out, size, "%s:%u:%u: ", source->file, position.line,
                     position.column);
    if (n > 0 && (size_t)n < size)
        vsnprintf(out + n, size - (size_t)n, format, arguments);
    return -EINVAL;
}

int refuse_value(const struct source *source, const struct path *path,
                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r = fail_at(source,
                    position_find(source->text, source->length, path, false),
                    format, arguments);
    va_end(arguments);
    return r;
}

int refuse_key(const struct source *source, const struct path *path,
               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r =
        fail_at(source, position_find(source->text, source->length, path, true),
                format, arguments);
    va_end(arguments);
    return r;
}

int refuse_unknown_key(const struct source *source, const struct path *path,
                       const char *near)
{
    return refuse_key(source, path, "unknown key '%s'%s%s%s", path->key,
                      near ? " (did you mean '" : "", near ? near : "",
                      near ? "'?)" : "");
}

/* Every key of object must be one of names. */
int members_check(const struct source *source, json_t *object,
                  const struct path *path, const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        struct path at = {path, key, 0};
        if (!word_is_one_of(key, names))
            return refuse_unknown_key(source, &at, nearest_name(key, names));
    }
    return 0;
}

/* An optional string; *ret keeps its value where it is absent. */
int member_text(const struct source *source, json_t *object,
                const struct path *path, const char *key, const char **ret_text)
{
    struct path at = {path, key, 0};
    json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return refuse_value(source, &at, "%s must be a text", key);
    if (strlen(json_string_value(value)) > 2000)
        return refuse_value(source, &at, "%s is too long", key);
    *ret_text = json_string_value(value);
    return 0;
}

int member_number(const struct source *source, json_t *object,
                  const struct path *path, const char *key, uint64_t min,
                  uint64_t max, uint64_t *ret_number)
{
    struct path at = {path, key, 0};
    json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) < min ||
        (uint64_t)json_integer_value(value) > max)
        return refuse_value(source, &at,
                            "%s must be a number from %" PRIu64 " to %" PRIu64,
                            key, min, max);
    *ret_number = (uint64_t)json_integer_value(value);
    return 0;
}

/* A container under key with 1 to max entries; *ret is NULL where absent. */
int member_container(const struct source *source, json_t *object,
                     const struct path *path, const char *key, bool list,
                     size_t max, json_t **ret)
{
    struct path at = {path, key, 0};
    json_t *value = json_object_get(object, key);
    *ret = NULL;
    if (!value)
        return 0;
    if (list ? !json_is_array(value) : !json_is_object(value))
        return refuse_value(source, &at, "%s must be %s", key,
                            list ? "a list" : "an object");
    size_t count = list ? json_array_size(value) : json_object_size(value);
    if (list && count == 0)
        return refuse_value(source, &at, "%s is empty", key);
    if (count > max)
        return refuse_value(source, &at, "%s has more than %zu entries", key,
                            max);
    *ret = value;
    return 0;
}
