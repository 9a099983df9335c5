#include "servers/support/trace.h"

#include "servers/wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNDER_WAY_MAX                                                          \
    65536u /* replies of one thread; more than any page has                    \
            */
#define NOWHERE UINT32_MAX

/* Where a datagram was noted. */
struct mark {
    uint32_t flow;   /* NOWHERE: in no flow */
    uint32_t record; /* NOWHERE: in no record */
};

/* Of one thread. */
struct place {
    struct place *next;
    uint64_t arrived_ns;
    struct mark current;
    unsigned head, stamped, tail; /* of the queue below; they run on */
    struct mark under_way[UNDER_WAY_MAX];
};

struct server_trace {
    struct trace file;
    bool has_several; /* threads or children that note: flows want their lock */
    _Atomic(struct place *) places;
};

static __thread struct place *here;

/* A server that notes alone needs no lock: who reads meanwhile looks again when
 * all is quiet. */
static inline void enter(const struct server_trace *trace,
                         struct trace_flow *flow)
{
    if (trace->has_several)
        trace_lock(&flow->lock);
}

static inline void leave(const struct server_trace *trace,
                         struct trace_flow *flow)
{
    if (trace->has_several)
        trace_unlock(&flow->lock);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int server_trace_open(struct server_trace **ret, const char *path,
                      uint64_t records_capacity, bool is_shared,
                      unsigned workers)
{
    struct server_trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return -ENOMEM;
    int r = trace_create(&trace->file, path, records_capacity);
    if (r < 0) {
        free(trace);
        return r;
    }
    trace->file.header->is_shared = is_shared;
    trace->has_several = is_shared || workers > 1;
    *ret = trace;
    return 0;
}

void server_trace_close(struct server_trace *trace)
{
    if (!trace)
        return;
    struct place *at = atomic_load(&trace->places);
    while (at) {
        struct place *next = at->next;
        free(at);
        at = next;
    }
    here = NULL;
    trace_close(&trace->file);
    free(trace);
}

/* NULL without memory: then nothing is noted, and the counts show it. */
static struct place *place_of(struct server_trace *trace)
{
    if (here)
        return here;
    struct place *place = malloc(sizeof *place); /* most is never touched */
    if (!place)
        return NULL;
    place->arrived_ns = 0;
    place->current = (struct mark){NOWHERE, NOWHERE};
    place->head = place->stamped = place->tail = 0;
    place->next = atomic_load(&trace->places);
    while (!atomic_compare_exchange_weak(&trace->places, &place->next, place))
        ;
    here = place;
    return place;
}

void server_trace_arrived(struct server_trace *trace)
{
    struct place *place = place_of(trace);
    if (place)
        place->arrived_ns = now_ns();
}

/* RFC 4737 with duplicates removed, as the load generator counts replies. */
static void count(struct trace_flow *flow, uint64_t sequence)
{
    const bool in_order = sequence >= flow->next_expected;
    if (in_order && sequence - flow->next_expected >= TRACE_WINDOW)
        memset(flow->window, 0, sizeof flow->window);
    else if (in_order)
        for (uint64_t n = flow->next_expected; n <= sequence; n++)
            flow->window[n % TRACE_WINDOW / 64] &= ~(1ULL << n % 64);
    if (in_order)
        flow->next_expected = sequence + 1;
    if (flow->next_expected - sequence > TRACE_WINDOW) {
        flow->ancient++;
        return;
    }
    uint64_t *word = &flow->window[sequence % TRACE_WINDOW / 64];
    const uint64_t bit = 1ULL << sequence % 64;
    if (*word & bit) {
        flow->duplicate++;
        return;
    }
    *word |= bit;
    flow->unique++;
    flow->reordered += !in_order;
}

static uint32_t record(struct server_trace *trace, const struct frame *frame,
                       uint64_t received_ns)
{
    struct trace_header *header = trace->file.header;
    if (atomic_load_explicit(&header->records_count, memory_order_relaxed) >=
        header->records_capacity + UNDER_WAY_MAX)
        return NOWHERE; /* full for long: the count has told enough */
    const uint64_t index = atomic_fetch_add_explicit(&header->records_count, 1,
                                                     memory_order_relaxed);
    if (index >= header->records_capacity)
        return NOWHERE;
    struct trace_record *at = &trace->file.records[index];
    at->sequence = frame->sequence;
    at->time_ns = frame->time_ns;
    at->received_ns = received_ns;
    at->sent_ns = 0;
    at->flow = frame->flow;
    atomic_store_explicit(&at->state, TRACE_RECEIVED, memory_order_release);
    return (uint32_t)index;
}

static void note(struct server_trace *trace, struct place *place,
                 const struct frame *frame, size_t length_bytes)
{
    struct trace_header *header = trace->file.header;
    if (frame->flow >= header->flows_capacity) {
        atomic_fetch_add_explicit(&header->beyond, 1, memory_order_relaxed);
        return;
    }
    struct trace_flow *flow = &trace->file.flows[frame->flow];
    enter(trace, flow);
    if (frame->type == 'D') {
        count(flow, frame->sequence);
        flow->bytes += length_bytes;
        if (flow->first_ns == 0)
            flow->first_ns = place->arrived_ns;
        flow->last_ns = place->arrived_ns;
    } else {
        flow->warmup++;
    }
    leave(trace, flow);
    if (frame->type != 'D')
        return;
    place->current.flow = frame->flow;
    place->current.record = record(trace, frame, place->arrived_ns);
}

void server_trace_received(struct server_trace *trace, const uint8_t *data,
                           size_t length_bytes)
{
    struct trace_header *header = trace->file.header;
    struct place *place = place_of(trace);
    struct frame frame;
    if (!place)
        return;
    place->current = (struct mark){NOWHERE, NOWHERE};
    const uint32_t nonce =
        atomic_load_explicit(&header->nonce, memory_order_relaxed);
    atomic_uint_least64_t *apart = NULL;
    switch (frame_decode(data, length_bytes, nonce & FRAME_24_MASK, &frame)) {
    case FRAME_OK:
        if (nonce == TRACE_UNCLAIMED)
            apart = &header->foreign;
        break;
    case FRAME_FOREIGN:
        apart = &header->foreign;
        break;
    case FRAME_NOT_A_FRAME:
        apart = &header->unnumbered;
        break;
    case FRAME_SHORT:
    case FRAME_DAMAGED:
        apart = &header->damaged;
        break;
    }
    if (apart)
        atomic_fetch_add_explicit(apart, 1, memory_order_relaxed);
    else
        note(trace, place, &frame, length_bytes);
}

void server_trace_decided(struct server_trace *trace, bool has_reply,
                          bool refused)
{
    struct place *place = place_of(trace);
    if (!place)
        return;
    if (has_reply) {
        place->under_way[place->tail++ % UNDER_WAY_MAX] = place->current;
    } else if (refused && place->current.flow != NOWHERE) {
        struct trace_flow *flow = &trace->file.flows[place->current.flow];
        enter(trace, flow);
        flow->refused++;
        leave(trace, flow);
    }
}

void server_trace_sending(struct server_trace *trace, unsigned count)
{
    struct place *place = place_of(trace);
    if (!place || count == 0)
        return;
    if (trace->file.header->is_shared)
        trace_lock(&trace->file.header->send_lock);
    const uint64_t now = now_ns();
    while (count-- > 0 && place->stamped != place->tail) {
        struct mark mark = place->under_way[place->stamped++ % UNDER_WAY_MAX];
        if (mark.record != NOWHERE)
            trace->file.records[mark.record].sent_ns = now;
    }
}

void server_trace_sent(struct server_trace *trace, unsigned count, bool taken)
{
    struct place *place = place_of(trace);
    if (place && trace->file.header->is_shared)
        trace_unlock(&trace->file.header->send_lock);
    while (place && count-- > 0 && place->head != place->tail) {
        struct mark mark = place->under_way[place->head++ % UNDER_WAY_MAX];
        if (mark.flow == NOWHERE)
            continue;
        struct trace_flow *flow = &trace->file.flows[mark.flow];
        enter(trace, flow);
        flow->replied += taken;
        flow->send_errors += !taken;
        leave(trace, flow);
        if (mark.record == NOWHERE)
            continue;
        struct trace_record *at = &trace->file.records[mark.record];
        if (!taken)
            at->sent_ns = 0;
        else
            atomic_store_explicit(&at->state, TRACE_REPLIED,
                                  memory_order_release);
    }
}
