#include "servers/cli/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Whoever writes EPOLL means epoll. */
static bool is_same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment distance; words are cut at WORD_MAX. */
static unsigned distance(const char *a, const char *b)
{
    size_t rows = strnlen(a, WORD_MAX);
    size_t columns = strnlen(b, WORD_MAX);
    unsigned table[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= rows; i++)
        table[i][0] = (unsigned)i;
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            unsigned replace = !is_same(a[i - 1], b[j - 1]);
            table[i][j] = min3(table[i - 1][j] + 1, table[i][j - 1] + 1,
                               table[i - 1][j - 1] + replace);
            if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
                is_same(a[i - 2], b[j - 1]) &&
                table[i - 2][j - 2] + 1 < table[i][j])
                table[i][j] = table[i - 2][j - 2] + 1;
        }
    }
    return table[rows][columns];
}

const char *nearest_name(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    size_t length = strlen(word);
    for (; *names; names++) {
        size_t d = distance(word, *names);
        size_t name_length = strlen(*names);
        /* A beginning of the name is a likely way to mean it. */
        if (d > 1 && length >= 2 && strncasecmp(word, *names, length) == 0)
            d = 1;
        if (d < best_distance &&
            2 * d <= (length > name_length ? length : name_length)) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}
