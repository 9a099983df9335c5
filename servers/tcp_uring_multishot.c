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
#include "servers/support/ring_loop.h"

#include <errno.h>
#include <sys/socket.h>

/* Asked for once; it ends when buffers or completion entries run out, or where
 * the kernel can, after as many bytes as one client may have with us. */
static void receive(struct ring_loop *loop, struct ring_client *client,
                    bool first)
{
    if (loop->ring.with_kernel == 0) { /* it would fail at once */
        ring_clients_wait(&loop->clients, client);
        return;
    }
    struct io_uring_sqe *sqe = ring_loop_entry(loop, client);
    if (!sqe)
        return;
    ring_prep_receive(&loop->ring, sqe, client->fd);
    if (first) /* it has most likely not spoken yet */
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(sqe, ring_loop_name(loop, RING_RECEIVE, client));
    client->receiving = true;
}

/* One send in flight a client: two could swap their bytes. */
static void send_first(struct ring_loop *loop, struct ring_client *client)
{
    struct io_uring_sqe *sqe = ring_loop_entry(loop, client);
    const struct piece *piece = client->first;
    if (!sqe)
        return;
    /* Out of a shared buffer now or not at all; else for as long as it takes */
    int flags = MSG_NOSIGNAL | (piece->is_shared ? MSG_DONTWAIT : MSG_WAITALL);
    io_uring_prep_send(sqe, client->fd, piece->data, piece->length, flags);
    io_uring_sqe_set_data64(sqe, ring_loop_name(loop, RING_SEND, client));
    client->sending = true;
}

static void stop_receiving(struct ring_loop *loop, struct ring_client *client)
{
    struct io_uring_sqe *sqe = ring_loop_entry(loop, client);
    if (!sqe)
        return;
    io_uring_prep_cancel64(sqe, ring_loop_name(loop, RING_RECEIVE, client), 0);
    io_uring_sqe_set_data64(sqe, ring_loop_name(loop, RING_CANCEL, client));
    client->pausing = true;
}

/* Closing now would send nothing while the kernel holds operations: make them
 * end, and close after the last. */
static void fail(struct ring_loop *loop, struct ring_client *client)
{
    if (client->failed)
        return;
    client->failed = true;
    ring_client_forget(&loop->clients, client);
    shutdown(client->fd, SHUT_RDWR);
}

/* Does for a client whatever its state asks for. */
static void settle(struct ring_loop *loop, struct ring_client *client)
{
    const bool alive = !client->failed;
    /* More would only fill our memory. */
    const bool enough =
        client->stalled || client->queued_bytes > loop->quota_bytes;
    if (alive && client->first && !client->sending)
        send_first(loop, client);
    if (alive && enough && client->receiving && !client->pausing)
        stop_receiving(loop, client);
    if (alive && !enough && !client->receiving && !client->ended &&
        !client->waiting)
        receive(loop, client, false);
    if (alive && (loop->finishing || client->parting) && !client->finishing &&
        !client->first) {
        shutdown(client->fd, SHUT_WR);
        client->finishing = true;
    }
    if (!client->receiving && !client->sending && !client->waiting &&
        (client->failed || (client->ended && !client->first)))
        ring_clients_remove(&loop->clients, client);
}

static void on_receive(struct ring_loop *loop, struct ring_client *client,
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
        if (!client->finishing)
            client->tick = loop->tick;
        loop->counters.reads++;
        loop->counters.bytes_in += (uint32_t)cqe->res;
        if (!ring_client_answer(&loop->clients, client, data,
                                (uint32_t)cqe->res, buffer))
            fail(loop, client);
    } else {
        if (has_buffer)
            ring_release(&loop->ring, buffer);
        bool well = cqe->res == -ECANCELED || cqe->res == -EINTR;
        if (cqe->res == 0)
            well = ring_client_end(&loop->clients, client);
        else if (cqe->res == -ENOBUFS)
            ring_clients_wait(&loop->clients, client);
        if (!well && cqe->res != -ENOBUFS)
            fail(loop, client);
    }
    settle(loop, client);
}

static void on_send(struct ring_loop *loop, struct ring_client *client,
                    int result)
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

static void on_tick(struct ring_loop *loop)
{
    for (uint32_t i = 0; i < loop->clients.used; i++) {
        struct ring_client *client = &loop->clients.slots[i];
        if (client->fd < 0)
            continue;
        if (ring_loop_is_overdue(loop, client) && !client->failed) {
            loop->counters.timed_out++;
            fail(loop, client);
        }
        settle(loop, client);
    }
}

static void on_completion(struct ring_loop *loop,
                          const struct io_uring_cqe *cqe)
{
    const enum ring_operation operation = cqe->user_data & 0xff;
    struct ring_client *client = ring_loop_client(loop, cqe->user_data);
    int fd;
    switch (operation) {
    case RING_RECEIVE:
        if (client)
            on_receive(loop, client, cqe);
        break;
    case RING_SEND:
        if (client)
            on_send(loop, client, cqe->res);
        break;
    case RING_CANCEL: /* the receive itself tells how it ended */
        break;
    case RING_ACCEPT:
        fd = ring_loop_accepted(loop, cqe);
        if (fd < 0)
            break;
        client = ring_clients_add(&loop->clients, fd);
        client->tick = loop->tick;
        receive(loop, client, true);
        if (!ring_client_greet(&loop->clients, client))
            fail(loop, client);
        settle(loop, client);
        break;
    default:
        if (ring_loop_event(loop, operation))
            on_tick(loop);
    }
}

/* One pass: what could not be submitted earlier, the kernel, completions. */
static int turn(struct ring_loop *loop)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;
    loop->no_entry = false;
    ring_loop_submit(loop);
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

/* In a thread of its own: it alone may use the ring it makes. */
static int run_worker(struct worker *worker)
{
    struct ring_loop loop;
    int r = ring_loop_open(&loop, worker);
    if (r == 0)
        r = worker_ready(worker, loop.ring.granted);
    while (r == 0 && ring_loop_goes_on(&loop))
        r = turn(&loop);
    ring_loop_close(&loop);
    return r;
}

int tcp_uring_multishot_run(struct server *server)
{
    return workers_run(server, run_worker);
}
