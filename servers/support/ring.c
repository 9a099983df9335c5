#include "servers/support/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEAST_ENTRIES 64
#define USUAL_BYTES 4096u /* of a reception */
#define CAP_LEAST 4096u   /* to be asked anew so often costs nothing */

/*
 * Best first. SINGLE_ISSUER and DEFER_TASKRUN (6.1): completions are made when
 * we ask for them and on our CPU, not whenever an interrupt comes: without, io
 * rings are bimodal and often slower than epoll. COOP_TASKRUN (5.19) is half
 * of that. SUBMIT_ALL: a bad entry does not hold up those behind it.
 */
static const struct {
    unsigned flags;
    const char *name;
} ladder[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
         IORING_SETUP_SUBMIT_ALL,
     "single_issuer,defer_taskrun,submit_all"},
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
     "coop_taskrun,submit_all"},
    {0, "plain"},
};

/* Unprivileged rings count against RLIMIT_MEMLOCK: ask for less when refused.
 */
static int init_at_most(struct io_uring *uring, unsigned flags,
                        unsigned entries, unsigned cq_entries)
{
    for (;;) {
        struct io_uring_params params = {
            .flags = flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
            .cq_entries = cq_entries < entries ? entries : cq_entries,
        };
        int r = io_uring_queue_init_params(entries, uring, &params);
        if (r != -ENOMEM || entries < LEAST_ENTRIES)
            return r;
        entries /= 2;
        cq_entries /= 2;
    }
}

static int init_uring(struct ring *ring, unsigned entries, unsigned cq_entries)
{
    int r = -EINVAL;
    for (size_t i = 0; r == -EINVAL && i < sizeof ladder / sizeof *ladder;
         i++) {
        r = init_at_most(&ring->uring, ladder[i].flags, entries, cq_entries);
        snprintf(ring->granted, sizeof ring->granted, "ring=%s",
                 ladder[i].name);
    }
    if (r < 0)
        return r;
    ring->is_open = true;
    /* Saves looking the descriptor up at each call; only that. */
    io_uring_register_ring_fd(&ring->uring);
    return 0;
}

static void give(struct ring *ring, uint16_t buffer)
{
    struct ring_buffer *state = &ring->buffers[buffer];
    state->used_bytes = 0;
    state->spent = false;
    io_uring_buf_ring_add(ring->shared,
                          ring->memory + (size_t)buffer * ring->buffer_bytes,
                          ring->buffer_bytes, buffer,
                          io_uring_buf_ring_mask(ring->buffer_count), 0);
    io_uring_buf_ring_advance(ring->shared, 1);
    ring->with_kernel++;
}

static int register_buffers(struct ring *ring)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)ring->shared,
        .ring_entries = ring->buffer_count,
        .bgid = RING_BUFFER_GROUP,
    };
    /* The flags come after bgid; liburing 2.3 calls their place a pad. */
    const uint16_t flags = IOU_PBUF_RING_INC;
    if (ring->incremental)
        memcpy((char *)&registration + offsetof(struct io_uring_buf_reg, bgid) +
                   sizeof registration.bgid,
               &flags, sizeof flags);
    return io_uring_register_buf_ring(&ring->uring, &registration, 0);
}

/* Large buffers where they are filled piece by piece. Else each reception takes
 * a whole one, so there are more and smaller ones in the same memory. */
static void size_buffers(struct ring *ring,
                         const struct server_options *options)
{
    ring->buffer_bytes = (uint32_t)options->buffer_bytes;
    ring->buffer_count = 16;
    if (!ring->incremental) {
        ring->buffer_count = 256;
        if (ring->buffer_bytes > 4096)
            ring->buffer_bytes = 4096;
    }
    if (options->ring_buffers)
        ring->buffer_count = (unsigned)options->ring_buffers;
}

