/*
 * No network: every request is answered at once with the right reply, from
 * memory and without a system call. What a request costs on this engine is the
 * generator's own part (making, framing, checking, recording); it says nothing
 * about a server.
 *
 * A send is answered by the next wait: its bytes are copied, as a kernel would
 * copy them, and the service's transform and prefix are applied to the copy.
 */
#include "loadgen/engine/engine.h"

#include "servers/wire/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARENA_BYTES ((size_t)1024 * 1024)
#define PIECE_BYTES ((size_t)64 * 1024) /* a datagram fits */
#define PENDING_FIRST 1024u             /* a power of two; it grows */

enum pending_kind {
    PENDING_ANSWER,
    PENDING_GREETING,
    PENDING_CLOSED
};

/* What the next waits will tell, in order. */
struct pending {
    enum pending_kind kind;
    uint32_t channel;
    uint32_t generation;
    const uint8_t *data;
    size_t length_bytes;
};

struct null_engine {
    struct engine base;
    const struct service *service; /* NULL: echo */
    bool stream;
    bool by_lines;       /* a prefix before each line of a stream */
    bool *at_line_start; /* of each channel */
    struct pending *pending;
    uint32_t pending_capacity; /* a power of two */
    uint32_t head, tail;       /* both run on */
    size_t arena_used_bytes;
    uint8_t *arena;
};

static struct null_engine *downcast(struct engine *engine)
{
    return (struct null_engine *)engine;
}

static void null_close(struct engine *engine)
{
    struct null_engine *self = downcast(engine);
    if (!self)
        return;
    free(self->base.generations);
    free(self->at_line_start);
    free(self->pending);
    free(self->arena);
    free(self);
}

static int null_open(struct engine **ret, const struct engine_config *config)
{
    struct null_engine *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    const size_t channels = (size_t)config->channels + 1;
    self->base.ops = &engine_null;
    self->base.config = *config;
    self->service = config->service;
    self->stream = config->target.socket_type == SOCK_STREAM;
    self->by_lines = self->stream && self->service && self->service->prefix;
    self->pending_capacity = PENDING_FIRST;
    self->base.generations = calloc(channels, sizeof(uint32_t));
    self->at_line_start = calloc(channels, sizeof(bool));
    self->pending = calloc(self->pending_capacity, sizeof *self->pending);
    self->arena = malloc(ARENA_BYTES);
    if (!self->base.generations || !self->at_line_start || !self->pending ||
        !self->arena) {
        null_close(&self->base);
        return -ENOMEM;
    }
    *ret = &self->base;
    return 0;
}

static struct pending *pending_at(const struct null_engine *self, uint32_t i)
{
    return &self->pending[i & (self->pending_capacity - 1)];
}

