#include "servers/server.h"

#include "servers/support/drain.h"
#include "servers/support/stop.h"

#include "servers/support/stop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int server_ready(struct server *server, const char *granted)
{
    const int ready_fd = (int)server->options->ready_fd;
    char text[ADDRESS_TEXT_MAX];
    printf("ready %s", address_format(&server->address, text));
    if (server->model->flags & MODEL_TAKES_WORKERS)
        printf(" workers=%u", server->workers);
    if (server->is_steered)
        printf(" steering=cpu");
    if (server->options->tcp_cc)
        printf(" tcp_cc=%s", server->options->tcp_cc);
    if (granted)
        printf(" %s", granted);
    putchar('\n');
    if (fflush(stdout) == EOF)
        return -errno;
    if (ready_fd > 0) {
        ssize_t written = write(ready_fd, "\n", 1);
        (void)written; /* whoever asked may have gone; clients may come */
        close(ready_fd);
    }
    return 0;
}

/* Memory that children have, too. */
static void *share(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int server_prepare(struct server *server)
{
    const struct server_options *options = server->options;
    const struct service *service = server->service;
    const bool is_stream = server->address.socket_type == SOCK_STREAM;
    server->pid = getpid();
    server->is_plain = !service->prefix && !service->greeting &&
                       service->replies && !options->one_request &&
                       !options->close_word && !options->verbose &&
                       (is_stream || !options->exit_after);
    server->read_bytes = options->buffer_bytes;
    if (service->prefix)
        server->read_bytes /= service_reply_max(1);
    const bool wants_unread =
        !is_stream && server->address.u.any.sa_family == AF_UNIX;
    const bool has_workers = server->model->flags & MODEL_TAKES_WORKERS;
    if (options->exit_after != 0)
        server->served = share(sizeof *server->served);
    if (wants_unread)
        server->unread = share(sizeof *server->unread);
    if (has_workers)
        server->per_worker =
            share(server->workers * sizeof *server->per_worker);
    return (options->exit_after != 0 && !server->served) ||
                   (wants_unread && !server->unread) ||
                   (has_workers && !server->per_worker)
               ? -ENOMEM
               : 0;
}

void server_done(struct server *server)
{
    if (server->served)
        munmap(server->served, sizeof *server->served);
    if (server->unread)
        munmap(server->unread, sizeof *server->unread);
    if (server->per_worker)
        munmap(server->per_worker,
               server->workers * sizeof *server->per_worker);
    server->served = NULL;
    server->unread = NULL;
    server->per_worker = NULL;
}

bool server_one_more(const struct server *server)
{
    if (!server->served)
        return true;
    const uint64_t count = atomic_fetch_add(server->served, 1) + 1;
    if (count == server->options->exit_after)
        kill(server->pid, STOP_ASK_SIGNAL);
    return count <= server->options->exit_after;
}

bool server_served_all(const struct server *server)
{
    return server->served &&
           atomic_load(server->served) >= server->options->exit_after;
}

#define WORK_LOOK_NS                                                           \
    100000000ULL /* how often a long sleep looks for a stop                    \
                  */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Requests that have begun are finished, but not beyond a stop's patience. */
static bool may_work_on(void)
{
    return !stop_requested() || now_ns() - stop_began_ns() < DRAIN_SERVE_NS;
}

void server_work(const struct work *work)
{
    const uint64_t end_ns = now_ns() + work->duration_ns;
    uint64_t now = now_ns();
    while (now < end_ns && may_work_on()) {
        if (work->kind == WORK_SLEEP) {
            uint64_t left_ns = end_ns - now;
            if (left_ns > WORK_LOOK_NS)
                left_ns = WORK_LOOK_NS;
            const struct timespec left = {.tv_nsec = (long)left_ns};
            nanosleep(&left, NULL);
        }
        now = now_ns();
    }
}
