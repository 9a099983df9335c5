#include "servers/support/threads.h"

#include "servers/support/stop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define STACK_BYTES ((size_t)128 * 1024)

struct thread_client {
    struct threads *threads;
    struct thread_client *next;
    struct thread_client **link; /* what points here */
    pthread_t thread;
    int fd;
};

void threads_init(struct threads *threads, void *context,
                  void (*serve)(void *context, int fd))
{
    pthread_condattr_t monotonic;
    threads->context = context;
    threads->serve = serve;
    threads->first = NULL;
    threads->count = 0;
    pthread_mutex_init(&threads->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&threads->all_gone, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void *run(void *argument)
{
    struct thread_client *client = argument;
    struct threads *threads = client->threads;

    threads->serve(threads->context, client->fd);

    pthread_mutex_lock(&threads->lock);
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    if (--threads->count == 0)
        pthread_cond_signal(&threads->all_gone);
    pthread_mutex_unlock(&threads->lock);
    free(client);
    return NULL;
}

/* The signals of stopping stay with the main thread; pokes are for all. */
static int set_mask(pthread_attr_t *attributes)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    return pthread_attr_setsigmask_np(attributes, &mask);
}

int threads_start(struct threads *threads, int fd)
{
    struct thread_client *client = calloc(1, sizeof *client);
    if (!client)
        return -ENOMEM;
    client->threads = threads;
    client->fd = fd;

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = set_mask(&attributes);

    /* Under the lock, so that the thread cannot take itself off the list
     * before it stands there. */
    pthread_mutex_lock(&threads->lock);
    if (error == 0)
        error = pthread_create(&client->thread, &attributes, run, client);
    if (error == 0) {
        client->link = &threads->first;
        client->next = threads->first;
        if (client->next)
            client->next->link = &client->next;
        threads->first = client;
        threads->count++;
    }
    pthread_mutex_unlock(&threads->lock);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        free(client);
    return -error;
}

uint64_t threads_count(struct threads *threads)
{
    pthread_mutex_lock(&threads->lock);
    uint64_t count = threads->count;
    pthread_mutex_unlock(&threads->lock);
    return count;
}

void threads_join(struct threads *threads)
{
    pthread_mutex_lock(&threads->lock);
    while (threads->count > 0) {
        struct timespec until;
        struct thread_client *client;
        for (client = threads->first; client; client = client->next)
            pthread_kill(client->thread, STOP_POKE_SIGNAL);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += STOP_POKE_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&threads->all_gone, &threads->lock, &until);
    }
    pthread_mutex_unlock(&threads->lock);
    pthread_cond_destroy(&threads->all_gone);
    pthread_mutex_destroy(&threads->lock);
}