static int grow(struct null_engine *self)
{
    const uint32_t count = self->tail - self->head;
    struct pending *grown =
        calloc((size_t)2 * self->pending_capacity, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        grown[i] = *pending_at(self, self->head + i);
    free(self->pending);
    self->pending = grown;
    self->pending_capacity *= 2;
    self->head = 0;
    self->tail = count;
    return 0;
}

static int add(struct null_engine *self, const struct pending *pending)
{
    if (self->tail - self->head == self->pending_capacity) {
        int r = grow(self);
        if (r < 0)
            return r;
    }
    *pending_at(self, self->tail++) = *pending;
    return 0;
}

static int null_connect(struct engine *engine, uint32_t channel)
{
    struct null_engine *self = downcast(engine);
    struct pending next = {.kind = PENDING_GREETING,
                           .channel = channel,
                           .generation = engine->generations[channel]};
    int r = 0;
    self->at_line_start[channel] = true;
    if (!self->service || !self->service->greeting)
        return 1;
    r = add(self, &next);
    next.kind = PENDING_CLOSED;
    if (r == 0)
        r = add(self, &next);
    return r < 0 ? r : 1;
}

static int null_send(struct engine *engine, uint32_t channel, const void *data,
                     size_t length_bytes)
{
    const struct pending next = {.kind = PENDING_ANSWER,
                                 .channel = channel,
                                 .generation = engine->generations[channel],
                                 .data = data,
                                 .length_bytes = length_bytes};
    return add(downcast(engine), &next);
}

/* The reply to the next bytes of a request, into the arena. */
static void reply(struct null_engine *self, struct pending *pending,
                  struct completion *out)
{
    const struct service *service = self->service;
    uint8_t *to = self->arena + self->arena_used_bytes;
    size_t part = pending->length_bytes;
    if (part > PIECE_BYTES)
        part = PIECE_BYTES;
    size_t length = 0;
    if (self->by_lines) {
        length = service_prefix_lines(service,
                                      &self->at_line_start[pending->channel],
                                      pending->data, part, to);
    } else {
        if (service && service->prefix) {
            length = strlen(service->prefix);
            memcpy(to, service->prefix, length);
        }
        memcpy(to + length, pending->data, part);
        if (service && service->transform)
            service->transform(to + length, part);
        length += part;
    }
    pending->data += part;
    pending->length_bytes -= part;
    self->arena_used_bytes += length;
    out->kind = COMPLETION_RECEIVED;
    out->data = to;
    out->length_bytes = length;
}

/* What comes of the oldest pending: none to two completions. */
static int answer(struct null_engine *self, struct completion *out)
{
    struct pending *pending = pending_at(self, self->head);
    const uint32_t channel = pending->channel;
    const struct completion plain = {.channel = channel,
                                     .generation = pending->generation};
    if (pending->generation != self->base.generations[channel]) {
        self->head++; /* of a connection that is no more */
        return 0;
    }
    out[0] = plain;
    switch (pending->kind) {
    case PENDING_GREETING:
        out[0].kind = COMPLETION_RECEIVED;
        out[0].data = (const uint8_t *)self->service->greeting;
        out[0].length_bytes = strlen(self->service->greeting);
        break;
    case PENDING_CLOSED:
        out[0].kind = COMPLETION_CLOSED;
        break;
    case PENDING_ANSWER: {
        int count = 0;
        if (!self->service || self->service->replies)
            reply(self, pending, &out[count++]);
        else
            pending->length_bytes = 0;
        if (pending->length_bytes > 0)
            return count; /* the rest in a moment */
        if (self->stream) {
            out[count] = plain;
            out[count++].kind = COMPLETION_SENT;
        }
        self->head++;
        return count;
    }
    }
    self->head++;
    return 1;
}

static void rest(uint64_t length_ns)
{
    const struct timespec length = {.tv_sec = (time_t)(length_ns / 1000000000),
                                    .tv_nsec = (long)(length_ns % 1000000000)};
    (void)nanosleep(&length, NULL);
}

static int null_wait(struct engine *engine, uint64_t timeout_ns,
                     struct completion *out, int max)
{
    struct null_engine *self = downcast(engine);
    const size_t room =
        self->by_lines ? service_reply_max(PIECE_BYTES) : 2 * PIECE_BYTES;
    int count = 0;
    self->arena_used_bytes = 0;
    if (self->head == self->tail && timeout_ns > 0)
        rest(timeout_ns);
    while (self->head != self->tail && count + 2 <= max &&
           self->arena_used_bytes + room <= ARENA_BYTES)
        count += answer(self, &out[count]);
    return count;
}

static void null_give_back(struct engine *engine,
                           const struct completion *completion)
{
    (void)engine; /* the arena is reused by the next wait */
    (void)completion;
}

static void null_disconnect(struct engine *engine, uint32_t channel)
{
    engine->generations[channel]++; /* what is pending concerns nobody now */
}

const struct engine_ops engine_null = {
    .name = "null",
    .open = null_open,
    .connect = null_connect,
    .send = null_send,
    .wait = null_wait,
    .give_back = null_give_back,
    .disconnect = null_disconnect,
    .close = null_close,
};
