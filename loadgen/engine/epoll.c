/*
 * Readiness: epoll tells which sockets are ready, recv and send do the work.
 *
 * Streams are watched edge-triggered for both directions with one epoll_ctl in
 * their life; a recv that fills less than its buffer has emptied the socket.
 * Datagram sockets are watched level-triggered for input.
 *
 * With offload, datagrams that follow one another on a channel and in memory
 * are sent as one block, and a received block is told datagram by datagram.
 */
#include "loadgen/engine/blocks.h"
#include "loadgen/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define ARENA_BYTES ((size_t)512 * 1024)
#define CHUNK_BYTES ((size_t)64 * 1024) /* a datagram fits */
#define SOLO_US 4000                    /* how long recv itself waits */
#define SOLO_FROM_NS 1000000u           /* shorter waits are epoll's */

struct channel {
    int fd; /* -1: none */
    bool connecting;
    bool waits;    /* recv may wait in it: see make_solo */
    bool readable; /* streams: more may be waiting in the socket */
    const uint8_t *unsent;
    size_t unsent_bytes; /* > 0: a send is in flight */
    int error;           /* offload: of sending a block, not told yet */
};

struct epoll_engine {
    struct engine base;
    int epoll_fd;
    bool stream;
    size_t arena_used_bytes;
    int events_count;
    int events_next; /* events not yet looked at, from an earlier wait */
    struct epoll_event events[EVENTS_MAX];
    uint8_t *arena;

    struct block leaving; /* offload: datagrams that are not sent yet */
    uint32_t leaving_channel;
    uint32_t errors;              /* channels with one */
    struct completion arrived;    /* its data: what is left of a block */
    size_t arrived_segment_bytes; /* 0: nothing is left */

    struct channel channels[];
};

static struct epoll_engine *downcast(struct engine *engine)
{
    return (struct epoll_engine *)engine;
}

static void epoll_close(struct engine *engine)
{
    struct epoll_engine *self = downcast(engine);
    if (!self)
        return;
    for (uint32_t i = 0; i < self->base.config.channels; i++) {
        if (self->channels[i].fd >= 0)
            close(self->channels[i].fd);
    }
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    free(self->base.generations);
    free(self->arena);
    free(self);
}

static int epoll_open(struct engine **ret, const struct engine_config *config)
{
    struct epoll_engine *self =
        calloc(1, sizeof *self + config->channels * sizeof self->channels[0]);
    if (!self)
        return -ENOMEM;
    self->base.ops = &engine_epoll;
    self->base.config = *config;
    self->stream = config->target.socket_type == SOCK_STREAM;
    for (uint32_t i = 0; i < config->channels; i++)
        self->channels[i].fd = -1;
    self->base.generations =
        calloc((size_t)config->channels + 1, sizeof(uint32_t));
    self->arena = malloc(ARENA_BYTES);
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int r = self->epoll_fd < 0 ? -errno : 0;
    if (!self->arena || !self->base.generations)
        r = -ENOMEM;
    if (r < 0) {
        epoll_close(&self->base);
        return r;
    }
    *ret = &self->base;
    return 0;
}

/*
 * A lone lasting connection in a closed loop has nothing but its next reply to
 * wait for: recv does that by itself, a call less for each round trip. It gives
 * up after a few ms, later than it should by as much; no more than that happens
 * where no reply comes.
 */
