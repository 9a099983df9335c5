/*
 * io_uring, one operation at a time: the loop is told what has been done, and
 * asks for the next thing.
 *
 *     io_uring_enter --> [accepted: ask for a receive] ---.
 *         ^              [received: ask for a send]       |
 *         |              [sent:     ask for a receive]    |
 *         '--- one call submits all that was asked for ---'
 *
 * Not "tell me when I may read" but "read, and tell me when you have": a pass
 * of the loop enters the kernel once for all clients that have something. An
 * idle client has a receive with the kernel but no memory: when bytes come, the
 * kernel takes a buffer from a ring that all share. What the kernel still holds
 * must not be freed or closed; with one operation a client, a receive or a
 * send, that is easy to say.
 *
 * Compare with tcp_epoll.c, where each recv and send is a call, and with
 * tcp_uring_multishot.c, where one receive asked for gives again and again.
 */
#include "servers/support/ring_traffic.h"

static void receive(struct ring_loop *loop, struct ring_client *client)
{
    if (!ring_loop_may_receive(loop, client))
        return;
    struct io_uring_sqe *sqe = ring_loop_entry(loop, client);
    if (!sqe)
        return;
    /* Neither an address nor a length: those of the buffer that is taken. */
    io_uring_prep_recv(sqe, client->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, ring_loop_name(loop, RING_RECEIVE, client));
    client->receiving = true;
}

/* Asks for whatever is next for the client; it may be gone afterwards. */
static void settle(struct ring_loop *loop, struct ring_client *client)
{
    const bool busy =
        client->receiving || client->sending || ring_client_waits(client);
    if (!client->failed && !busy) {
        if (client->first)
            ring_traffic_send(loop, client);
        else if (!client->ended)
            receive(loop, client);
    }
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
    case RING_ACCEPT:
        client = ring_traffic_accepted(loop, cqe);
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

static int run_worker(struct worker *worker)
{
    struct ring_loop loop;
    int r = ring_loop_open(&loop, worker);
    loop.one_accept = true;
    if (r == 0)
        r = worker_ready(worker, loop.ring.granted);
    while (r == 0 && ring_loop_goes_on(&loop))
        r = turn(&loop);
    ring_loop_close(&loop);
    return r;
}

/* One worker: this thread. */
int tcp_uring_run(struct server *server)
{
    return workers_run(server, run_worker);
}
