/*
 * Completion: one ring per thread, a multishot receive per connection that
 * picks buffers from a shared ring, sends submitted together with the wait.
 *
 *   user_data   63..........32 31.........8 7....0
 *               channel        generation   kind
 *
 * A send on a stream is tried at once when it is submitted (MSG_DONTWAIT) and
 * posts a completion only where it did not leave whole; the rest then waits for
 * room in the socket, and is told. So a request costs one completion, that of
 * its reply, and a wait for replies is not woken by sends.
 */
#include "loadgen/engine.h"

#include <errno.h>
#include <liburing.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SQ_ENTRIES 1024u
#define CQ_ENTRIES 16384u
#define CQ_ENTRIES_MAX 65536u
#define BUFFERS_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define BUFFERS_MAX 1024u
#define BUFFERS_MIN 32u
#define BUFFER_BYTES 2048u      /* for streams, whose data may come in pieces */
#define BUFFER_BYTES_SMALL 256u /* where the replies in flight fit */
#define BUFFER_GROUP 0
#define GENERATION_MASK 0xffffffu

enum kind {
    KIND_CONNECT = 1,
    KIND_RECEIVE,
    KIND_SEND
};

/* Of a stream's newest send. At once: submitted so, and unless a completion
 * says otherwise it left whole with its submission. */
enum sending {
    SENDING_NONE,
    SENDING_AT_ONCE,
    SENDING_SLOWLY
};

struct channel {
    int fd;          /* -1: none */
    bool starved;    /* its receive ended for want of buffers */
    bool registered; /* the ring knows its socket by the channel's number */
    bool owes_sent;  /* a COMPLETION_SENT */
    enum sending sending;
    uint64_t prepared; /* the submission that its newest entry belongs to */
    struct io_uring_sqe *send; /* its entry, while that is not submitted */
    const uint8_t *unsent;
    size_t unsent_bytes;
    const uint8_t *queued; /* sent after what is sent slowly */
    size_t queued_bytes;
};

struct uring_engine {
    struct engine base;
    struct io_uring ring;
    bool ring_open;
    bool stream;
    bool sends_at_once;     /* what it takes is granted */
    bool has_files;         /* a table of registered sockets */
    uint32_t sends_leaving; /* at once, in the submission to come */
    uint64_t submission;    /* counts calls that submit */
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t buffers_count;
    uint32_t buffer_bytes;
    int buffers_returned; /* added to the ring, not yet shown to the kernel */
    uint32_t *starved;
    uint32_t starved_count;
    uint32_t starved_max;
    struct channel channels[];
};

static struct uring_engine *downcast(struct engine *engine)
{
    return (struct uring_engine *)engine;
}

static uint64_t tag_of(const struct uring_engine *self, uint32_t channel,
                       enum kind kind)
{
    uint64_t generation = self->base.generations[channel] & GENERATION_MASK;
    return (uint64_t)channel << 32 | generation << 8 | (uint64_t)kind;
}

static size_t buffer_ring_bytes(const struct uring_engine *self)
{
    return self->buffers_count * sizeof(struct io_uring_buf);
}

