/*
 * How the io_uring engine sends.
 *
 * A send on a stream is tried at once when it is submitted (MSG_DONTWAIT) and
 * posts a completion only where it did not leave whole; the rest then waits for
 * room in the socket, and is told. So a request costs one completion, that of
 * its reply, and a wait for replies is not woken by sends.
 */
#include "loadgen/engine/uring.h"

#include <errno.h>

void uring_look_at_sends(struct uring_engine *self)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    self->submitted = self->entries - io_uring_sq_ready(&self->ring);
    if (self->sends_leaving == 0)
        return;
    if (self->submitted == self->entries)
        self->sends_leaving = 0;
    io_uring_for_each_cqe(&self->ring, head, cqe)
    {
        if ((cqe->user_data & 0xff) != KIND_SEND)
            continue;
        struct uring_channel *at = uring_concerned(self, cqe);
        if (at && at->sending == SENDING_AT_ONCE)
            at->sending = SENDING_SLOWLY;
    }
}

void uring_submit(struct uring_engine *self)
{
    uring_show_buffers(self);
    io_uring_submit(&self->ring);
    uring_look_at_sends(self);
}

static void prepare_send(struct uring_engine *self, uint32_t channel)
{
    const struct address *to = &self->base.config.target;
    struct uring_channel *at = &self->channels[channel];
    struct io_uring_sqe *sqe = uring_next_entry(self, at);
    const bool at_once = at->sending == SENDING_AT_ONCE;
    int flags = MSG_NOSIGNAL;
    if (self->stream)
        flags |= MSG_WAITALL;
    /* A Unix datagram that waits in the ring for room at the server leaves
     * empty (seen on Linux 6.18): refused, as by the epoll engine. */
    if (at_once || self->unix_datagrams)
        flags |= MSG_DONTWAIT;
    io_uring_prep_send(sqe, at->fd, at->unsent, at->unsent_bytes, flags);
    if (self->base.config.unconnected)
        io_uring_prep_send_set_addr(sqe, &to->u.any, (uint16_t)to->length);
    io_uring_sqe_set_data64(sqe, uring_tag(self, channel, KIND_SEND));
    if (at_once || !self->stream)
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    uring_name_socket(self, at, sqe);
    at->send = sqe;
    at->send_entry = at->newest_entry;
    self->sends_leaving += at_once;
}

/* The entry that is still ours shall be sent slowly. */
static void take_time(struct uring_engine *self, struct uring_channel *at)
{
    at->send->msg_flags &= ~(uint32_t)MSG_DONTWAIT;
    at->send->flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS;
    at->sending = SENDING_SLOWLY;
    self->sends_leaving--;
}

static int send_on_stream(struct uring_engine *self, uint32_t channel,
                          const uint8_t *data, size_t length_bytes)
{
    struct uring_channel *at = &self->channels[channel];
    if (at->sending == SENDING_AT_ONCE &&
        uring_is_pending(self, at->send_entry)) {
        /* An earlier one has not been submitted: it grows, or goes first. */
        if (at->unsent + at->unsent_bytes == data &&
            at->unsent_bytes + length_bytes <= UINT32_MAX) {
            at->unsent_bytes += length_bytes;
            at->send->len = (uint32_t)at->unsent_bytes;
            return 1;
        }
        uring_submit(self);
        if (uring_is_pending(self, at->send_entry))
            take_time(self, at);
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

int uring_send(struct engine *engine, uint32_t channel, const void *data,
               size_t length_bytes)
{
    struct uring_engine *self = uring_of(engine);
    if (self->stream)
        return send_on_stream(self, channel, data, length_bytes);
    engine->ledger.sends++;
    self->channels[channel].unsent = data;
    self->channels[channel].unsent_bytes = length_bytes;
    prepare_send(self, channel);
    return 0;
}

int uring_on_send(struct uring_engine *self, struct uring_channel *at,
                  int result, struct completion *out)
{
    if (self->stream && result == -EAGAIN) /* at once, nothing left */
        result = 0;
    if (result < 0)
        return uring_fail(out, result);
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
