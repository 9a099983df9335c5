/*
 * io_uring, on datagrams: one multishot receive goes on giving, each datagram
 * with its source in a buffer of its own, and replies go out from there.
 *
 *     io_uring_enter --> [received: queue a send from its buffer] --.
 *         ^              [sent: the buffer goes back to the ring]   |
 *         '---------- one call submits all that was queued ---------'
 *
 *     a buffer:  lengths | name of the source | datagram
 *
 * As with udp_batch.c it is calls that are saved, and each datagram still
 * passes the network's layers alone. The ring does it without a bound on the
 * batch, and could wait for files and streams in the same call. When all
 * buffers hold replies on their way the receive ends, and is asked for again as
 * soon as one is back: until then datagrams wait in the socket or are lost.
 * --workers adds rings, each with a thread and a socket of its own.
 *
 * Compare with udp_batch.c, and with tcp_uring_multishot.c.
 */
#include "servers/server.h"
#include "servers/support/datagram.h"
#include "servers/support/ring.h"
#include "servers/support/stop.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN_MAX 8 /* receives that fail in a row */

enum operation {
    RECEIVE,
    SEND, /* with the number of its buffer above */
    STOP,
    CANCEL
};

struct reply { /* in a buffer; the kernel reads it when it is submitted */
    struct msghdr header;
    struct iovec at;
};

struct loop {
    struct worker *worker;
    struct server_counters counters;
    struct ring ring;
    struct msghdr shape;   /* of what is received: room for a name */
    struct reply *replies; /* one a buffer */
    uint16_t *queue;       /* buffers whose replies are to be sent, in order */
    unsigned queued;
    unsigned sending; /* in flight */
    int broken;       /* receives in a row that failed */
    int error;
    bool receiving, stopping, cancelling;
    bool no_entry; /* an entry was missed: do not wait, look again */
};

static void receive(struct loop *loop)
{
    struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
    loop->no_entry |= !sqe;
    if (!sqe)
        return;
    io_uring_prep_recvmsg_multishot(sqe, loop->worker->listen_fd, &loop->shape,
                                    MSG_TRUNC);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, RECEIVE);
    loop->receiving = true;
}

/* The receive itself tells when it has ended. */
static void stop_receiving(struct loop *loop)
{
    struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
    loop->no_entry |= !sqe;
    if (!sqe)
        return;
    io_uring_prep_cancel64(sqe, RECEIVE, 0);
    io_uring_sqe_set_data64(sqe, CANCEL);
    loop->cancelling = true;
}

static void send_queued(struct loop *loop)
{
    unsigned done = 0;
    for (; done < loop->queued; done++) {
        const uint16_t buffer = loop->queue[done];
        struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
        loop->no_entry |= !sqe;
        if (!sqe)
            break;
        io_uring_prep_sendmsg(sqe, loop->worker->listen_fd,
                              &loop->replies[buffer].header,
                              MSG_DONTWAIT | MSG_NOSIGNAL);
        io_uring_sqe_set_data64(sqe, (uint64_t)buffer << 8 | SEND);
    }
    datagram_sending(loop->worker->server, done);
    loop->sending += done;
    loop->queued -= done;
    memmove(loop->queue, loop->queue + done,
            loop->queued * sizeof *loop->queue);
}

/* Queues the reply, or gives the buffer back. */
static void answer(struct loop *loop, uint8_t *data, int length,
                   uint16_t buffer)
{
    struct reply *reply = &loop->replies[buffer];
    struct io_uring_recvmsg_out *out =
        io_uring_recvmsg_validate(data, length, &loop->shape);
    ssize_t n = -1;
    if (out && !datagram_is_end(out->payloadlen, out->namelen)) {
        datagram_arrived(loop->worker->server);
        void *name = io_uring_recvmsg_name(out);
        void *datagram = io_uring_recvmsg_payload(out, &loop->shape);
        n = datagram_reply(loop->worker->server, datagram, out->payloadlen,
                           RING_DATAGRAM_BYTES - RING_DATAGRAM_HEADER, name,
                           out->namelen, &loop->counters);
        reply->at = (struct iovec){.iov_base = datagram, .iov_len = (size_t)n};
        reply->header = (struct msghdr){.msg_name = name,
                                        .msg_namelen = out->namelen,
                                        .msg_iov = &reply->at,
                                        .msg_iovlen = 1};
    }
    if (n < 0)
        ring_release(&loop->ring, buffer);
    else
        loop->queue[loop->queued++] = buffer;
}

