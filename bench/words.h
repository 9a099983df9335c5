/* A line of words as a shell would split it: blanks part them, quotes hold them
 * together; nothing is expanded. */
#ifndef SOCKBENCH_BENCH_WORDS_H
#define SOCKBENCH_BENCH_WORDS_H

#include <stddef.h>

#define WORDS_MAX 64

struct words {
    char *list[WORDS_MAX + 1]; /* NULL-terminated */
    size_t count;
};

/* 0; -EINVAL (an open quote), -E2BIG (more than WORDS_MAX) or -ENOMEM. Free
 * with words_done either way. */
int words_split(const char *text, struct words *ret_words);
void words_done(struct words *words);

#endif
