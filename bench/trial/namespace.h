/*
 * A network namespace of one's own, with nothing in it but a loopback: its
 * counters count what the two programs inside did, and nothing else. The
 * caller stays where it is; children enter between fork and exec.
 *
 * Root makes one alone; anybody else makes a user namespace around it, where
 * the machine allows that. Allowed is found out by doing: until the loopback is
 * up, it is not.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_NAMESPACE_H
#define SOCKBENCH_BENCH_TRIAL_NAMESPACE_H

struct namespace
{
    int user_fd; /* -1: the caller's own */
    int net_fd;  /* -1: there is none */
};

/* A struct that namespace_done accepts, and that stands for no namespace. */
void namespace_init(struct namespace *space);

/* 0, or -errno of what the machine refused; the struct is as init left it
 * then. The namespace lasts until done, and while somebody is inside. */
int namespace_open(struct namespace *space);

/* What a result of namespace_open below 0 means, in words. */
const char *namespace_words(int error);

/* Moves the calling process, which must have one thread. Async-signal-safe. A
 * death signal asked for before is forgotten by the kernel. 0 or -errno. */
int namespace_enter(const struct namespace *space);

void namespace_done(struct namespace *space);

#endif
