/*
 * io_uring, multishot: the loop is told what has been done. One accept and one
 * receive a client are asked for once and go on giving; received bytes come in
 * buffers that the kernel takes from a shared ring.
 *
 *     io_uring_enter --> [received: queue a send] ---.
 *         ^              [accepted: queue a receive] |
 *         '--- one call submits all that was queued -'
 *
 * A request costs no call of its own: a pass of the loop enters the kernel once
 * for all clients that have something. The cost is bookkeeping: what the kernel
 * still holds must not be freed or closed, so every client counts that, and a
 * completion names its client by slot and generation. Work in the loop holds
 * everybody up as in any event loop; --workers adds loops.
 *
 * Compare with tcp_epoll.c: there the kernel says who is ready, and each recv
 * and send is a call.
 */
#include "servers/server.h"
#include "servers/support/accept.h"
#include "servers/support/drain.h"
#include "servers/support/ring.h"
#include "servers/support/ring_clients.h"
#include "servers/support/stop.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define BROKEN_ACCEPTS_MAX 8

/* user_data: generation (32 bits), slot (24), operation (8) */
enum operation {
    RECEIVE,
    SEND,
    CANCEL,
    ACCEPT, /* from here on they belong to the loop, not to a client */
    STOP,
    TICK,  /* every second */
    REST,  /* from accepting */
    DRAIN, /* every 20 ms, after a stop */
    OPERATIONS
};

static struct __kernel_timespec periods[OPERATIONS] = {
    [TICK] = {.tv_sec = 1},
    [REST] = {.tv_nsec = ACCEPT_PAUSE_NS},
    [DRAIN] = {.tv_nsec = STOP_POKE_NS},
};

struct loop {
    struct worker *worker;
    struct server *server;
    struct ring ring;
    struct ring_clients clients;
    struct server_counters counters;
    struct drain drain;
    size_t quota_bytes; /* a client with more queued is not read from */
    uint32_t tick;      /* seconds, moved on by the timer */
    unsigned wanted;    /* of the loop's operations, by bit: to be submitted */
    int broken_accepts; /* in a row */
    int error;
    bool no_entry; /* a submission entry was missed: do not wait, look again */
    bool draining, finishing, over;
};

static struct io_uring_sqe *entry(struct loop *loop)
{
    struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
    loop->no_entry |= !sqe;
    return sqe;
}

static struct io_uring_sqe *client_entry(struct loop *loop,
                                         struct ring_client *client)
{
    struct io_uring_sqe *sqe = entry(loop);
    if (!sqe)
        ring_clients_wait(&loop->clients, client);
    return sqe;
}

static uint64_t name_of(struct loop *loop, enum operation operation,
                        const struct ring_client *client)
{
    return (uint64_t)client->generation << 32 |
           (uint64_t)ring_client_slot(&loop->clients, client) << 8 | operation;
}

