#include "servers/support/ring_traffic.h"

#include <errno.h>
#include <sys/socket.h>

struct ring_client *ring_traffic_accepted(struct ring_loop *loop,
                                          const struct io_uring_cqe *cqe)
{
    const int fd = ring_loop_accepted(loop, cqe);
    if (fd < 0)
        return NULL;
    struct ring_client *client = ring_clients_add(&loop->clients, fd);
    client->tick = loop->tick;
    if (!ring_client_greet(&loop->clients, client))
        ring_traffic_fail(loop, client);
    return client;
}

/* A receive that brought nothing: why? False when the connection is broken. */
static bool ended_well(struct ring_loop *loop, struct ring_client *client,
                       int result)
{
    switch (result) {
    case 0:
        return ring_client_end(&loop->clients, client);
    case -ENOBUFS:
        ring_clients_wait(&loop->clients, client, RING_WANT_BUFFER);
        return true;
    case -ECANCELED:
    case -EINTR:
        return true;
    default:
        return false;
    }
}

void ring_traffic_received(struct ring_loop *loop, struct ring_client *client,
                           const struct io_uring_cqe *cqe)
{
    const bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
    uint16_t buffer = 0;
    uint8_t *data = NULL;
    bool well;
    if (has_buffer)
        data = ring_received(&loop->ring, cqe, &buffer);
    if (!(cqe->flags & IORING_CQE_F_MORE)) /* also after a success */
        client->receiving = client->pausing = false;

    if (cqe->res > 0 && data) {
        if (!client->finishing)
            client->tick = loop->tick;
        loop->counters.reads++;
        loop->counters.bytes_in += (uint32_t)cqe->res;
        well = ring_client_answer(&loop->clients, client, data,
                                  (uint32_t)cqe->res, buffer);
    } else {
        if (has_buffer)
            ring_release(&loop->ring, buffer);
        well = ended_well(loop, client, cqe->res);
    }
    if (!well)
        ring_traffic_fail(loop, client);
}

void ring_traffic_send(struct ring_loop *loop, struct ring_client *client)
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

void ring_traffic_sent(struct ring_loop *loop, struct ring_client *client,
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
        ring_traffic_fail(loop, client);
    }
    if (result != (int)asked && !client->failed && !client->stalled &&
        !ring_client_stall(&loop->clients, client))
        ring_traffic_fail(loop, client);
}

void ring_traffic_fail(struct ring_loop *loop, struct ring_client *client)
{
    if (client->failed)
        return;
    client->failed = true;
    ring_client_forget(&loop->clients, client);
    shutdown(client->fd, SHUT_RDWR);
}

void ring_traffic_part(struct ring_loop *loop, struct ring_client *client)
{
    if ((loop->finishing || client->parting) && !client->failed &&
        !client->finishing && !client->first) {
        shutdown(client->fd, SHUT_WR);
        client->finishing = true;
    }
    if (!client->receiving && !client->sending && !ring_client_waits(client) &&
        (client->failed || (client->ended && !client->first)))
        ring_clients_remove(&loop->clients, client);
}

void ring_traffic_tick(struct ring_loop *loop, struct ring_client *client)
{
    if (client->failed || !ring_loop_is_overdue(loop, client))
        return;
    loop->counters.timed_out++;
    ring_traffic_fail(loop, client);
}
