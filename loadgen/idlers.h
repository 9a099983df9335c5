/*
 * Clients that connect and stay silent (--idle-clients 8:2s): after their time
 * they make one request, wait for its reply, close, and come again. What they
 * do to the others is the measurement; they themselves enter no histogram and
 * no account. A thread of their own, never pinned, which mostly sleeps.
 */
#ifndef SOCKBENCH_LOADGEN_IDLERS_H
#define SOCKBENCH_LOADGEN_IDLERS_H

#include <stdint.h>

struct course;
struct idlers;

struct idlers_words {
    uint32_t count; /* 0: none */
    uint64_t idle_ns;
};

struct idlers_counts {
    uint64_t connected; /* times, over all of them */
    uint64_t served;    /* right replies */
    uint64_t failed;    /* connections that broke, or wrong replies */
};

#define IDLERS_MAX 1000000u
#define IDLERS_TEXT                                                            \
    "how many and for how long, such as 8:2s (1:1ms to 1000000:1h)"

/* "8:2s". 0 or -EINVAL. */
int idlers_parse(const char *text, struct idlers_words *ret);

/*
 * Starts them; they are the first at the server: returns when all are
 * connected, or a second later. Flow numbers go on behind the course's
 * connections. 0 or -errno.
 */
int idlers_start(struct idlers **ret, struct course *course,
                 const struct idlers_words *words);

/* Closes their connections and tells what they counted. NULL is fine. */
void idlers_stop(struct idlers *idlers, struct idlers_counts *ret_counts);

#endif
