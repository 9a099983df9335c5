/* A thread for every client: starting, counting, and ending them all. */
#ifndef SOCKBENCH_SERVERS_SUPPORT_THREADS_H
#define SOCKBENCH_SERVERS_SUPPORT_THREADS_H

#include "servers/server.h"

struct thread_client;

struct threads {
    void *context;
    void (*serve)(void *context, int fd);
    pthread_mutex_t lock;
    pthread_cond_t all_gone;
    struct thread_client *first; /* those that run */
    uint64_t count;
};

/* serve is called in each new thread with context, and closes fd. */
void threads_init(struct threads *threads, void *context,
                  void (*serve)(void *context, int fd));

/* Starts a thread that owns fd. 0 or -errno, fd untouched then. */
int threads_start(struct threads *threads, int fd);

uint64_t threads_count(struct threads *threads);

/*
 * Waits until every thread is gone, interrupting their blocking calls every
 * STOP_POKE_NS: one poke could come just before a thread blocks.
 */
void threads_join(struct threads *threads);

#endif
