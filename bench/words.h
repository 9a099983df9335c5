/* Words: a line of them, and lists of those that are known. */
#ifndef SOCKBENCH_BENCH_WORDS_H
#define SOCKBENCH_BENCH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 64

struct words {
    char *list[WORDS_MAX + 1]; /* NULL-terminated */
    size_t count;
};

/* As a shell would split it: blanks part words, quotes hold them together;
 * nothing is expanded. 0; -EINVAL (an open quote), -E2BIG (more than WORDS_MAX)
 * or -ENOMEM. Free with words_done either way. */
int words_split(const char *text, struct words *ret_words);
void words_done(struct words *words);

/* Whether word is one of names, NULL-terminated; NULL: there are none. */
bool word_is_one_of(const char *word, const char *const *names);

#endif
