/*
 * Ways of moving bytes. A worker pulls: it asks for a connection or a send and
 * then waits for completions; nothing calls upward. An engine belongs to one
 * thread.
 *
 * A channel is one connection of this thread, by number from 0; it can be
 * connected, disconnected and connected again. Its generation counts the
 * disconnects: a completion whose generation is not the channel's belongs to an
 * earlier connection and has only its buffer to give back.
 *
 * On streams at most one send may be in flight per channel (two could be
 * interleaved by the kernel); on datagram sockets any number.
 */
#ifndef SOCKBENCH_LOADGEN_ENGINE_ENGINE_H
#define SOCKBENCH_LOADGEN_ENGINE_ENGINE_H

#include "loadgen/sequence/ledger.h"
#include "loadgen/sources.h"
#include "servers/wire/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum completion_kind {
    COMPLETION_CONNECTED,
    COMPLETION_SENT,     /* streams: all of it. Datagrams: never told */
    COMPLETION_RECEIVED, /* data[0..length_bytes) until it is given back */
    COMPLETION_CLOSED,   /* the peer's FIN; nothing more will arrive */
    COMPLETION_FAILED,   /* error; on streams the channel is of no more use */
};

struct completion {
    enum completion_kind kind;
    uint32_t channel;
    uint32_t generation;
    int error;       /* negative errno, with COMPLETION_FAILED */
    bool truncated;  /* datagrams: longer than the buffer */
    bool foreign;    /* unconnected datagrams: not from the server's address */
    uint32_t buffer; /* the engine's own */
    const uint8_t *data;
    size_t length_bytes;
};

struct service;

struct engine_config {
    struct address target;
    uint32_t channels;
    size_t message_bytes;  /* of the longer of request and reply */
    uint64_t rcvbuf_bytes; /* 0: the kernel's default */
    uint64_t sndbuf_bytes;
    bool nodelay;
    const char *tcp_cc; /* congestion control; NULL: the kernel's */
    bool offload;     /* datagrams of one size in blocks; the epoll engine's */
    bool unconnected; /* UDP: datagrams name whom they are for */
    const struct sources *sources; /* where channels are bound; NULL: nowhere */
    uint32_t first_flow;           /* channel i is this flow ... */
    uint32_t flow_step;            /* ... and i times so many */
    uint32_t inflight; /* requests per channel at most; 0: not known */
    bool persistent;   /* connections stay */
    const struct service *service; /* what the null engine answers */
};

struct engine;

struct engine_ops {
    const char *name;
    /* 0 or -errno; -EPERM, -ENOSYS or -ENOMEM where it is not granted. */
    int (*open)(struct engine **ret, const struct engine_config *config);
    /* 1: connected; 0: a completion will tell; or -errno. */
    int (*connect)(struct engine *engine, uint32_t channel);
    /*
     * data must stay as it is until the reply (datagrams: or the request's
     * timeout). 1: taken whole, no completion follows, and the next send may
     * come; 0: in flight, on streams until COMPLETION_SENT; or -errno. With
     * offload it is sent by the next wait at the latest, and COMPLETION_FAILED
     * tells what came of that.
     */
    int (*send)(struct engine *engine, uint32_t channel, const void *data,
                size_t length_bytes);
    /* Up to max completions; waits at most timeout_ns for the first. Their
     * number, or -errno. */
    int (*wait)(struct engine *engine, uint64_t timeout_ns,
                struct completion *out, int max);
    /* After the last look at a received completion's data, before the next
     * wait. */
    void (*give_back)(struct engine *engine,
                      const struct completion *completion);
    /* Sends FIN and forgets the connection. Harmless on a closed channel. */
    void (*disconnect)(struct engine *engine, uint32_t channel);
    /* The channel's socket, which stays the engine's; -1: none. NULL where
     * there are no sockets. */
    int (*descriptor)(const struct engine *engine, uint32_t channel);
    void (*close)(struct engine *engine); /* NULL is fine */
};

/* Every engine begins with this. */
struct engine {
    const struct engine_ops *ops;
    struct engine_config config;
    uint32_t *generations; /* one a channel */
    struct ledger ledger;  /* datagrams */
};

/* Whether a completion still concerns its channel. */
static inline bool engine_is_current(const struct engine *engine,
                                     const struct completion *completion)
{
    return completion->generation == engine->generations[completion->channel];
}

extern const struct engine_ops engine_epoll;
extern const struct engine_ops engine_uring;
extern const struct engine_ops engine_null;

static inline int engine_descriptor(const struct engine *engine,
                                    uint32_t channel)
{
    return engine->ops->descriptor ? engine->ops->descriptor(engine, channel)
                                   : -1;
}

/* To be called before a datagram socket is closed: its drops are gone then. */
static inline void engine_part_with(struct engine *engine, int fd)
{
    if (engine->config.target.socket_type == SOCK_DGRAM && fd >= 0)
        engine->ledger.drops += ledger_socket_drops(fd);
}

/* A channel's socket as the config asks, not connected yet. fd or -errno. */
int engine_socket(const struct engine_config *config, uint32_t channel,
                  int extra_type_flags);

#endif