static void unmap(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

static int map_buffers(struct ring *ring)
{
    const int protection = PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    ring->shared_bytes = ring->buffer_count * sizeof(struct io_uring_buf);
    ring->memory_bytes = (size_t)ring->buffer_count * ring->buffer_bytes;
    void *shared = mmap(NULL, ring->shared_bytes, protection, flags, -1, 0);
    if (shared == MAP_FAILED)
        return -errno;
    ring->shared = shared;
    void *memory = mmap(NULL, ring->memory_bytes, protection, flags, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    ring->memory = memory;
    ring->buffers = calloc(ring->buffer_count, sizeof *ring->buffers);
    return ring->buffers ? 0 : -ENOMEM;
}

static void unmap_buffers(struct ring *ring)
{
    unmap(ring->memory, ring->memory_bytes);
    unmap(ring->shared, ring->shared_bytes);
    free(ring->buffers);
    ring->memory = NULL;
    ring->shared = NULL;
    ring->buffers = NULL;
}

static void give_all(struct ring *ring)
{
    assert(ring->shared && ring->buffers);
    io_uring_buf_ring_init(ring->shared);
    for (unsigned i = 0; i < ring->buffer_count; i++)
        give(ring, (uint16_t)i);
    size_t length = strlen(ring->granted);
    snprintf(ring->granted + length, sizeof ring->granted - length,
             " buffers=%s,%ux%u", ring->incremental ? "incremental" : "whole",
             ring->buffer_count, ring->buffer_bytes);
}

static int init_buffers(struct ring *ring, const struct server_options *options)
{
    int r = -EINVAL;
    for (int incremental = 1; r == -EINVAL && incremental >= 0; incremental--) {
        unmap_buffers(ring);
        ring->incremental = incremental;
        size_buffers(ring, options);
        r = map_buffers(ring);
        if (r == 0)
            r = register_buffers(ring);
    }
    if (r < 0)
        return r;
    give_all(ring);
    return 0;
}

void ring_prep_receive(const struct ring *ring, struct io_uring_sqe *sqe,
                       int fd)
{
    if (ring->single) {
        io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
        sqe->file_index = ring->cap_bytes; /* newer headers: optlen */
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
}

/* Receives a byte through a socket pair: 0 when the receive says that
 * it goes on, 1 when it ended there, else -errno. */
static int receive_one(struct ring *ring, int receiver, int sender)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec second = {.tv_sec = 1};
    struct io_uring_sqe *sqe = ring_sqe(ring);
    uint16_t buffer;
    if (!sqe)
        return -EAGAIN;
    if (write(sender, "!", 1) != 1)
        return -EIO;
    ring_prep_receive(ring, sqe, receiver);
    int r = io_uring_submit(&ring->uring);
    if (r >= 0)
        r = io_uring_wait_cqe_timeout(&ring->uring, &cqe, &second);
    if (r < 0)
        return r;
    r = cqe->res;
    if (r == 1)
        r = !(cqe->flags & IORING_CQE_F_MORE);
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        ring_received(ring, cqe, &buffer);
        ring_release(ring, buffer);
    }
    io_uring_cqe_seen(&ring->uring, cqe);
    return r;
}

static int try_receive(struct ring *ring)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    int r = receive_one(ring, pair[0], pair[1]);
    close(pair[0]);
    close(pair[1]);
    return r;
}

/* Linux 6.17 ends a multishot receive after so many bytes if told to: then a
 * client that sends and never reads has little more of our memory than its
 * quota. */
static int find_cap(struct ring *ring, const struct server_options *options)
{
    const uint32_t buffer_bytes = (uint32_t)options->buffer_bytes;
    ring->cap_bytes = 1;
    int r = try_receive(ring);
    ring->cap_bytes = r == 1 ? (buffer_bytes < CAP_LEAST * 4 ? buffer_bytes
                                                             : buffer_bytes / 4)
                             : 0;
    size_t length = strlen(ring->granted);
    if (r == 1)
        snprintf(ring->granted + length, sizeof ring->granted - length,
                 " receive=capped");
    return r == 1 || r == -EINVAL ? 0 : r == 0 ? -EIO : r;
}

/* Takes completions until the receive's last one: 1, or 0 when none came for
 * that long. */
static int receive_to_end(struct ring *ring, long patience_ns)
{
    struct __kernel_timespec patience = {.tv_nsec = patience_ns};
    struct io_uring_cqe *cqe;
    uint16_t buffer;
    bool goes_on = true;
    while (goes_on) {
        if (io_uring_wait_cqe_timeout(&ring->uring, &cqe, &patience) < 0)
            return 0;
        goes_on = cqe->flags & IORING_CQE_F_MORE;
        if (cqe->flags & IORING_CQE_F_BUFFER) {
            ring_received(ring, cqe, &buffer);
            ring_release(ring, buffer);
        }
        io_uring_cqe_seen(&ring->uring, cqe);
    }
    return 1;
}

int ring_check_unix(struct ring *ring)
{
    const long soon_ns = 20000000;
    const long surely_ns = 500000000;
    int pair[2];
    int r = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    if (write(pair[1], "!", 1) != 1)
        r = -EIO;
    shutdown(pair[1], SHUT_WR);
    struct io_uring_sqe *sqe = ring_sqe(ring);
    ring_prep_receive(ring, sqe, pair[0]);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    if (io_uring_submit(&ring->uring) < 0)
        r = -EIO;
    if (r == 0 && !receive_to_end(ring, soon_ns)) {
        ring->single = true;
        shutdown(pair[0], SHUT_RDWR);
        r = receive_to_end(ring, surely_ns) ? 0 : -EIO;
    }
    if (ring->single) {
        char *receive = strstr(ring->granted, " receive=");
        size_t length =
            receive ? (size_t)(receive - ring->granted) : strlen(ring->granted);
        snprintf(ring->granted + length, sizeof ring->granted - length,
                 " receive=single");
    }
    close(pair[0]);
    close(pair[1]);
    return r;
}