static void make_solo(const struct epoll_engine *self, struct channel *at)
{
    const struct engine_config *config = &self->base.config;
    const struct timeval patience = {.tv_usec = SOLO_US};
    const int flags = fcntl(at->fd, F_GETFL);
    at->waits = config->channels == 1 && config->inflight > 0 &&
                config->persistent && !config->offload && flags >= 0 &&
                setsockopt(at->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                           sizeof patience) == 0 &&
                fcntl(at->fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

static int epoll_connect(struct engine *engine, uint32_t channel)
{
    struct epoll_engine *self = downcast(engine);
    struct channel *at = &self->channels[channel];
    int fd = engine_socket(&engine->config, channel, SOCK_NONBLOCK);
    if (fd < 0)
        return fd;
    if (engine->config.offload)
        (void)block_enable(fd); /* the plan has tried it */
    const struct address *target = &engine->config.target;
    int r = 1;
    if (!engine->config.unconnected &&
        connect(fd, &target->u.any, target->length) < 0)
        r = -errno;
    if (r < 0 && r != -EINPROGRESS) {
        close(fd);
        return r;
    }
    struct epoll_event event = {
        .events =
            self->stream ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN,
        .data.u64 = (uint64_t)engine->generations[channel] << 32 | channel};
    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    at->fd = fd;
    at->connecting = r != 1;
    at->waits = false;
    at->readable = false;
    at->unsent_bytes = 0;
    if (!at->connecting)
        make_solo(self, at);
    return at->connecting ? 0 : 1;
}

/* Offload: what was collected goes out. */
static void send_leaving(struct epoll_engine *self)
{
    struct channel *at = &self->channels[self->leaving_channel];
    if (self->leaving.bytes == 0)
        return;
    int r = block_send(&self->leaving, at->fd, &self->base.ledger.refused);
    self->errors += r < 0 && at->error == 0;
    if (r < 0)
        at->error = r;
}

static int collect(struct epoll_engine *self, uint32_t channel,
                   const void *data, size_t length_bytes)
{
    if (channel != self->leaving_channel)
        send_leaving(self);
    self->leaving_channel = channel;
    if (!block_join(&self->leaving, data, length_bytes)) {
        send_leaving(self);
        block_join(&self->leaving, data, length_bytes);
    }
    return 1;
}

static void epoll_disconnect(struct engine *engine, uint32_t channel)
{
    struct epoll_engine *self = downcast(engine);
    struct channel *at = &self->channels[channel];
    if (channel == self->leaving_channel)
        send_leaving(self);
    self->errors -= at->error != 0;
    at->error = 0;
    engine_part_with(engine, at->fd);
    if (at->fd >= 0)
        close(at->fd); /* leaves the epoll set by itself: no duplicates exist */
    at->fd = -1;
    at->readable = false; /* or an event of it would be looked at for ever */
    engine->generations[channel]++;
}

static int epoll_send(struct engine *engine, uint32_t channel, const void *data,
                      size_t length_bytes)
{
    struct epoll_engine *self = downcast(engine);
    struct channel *at = &self->channels[channel];
    engine->ledger.sends += !self->stream;
    if (engine->config.offload)
        return collect(self, channel, data, length_bytes);
    const struct address *to = &engine->config.target;
    const bool named = engine->config.unconnected;
    ssize_t n = sendto(at->fd, data, length_bytes, MSG_NOSIGNAL | MSG_DONTWAIT,
                       named ? &to->u.any : NULL, named ? to->length : 0);
    if (n < 0 && errno == EINTR)
        n = 0;
    engine->ledger.refused += !self->stream && n < 0;
    if (!self->stream || (n < 0 && errno != EAGAIN))
        return n < 0 ? -errno : 1;
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == length_bytes)
        return 1;
    at->unsent = (const uint8_t *)data + sent;
    at->unsent_bytes = length_bytes - sent;
    return 0;
}

/* Goes on with a short send. 1: completion made. */
static int send_rest(struct channel *at, struct completion *out)
{
    ssize_t n =
        send(at->fd, at->unsent, at->unsent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return 0;
        at->unsent_bytes = 0;
        out->kind = COMPLETION_FAILED;
        out->error = -errno;
        return 1;
    }
    at->unsent += n;
    at->unsent_bytes -= (size_t)n;
    if (at->unsent_bytes > 0)
        return 0;
    out->kind = COMPLETION_SENT;
    return 1;
}

/* The next datagram of a received block. */
static void cut(struct epoll_engine *self, struct completion *out)
{
    struct completion *left = &self->arrived;
    self->base.ledger.received++;
    *out = *left;
    if (out->length_bytes > self->arrived_segment_bytes)
        out->length_bytes = self->arrived_segment_bytes;
    left->data += out->length_bytes;
    left->length_bytes -= out->length_bytes;
    if (left->length_bytes == 0)
        self->arrived_segment_bytes = 0;
}

/* recv(2), and from an unconnected socket whether it was the server. */
static ssize_t receive_from(struct epoll_engine *self, int fd, uint8_t *into,
                            int flags, bool *ret_foreign)
{
    flags |= self->stream ? 0 : MSG_TRUNC;
    if (!self->base.config.unconnected)
        return recv(fd, into, CHUNK_BYTES, flags);
    struct address from;
    from.length = sizeof from.u;
    ssize_t n =
        recvfrom(fd, into, CHUNK_BYTES, flags, &from.u.any, &from.length);
    if (n >= 0)
        *ret_foreign = !address_equal(&from, &self->base.config.target);
    return n;
}

static int receive(struct epoll_engine *self, struct channel *at, bool hung_up,
                   int flags, struct completion *out)
{
    uint8_t *into = self->arena + self->arena_used_bytes;
    size_t segment_bytes = CHUNK_BYTES;
    ssize_t n = self->base.config.offload
                    ? block_receive(at->fd, into, CHUNK_BYTES, &segment_bytes)
                    : receive_from(self, at->fd, into, flags, &out->foreign);
    if (n < 0) {
        at->readable = false;
        if (errno == EAGAIN || errno == EINTR)
            return 0;
        out->kind = COMPLETION_FAILED;
        out->error = -errno;
        return 1;
    }
    if (n == 0 && self->stream) {
        at->readable = false;
        out->kind = COMPLETION_CLOSED;
        return 1;
    }
    size_t length = (size_t)n;
    out->kind = COMPLETION_RECEIVED;
    out->truncated = length > CHUNK_BYTES;
    out->length_bytes = out->truncated ? CHUNK_BYTES : length;
    out->data = into;
    /* Messages stay aligned for memcmp. */
    self->arena_used_bytes += (out->length_bytes + 63) & ~(size_t)63;
    at->readable = self->stream && (hung_up || length == CHUNK_BYTES);
    if (out->length_bytes > segment_bytes) {
        self->arrived = *out;
        self->arrived_segment_bytes = segment_bytes;
        cut(self, out);
    } else {
        self->base.ledger.received += !self->stream;
    }
    return 1;
}

static int finish_connect(const struct epoll_engine *self, struct channel *at,
                          struct completion *out)
{
    int error = 0;
    socklen_t size = sizeof error;
    at->connecting = false;
    if (getsockopt(at->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    out->kind = error ? COMPLETION_FAILED : COMPLETION_CONNECTED;
    out->error = -error;
    if (error == 0)
        make_solo(self, at);
    return 1;
}

/* What one event means: at most two completions (sent, received). */
static int handle(struct epoll_engine *self, const struct epoll_event *event,
                  struct completion *out)
{
    uint32_t channel = (uint32_t)event->data.u64;
    struct channel *at = &self->channels[channel];
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);
    if (at->fd < 0 || generation != self->base.generations[channel])
        return 0;
    int count = 0;
    out[0] = out[1] =
        (struct completion){.channel = channel, .generation = generation};
    if (at->connecting) {
        if (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            count += finish_connect(self, at, out);
        /* A greeting may be there already. */
        at->readable = event->events & (EPOLLIN | EPOLLRDHUP);
        return count;
    }
    if (at->unsent_bytes > 0 && (event->events & (EPOLLOUT | EPOLLERR)))
        count += send_rest(at, &out[count]);
    if ((event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) &&
        !(count == 1 && out[0].kind == COMPLETION_FAILED))
        count += receive(self, at,
                         event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR),
                         MSG_DONTWAIT, &out[count]);
    return count;
}

static int epoll_wait_ns(struct epoll_engine *self, uint64_t timeout_ns)
{
    const struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ns / 1000000000),
        .tv_nsec = (long)(timeout_ns % 1000000000)};
    return epoll_pwait2(self->epoll_fd, self->events, EVENTS_MAX, &timeout,
                        NULL);
}