static void on_receive(struct loop *loop, const struct io_uring_cqe *cqe)
{
    uint16_t buffer = 0;
    uint8_t *data = NULL;
    if (cqe->flags & IORING_CQE_F_BUFFER)
        data = ring_received(&loop->ring, cqe, &buffer);
    if (!(cqe->flags & IORING_CQE_F_MORE)) /* also after a success */
        loop->receiving = false;
    if (data)
        answer(loop, data, cqe->res, buffer);
    if (cqe->res >= 0 || cqe->res == -ENOBUFS)
        loop->broken = 0;
    else if (!loop->stopping && cqe->res != -EINTR &&
             ++loop->broken == BROKEN_MAX)
        loop->error = cqe->res;
}

static void on_completion(struct loop *loop, const struct io_uring_cqe *cqe)
{
    switch ((enum operation)(cqe->user_data & 0xff)) {
    case RECEIVE:
        on_receive(loop, cqe);
        break;
    case SEND:
        loop->sending--;
        datagram_sent(loop->worker->server, &loop->counters, cqe->res);
        datagram_settled(loop->worker->server, 1);
        ring_release(&loop->ring, (uint16_t)(cqe->user_data >> 8));
        break;
    case STOP:
        loop->stopping = true;
        break;
    case CANCEL:
        break;
    }
}

/* One pass: what is to be asked for, the kernel, completions. */
static int turn(struct loop *loop)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;
    loop->no_entry = false;
    send_queued(loop);
    if (!loop->receiving && !loop->stopping && loop->ring.with_kernel > 0)
        receive(loop); /* without buffers it would fail at once */
    if (loop->receiving && loop->stopping && !loop->cancelling)
        stop_receiving(loop);
    int r = ring_enter(&loop->ring, !loop->no_entry);
    io_uring_for_each_cqe(&loop->ring.uring, head, cqe)
    {
        on_completion(loop, cqe);
        count++;
    }
    io_uring_cq_advance(&loop->ring.uring, count);
    return r < 0 ? r : loop->error;
}

static int loop_open(struct loop *loop, struct worker *worker)
{
    *loop = (struct loop){
        .worker = worker,
        .shape.msg_namelen = sizeof(struct sockaddr_storage),
    };
    int r = ring_open_datagrams(&loop->ring, worker->server->options);
    if (r < 0)
        return r;
    loop->replies = calloc(loop->ring.buffer_count, sizeof *loop->replies);
    loop->queue = calloc(loop->ring.buffer_count, sizeof *loop->queue);
    struct io_uring_sqe *sqe = ring_sqe(&loop->ring);
    if (!loop->replies || !loop->queue || !sqe)
        return -ENOMEM;
    io_uring_prep_poll_add(sqe, stop_event_fd(), POLLIN);
    io_uring_sqe_set_data64(sqe, STOP);
    return 0;
}

/* In a thread of its own: it alone may use the ring it makes. */
static int serve(struct worker *worker)
{
    struct loop loop;
    int r = loop_open(&loop, worker);
    if (r == 0)
        r = worker_ready(worker, loop.ring.granted);
    while (r == 0 && (!loop.stopping || loop.receiving || loop.sending > 0 ||
                      loop.queued > 0))
        r = turn(&loop);
    if (r == 0) /* nothing is in flight: any buffer will do */
        datagram_drain(worker->server, worker->listen_fd, loop.ring.memory,
                       &loop.counters);

    loop.counters.socket_drops = datagram_socket_drops(worker->listen_fd);
    ring_close(&loop.ring);
    free(loop.replies);
    free(loop.queue);
    server_count_worker(worker->server, worker->index, &loop.counters);
    return r;
}

int udp_uring_run(struct server *server)
{
    return workers_run(server, serve);
}
