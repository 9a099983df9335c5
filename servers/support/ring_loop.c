#include "servers/support/ring_loop.h"

#include "servers/support/accept.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BROKEN_ACCEPTS_MAX 8
#define BIT(operation) (1u << (operation))

static struct __kernel_timespec periods[RING_OPERATIONS] = {
    [RING_TICK] = {.tv_sec = 1},
    [RING_REST] = {.tv_nsec = ACCEPT_PAUSE_NS},
    [RING_DRAIN] = {.tv_nsec = STOP_POKE_NS},
};

int ring_loop_open(struct ring_loop *loop, struct worker *worker)
{
    memset(loop, 0, sizeof *loop);
    loop->worker = worker;
    loop->server = worker->server;
    /* A receive that is under way comes on top. */
    loop->quota_bytes = worker->server->options->buffer_bytes / 2;
    loop->wanted = BIT(RING_ACCEPT) | BIT(RING_STOP) | BIT(RING_TICK);
    loop->tick = (uint32_t)(drain_now_ns() / 1000000000);
    int r = ring_open(&loop->ring, worker->server->options);
    if (r == 0)
        r = ring_clients_init(&loop->clients, worker->server, &loop->ring,
                              &loop->counters, worker->server->max_clients);
    loop->clients.shared_count = worker->clients_now;
    return r;
}

/* An accept that goes on in the kernel keeps the listening socket, and the name
 * of a Unix one, after it is closed. */
static void end_accepting(struct ring_loop *loop)
{
    struct __kernel_timespec patience = {.tv_nsec = ACCEPT_PAUSE_NS};
    struct io_uring *uring = &loop->ring.uring;
    struct io_uring_cqe *cqe;
    if (!loop->accepting)
        return;
    ring_cancel(&loop->ring, RING_ACCEPT);
    while (loop->accepting &&
           io_uring_wait_cqe_timeout(uring, &cqe, &patience) == 0) {
        if (cqe->user_data == RING_ACCEPT) {
            loop->accepting = cqe->flags & IORING_CQE_F_MORE;
            if (cqe->res >= 0)
                close(cqe->res);
        }
        io_uring_cqe_seen(uring, cqe);
    }
}

void ring_loop_close(struct ring_loop *loop)
{
    end_accepting(loop);
    ring_close(&loop->ring);
    ring_clients_done(&loop->clients);
    server_count_worker(loop->server, loop->worker->index, &loop->counters);
}

bool ring_loop_goes_on(const struct ring_loop *loop)
{
    if (loop->error != 0 || loop->over)
        return false;
    return !loop->draining || loop->clients.count > 0;
}

struct io_uring_sqe *ring_loop_entry(struct ring_loop *loop,
                                     struct ring_client *client)
{
    struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
    if (sqe)
        return sqe;
    loop->no_entry = true;
    ring_clients_wait(&loop->clients, client, RING_WANT_ENTRY);
    return NULL;
}

uint64_t ring_loop_name(const struct ring_loop *loop,
                        enum ring_operation operation,
                        const struct ring_client *client)
{
    return (uint64_t)client->generation << 32 |
           (uint64_t)ring_client_slot(&loop->clients, client) << 8 | operation;
}

struct ring_client *ring_loop_client(struct ring_loop *loop, uint64_t name)
{
    struct ring_client *client = &loop->clients.slots[name >> 8 & 0xffffff];
    return client->generation == name >> 32 ? client : NULL;
}

/* What the loop itself wants. */
static void submit_wanted(struct ring_loop *loop)
{
    for (unsigned i = RING_ACCEPT; loop->wanted != 0 && i < RING_OPERATIONS;
         i++) {
        if (!(loop->wanted & BIT(i)))
            continue;
        struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
        if (!sqe) {
            loop->no_entry = true;
            return;
        }
        if (i == RING_ACCEPT && loop->one_accept)
            io_uring_prep_accept(sqe, loop->worker->listen_fd, NULL, NULL,
                                 SOCK_CLOEXEC);
        else if (i == RING_ACCEPT)
            io_uring_prep_multishot_accept(sqe, loop->worker->listen_fd, NULL,
                                           NULL, SOCK_CLOEXEC);
        else if (i == RING_STOP)
            io_uring_prep_poll_add(sqe, stop_event_fd(), POLLIN);
        else
            io_uring_prep_timeout(sqe, &periods[i], 0, 0);
        io_uring_sqe_set_data64(sqe, i);
        loop->accepting |= i == RING_ACCEPT;
        loop->wanted &= ~BIT(i);
    }
}

