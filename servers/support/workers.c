#include "servers/support/workers.h"

#include "servers/cli/cpuset.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct workers {
    struct server *server;
    int (*run)(struct worker *worker);
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned ready;
    int error; /* the first one */
    atomic_uint_fast64_t clients_now;
    struct worker *all;
    pthread_t *threads;
};

int workers_cpu(const struct server *server, unsigned index)
{
    if (!server->is_steered && (!server->options->cpus || server->workers == 1))
        return -1;
    return cpuset_nth(&server->cpus, index);
}

int workers_pin(const struct server *server, unsigned index)
{
    const int cpu = workers_cpu(server, index);
    return cpu < 0 ? 0 : cpuset_pin_one(cpu);
}

static void run_one(struct worker *worker)
{
    struct workers *workers = worker->workers;
    int r = workers_pin(worker->server, worker->index);
    if (r == 0)
        r = workers->run(worker);
    pthread_mutex_lock(&workers->lock);
    if (r < 0 && workers->error == 0) {
        workers->error = r;
        pthread_cond_broadcast(&workers->changed);
        if (!stop_requested())
            kill(getpid(), SIGTERM); /* the others part from their clients */
    }
    pthread_mutex_unlock(&workers->lock);
}

static void *run_thread(void *argument)
{
    stop_block_signals();
    run_one(argument);
    return NULL;
}

static unsigned start_threads(struct workers *workers)
{
    unsigned started = 1;
    for (; started < workers->server->workers; started++) {
        int error = pthread_create(&workers->threads[started], NULL, run_thread,
                                   &workers->all[started]);
        if (error == 0)
            continue;
        pthread_mutex_lock(&workers->lock);
        workers->error = -error;
        pthread_mutex_unlock(&workers->lock);
        kill(getpid(), SIGTERM);
        break;
    }
    return started;
}

int workers_run(struct server *server, int (*run)(struct worker *worker))
{
    const unsigned count = server->workers;
    struct workers workers = {
        .server = server,
        .run = run,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    workers.all = calloc(count, sizeof *workers.all);
    workers.threads = calloc(count, sizeof *workers.threads);
    if (!workers.all || !workers.threads) {
        workers.error = -ENOMEM;
        goto out;
    }
    for (unsigned i = 0; i < count; i++) {
        workers.all[i] = (struct worker){
            .workers = &workers,
            .server = server,
            .index = i,
            .listen_fd = server->listen_fds[i % server->listen_count],
            .clients_now = &workers.clients_now,
        };
    }
    const unsigned started = start_threads(&workers);
    run_one(&workers.all[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers.threads[i], NULL);
out:
    free(workers.all);
    free(workers.threads);
    return workers.error;
}

int worker_ready(struct worker *worker, const char *granted)
{
    struct workers *workers = worker->workers;
    pthread_mutex_lock(&workers->lock);
    workers->ready++;
    pthread_cond_broadcast(&workers->changed);
    while (worker->index == 0 && workers->error == 0 &&
           workers->ready < worker->server->workers)
        pthread_cond_wait(&workers->changed, &workers->lock);
    int r = workers->error;
    pthread_mutex_unlock(&workers->lock);
    if (r < 0 || worker->index != 0)
        return r;
    return server_ready(worker->server, granted);
}