/* Asked for once; it ends when buffers or completion entries run out. */
static void receive(struct loop *loop, struct ring_client *client, bool first)
{
    if (loop->ring.with_kernel == 0) { /* it would fail at once */
        ring_clients_wait(&loop->clients, client);
        return;
    }
    struct io_uring_sqe *sqe = client_entry(loop, client);
    if (!sqe)
        return;
    io_uring_prep_recv_multishot(sqe, client->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    if (first) /* it has most likely not spoken yet */
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(sqe, name_of(loop, RECEIVE, client));
    client->receiving = true;
}

/* One send in flight a client: two could swap their bytes. */
static void send_first(struct loop *loop, struct ring_client *client)
{
    struct io_uring_sqe *sqe = client_entry(loop, client);
    const struct piece *piece = client->first;
    if (!sqe)
        return;
    /* Out of a shared buffer now or not at all; else for as long as it takes */
    int flags = MSG_NOSIGNAL | (piece->is_shared ? MSG_DONTWAIT : MSG_WAITALL);
    io_uring_prep_send(sqe, client->fd, piece->data, piece->length, flags);
    io_uring_sqe_set_data64(sqe, name_of(loop, SEND, client));
    client->sending = true;
}

static void stop_receiving(struct loop *loop, struct ring_client *client)
{
    struct io_uring_sqe *sqe = client_entry(loop, client);
    if (!sqe)
        return;
    io_uring_prep_cancel64(sqe, name_of(loop, RECEIVE, client), 0);
    io_uring_sqe_set_data64(sqe, name_of(loop, CANCEL, client));
    client->pausing = true;
}

/* Closing now would send nothing while the kernel holds operations: make them
 * end, and close after the last. */
static void fail(struct loop *loop, struct ring_client *client)
{
    if (client->failed)
        return;
    client->failed = true;
    ring_client_forget(&loop->clients, client);
    shutdown(client->fd, SHUT_RDWR);
}

/* Does for a client whatever its state asks for. */
static void settle(struct loop *loop, struct ring_client *client)
{
    bool alive = !client->failed;
    if (alive && client->first && !client->sending)
        send_first(loop, client);
    if (alive && client->receiving && !client->pausing &&
        client->queued_bytes > loop->quota_bytes)
        stop_receiving(loop, client);
    if (alive && !client->receiving && !client->ended && !client->waiting &&
        client->queued_bytes <= loop->quota_bytes / 2)
        receive(loop, client, false);
    if (alive && loop->finishing && !client->finishing && !client->first) {
        shutdown(client->fd, SHUT_WR);
        client->finishing = true;
    }
    if (!client->receiving && !client->sending && !client->waiting &&
        (client->failed || (client->ended && !client->first)))
        ring_clients_remove(&loop->clients, client);
}

static void on_receive(struct loop *loop, struct ring_client *client,
                       const struct io_uring_cqe *cqe)
{
    const bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
    uint16_t buffer = 0;
    uint8_t *data = NULL;
    if (has_buffer)
        data = ring_received(&loop->ring, cqe, &buffer);
    if (!(cqe->flags & IORING_CQE_F_MORE)) /* also after a success */
        client->receiving = client->pausing = false;

    if (cqe->res > 0 && data) {
        client->tick = loop->tick;
        loop->counters.reads++;
        loop->counters.bytes_in += (uint32_t)cqe->res;
        if (client->failed || client->finishing) {
            ring_release(&loop->ring, buffer);
        } else {
            server_answer(loop->server, data, (uint32_t)cqe->res);
            if (!ring_client_queue(&loop->clients, client, data,
                                   (uint32_t)cqe->res, buffer))
                fail(loop, client);
        }
    } else {
        if (has_buffer)
            ring_release(&loop->ring, buffer);
        if (cqe->res == 0)
            client->ended = true;
        else if (cqe->res == -ENOBUFS)
            ring_clients_wait(&loop->clients, client);
        else if (cqe->res != -ECANCELED && cqe->res != -EINTR)
            fail(loop, client);
    }
    settle(loop, client);
}

static void on_send(struct loop *loop, struct ring_client *client, int result)
{
    const uint32_t asked = client->first->length;
    client->sending = false;
    if (result > 0) {
        client->tick = loop->tick;
        loop->counters.writes++;
        loop->counters.bytes_out += (uint32_t)result;
        ring_client_sent(&loop->clients, client, (uint32_t)result);
    } else if (result != -EAGAIN && result != -EINTR) {
        loop->counters.send_errors += !client->failed;
        fail(loop, client);
    }
    if (result != (int)asked && !client->failed && !client->stalled &&
        !ring_client_stall(&loop->clients, client))
        fail(loop, client);
    settle(loop, client);
}

static void on_accept(struct loop *loop, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        loop->wanted |= 1u << ACCEPT;
    int r = accept_judge(loop->server, cqe->res, &loop->counters);
    if (r >= 0) {
        loop->broken_accepts = 0;
        if (accept_refuse(r, loop->clients.count, loop->worker->max_clients,
                          &loop->counters))
            return;
        struct ring_client *client = ring_clients_add(&loop->clients, r);
        client->tick = loop->tick;
        receive(loop, client, true);
    } else if (r == -EMFILE) { /* at once it would fail again, and spin */
        loop->wanted &= ~(1u << ACCEPT);
        loop->wanted |= 1u << REST;
    } else if (r == -ECANCELED) {
        loop->wanted &= ~(1u << ACCEPT);
    } else if (r != -EAGAIN && r != -EINTR &&
               ++loop->broken_accepts == BROKEN_ACCEPTS_MAX) {
        loop->error = r;
    }
}

static void on_tick(struct loop *loop)
{
    const struct server_options *options = loop->server->options;
    const uint64_t now_ns = drain_now_ns();
    loop->tick = (uint32_t)(now_ns / 1000000000);
    for (uint32_t i = 0; i < loop->clients.used; i++) {
        struct ring_client *client = &loop->clients.slots[i];
        if (client->fd < 0)
            continue;
        uint64_t limit_ns =
            client->first ? options->io_timeout_ns : options->idle_timeout_ns;
        uint64_t silent_ns = (loop->tick - client->tick) * 1000000000ULL;
        if (limit_ns != 0 && silent_ns > limit_ns && !client->failed) {
            loop->counters.timed_out++;
            fail(loop, client);
        }
        settle(loop, client);
    }
    if (!loop->draining)
        return;
    enum drain_phase phase =
        drain_step(&loop->drain, now_ns, loop->counters.reads);
    loop->finishing = phase != DRAIN_SERVE;
    loop->over = phase == DRAIN_OVER;
}

static void on_completion(struct loop *loop, const struct io_uring_cqe *cqe)
{
    const enum operation operation = cqe->user_data & 0xff;
    const uint32_t slot = cqe->user_data >> 8 & 0xffffff;
    struct ring_client *client = &loop->clients.slots[slot];
    /* The slot's last client may be gone, and its descriptor another's. */
    bool is_stale = client->generation != cqe->user_data >> 32;
    switch (operation) {
    case RECEIVE:
        if (!is_stale)
            on_receive(loop, client, cqe);
        break;
    case SEND:
        if (!is_stale)
            on_send(loop, client, cqe->res);
        break;
    case ACCEPT:
        on_accept(loop, cqe);
        break;
    case STOP:
        loop->draining = true;
        loop->wanted = 1u << DRAIN;
        break;
    case REST:
        loop->wanted |= loop->draining ? 0 : 1u << ACCEPT;
        break;
    case TICK:
    case DRAIN:
        on_tick(loop);
        loop->wanted |= 1u << operation;
        break;
    case CANCEL: /* the receive itself tells how it ended */
    case OPERATIONS:
        break;
    }
}

static void submit_wanted(struct loop *loop)
{
    for (unsigned i = ACCEPT; loop->wanted != 0 && i < OPERATIONS; i++) {
        if (!(loop->wanted & 1u << i))
            continue;
        struct io_uring_sqe *sqe = entry(loop);
        if (!sqe)
            return;
        if (i == ACCEPT)
            io_uring_prep_multishot_accept(sqe, loop->worker->listen_fd, NULL,
                                           NULL, SOCK_CLOEXEC);
        else if (i == STOP)
            io_uring_prep_poll_add(sqe, stop_event_fd(), POLLIN);
        else
            io_uring_prep_timeout(sqe, &periods[i], 0, 0);
        io_uring_sqe_set_data64(sqe, i);
        loop->wanted &= ~(1u << i);
    }
}

/* One pass: what could not be submitted earlier, the kernel, completions. */
static int turn(struct loop *loop)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;
    loop->no_entry = false;
    submit_wanted(loop);
    for (uint32_t i = loop->clients.waiting_count; i > 0; i--)
        settle(loop, ring_clients_take_waiting(&loop->clients));
    int r = ring_enter(&loop->ring, !loop->no_entry);
    io_uring_for_each_cqe(&loop->ring.uring, head, cqe)
    {
        on_completion(loop, cqe);
        count++;
    }
    io_uring_cq_advance(&loop->ring.uring, count);
    return r < 0 ? r : loop->error;
}

static int run_worker(struct worker *worker)
{
    struct loop loop = {
        .worker = worker,
        .server = worker->server,
        .quota_bytes = worker->server->options->buffer_bytes,
        .wanted = 1u << ACCEPT | 1u << STOP | 1u << TICK,
        .tick = (uint32_t)(drain_now_ns() / 1000000000),
    };
    /* In this thread: it alone may use the ring (SINGLE_ISSUER). */
    int r = ring_open(&loop.ring, worker->server->options);
    if (r == 0)
        r = ring_clients_init(&loop.clients, &loop.ring, &loop.counters,
                              worker->max_clients);
    if (r == 0)
        r = worker_ready(worker, loop.ring.granted);
    while (r == 0 && !loop.over && !(loop.draining && !loop.clients.count))
        r = turn(&loop);
    ring_close(&loop.ring);
    ring_clients_done(&loop.clients);
    server_count(worker->server, &loop.counters);
    return r;
}

int tcp_uring_multishot_run(struct server *server)
{
    return workers_run(server, run_worker);
}