void ring_loop_begin(struct ring_loop *loop)
{
    const size_t room = ring_receptions(&loop->ring);
    loop->no_entry = false;
    submit_wanted(loop);
    for (enum ring_want want = 0; want < RING_WANTS; want++)
        loop->turns[want] = loop->clients.waiting[want].count;
    if (loop->turns[RING_WANT_BUFFER] > room)
        loop->turns[RING_WANT_BUFFER] = (uint32_t)room;
}

struct ring_client *ring_loop_next_waiting(struct ring_loop *loop)
{
    loop->resuming = false;
    for (enum ring_want want = 0; want < RING_WANTS; want++) {
        if (loop->no_entry || loop->turns[want] == 0)
            continue;
        loop->turns[want]--;
        loop->resuming = want == RING_WANT_BUFFER;
        return ring_clients_take_waiting(&loop->clients, want);
    }
    return NULL;
}

int ring_loop_enter(struct ring_loop *loop)
{
    const bool more = loop->clients.waiting[RING_WANT_BUFFER].count > 0 &&
                      loop->ring.with_kernel > 0;
    return ring_enter(&loop->ring, !loop->no_entry && !more);
}

bool ring_loop_may_receive(struct ring_loop *loop, struct ring_client *client)
{
    const bool others = loop->clients.waiting[RING_WANT_BUFFER].count > 0;
    /* Without a buffer it would fail at once. */
    if (loop->ring.with_kernel > 0 && (loop->resuming || !others))
        return true;
    ring_clients_wait(&loop->clients, client, RING_WANT_BUFFER);
    return false;
}

/* Takes a place among the clients of all workers; false when there is none. */
static bool has_room(struct ring_loop *loop, int fd)
{
    atomic_uint_fast64_t *count = loop->worker->clients_now;
    if (!accept_refuse(fd, atomic_fetch_add(count, 1),
                       loop->server->max_clients, &loop->counters))
        return true;
    atomic_fetch_sub(count, 1);
    return false;
}

int ring_loop_accepted(struct ring_loop *loop, const struct io_uring_cqe *cqe)
{
    const bool goes_on = cqe->flags & IORING_CQE_F_MORE;
    loop->accepting = goes_on;
    int r = accept_judge(loop->server, cqe->res, &loop->counters);
    if (r == -ECANCELED)
        return -1;
    if (r == -EMFILE) { /* asked for again at once it would spin */
        loop->wanted |= BIT(RING_REST);
        return -1;
    }
    if (!goes_on)
        loop->wanted |= BIT(RING_ACCEPT);
    if (r >= 0)
        loop->broken_accepts = 0;
    else if (r != -EAGAIN && r != -EINTR &&
             ++loop->broken_accepts == BROKEN_ACCEPTS_MAX)
        loop->error = r;
    return r < 0 || !has_room(loop, r) ? -1 : r;
}

bool ring_loop_event(struct ring_loop *loop, enum ring_operation operation)
{
    if (operation == RING_STOP) {
        loop->draining = true;
        loop->wanted = BIT(RING_DRAIN);
        return false;
    }
    if (operation == RING_REST) {
        loop->wanted |= loop->draining ? 0 : BIT(RING_ACCEPT);
        return false;
    }
    const uint64_t now_ns = drain_now_ns();
    loop->wanted |= BIT(operation);
    loop->tick = (uint32_t)(now_ns / 1000000000);
    if (loop->draining) {
        enum drain_phase phase =
            drain_step(&loop->drain, now_ns, loop->counters.reads);
        loop->finishing = phase != DRAIN_SERVE;
        loop->over = phase == DRAIN_OVER;
    }
    return true;
}

bool ring_loop_is_overdue(const struct ring_loop *loop,
                          const struct ring_client *client)
{
    const struct server_options *options = loop->server->options;
    uint64_t limit_ns =
        client->first ? options->io_timeout_ns : options->idle_timeout_ns;
    if (client->finishing && (limit_ns == 0 || limit_ns > ANSWER_LINGER_NS))
        limit_ns = ANSWER_LINGER_NS;
    uint64_t silent_ns = (loop->tick - client->tick) * 1000000000ULL;
    return limit_ns != 0 && silent_ns > limit_ns;
}
