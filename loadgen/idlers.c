#include "loadgen/idlers.h"

#include "loadgen/loop/worker.h"
#include "loadgen/measure/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define COMPLETIONS_MAX 64
#define TICK_NS (10 * NS_PER_MS)
#define RETRY_NS (100 * NS_PER_MS)
#define START_NS NS_PER_S

enum idler_state {
    IDLER_AWAY, /* comes (again) at due_ns */
    IDLER_CONNECTING,
    IDLER_SILENT,  /* until due_ns */
    IDLER_WAITING, /* for the reply */
};

struct idler {
    enum idler_state state;
    uint64_t due_ns;
    uint64_t sequence;
    size_t request_bytes;
    size_t reply_offset;
    uint8_t *request;
};

struct idlers {
    struct course *course;
    struct engine *engine;
    struct idlers_words words;
    struct idlers_counts counts;
    pthread_t thread;
    atomic_bool stop;
    _Atomic uint32_t first_connected; /* how many have been, once */
    uint64_t now_ns;
    uint64_t scan_ns;
    uint8_t *requests;
    struct idler clients[];
};

static uint32_t flow_of(const struct idlers *self, const struct idler *client)
{
    return self->course->connections + (uint32_t)(client - self->clients);
}

static void leave(struct idlers *self, struct idler *client, uint64_t for_ns)
{
    self->engine->ops->disconnect(self->engine,
                                  (uint32_t)(client - self->clients));
    client->state = IDLER_AWAY;
    client->due_ns = self->now_ns + for_ns;
}

static void fail(struct idlers *self, struct idler *client)
{
    self->counts.failed++;
    leave(self, client, RETRY_NS);
}

static void on_connected(struct idlers *self, struct idler *client)
{
    if (self->counts.connected++ < self->words.count)
        atomic_fetch_add(&self->first_connected, 1);
    client->state = IDLER_SILENT;
    client->due_ns = self->now_ns + self->words.idle_ns;
}

static void come(struct idlers *self, struct idler *client)
{
    client->state = IDLER_CONNECTING;
    int r = self->engine->ops->connect(self->engine,
                                       (uint32_t)(client - self->clients));
    if (r < 0)
        fail(self, client);
    else if (r == 1)
        on_connected(self, client);
}

static void ask(struct idlers *self, struct idler *client)
{
    const struct payload *payload = &self->course->payload;
    const uint32_t flow = flow_of(self, client);
    client->request_bytes = payload_size(payload, 'D', flow, client->sequence);
    client->reply_offset = 0;
    client->state = IDLER_WAITING;
    payload_write(payload, 'D', flow, client->sequence,
                  self->now_ns - self->course->epoch_ns, client->request_bytes,
                  client->request);
    if (self->engine->ops->send(self->engine,
                                (uint32_t)(client - self->clients),
                                client->request, client->request_bytes) < 0)
        fail(self, client);
}

static void on_received(struct idlers *self, struct idler *client,
                        const struct completion *completion)
{
    const struct payload *payload = &self->course->payload;
    const size_t right = payload_reply_size(payload, client->request_bytes);
    const size_t length = completion->length_bytes;
    if (client->state != IDLER_WAITING ||
        length > right - client->reply_offset ||
        !payload_matches(payload, client->request, client->request_bytes,
                         flow_of(self, client), client->sequence,
                         client->reply_offset, completion->data, length)) {
        fail(self, client);
        return;
    }
    client->reply_offset += length;
    if (client->reply_offset < right)
        return;
    self->counts.served++;
    /* The watchdog looks for a sign of life: this is one. */
    atomic_store_explicit(&self->course->last_answer_ns, self->now_ns,
                          memory_order_relaxed);
    client->sequence++;
    leave(self, client, 0);
    come(self, client);
}

static void handle(struct idlers *self, const struct completion *completion)
{
    struct idler *client = &self->clients[completion->channel];
    switch (completion->kind) {
    case COMPLETION_CONNECTED:
        on_connected(self, client);
        break;
    case COMPLETION_RECEIVED:
        on_received(self, client, completion);
        break;
    case COMPLETION_SENT:
        break;
    case COMPLETION_CLOSED:
    case COMPLETION_FAILED:
        fail(self, client);
        break;
    }
}

static void scan(struct idlers *self)
{
    for (uint32_t i = 0; i < self->words.count; i++) {
        struct idler *client = &self->clients[i];
        if (self->now_ns < client->due_ns)
            continue;
        if (client->state == IDLER_AWAY)
            come(self, client);
        else if (client->state == IDLER_SILENT)
            ask(self, client);
    }
    self->scan_ns = self->now_ns + TICK_NS;
}

static void *live(void *argument)
{
    struct idlers *self = argument;
    const struct engine_ops *ops = self->engine->ops;
    struct completion completions[COMPLETIONS_MAX];
    int n = 0;
    while (n >= 0 && !atomic_load(&self->stop)) {
        self->now_ns = clock_now_ns();
        if (self->now_ns >= self->scan_ns)
            scan(self);
        n = ops->wait(self->engine, TICK_NS, completions, COMPLETIONS_MAX);
        self->now_ns = clock_now_ns();
        for (int i = 0; i < n; i++) {
            if (engine_is_current(self->engine, &completions[i]))
                handle(self, &completions[i]);
            ops->give_back(self->engine, &completions[i]);
        }
    }
    return NULL;
}

static void release(struct idlers *self)
{
    if (self->engine)
        self->engine->ops->close(self->engine);
    free(self->requests);
    free(self);
}

static int make(struct idlers **ret, struct course *course,
                const struct idlers_words *words)
{
    const struct payload *payload = &course->payload;
    struct idlers *self =
        calloc(1, sizeof *self + words->count * sizeof self->clients[0]);
    if (!self)
        return -ENOMEM;
    self->course = course;
    self->words = *words;
    self->requests = malloc(words->count * payload->longest_bytes + 1);
    const struct engine_config config = {
        .target = course->target,
        .channels = words->count,
        .message_bytes = payload_reply_size(payload, payload->longest_bytes),
        .nodelay = course->nodelay,
        .sources = &course->sources,
        .first_flow = course->connections,
        .flow_step = 1};
    int r =
        self->requests ? engine_epoll.open(&self->engine, &config) : -ENOMEM;
    if (r < 0) {
        release(self);
        return r;
    }
    for (uint32_t i = 0; i < words->count; i++)
        self->clients[i].request = self->requests + i * payload->longest_bytes;
    *ret = self;
    return 0;
}

int idlers_start(struct idlers **ret, struct course *course,
                 const struct idlers_words *words)
{
    struct idlers *self;
    int r = make(&self, course, words);
    if (r < 0)
        return r;
    r = -pthread_create(&self->thread, NULL, live, self);
    if (r < 0) {
        release(self);
        return r;
    }
    const uint64_t until_ns = clock_now_ns() + START_NS;
    while (atomic_load(&self->first_connected) < words->count &&
           clock_now_ns() < until_ns) {
        const struct timespec tick = {.tv_nsec = 1000000};
        nanosleep(&tick, NULL);
    }
    *ret = self;
    return 0;
}

void idlers_stop(struct idlers *idlers, struct idlers_counts *ret_counts)
{
    if (!idlers)
        return;
    atomic_store(&idlers->stop, true);
    pthread_join(idlers->thread, NULL);
    *ret_counts = idlers->counts;
    release(idlers);
}
