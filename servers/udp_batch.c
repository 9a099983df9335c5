/*
 * Batches: one call receives what is there, up to 32 datagrams, and one call
 * sends all the replies (recvmmsg and sendmmsg).
 *
 *     recvmmsg --> [answer each] --> sendmmsg --.
 *         ^                                     |
 *         '-------------------------------------'
 *
 * The first datagram is waited for, those behind it are not: a lone one is not
 * held up, and under load two calls serve many. What is saved is the way into
 * the kernel and back. The way of each datagram through the network's layers
 * remains, and that is most of its cost: do not expect wonders. --workers adds
 * threads, each with a socket of its own.
 *
 * Compare with udp_iterative.c, and with udp_gso.c, which carries many
 * datagrams through those layers as one.
 */
#include "servers/server.h"
#include "servers/support/datagram.h"
#include "servers/support/stop.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH 32

/* A place for each datagram of a batch. */
struct batch {
    struct mmsghdr received[BATCH];
    struct mmsghdr replies[BATCH];
    struct iovec received_at[BATCH];
    struct iovec replies_at[BATCH];
    struct sockaddr_storage sources[BATCH];
    uint8_t data[BATCH][DATAGRAM_BYTES_MAX];
};

/* recvmmsg writes into the headers what it found: those are set anew. */
static void prepare(struct batch *batch, int count)
{
    for (int i = 0; i < count; i++) {
        batch->sources[i].ss_family = AF_UNSPEC; /* until it is filled in */
        batch->received_at[i] = (struct iovec){
            .iov_base = batch->data[i], .iov_len = sizeof batch->data[i]};
        batch->received[i].msg_hdr = (struct msghdr){
            .msg_name = &batch->sources[i],
            .msg_namelen = sizeof batch->sources[i],
            .msg_iov = &batch->received_at[i],
            .msg_iovlen = 1,
        };
    }
}

/* Makes the replies where the datagrams lie. How many there are. */
static unsigned answer(const struct server *server, struct batch *batch,
                       int count, struct server_counters *counters)
{
    unsigned replies = 0;
    datagram_arrived(server);
    for (int i = 0; i < count; i++) {
        const struct mmsghdr *from = &batch->received[i];
        const socklen_t name_length = from->msg_hdr.msg_namelen;
        if (datagram_is_end(from->msg_len, name_length))
            continue;
        ssize_t n = datagram_reply(server, batch->data[i], from->msg_len,
                                   DATAGRAM_BYTES_MAX, &batch->sources[i],
                                   name_length, counters);
        if (n < 0)
            continue;
        struct iovec *at = &batch->replies_at[replies];
        *at = (struct iovec){.iov_base = batch->data[i], .iov_len = (size_t)n};
        batch->replies[replies++].msg_hdr = (struct msghdr){
            .msg_name = &batch->sources[i],
            .msg_namelen = name_length,
            .msg_iov = at,
            .msg_iovlen = 1,
        };
    }
    return replies;
}

/* sendmmsg ends at the first that cannot be sent: that one is left out. */
static void send_replies(const struct server *server, int fd,
                         struct batch *batch, unsigned count,
                         struct server_counters *counters)
{
    unsigned done = 0;
    datagram_sending(server, count);
    while (done < count) {
        int n = sendmmsg(fd, &batch->replies[done], count - done,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        for (int i = 0; i < n; i++)
            datagram_sent(server, counters, batch->replies[done++].msg_len);
        if (n < 0) {
            datagram_sent(server, counters, -1);
            done++;
        }
    }
}

static int serve(struct worker *worker)
{
    const int fd = worker->listen_fd;
    struct server_counters counters = {0};
    struct batch *batch = malloc(sizeof *batch);
    int r = batch ? worker_ready(worker, NULL) : -ENOMEM;

    for (int n = BATCH; r == 0 && !stop_requested();) {
        prepare(batch, n);
        n = recvmmsg(fd, batch->received, BATCH, MSG_WAITFORONE | MSG_TRUNC,
                     NULL);
        if (n < 0 && errno != EINTR)
            r = -errno;
        unsigned replies = answer(worker->server, batch, n, &counters);
        send_replies(worker->server, fd, batch, replies, &counters);
        datagram_settled(worker->server, replies);
    }
    if (r == 0)
        datagram_drain(worker->server, fd, batch->data[0], &counters);

    counters.socket_drops = datagram_socket_drops(fd);
    free(batch);
    server_count_worker(worker->server, worker->index, &counters);
    return r;
}

int udp_batch_run(struct server *server)
{
    return workers_run(server, serve);
}