/* A datagram wants a buffer of its own, so they are never shared. */
static int init_datagram_buffers(struct ring *ring,
                                 const struct server_options *options)
{
    ring->buffer_bytes = RING_DATAGRAM_BYTES;
    ring->buffer_count =
        options->ring_buffers ? (unsigned)options->ring_buffers : 64;
    int r = map_buffers(ring);
    if (r == 0)
        r = register_buffers(ring);
    if (r < 0)
        return r;
    give_all(ring);
    return 0;
}

int ring_open_datagrams(struct ring *ring, const struct server_options *options)
{
    memset(ring, 0, sizeof *ring);
    int r = init_uring(ring, (unsigned)options->ring_entries,
                       (unsigned)options->cq_entries);
    if (r == 0)
        r = init_datagram_buffers(ring, options);
    if (r < 0)
        ring_close(ring);
    return r;
}

int ring_open(struct ring *ring, const struct server_options *options)
{
    memset(ring, 0, sizeof *ring);
    int r = init_uring(ring, (unsigned)options->ring_entries,
                       (unsigned)options->cq_entries);
    if (r == 0)
        r = init_buffers(ring, options);
    if (r == 0)
        r = find_cap(ring, options);
    if (r < 0)
        ring_close(ring);
    return r;
}

void ring_cancel(struct ring *ring, uint64_t name)
{
    struct io_uring_sync_cancel_reg cancel = {
        .addr = name,
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ALL,
        .timeout = {.tv_sec = 1},
    };
    io_uring_register_sync_cancel(&ring->uring, &cancel); /* Linux 6.0 */
}

void ring_close(struct ring *ring)
{
    if (ring->is_open)
        io_uring_queue_exit(&ring->uring);
    ring->is_open = false;
    unmap_buffers(ring);
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (sqe)
        return sqe;
    io_uring_submit(&ring->uring);
    return io_uring_get_sqe(&ring->uring);
}

int ring_enter(struct ring *ring, bool wait)
{
    int r = wait ? io_uring_submit_and_wait(&ring->uring, 1)
                 : io_uring_submit_and_get_events(&ring->uring);
    switch (r) {
    case -EINTR:  /* a signal */
    case -EBUSY:  /* completions overflowed: read them first */
    case -EAGAIN: /* no memory for a request just now */
        return 0;
    default:
        return r < 0 ? r : 0;
    }
}

size_t ring_receptions(const struct ring *ring)
{
    const size_t each =
        ring->incremental ? ring->buffer_bytes / USUAL_BYTES : 1;
    return ring->with_kernel * (each > 0 ? each : 1);
}

uint8_t *ring_received(struct ring *ring, const struct io_uring_cqe *cqe,
                       uint16_t *ret_buffer)
{
    const uint16_t buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    struct ring_buffer *state = &ring->buffers[buffer];
    uint8_t *data =
        ring->memory + (size_t)buffer * ring->buffer_bytes + state->used_bytes;
    if (cqe->res > 0)
        state->used_bytes += (uint32_t)cqe->res;
    state->holds++;
    if (!ring->incremental || !(cqe->flags & IORING_CQE_F_BUF_MORE)) {
        state->spent = true;
        ring->with_kernel--;
    }
    *ret_buffer = buffer;
    return data;
}

void ring_release(struct ring *ring, uint16_t buffer)
{
    if (!ring->is_open)
        return;
    struct ring_buffer *state = &ring->buffers[buffer];
    if (--state->holds == 0 && state->spent)
        give(ring, buffer);
}

int ring_probe(char why[static MODEL_REASON_MAX])
{
    const struct server_options small = {.ring_entries = 8,
                                         .cq_entries = 16,
                                         .buffer_bytes = 4096,
                                         .ring_buffers = 2};
    struct ring ring;
    int r = ring_open(&ring, &small);
    const bool no_ring = r < 0;
    if (r == 0) {
        ring.cap_bytes = 0;
        r = try_receive(&ring);
        if (r == 1)
            r = -EINVAL;
    }
    ring_close(&ring);
    if (r == 0)
        return 0;
    const char *cause = "unexpected";
    if (r == -EPERM || r == -EACCES)
        cause = "look at sysctl kernel.io_uring_disabled, or a container's "
                "seccomp filter";
    else if (r == -ENOSYS)
        cause = "the kernel is older than 5.1, or a seccomp filter hides it";
    else if (r == -ENOMEM)
        cause = "too little lockable memory: look at ulimit -l";
    else if (r == -EMFILE || r == -ENFILE)
        cause = "too few descriptors: look at ulimit -n";
    else if (r == -EINVAL)
        cause = "no multishot receive: it needs Linux 6.0";
    snprintf(why, MODEL_REASON_MAX, "io_uring %s: %s (%s)",
             no_ring ? "is refused" : "cannot receive", strerrordesc_np(-r),
             cause);
    return r;
}