static void uring_close(struct engine *engine)
{
    struct uring_engine *self = downcast(engine);
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
    unsigned wanted = 2 * self->base.config.channels + 2 * BUFFERS_MAX;
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

static uint8_t *buffer_at(const struct uring_engine *self, uint32_t buffer)
{
    return self->buffers + (size_t)buffer * self->buffer_bytes;
}

static void add_buffer(struct uring_engine *self, uint32_t buffer)
{
    io_uring_buf_ring_add(self->buffer_ring, buffer_at(self, buffer),
                          self->buffer_bytes, (unsigned short)buffer,
                          io_uring_buf_ring_mask(self->buffers_count),
                          self->buffers_returned);
    self->buffers_returned++;
}

static void show_buffers(struct uring_engine *self)
{
    if (self->buffers_returned > 0)
        io_uring_buf_ring_advance(self->buffer_ring, self->buffers_returned);
    self->buffers_returned = 0;
}

static int open_buffers(struct uring_engine *self)
{
    const struct engine_config *config = &self->base.config;
    /* A datagram must fit whole, and one byte that is too many. The fewer and
     * smaller they are, the sooner one is used again while it is in a cache. */
    size_t wanted = config->message_bytes + 1;
    if (self->stream && config->inflight != 1)
        wanted = BUFFER_BYTES;
    uint32_t bytes = BUFFER_BYTES_SMALL;
    while (bytes < wanted && bytes < 65536)
        bytes *= 2;
    uint32_t count = BUFFERS_MAX;
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
                                   .bgid = BUFFER_GROUP};
    int r = io_uring_register_buf_ring(&self->ring, &reg, 0);
    if (r < 0)
        return r;
    io_uring_buf_ring_init(self->buffer_ring);
    for (uint32_t i = 0; i < count; i++)
        add_buffer(self, i);
    show_buffers(self);
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

static int uring_open(struct engine **ret, const struct engine_config *config)
{
    struct uring_engine *self =
        calloc(1, sizeof *self + config->channels * sizeof self->channels[0]);
    if (!self)
        return -ENOMEM;
    self->base.ops = &engine_uring;
    self->base.config = *config;
    self->stream = config->target.socket_type == SOCK_STREAM;
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
    if (r < 0) {
        uring_close(&self->base);
        return r;
    }
    /* Look-ups of descriptors less; works without them too. */
    (void)io_uring_register_ring_fd(&self->ring);
    self->has_files =
        config->persistent &&
        io_uring_register_files_sparse(&self->ring, config->channels) == 0;
    self->sends_at_once =
        self->stream &&
        *self->ring.cq.kring_entries >= 2 * config->channels + BUFFERS_MAX &&
        tells_short_sends(self);
    *ret = &self->base;
    return 0;
}

/* The channel that a completion concerns; NULL: an earlier connection. */
static struct channel *concerned(struct uring_engine *self,
                                 const struct io_uring_cqe *cqe)
{
    const uint32_t number = (uint32_t)(cqe->user_data >> 32);
    struct channel *at = &self->channels[number];
    const uint32_t generation = self->base.generations[number];
    return at->fd >= 0 && (cqe->user_data >> 8 & GENERATION_MASK) ==
                              (generation & GENERATION_MASK)
               ? at
               : NULL;
}

/* After a submission: which sends did not leave whole? Their completions are
 * there already. */
static void look_at_sends(struct uring_engine *self)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    self->submission++;
    if (self->sends_leaving == 0)
        return;
    self->sends_leaving = 0;
    io_uring_for_each_cqe(&self->ring, head, cqe)
    {
        if ((cqe->user_data & 0xff) != KIND_SEND)
            continue;
        struct channel *at = concerned(self, cqe);
        if (at && at->sending == SENDING_AT_ONCE)
            at->sending = SENDING_SLOWLY;
    }
}

static void submit(struct uring_engine *self)
{
    show_buffers(self);
    io_uring_submit(&self->ring);
    look_at_sends(self);
}

static struct io_uring_sqe *next_entry(struct uring_engine *self,
                                       struct channel *at)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    while (!sqe) {
        submit(self); /* the submission queue is full */
        sqe = io_uring_get_sqe(&self->ring);
    }
    at->prepared = self->submission;
    return sqe;
}

/* After the entry has been prepared with the socket's descriptor. */
static void name_socket(const struct uring_engine *self,
                        const struct channel *at, struct io_uring_sqe *sqe)
{
    if (!at->registered)
        return;
    sqe->fd = (int)(at - self->channels);
    sqe->flags |= IOSQE_FIXED_FILE;
}

static void register_socket(struct uring_engine *self, uint32_t channel)
{
    struct channel *at = &self->channels[channel];
    at->registered =
        self->has_files &&
        io_uring_register_files_update(&self->ring, channel, &at->fd, 1) == 1;
}

static void unregister_socket(struct uring_engine *self, uint32_t channel)
{
    const int none = -1;
    if (self->channels[channel].registered)
        (void)io_uring_register_files_update(&self->ring, channel, &none, 1);
    self->channels[channel].registered = false;
}

static void arm_receive(struct uring_engine *self, uint32_t channel)
{
    struct channel *at = &self->channels[channel];
    at->starved = false;
    struct io_uring_sqe *sqe = next_entry(self, at);
    io_uring_prep_recv_multishot(sqe, at->fd, NULL, 0,
                                 self->stream ? 0 : MSG_TRUNC);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    name_socket(self, at, sqe);
    /* Nothing is there before the first request is answered. */
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(sqe, tag_of(self, channel, KIND_RECEIVE));
}

static int uring_connect(struct engine *engine, uint32_t channel)
{
    struct uring_engine *self = downcast(engine);
    struct channel *at = &self->channels[channel];
    const struct address *target = &engine->config.target;
    int fd = engine_socket(&engine->config, channel, 0);
    if (fd < 0)
        return fd;
    at->fd = fd;
    at->sending = SENDING_NONE;
    at->owes_sent = false;
    at->unsent_bytes = 0;
    at->queued_bytes = 0;
    if (!self->stream) {
        if (connect(fd, &target->u.any, target->length) < 0) {
            int r = -errno;
            engine->ops->disconnect(engine, channel);
            return r;
        }
        register_socket(self, channel);
        arm_receive(self, channel);
        return 1;
    }
    struct io_uring_sqe *sqe = next_entry(self, at);
    io_uring_prep_connect(sqe, fd, &target->u.any, target->length);
    io_uring_sqe_set_data64(sqe, tag_of(self, channel, KIND_CONNECT));
    return 0;
}