/* Offload: what is left of a block, and what could not be sent. */
static int tell_blocks(struct epoll_engine *self, struct completion *out,
                       int max)
{
    int count = 0;
    for (; self->arrived_segment_bytes > 0 && count < max; count++)
        cut(self, &out[count]);
    for (uint32_t i = 0; self->errors > 0 && count < max; i++) {
        struct channel *at = &self->channels[i];
        if (at->error == 0)
            continue;
        out[count++] =
            (struct completion){.kind = COMPLETION_FAILED,
                                .channel = i,
                                .generation = self->base.generations[i],
                                .error = at->error};
        at->error = 0;
        self->errors--;
    }
    return count;
}

static int epoll_engine_wait(struct engine *engine, uint64_t timeout_ns,
                             struct completion *out, int max)
{
    struct epoll_engine *self = downcast(engine);
    int told = 0;
    if (engine->config.offload) {
        send_leaving(self);
        told = tell_blocks(self, out, max);
    }
    if (told > 0)
        return told;
    self->arena_used_bytes = 0;
    struct channel *lone = &self->channels[0];
    if (lone->waits && lone->fd >= 0 && lone->unsent_bytes == 0 &&
        !lone->readable && timeout_ns >= SOLO_FROM_NS) {
        out[0] = (struct completion){.generation = engine->generations[0]};
        return receive(self, lone, false, 0, out);
    }
    if (self->events_next == self->events_count) {
        self->events_next = 0;
        self->events_count = 0;
        int n = epoll_wait_ns(self, timeout_ns);
        if (n < 0)
            return errno == EINTR ? 0 : -errno;
        self->events_count = n;
    }
    int count = 0;
    while (self->events_next < self->events_count && count + 2 <= max &&
           self->arena_used_bytes + CHUNK_BYTES <= ARENA_BYTES) {
        struct epoll_event *event = &self->events[self->events_next];
        count += handle(self, event, &out[count]);
        struct channel *at = &self->channels[(uint32_t)event->data.u64];
        /* Edge-triggered: what was left behind will not be told again. */
        if (self->stream && at->readable)
            event->events =
                EPOLLIN | (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
        else
            self->events_next++;
        while (self->arrived_segment_bytes > 0 && count < max)
            cut(self, &out[count++]);
    }
    return count;
}

static void epoll_give_back(struct engine *engine,
                            const struct completion *completion)
{
    (void)engine; /* the arena is reused by the next wait */
    (void)completion;
}

static int epoll_descriptor(const struct engine *engine, uint32_t channel)
{
    return ((const struct epoll_engine *)engine)->channels[channel].fd;
}

const struct engine_ops engine_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .connect = epoll_connect,
    .send = epoll_send,
    .wait = epoll_engine_wait,
    .give_back = epoll_give_back,
    .disconnect = epoll_disconnect,
    .descriptor = epoll_descriptor,
    .close = epoll_close,
};
