/*
 * Completion: one ring per thread, a multishot receive per connection that
 * picks buffers from a shared ring, sends submitted together with the wait.
 *
 * What it begins with is in uring_setup.c, how it sends in uring_send.c.
 */
#include "loadgen/engine/uring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void register_socket(struct uring_engine *self, uint32_t channel)
{
    struct uring_channel *at = &self->channels[channel];
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
    struct uring_channel *at = &self->channels[channel];
    at->starved = false;
    struct io_uring_sqe *sqe = uring_next_entry(self, at);
    if (self->base.config.unconnected)
        io_uring_prep_recvmsg_multishot(sqe, at->fd, &self->shape, MSG_TRUNC);
    else
        io_uring_prep_recv_multishot(sqe, at->fd, NULL, 0,
                                     self->stream ? 0 : MSG_TRUNC);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_BUFFER_GROUP;
    uring_name_socket(self, at, sqe);
    /* Nothing is there before the first request is answered. */
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(sqe, uring_tag(self, channel, KIND_RECEIVE));
}

static int uring_connect(struct engine *engine, uint32_t channel)
{
    struct uring_engine *self = uring_of(engine);
    struct uring_channel *at = &self->channels[channel];
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
        if (!engine->config.unconnected &&
            connect(fd, &target->u.any, target->length) < 0) {
            int r = -errno;
            engine->ops->disconnect(engine, channel);
            return r;
        }
        register_socket(self, channel);
        arm_receive(self, channel);
        return 1;
    }
    struct io_uring_sqe *sqe = uring_next_entry(self, at);
    io_uring_prep_connect(sqe, fd, &target->u.any, target->length);
    io_uring_sqe_set_data64(sqe, uring_tag(self, channel, KIND_CONNECT));
    return 0;
}

/* Those that the kernel has not taken shall do nothing. */
static void drop_entries(struct uring_engine *self, uint32_t channel)
{
    struct io_uring_sq *queue = &self->ring.sq;
    const unsigned count = io_uring_sq_ready(&self->ring);
    for (unsigned i = 1; i <= count; i++) {
        struct io_uring_sqe *sqe =
            &queue->sqes[(queue->sqe_tail - i) & *queue->kring_mask];
        const uint64_t tag = sqe->user_data;
        if (tag >> 32 != channel)
            continue;
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, tag);
    }
}

static void uring_disconnect(struct engine *engine, uint32_t channel)
{
    struct uring_engine *self = uring_of(engine);
    struct uring_channel *at = &self->channels[channel];
    if (at->fd < 0)
        return;
    /* An entry not yet submitted names the descriptor: it must not meet
     * another socket under the same number. */
    if (self->ring_open && uring_is_pending(self, at->newest_entry)) {
        uring_submit(self);
        if (uring_is_pending(self, at->newest_entry))
            drop_entries(self, channel);
    }
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

static void arm_starved(struct uring_engine *self)
{
    for (uint32_t i = 0; i < self->starved_count; i++) {
        struct uring_channel *at = &self->channels[self->starved[i]];
        if (at->starved) /* not disconnected since */
            arm_receive(self, self->starved[i]);
    }
    self->starved_count = 0;
}

static const struct io_uring_recvmsg_out *
head_of(const struct uring_engine *self, uint32_t buffer)
{
    const void *at = uring_buffer(self, buffer);
    return at;
}

/* The datagram of an unconnected socket, and whether it is the server's. */
static void unwrap(const struct uring_engine *self, struct completion *out)
{
    const struct io_uring_recvmsg_out *head = head_of(self, out->buffer);
    struct address from = {.length = head->namelen};
    memcpy(&from.u, head + 1, URING_NAME_BYTES);
    out->foreign = !address_equal(&from, &self->base.config.target);
    out->data += URING_NAMED_BYTES;
    out->length_bytes = head->payloadlen;
}

static int on_receive(struct uring_engine *self, struct uring_channel *at,
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
    /* Ended by a full queue, no error; of datagrams neither an ICMP error nor
     * an empty one ends anything for good. */
    if (!more && (cqe->res > 0 || !self->stream))
        arm_receive(self, out->channel);
    if (cqe->res < 0)
        return uring_fail(out, cqe->res);
    if (cqe->res == 0 && self->stream) {
        out->kind = COMPLETION_CLOSED;
        return 1;
    }
    const bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
    out->kind = COMPLETION_RECEIVED;
    out->buffer =
        has_buffer ? cqe->flags >> IORING_CQE_BUFFER_SHIFT : URING_NO_BUFFER;
    out->length_bytes = (size_t)cqe->res;
    out->data = has_buffer ? uring_buffer(self, out->buffer) : self->buffers;
    size_t room = self->buffer_bytes;
    if (self->base.config.unconnected && has_buffer) {
        unwrap(self, out);
        room -= URING_NAMED_BYTES;
    }
    if (out->length_bytes > room) {
        out->length_bytes = room;
        out->truncated = true;
    }
    return 1;
}

static void note_datagram(struct uring_engine *self, bool is_open,
                          const struct io_uring_cqe *cqe)
{
    enum uring_kind kind = (enum uring_kind)(cqe->user_data & 0xff);
    if (self->stream)
        return;
    self->base.ledger.refused += kind == KIND_SEND && cqe->res < 0;
    if (kind != KIND_RECEIVE || cqe->res < 0)
        return;
    /* The end of a socket that was closed reads like an empty datagram, and
     * where names are wanted has a buffer without one. */
    const bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
    const uint32_t buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    const bool is_named = self->base.config.unconnected && has_buffer
                              ? head_of(self, buffer)->namelen > 0
                              : has_buffer;
    self->base.ledger.received += is_open || is_named;
}

static int handle(struct uring_engine *self, const struct io_uring_cqe *cqe,
                  struct completion *out)
{
    const uint32_t channel = (uint32_t)(cqe->user_data >> 32);
    struct uring_channel *at = uring_concerned(self, cqe);
    note_datagram(self, at != NULL, cqe);
    if (!at) {
        /* Of an earlier connection: only its buffer matters. */
        if (cqe->flags & IORING_CQE_F_BUFFER)
            uring_add_buffer(self, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        return 0;
    }
    *out = (struct completion){.channel = channel,
                               .generation = self->base.generations[channel]};
    switch ((enum uring_kind)(cqe->user_data & 0xff)) {
    case KIND_CONNECT:
        if (cqe->res < 0)
            return uring_fail(out, cqe->res);
        register_socket(self, channel);
        arm_receive(self, channel);
        out->kind = COMPLETION_CONNECTED;
        return 1;
    case KIND_RECEIVE:
        return on_receive(self, at, cqe, out);
    case KIND_SEND:
        return uring_on_send(self, at, cqe->res, out);
    }
    return 0;
}

static int uring_wait(struct engine *engine, uint64_t timeout_ns,
                      struct completion *out, int max)
{
    struct uring_engine *self = uring_of(engine);
    uring_show_buffers(self);
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
    uring_look_at_sends(self);
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
    if (completion->kind == COMPLETION_RECEIVED &&
        completion->buffer != URING_NO_BUFFER)
        uring_add_buffer(uring_of(engine), completion->buffer);
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