static void uring_disconnect(struct engine *engine, uint32_t channel)
{
    struct uring_engine *self = downcast(engine);
    struct channel *at = &self->channels[channel];
    if (at->fd < 0)
        return;
    /* An entry not yet submitted names the descriptor: it must not meet
     * another socket under the same number. */
    if (self->ring_open && at->prepared == self->submission)
        submit(self);
    engine_part_with(engine, at->fd);
    /* The armed receive holds the socket: close() alone would send no FIN. */
    shutdown(at->fd, SHUT_RDWR);
    if (self->ring_open)
        unregister_socket(self, channel);
    close(at->fd);
    at->fd = -1;
    at->starved = false;
    engine->generations[channel]++;
}

static void prepare_send(struct uring_engine *self, uint32_t channel)
{
    struct channel *at = &self->channels[channel];
    struct io_uring_sqe *sqe = next_entry(self, at);
    const bool at_once = at->sending == SENDING_AT_ONCE;
    int flags = MSG_NOSIGNAL;
    if (self->stream)
        flags |= MSG_WAITALL;
    if (at_once)
        flags |= MSG_DONTWAIT;
    io_uring_prep_send(sqe, at->fd, at->unsent, at->unsent_bytes, flags);
    io_uring_sqe_set_data64(sqe, tag_of(self, channel, KIND_SEND));
    if (at_once || !self->stream)
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    name_socket(self, at, sqe);
    at->send = sqe;
    self->sends_leaving += at_once;
}

static int send_on_stream(struct uring_engine *self, uint32_t channel,
                          const uint8_t *data, size_t length_bytes)
{
    struct channel *at = &self->channels[channel];
    if (at->sending == SENDING_AT_ONCE && at->prepared == self->submission) {
        /* An earlier one has not been submitted: it grows, or goes first. */
        if (at->unsent + at->unsent_bytes == data &&
            at->unsent_bytes + length_bytes <= UINT32_MAX) {
            at->unsent_bytes += length_bytes;
            at->send->len = (uint32_t)at->unsent_bytes;
            return 1;
        }
        submit(self);
    }
    if (at->sending == SENDING_SLOWLY) {
        at->queued = data;
        at->queued_bytes = length_bytes;
        at->owes_sent = true;
        return 0;
    }
    at->unsent = data;
    at->unsent_bytes = length_bytes;
    at->sending = self->sends_at_once ? SENDING_AT_ONCE : SENDING_SLOWLY;
    at->owes_sent = !self->sends_at_once;
    prepare_send(self, channel);
    return self->sends_at_once;
}

static int uring_send(struct engine *engine, uint32_t channel, const void *data,
                      size_t length_bytes)
{
    struct uring_engine *self = downcast(engine);
    if (self->stream)
        return send_on_stream(self, channel, data, length_bytes);
    engine->ledger.sends++;
    self->channels[channel].unsent = data;
    self->channels[channel].unsent_bytes = length_bytes;
    prepare_send(self, channel);
    return 0;
}

static int fail(struct completion *out, int error)
{
    out->kind = COMPLETION_FAILED;
    out->error = error;
    return 1;
}

static int on_send(struct uring_engine *self, struct channel *at, int result,
                   struct completion *out)
{
    if (self->stream && result == -EAGAIN) /* at once, nothing left */
        result = 0;
    if (result < 0)
        return fail(out, result);
    if (!self->stream)
        return 0;
    /* Short sends happen even with MSG_WAITALL. */
    at->unsent += result;
    at->unsent_bytes -= (size_t)result;
    if (at->unsent_bytes == 0) {
        at->unsent = at->queued;
        at->unsent_bytes = at->queued_bytes;
        at->queued_bytes = 0;
    }
    if (at->unsent_bytes > 0) {
        prepare_send(self, out->channel);
        return 0;
    }
    at->sending = SENDING_NONE;
    if (!at->owes_sent)
        return 0;
    at->owes_sent = false;
    out->kind = COMPLETION_SENT;
    return 1;
}

static void arm_starved(struct uring_engine *self)
{
    for (uint32_t i = 0; i < self->starved_count; i++) {
        struct channel *at = &self->channels[self->starved[i]];
        if (at->starved) /* not disconnected since */
            arm_receive(self, self->starved[i]);
    }
    self->starved_count = 0;
}

