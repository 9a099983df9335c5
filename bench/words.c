#include "bench/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One word from *at on, without its quotes, into word. 0 or -EINVAL. */
static int take(const char **at, char *word)
{
    char quote = '\0';
    for (; **at && (quote || !strchr(" \t\n", **at)); (*at)++) {
        const char letter = **at;
        if (quote ? letter != quote : letter != '\'' && letter != '"')
            *word++ = letter;
        else if (quote)
            quote = '\0';
        else
            quote = letter;
    }
    *word = '\0';
    return quote ? -EINVAL : 0;
}

int words_split(const char *text, struct words *ret_words)
{
    *ret_words = (struct words){0};
    char *word = malloc(strlen(text) + 1);
    int r = word ? 0 : -ENOMEM;
    for (const char *at = text + strspn(text, " \t\n"); r == 0 && *at;
         at += strspn(at, " \t\n")) {
        if (ret_words->count == WORDS_MAX)
            r = -E2BIG;
        else
            r = take(&at, word);
        char *copy = r == 0 ? strdup(word) : NULL;
        if (r == 0 && !copy)
            r = -ENOMEM;
        if (copy)
            ret_words->list[ret_words->count++] = copy;
    }
    free(word);
    return r;
}

void words_done(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i]);
    *words = (struct words){0};
}

bool word_is_one_of(const char *word, const char *const *names)
{
    for (; names && *names; names++) {
        if (strcmp(word, *names) == 0)
            return true;
    }
    return false;
}
