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
 * Compare with tcp_uring.c, which asks for each operation anew, and with
 * tcp_epoll.c: there the kernel says who is ready, and each recv and send is a
 * call.
 */
#include "servers/support/ring_traffic.h"

/* Asked for once; it ends when buffers or completion entries run out, or where
 * the kernel can, after as many bytes as one client may have with us. */
static void receive(struct ring_loop *loop, struct ring_client *client,
                    bool first)
{
    if (!ring_loop_may_receive(loop, client))
        return;
    struct io_uring_sqe *sqe = ring_loop_entry(loop, client);
    if (!sqe)
        return;
    ring_prep_receive(&loop->ring, sqe, client->fd);
    if (first) /* it has most likely not spoken yet */
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(sqe, ring_loop_name(loop, RING_RECEIVE, client));
    client->receiving = true;
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

/* Does for a client whatever its state asks for. */
static void settle(struct ring_loop *loop, struct ring_client *client)
{
    const bool alive = !client->failed;
    /* More would only fill our memory. */
    const bool enough =
        client->stalled || client->queued_bytes > loop->quota_bytes;
    if (alive && client->first && !client->sending)
        ring_traffic_send(loop, client);
    if (alive && enough && client->receiving && !client->pausing)
        stop_receiving(loop, client);
    if (alive && !enough && !client->receiving && !client->ended &&
        !client->waiting[RING_WANT_BUFFER])
        receive(loop, client, false);
    ring_traffic_part(loop, client);
}

static void on_tick(struct ring_loop *loop)
{
    for (uint32_t i = 0; i < loop->clients.used; i++) {
        struct ring_client *client = &loop->clients.slots[i];
        if (client->fd < 0)
            continue;
        ring_traffic_tick(loop, client);
        settle(loop, client);
    }
}

static void on_completion(struct ring_loop *loop,
                          const struct io_uring_cqe *cqe)
{
    const enum ring_operation operation = cqe->user_data & 0xff;
    struct ring_client *client = NULL;
    switch (operation) {
    case RING_RECEIVE:
        client = ring_loop_client(loop, cqe->user_data);
        if (client)
            ring_traffic_received(loop, client, cqe);
        break;
    case RING_SEND:
        client = ring_loop_client(loop, cqe->user_data);
        if (client)
            ring_traffic_sent(loop, client, cqe->res);
        break;
    case RING_CANCEL: /* the receive itself tells how it ended */
        break;
    case RING_ACCEPT:
        client = ring_traffic_accepted(loop, cqe);
        if (client && !client->failed)
            receive(loop, client, true);
        break;
    default:
        if (ring_loop_event(loop, operation))
            on_tick(loop);
    }
    if (client)
        settle(loop, client);
}

/* One pass: those that had to wait, the kernel, completions. */
static int turn(struct ring_loop *loop)
{
    struct ring_client *client;
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;
    ring_loop_begin(loop);
    while ((client = ring_loop_next_waiting(loop)))
        settle(loop, client);
    int r = ring_loop_enter(loop);
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
    if (r == 0 && worker->server->address.u.any.sa_family == AF_UNIX)
        r = ring_check_unix(&loop.ring);
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