static int on_receive(struct uring_engine *self, struct channel *at,
                      const struct io_uring_cqe *cqe, struct completion *out)
{
    bool more = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->res == -ENOBUFS) {
        /* Armed again when buffers are back: now it would fail again. */
        at->starved = true;
        self->starved[self->starved_count++] = out->channel;
        if (self->starved_count == self->starved_max)
            arm_starved(self);
        return 0;
    }
    if (!more && cqe->res > 0)
        arm_receive(self, out->channel); /* ended by a full queue, no error */
    if (cqe->res < 0) {
        if (!self->stream && !more) /* an ICMP error ends nothing for good */
            arm_receive(self, out->channel);
        return fail(out, cqe->res);
    }
    if (cqe->res == 0) {
        out->kind = COMPLETION_CLOSED;
        return 1;
    }
    out->kind = COMPLETION_RECEIVED;
    out->buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    out->length_bytes = (size_t)cqe->res;
    out->data = buffer_at(self, out->buffer);
    if (out->length_bytes > self->buffer_bytes) {
        out->length_bytes = self->buffer_bytes;
        out->truncated = true;
    }
    return 1;
}

static void note_datagram(struct uring_engine *self,
                          const struct io_uring_cqe *cqe)
{
    enum kind kind = (enum kind)(cqe->user_data & 0xff);
    if (self->stream)
        return;
    self->base.ledger.refused += kind == KIND_SEND && cqe->res < 0;
    /* An empty one has a buffer too; the end of a socket has none. */
    self->base.ledger.received += kind == KIND_RECEIVE && cqe->res >= 0 &&
                                  (cqe->flags & IORING_CQE_F_BUFFER);
}

static int handle(struct uring_engine *self, const struct io_uring_cqe *cqe,
                  struct completion *out)
{
    const uint32_t channel = (uint32_t)(cqe->user_data >> 32);
    struct channel *at = concerned(self, cqe);
    note_datagram(self, cqe);
    if (!at) {
        /* Of an earlier connection: only its buffer matters. */
        if (cqe->flags & IORING_CQE_F_BUFFER)
            add_buffer(self, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        return 0;
    }
    *out = (struct completion){.channel = channel,
                               .generation = self->base.generations[channel]};
    switch ((enum kind)(cqe->user_data & 0xff)) {
    case KIND_CONNECT:
        if (cqe->res < 0)
            return fail(out, cqe->res);
        register_socket(self, channel);
        arm_receive(self, channel);
        out->kind = COMPLETION_CONNECTED;
        return 1;
    case KIND_RECEIVE:
        return on_receive(self, at, cqe, out);
    case KIND_SEND:
        return on_send(self, at, cqe->res, out);
    }
    return 0;
}

static int uring_wait(struct engine *engine, uint64_t timeout_ns,
                      struct completion *out, int max)
{
    struct uring_engine *self = downcast(engine);
    show_buffers(self);
    if (self->starved_count > 0)
        arm_starved(self);
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(timeout_ns / 1000000000),
        .tv_nsec = (long long)(timeout_ns % 1000000000)};
    struct io_uring_cqe *cqe;
    /* A wait of no time would still set a timer and give up the CPU. */
    int r = timeout_ns == 0 ? io_uring_submit_and_get_events(&self->ring)
                            : io_uring_submit_and_wait_timeout(
                                  &self->ring, &cqe, 1, &timeout, NULL);
    look_at_sends(self);
    if (r < 0 && r != -ETIME && r != -EINTR && r != -EAGAIN && r != -EBUSY)
        return r;
    int count = 0;
    unsigned head;
    unsigned seen = 0;
    io_uring_for_each_cqe(&self->ring, head, cqe)
    {
        if (count == max)
            break;
        count += handle(self, cqe, &out[count]);
        seen++;
    }
    io_uring_cq_advance(&self->ring, seen);
    return count;
}

static void uring_give_back(struct engine *engine,
                            const struct completion *completion)
{
    if (completion->kind == COMPLETION_RECEIVED)
        add_buffer(downcast(engine), completion->buffer);
}

static int uring_descriptor(const struct engine *engine, uint32_t channel)
{
    return ((const struct uring_engine *)engine)->channels[channel].fd;
}

const struct engine_ops engine_uring = {
    .name = "uring",
    .open = uring_open,
    .connect = uring_connect,
    .send = uring_send,
    .wait = uring_wait,
    .give_back = uring_give_back,
    .disconnect = uring_disconnect,
    .descriptor = uring_descriptor,
    .close = uring_close,
};
