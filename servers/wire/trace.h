/*
 * What a server saw of every datagram, in a file that both ends map: counts for
 * each flow, and a bounded log. The server creates and writes it; the load
 * generator claims it for a run and reads it when the run is over. Both read
 * CLOCK_MONOTONIC of one host, so that times compare.
 *
 *   offset size  header (one page of 4096 bytes; numbers in the host's order)
 *        0    8  magic "skbtrace"
 *        8    4  version
 *       12    4  flows that there is room for
 *       16    8  records that there is room for
 *       24    8  offset of the flows
 *       32    8  offset of the records
 *       40    4  nonce of the run that claimed it, or TRACE_UNCLAIMED
 *       44    4  not 0: several threads or children take datagrams from one
 *                socket, and in which order is not known
 *       48    8  records asked for: above the room, the rest was not kept
 *       56    8  foreign: whole datagrams of another run, or unclaimed
 *       64    8  damaged: ours by the look, with a wrong check
 *       72    8  unnumbered: without a frame
 *       80    8  beyond: of flows that there is no room for
 *       88    8  a lock around each send, where several use one socket
 *
 * then a struct trace_flow for each flow by its number, then the log of
 * struct trace_record. Warm-up is counted by number only and enters no log.
 */
#ifndef SOCKBENCH_SERVERS_WIRE_TRACE_H
#define SOCKBENCH_SERVERS_WIRE_TRACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_VERSION 1
#define TRACE_UNCLAIMED UINT32_MAX
#define TRACE_FLOWS 16384u
#define TRACE_WINDOW 1024u /* numbers behind the newest that are remembered */
#define TRACE_RECORDS_MAX (1ULL << 26)

struct trace_header {
    char magic[8];
    uint32_t version;
    uint32_t flows_capacity;
    uint64_t records_capacity;
    uint64_t flows_offset;
    uint64_t records_offset;
    atomic_uint_least32_t nonce;
    uint32_t is_shared;
    atomic_uint_least64_t records_count;
    atomic_uint_least64_t foreign;
    atomic_uint_least64_t damaged;
    atomic_uint_least64_t unnumbered;
    atomic_uint_least64_t beyond;
    atomic_uint_least32_t send_lock; /* as of a flow */
    uint32_t unused;
};

/* received = unique + duplicate + ancient; each is replied to, refused, failed
 * to be sent, or gets no reply. All but the lock under the lock. */
struct trace_flow {
    atomic_uint_least32_t lock; /* 0: free */
    uint32_t unused;
    uint64_t unique;      /* first copies */
    uint64_t duplicate;   /* further copies */
    uint64_t ancient;     /* too far behind the newest to say which */
    uint64_t reordered;   /* first copies behind a greater number (RFC 4737) */
    uint64_t bytes;       /* of all that was received */
    uint64_t warmup;      /* datagrams of the warm-up */
    uint64_t refused;     /* by the rules about whom to answer */
    uint64_t replied;     /* taken by the kernel */
    uint64_t send_errors; /* not taken by the kernel */
    uint64_t first_ns;    /* when the first and the last one were received */
    uint64_t last_ns;
    uint64_t next_expected; /* one above the greatest number */
    uint64_t window[TRACE_WINDOW / 64];
    uint64_t padding[3];
};

enum trace_state {
    TRACE_EMPTY = 0, /* asked for, not written yet */
    TRACE_RECEIVED,
    TRACE_REPLIED
};

struct trace_record {
    uint64_t sequence;
    uint64_t time_ns;     /* of the frame; 0 in tiny ones */
    uint64_t received_ns; /* when the call that received it had returned */
    uint64_t sent_ns; /* just before the call that sent the reply; 0: none */
    uint32_t flow;
    atomic_uint_least32_t state;
};

/* The file, mapped. */
struct trace {
    int fd; /* -1: none; the server holds a lock on it */
    size_t bytes;
    struct trace_header *header;
    struct trace_flow *flows;
    struct trace_record *records;
};

#define TRACE_NONE ((struct trace){.fd = -1})

/*
 * Creates the file at path, for its owner alone, all of it allocated. One that
 * is there is replaced if it is a trace that no server writes: else -EEXIST,
 * and -EBUSY where one does. 0 or -errno.
 */
int trace_create(struct trace *trace, const char *path,
                 uint64_t records_capacity);

/* Maps a file that a server made. 0 or -errno; -EPROTO when it is no trace. */
int trace_open(struct trace *trace, const char *path);

void trace_close(struct trace *trace); /* TRACE_NONE and zeroes are fine */

/* What comes from now on with this nonce (24 bits) is counted, from nothing. */
void trace_claim(struct trace *trace, uint32_t nonce);

/* Around a look at a flow, or a change of it. */
void trace_lock(atomic_uint_least32_t *lock);

static inline void trace_unlock(atomic_uint_least32_t *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

#endif
