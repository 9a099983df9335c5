#include "bench/scenario/position.h"

#include <string.h>

#define STEPS_MAX 16 /* no path of a scenario is half as long */

struct place {
    size_t value; /* offset of the value's first character */
    size_t key;   /* offset of its key's quote, or of the value */
    bool found;
};

struct scanner {
    const char *text;
    size_t length;
};

static char at(const struct scanner *s, size_t i)
{
    if (i >= s->length)
        return '\0';
    return s->text[i];
}

static size_t skip_space(const struct scanner *s, size_t i)
{
    while (i < s->length && strchr(" \t\r\n", s->text[i]))
        i++;
    return i;
}

/* From an opening quote to after the closing one. */
static size_t skip_string(const struct scanner *s, size_t i)
{
    for (i++; i < s->length && s->text[i] != '"'; i++) {
        if (s->text[i] == '\\')
            i++;
    }
    return i + 1;
}

static size_t skip_value(const struct scanner *s, size_t i)
{
    size_t depth = 0;
    while (i < s->length) {
        char c = s->text[i];
        if (c == '"') {
            i = skip_string(s, i);
        } else if (c == '{' || c == '[') {
            depth++;
            i++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return i;
            depth--;
            i++;
        } else if (depth == 0 && c == ',') {
            return i;
        } else {
            i++;
            continue;
        }
        if (depth == 0)
            return i;
    }
    return i;
}

static bool key_is(const struct scanner *s, size_t quote, const char *key)
{
    size_t n = strlen(key);
    return quote + n + 1 < s->length &&
           memcmp(s->text + quote + 1, key, n) == 0 &&
           s->text[quote + 1 + n] == '"';
}

/* The member or element of the container at i that step names. */
static struct place enter(const struct scanner *s, size_t i,
                          const struct path *step)
{
    struct place lost = {i, i, false};
    char open = step->key ? '{' : '[';
    if (at(s, i) != open)
        return lost;
    i = skip_space(s, i + 1);
    for (size_t n = 0; i < s->length && at(s, i) != '}' && at(s, i) != ']';
         n++) {
        size_t key = i;
        if (step->key) {
            i = skip_space(s, skip_string(s, i));
            i = skip_space(s, i + 1); /* the colon */
        }
        if (step->key ? key_is(s, key, step->key) : n == step->index)
            return (struct place){i, key, true};
        i = skip_space(s, skip_value(s, i));
        if (at(s, i) == ',')
            i = skip_space(s, i + 1);
    }
    return lost;
}

static struct place locate(const struct scanner *s, const struct path *path)
{
    const struct path *steps[STEPS_MAX];
    size_t count = 0;
    for (; path->up && count < STEPS_MAX; path = path->up)
        steps[count++] = path;
    size_t i = skip_space(s, 0);
    struct place place = {i, i, true};
    while (count > 0 && place.found)
        place = enter(s, place.value, steps[--count]);
    return place;
}

struct position position_find(const char *text, size_t length,
                              const struct path *path, bool of_key)
{
    struct scanner s = {text, length};
    struct place place = locate(&s, path);
    size_t offset = of_key ? place.key : place.value;
    struct position position = {1, 1};
    for (size_t i = 0; i < offset && i < length; i++) {
        if (text[i] == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            position.column++;
        }
    }
    return position;
}
