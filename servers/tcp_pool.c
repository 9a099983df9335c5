/*
 * Thread pool: the main thread accepts and puts the clients into a queue;
 * --workers threads take them out and serve each to its end.
 *
 *     main:    accept --> put --> accept --> put --> ...
 *                          |
 *                     [ queue: a mutex, a condition variable ]
 *                          |
 *     thread:            take --> recv <--> send --> close --> take --> ...
 *
 * Threads are started once, and there are never more than were asked for: load
 * makes the queue longer, not the machine slower. The queue is bounded too, by
 * --max-clients; who finds it full is refused. But a thread serves its client
 * until that leaves, so clients that stay keep those in the queue waiting.
 *
 * Compare with tcp_thread.c, where a thread comes with each client, and with
 * tcp_prefork.c, where the kernel's backlog is the queue.
 */
#include "servers/server.h"
#include "servers/support/accept.h"
#include "servers/support/blocking.h"
#include "servers/support/threads.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct pool {
    struct server *server;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    int *fds; /* a ring of max_clients places */
    uint64_t begin, waiting;
    uint64_t clients; /* waiting or served */
    bool closed;
};

/* Who finds the queue full is refused. */
static void put(struct pool *pool, int fd, struct server_counters *counters)
{
    const uint64_t places = pool->server->max_clients;
    pthread_mutex_lock(&pool->lock);
    if (!accept_refuse(fd, pool->clients, places, counters)) {
        pool->fds[(pool->begin + pool->waiting) % places] = fd;
        pool->waiting++;
        pool->clients++;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* The next client, however long that takes; -1 when the pool is closed. */
static int take(struct pool *pool)
{
    int fd = -1;
    pthread_mutex_lock(&pool->lock);
    while (pool->waiting == 0 && !pool->closed)
        pthread_cond_wait(&pool->changed, &pool->lock);
    if (!pool->closed) {
        fd = pool->fds[pool->begin];
        pool->begin = (pool->begin + 1) % pool->server->max_clients;
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->lock);
    return fd;
}

static void part_from(struct pool *pool, int fd)
{
    close(fd);
    pthread_mutex_lock(&pool->lock);
    pool->clients--;
    pthread_mutex_unlock(&pool->lock);
}

static void work(void *context, int number)
{
    struct pool *pool = context;
    struct server_counters counters = {0};
    uint8_t *buffer = malloc(pool->server->options->buffer_bytes);
    const bool pinned = workers_pin(pool->server, (unsigned)number) == 0;
    int fd;
    while (buffer && pinned && (fd = take(pool)) >= 0) {
        blocking_serve(pool->server, fd, buffer, &counters);
        part_from(pool, fd);
        counters.closed++;
    }
    free(buffer);
    server_count_worker(pool->server, (unsigned)number, &counters);
}

/* Those that wait were not served yet: they are closed like the backlog. */
static void close_queue(struct pool *pool, struct server_counters *counters)
{
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    for (; pool->waiting > 0; pool->waiting--) {
        close(pool->fds[pool->begin]);
        pool->begin = (pool->begin + 1) % pool->server->max_clients;
        counters->closed++;
    }
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

int tcp_pool_run(struct server *server)
{
    struct server_counters counters = {0};
    struct threads threads;
    struct pool pool = {
        .server = server,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .fds = reallocarray(NULL, server->max_clients, sizeof(int)),
    };
    int r = pool.fds ? 0 : -ENOMEM;
    threads_init(&threads, &pool, work);
    for (unsigned i = 0; r == 0 && i < server->workers; i++)
        r = threads_start(&threads, (int)i);
    if (r == 0)
        r = server_ready(server, NULL);

    while (r == 0) {
        int fd = accept_client(server, server->listen_fd, 0, &counters);
        if (fd == -EMFILE)
            accept_rest();
        else if (fd < 0)
            r = fd;
        else
            put(&pool, fd, &counters);
    }

    close_queue(&pool, &counters);
    threads_join(&threads); /* after a stop each parts from its client */
    free(pool.fds);
    server_count(server, &counters);
    return r == -ECANCELED ? 0 : r;
}
