/*
 * What the io_uring engine begins with: a ring with the best flags this kernel
 * takes, a shared ring of receive buffers, and the question whether sends may
 * be tried at once.
 */
#include "loadgen/engine/uring.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SQ_ENTRIES 1024u
#define CQ_ENTRIES 16384u
#define CQ_ENTRIES_MAX 65536u
#define BUFFERS_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define BUFFERS_MIN 32u
#define BUFFER_BYTES 2048u      /* for streams, whose data may come in pieces */
#define BUFFER_BYTES_SMALL 256u /* where the replies in flight fit */

static size_t buffer_ring_bytes(const struct uring_engine *self)
{
    return self->buffers_count * sizeof(struct io_uring_buf);
}

void uring_close(struct engine *engine)
{
    struct uring_engine *self = uring_of(engine);
    if (!self)
        return;
    for (uint32_t i = 0; i < self->base.config.channels; i++)
        self->base.ops->disconnect(engine, i);
    if (self->ring_open)
        io_uring_queue_exit(&self->ring);
    if (self->buffer_ring)
        munmap(self->buffer_ring, buffer_ring_bytes(self));
    free(self->buffers);
    free(self->starved);
    free(self->base.generations);
    free(self);
}

/* The best set of flags that this kernel takes, and half the ring again where
 * locked memory is short. */
static int open_ring(struct uring_engine *self)
{
    static const unsigned flags[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
        0,
    };
    /* Each channel may have two completions, each buffer one. */
    unsigned wanted = 2 * self->base.config.channels + 2 * URING_BUFFERS_MAX;
    if (wanted < CQ_ENTRIES)
        wanted = CQ_ENTRIES;
    if (wanted > CQ_ENTRIES_MAX)
        wanted = CQ_ENTRIES_MAX;
    int r = -EINVAL;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        unsigned completions = wanted;
        do {
            struct io_uring_params params = {
                .flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                .cq_entries = completions};
            r = io_uring_queue_init_params(SQ_ENTRIES, &self->ring, &params);
            completions /= 2;
        } while (r == -ENOMEM && completions >= 2 * SQ_ENTRIES);
        if (r != -EINVAL)
            break;
    }
    return r;
}

static int open_buffers(struct uring_engine *self)
{
    const struct engine_config *config = &self->base.config;
    /* A datagram must fit whole, and one byte that is too many. The fewer and
     * smaller they are, the sooner one is used again while it is in a cache. */
    size_t wanted = config->message_bytes + 1;
    if (self->stream && config->inflight != 1)
        wanted = BUFFER_BYTES;
    if (config->unconnected)
        wanted += URING_NAMED_BYTES;
    const uint32_t most = self->stream ? 65536 : 131072;
    uint32_t bytes = BUFFER_BYTES_SMALL;
    while (bytes < wanted && bytes < most)
        bytes *= 2;
    uint32_t count = URING_BUFFERS_MAX;
    const uint64_t needed =
        2 * (uint64_t)config->inflight * (config->channels + 1);
    while (count > BUFFERS_MIN &&
           ((uint64_t)count * bytes > BUFFERS_BYTES_MAX ||
            (config->inflight > 0 && count / 2 >= needed)))
        count /= 2;
    self->buffer_bytes = bytes;
    self->buffers_count = count;
    self->buffers = aligned_alloc(4096, (size_t)count * bytes);
    if (!self->buffers)
        return -ENOMEM;
    void *ring = mmap(NULL, buffer_ring_bytes(self), PROT_READ | PROT_WRITE,
                      MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (ring == MAP_FAILED)
        return -errno;
    self->buffer_ring = ring;
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)ring,
                                   .ring_entries = count,
                                   .bgid = URING_BUFFER_GROUP};
    int r = io_uring_register_buf_ring(&self->ring, &reg, 0);
    if (r < 0)
        return r;
    io_uring_buf_ring_init(self->buffer_ring);
    for (uint32_t i = 0; i < count; i++)
        uring_add_buffer(self, i);
    uring_show_buffers(self);
    return 0;
}

/*
 * Whether a send that must not wait tells how much of it left (Linux 6.1;
 * earlier ones say "try again" though a part has left). Found by filling a
 * socket.
 */
static bool tells_short_sends(struct uring_engine *self)
{
    const int sndbuf_bytes = 4096;
    const size_t length = (size_t)self->buffers_count * self->buffer_bytes;
    struct io_uring_cqe *cqe = NULL;
    int pair[2];
    int arrived = 0;
    bool told = false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (sqe && setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf_bytes,
                          sizeof sndbuf_bytes) == 0) {
        io_uring_prep_send(sqe, pair[0], self->buffers, length,
                           MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        if (io_uring_submit(&self->ring) == 1 &&
            io_uring_peek_cqe(&self->ring, &cqe) == 0) {
            told = cqe->res > 0 && (size_t)cqe->res < length &&
                   ioctl(pair[1], SIOCINQ, &arrived) == 0 &&
                   arrived == cqe->res;
            io_uring_cqe_seen(&self->ring, cqe);
        }
    }
    close(pair[0]);
    close(pair[1]);
    return told;
}

/* Whether a send may name an address (Linux 6.1): earlier ones refuse that
 * before they miss the descriptor. */
static int try_address(struct uring_engine *self)
{
    const struct address *target = &self->base.config.target;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    struct io_uring_cqe *cqe;
    if (!sqe)
        return -EAGAIN;
    io_uring_prep_send(sqe, -1, NULL, 0, 0);
    io_uring_prep_send_set_addr(sqe, &target->u.any, (uint16_t)target->length);
    int r = io_uring_submit(&self->ring);
    if (r >= 0)
        r = io_uring_wait_cqe(&self->ring, &cqe);
    if (r < 0)
        return r;
    r = cqe->res == -EBADF ? 0 : -EOPNOTSUPP;
    io_uring_cqe_seen(&self->ring, cqe);
    return r;
}

int uring_open(struct engine **ret, const struct engine_config *config)
{
    struct uring_engine *self =
        calloc(1, sizeof *self + config->channels * sizeof self->channels[0]);
    if (!self)
        return -ENOMEM;
    self->base.ops = &engine_uring;
    self->base.config = *config;
    self->stream = config->target.socket_type == SOCK_STREAM;
    self->unix_datagrams =
        !self->stream && config->target.u.any.sa_family == AF_UNIX;
    self->shape.msg_namelen = URING_NAME_BYTES;
    for (uint32_t i = 0; i < config->channels; i++)
        self->channels[i].fd = -1;
    self->starved_max = config->channels + 1;
    self->starved = calloc(self->starved_max, sizeof *self->starved);
    self->base.generations =
        calloc((size_t)config->channels + 1, sizeof(uint32_t));
    int r = -ENOMEM;
    if (self->starved && self->base.generations)
        r = open_ring(self);
    if (r == 0) {
        self->ring_open = true;
        r = open_buffers(self);
    }
    if (r == 0 && config->unconnected)
        r = try_address(self);
    if (r < 0) {
        uring_close(&self->base);
        return r;
    }
    /* Look-ups of descriptors less; works without them too. */
    (void)io_uring_register_ring_fd(&self->ring);
    self->has_files =
        config->persistent &&
        io_uring_register_files_sparse(&self->ring, config->channels) == 0;
    self->sends_at_once = self->stream &&
                          *self->ring.cq.kring_entries >=
                              2 * config->channels + URING_BUFFERS_MAX &&
                          tells_short_sends(self);
    self->entries = io_uring_sq_ready(&self->ring);
    *ret = &self->base;
    return 0;
}
