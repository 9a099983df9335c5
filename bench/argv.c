#include "bench/argv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void argv_add(struct argv *argv, const char *word)
{
    char *copy = argv->count < ARGV_MAX ? strdup(word) : NULL;
    if (!copy) {
        argv->failed = true;
        return;
    }
    argv->words[argv->count++] = copy;
    argv->words[argv->count] = NULL;
}

void argv_add_option(struct argv *argv, const char *name, const char *value)
{
    char option[80];
    snprintf(option, sizeof option, "--%s", name);
    argv_add(argv, option);
    argv_add(argv, value);
}

/* The index of the name that at begins with in braces, or -1. */
static int match(const char *at, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        if (at[0] == '{' && strncmp(at + 1, names[i], n) == 0 &&
            at[n + 1] == '}')
            return i;
    }
    return -1;
}

void argv_add_filled(struct argv *argv, const char *template,
                     const char *const *names, const char *const *values)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        argv->failed = true;
        return;
    }
    for (const char *at = template; *at;) {
        int i = match(at, names);
        if (i < 0) {
            fputc(*at++, out);
            continue;
        }
        fputs(values[i], out);
        at += strlen(names[i]) + 2;
    }
    if (fclose(out) != 0 || !text)
        argv->failed = true;
    else
        argv_add(argv, text);
    free(text);
}

void argv_done(struct argv *argv)
{
    for (size_t i = 0; i < argv->count; i++)
        free(argv->words[i]);
    *argv = (struct argv){0};
}
