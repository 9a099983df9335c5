/*
 * What the rooms of the io_uring engine share, and nobody else includes.
 *
 *     engine_uring_setup   what the machine grants: the ring, its buffers
 *     engine_uring_send    sends, at once and slow
 *     engine_uring         connections, receives, completions
 *
 *   user_data   63..........32 31.........8 7....0
 *               channel        generation   kind
 *
 * What is done for each request is inline here.
 */
#ifndef SOCKBENCH_LOADGEN_ENGINE_URING_H
#define SOCKBENCH_LOADGEN_ENGINE_URING_H

#include "loadgen/engine/engine.h"

#include <liburing.h>

#define URING_BUFFERS_MAX 1024u
#define URING_BUFFER_GROUP 0
#define URING_GENERATION_MASK 0xffffffu

/* In front of a datagram to an unconnected socket: lengths, and the name of its
 * source. */
#define URING_NAME_BYTES 32u
#define URING_NAMED_BYTES                                                      \
    (sizeof(struct io_uring_recvmsg_out) + URING_NAME_BYTES)
#define URING_NO_BUFFER UINT32_MAX

enum uring_kind {
    KIND_CONNECT = 1,
    KIND_RECEIVE,
    KIND_SEND
};

/* Of a stream's newest send. At once: submitted so, and unless a completion
 * says otherwise it left whole with its submission. */
enum uring_sending {
    SENDING_NONE,
    SENDING_AT_ONCE,
    SENDING_SLOWLY
};

struct uring_channel {
    int fd;          /* -1: none */
    bool starved;    /* its receive ended for want of buffers */
    bool registered; /* the ring knows its socket by the channel's number */
    bool owes_sent;  /* a COMPLETION_SENT */
    enum uring_sending sending;
    uint64_t newest_entry;     /* its number */
    uint64_t send_entry;       /* that of the newest send */
    struct io_uring_sqe *send; /* the same, while that is not submitted */
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
    bool unix_datagrams;
    bool sends_at_once;     /* what it takes is granted */
    bool has_files;         /* a table of registered sockets */
    uint32_t sends_leaving; /* at once, not submitted */
    uint64_t entries;       /* prepared so far */
    uint64_t submitted;     /* of them: a call may take some only, or none */
    struct msghdr shape;    /* of what unconnected sockets receive */
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t buffers_count;
    uint32_t buffer_bytes;
    int buffers_returned; /* added to the ring, not yet shown to the kernel */
    uint32_t *starved;
    uint32_t starved_count;
    uint32_t starved_max;
    struct uring_channel channels[];
};

static inline struct uring_engine *uring_of(struct engine *engine)
{
    return (struct uring_engine *)engine;
}

static inline uint64_t uring_tag(const struct uring_engine *self,
                                 uint32_t channel, enum uring_kind kind)
{
    uint64_t generation =
        self->base.generations[channel] & URING_GENERATION_MASK;
    return (uint64_t)channel << 32 | generation << 8 | (uint64_t)kind;
}

static inline uint8_t *uring_buffer(const struct uring_engine *self,
                                    uint32_t buffer)
{
    return self->buffers + (size_t)buffer * self->buffer_bytes;
}

static inline void uring_add_buffer(struct uring_engine *self, uint32_t buffer)
{
    io_uring_buf_ring_add(self->buffer_ring, uring_buffer(self, buffer),
                          self->buffer_bytes, (unsigned short)buffer,
                          io_uring_buf_ring_mask(self->buffers_count),
                          self->buffers_returned);
    self->buffers_returned++;
}

static inline void uring_show_buffers(struct uring_engine *self)
{
    if (self->buffers_returned > 0)
        io_uring_buf_ring_advance(self->buffer_ring, self->buffers_returned);
    self->buffers_returned = 0;
}

/* The channel that a completion concerns; NULL: an earlier connection. */
static inline struct uring_channel *
uring_concerned(struct uring_engine *self, const struct io_uring_cqe *cqe)
{
    const uint32_t number = (uint32_t)(cqe->user_data >> 32);
    struct uring_channel *at = &self->channels[number];
    const uint32_t generation = self->base.generations[number];
    return at->fd >= 0 && (cqe->user_data >> 8 & URING_GENERATION_MASK) ==
                              (generation & URING_GENERATION_MASK)
               ? at
               : NULL;
}

/* --- setup --- */

/* The engine's open and close. */
int uring_open(struct engine **ret, const struct engine_config *config);
void uring_close(struct engine *engine);

/* --- sends --- */

/* The engine's send. */
int uring_send(struct engine *engine, uint32_t channel, const void *data,
               size_t length_bytes);

/* Goes on after a send's completion: whether there is something to tell. */
int uring_on_send(struct uring_engine *self, struct uring_channel *at,
                  int result, struct completion *out);

/* After a submission: which sends did not leave whole? Their completions are
 * there already. */
void uring_look_at_sends(struct uring_engine *self);

/* Submits what is prepared, without a wait. Nothing is certain to have gone:
 * the kernel may be short of memory. */
void uring_submit(struct uring_engine *self);

static inline struct io_uring_sqe *uring_next_entry(struct uring_engine *self,
                                                    struct uring_channel *at)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    while (!sqe) {
        uring_submit(self); /* the submission queue is full */
        sqe = io_uring_get_sqe(&self->ring);
    }
    at->newest_entry = ++self->entries;
    return sqe;
}

/* The kernel has not looked at this entry. */
static inline bool uring_is_pending(const struct uring_engine *self,
                                    uint64_t entry)
{
    return entry > self->submitted;
}

/* After the entry has been prepared with the socket's descriptor. */
static inline void uring_name_socket(const struct uring_engine *self,
                                     const struct uring_channel *at,
                                     struct io_uring_sqe *sqe)
{
    if (!at->registered)
        return;
    sqe->fd = (int)(at - self->channels);
    sqe->flags |= IOSQE_FIXED_FILE;
}

static inline int uring_fail(struct completion *out, int error)
{
    out->kind = COMPLETION_FAILED;
    out->error = error;
    return 1;
}

#endif
