/*
 * An io_uring with a ring of receive buffers: set-up, and whose a buffer is.
 *
 * The kernel takes receive buffers from a ring that it shares with us. Where it
 * can (Linux 6.12) it takes them piece by piece: one buffer serves many
 * receptions, each the next part of it, until the completion without BUF_MORE.
 * A buffer goes back to the kernel when that has come and everything received
 * into it is released.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_RING_H
#define SOCKBENCH_SERVERS_SUPPORT_RING_H

#include "servers/registry.h"
#include "servers/server.h"

#include <liburing.h>
#include <sys/socket.h>

/* Newer than the headers of Debian 12. */
#ifndef IORING_CQE_F_BUF_MORE
#define IORING_CQE_F_BUF_MORE (1U << 4)
#endif
#ifndef IOU_PBUF_RING_INC
#define IOU_PBUF_RING_INC 2
#endif

#define RING_BUFFER_GROUP 0
#define RING_GRANTED_MAX 128

struct ring_buffer {
    uint32_t used_bytes; /* where the next reception begins */
    uint32_t holds;      /* receptions that are not released yet */
    bool spent;          /* the kernel puts nothing more into it */
};

struct ring {
    struct io_uring uring;
    bool is_open;
    bool incremental;
    struct io_uring_buf_ring *shared;
    size_t shared_bytes;
    uint8_t *memory;
    size_t memory_bytes;
    struct ring_buffer *buffers;
    unsigned buffer_count; /* a power of two */
    uint32_t buffer_bytes;
    uint32_t cap_bytes;   /* a multishot receive ends after so many; 0: never */
    bool single;          /* receives are asked for one by one */
    unsigned with_kernel; /* buffers that it may still fill */
    char granted[RING_GRANTED_MAX]; /* for the ready line */
};

/* Does once what uring pages need. For registry.c. */
int ring_probe(char why[static MODEL_REASON_MAX]);

/*
 * Opens a ring for the calling thread alone. 0 or -errno; ring_close takes half
 * a ring too.
 */
int ring_open(struct ring *ring, const struct server_options *options);
void ring_close(struct ring *ring);

/* What a multishot recvmsg puts in front of a datagram: lengths and the name of
 * its source, which has room for any address. */
#define RING_DATAGRAM_HEADER                                                   \
    (sizeof(struct io_uring_recvmsg_out) + sizeof(struct sockaddr_storage))
#define RING_DATAGRAM_BYTES (RING_DATAGRAM_HEADER + 65536)

/* The same with buffers that hold a datagram each, whatever its size. */
int ring_open_datagrams(struct ring *ring,
                        const struct server_options *options);

/* A submission entry, after submitting when all are taken; NULL when the kernel
 * takes none until completions are read. */
struct io_uring_sqe *ring_sqe(struct ring *ring);

/* How many receptions there is room for in the buffers that the kernel may
 * still fill: a rough number, none without a buffer and else at least one. */
size_t ring_receptions(const struct ring *ring);

/* Asks the kernel to end the operations of this name. */
void ring_cancel(struct ring *ring, uint64_t name);

/* Submits, and waits for a completion unless `wait` is false. 0 or -errno. */
int ring_enter(struct ring *ring, bool wait);

/*
 * For a ring that is to serve Unix sockets, before it serves any. Linux 6.18
 * takes an empty queue of theirs for the end of what there is, and forgets a
 * FIN that came with the last bytes: a multishot receive then waits for ever.
 * Where a try shows that, receives are asked for one by one, and the ready line
 * says so. 0 or -errno.
 */
int ring_check_unix(struct ring *ring);

/* A multishot receive into the ring's buffers; a single one where it must be.
 */
void ring_prep_receive(const struct ring *ring, struct io_uring_sqe *sqe,
                       int fd);

/* What a completion with IORING_CQE_F_BUFFER received, and the buffer it is in,
 * to be released once; with the ring closed, releasing does nothing. */
uint8_t *ring_received(struct ring *ring, const struct io_uring_cqe *cqe,
                       uint16_t *ret_buffer);
void ring_release(struct ring *ring, uint16_t buffer);

#endif
