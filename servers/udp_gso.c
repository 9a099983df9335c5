/*
 * Segmentation offload: datagrams of one size from one client travel through
 * the kernel as one block, and so do the replies (UDP_GRO and UDP_SEGMENT).
 *
 *     recvmmsg --> [cut each block, answer each segment] --> sendmmsg --.
 *         ^                                                             |
 *         '-------------------------------------------------------------'
 *
 * Sockets, routing and filters see a block of up to 64 datagrams once: this is
 * what changes the cost of a datagram by a multiple, where udp_batch.c saves
 * system calls alone. It needs clients that send many of one size in a row, and
 * that take blocks (or a network card that cuts them); with one in flight there
 * is nothing to join, and it is the batch page with more work. A drop of the
 * socket, too, is a block: only the clients can tell how many datagrams that
 * was.
 *
 * Compare with udp_batch.c.
 */
#include "servers/server.h"
#include "servers/support/datagram.h"
#include "servers/support/drain.h"
#include "servers/support/segments.h"
#include "servers/support/stop.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 32

struct offload {
    struct worker *worker;
    struct server_counters counters;
    struct mmsghdr received[BLOCKS];
    struct iovec received_at[BLOCKS];
    union segments_control controls[BLOCKS];
    struct sockaddr_storage sources[BLOCKS];
    struct runs replies;
    uint8_t data[BLOCKS][DATAGRAM_BYTES_MAX];
    /* For replies that are longer than their requests. */
    uint8_t longer[BLOCKS][2 * DATAGRAM_BYTES_MAX];
};

static void prepare(struct offload *self, int count)
{
    for (int i = 0; i < count; i++) {
        self->sources[i].ss_family = AF_UNSPEC; /* until it is filled in */
        self->received_at[i] = (struct iovec){.iov_base = self->data[i],
                                              .iov_len = sizeof self->data[i]};
        self->received[i].msg_hdr = (struct msghdr){
            .msg_name = &self->sources[i],
            .msg_namelen = sizeof self->sources[i],
            .msg_iov = &self->received_at[i],
            .msg_iovlen = 1,
            .msg_control = &self->controls[i],
            .msg_controllen = sizeof self->controls[i],
        };
    }
}

/* Segment by segment: each is a datagram, and has a reply of its own. */
static void answer_block(struct offload *self, int i)
{
    const struct server *server = self->worker->server;
    const bool grows = server->service->prefix != NULL;
    struct msghdr *from = &self->received[i].msg_hdr;
    const size_t length = self->received[i].msg_len;
    const size_t segment = segments_size(from, length);
    const uint8_t *end = self->longer[i] + sizeof self->longer[i];
    uint8_t *out = self->longer[i];
    size_t offset = 0;
    do { /* once for an empty datagram */
        size_t part = length - offset < segment ? length - offset : segment;
        size_t room = grows ? (size_t)(end - out) : part;
        uint8_t *at = grows ? out : self->data[i] + offset;
        if (grows && part <= room)
            memcpy(at, self->data[i] + offset, part);
        ssize_t n = datagram_reply(server, at, part, room, &self->sources[i],
                                   from->msg_namelen, &self->counters);
        if (n >= 0)
            runs_add(&self->replies, self->worker->listen_fd, from, at,
                     (size_t)n, &self->counters);
        out += n > 0 && grows ? n : 0;
        offset += part;
    } while (offset < length);
}

/* Receives, answers and sends once. How many blocks came, or -errno. */
static int turn(struct offload *self, int flags)
{
    int n =
        recvmmsg(self->worker->listen_fd, self->received, BLOCKS, flags, NULL);
    if (n < 0)
        return -errno;
    datagram_arrived(self->worker->server);
    for (int i = 0; i < n; i++) {
        const struct mmsghdr *message = &self->received[i];
        if (!datagram_is_end(message->msg_len, message->msg_hdr.msg_namelen))
            answer_block(self, i);
    }
    runs_send(&self->replies, self->worker->listen_fd, &self->counters);
    prepare(self, n);
    return n;
}

static int serve(struct worker *worker)
{
    struct drain drain = {0};
    struct offload *self = malloc(sizeof *self); /* most is never touched */
    if (!self)
        return -ENOMEM;
    self->worker = worker;
    self->replies.server = worker->server;
    self->replies.count = 0;
    self->counters = (struct server_counters){0};
    prepare(self, BLOCKS);
    int r = segments_receive(worker->listen_fd);
    if (r == 0)
        r = worker_ready(worker, NULL);
    while (!stop_requested() && (r >= 0 || r == -EINTR))
        r = turn(self, MSG_WAITFORONE);
    while ((r >= 0 || r == -EINTR) &&
           drain_serves(&drain, self->counters.reads))
        r = turn(self, MSG_DONTWAIT);

    self->counters.socket_drops = datagram_socket_drops(worker->listen_fd);
    server_count_worker(worker->server, worker->index, &self->counters);
    free(self);
    return r < 0 && r != -EAGAIN && r != -EINTR ? r : 0;
}

int udp_gso_run(struct server *server)
{
    return workers_run(server, serve);
}
