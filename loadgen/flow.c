#include "loadgen/flow.h"

#include <stdlib.h>
#include <string.h>

static void *new_memory(struct flow_memory **memory, size_t bytes)
{
    struct flow_memory *made = malloc(sizeof *made + bytes);
    if (!made)
        return NULL;
    made->next = *memory;
    *memory = made;
    return made->space;
}

void flow_memory_done(struct flow_memory **memory)
{
    while (*memory) {
        struct flow_memory *next = (*memory)->next;
        free(*memory);
        *memory = next;
    }
}

static bool grow_requests(struct flow *flow, struct flow_memory **memory,
                          uint32_t most_requests)
{
    static const struct request nobody = {.sequence = UINT64_MAX,
                                          .state = REQUEST_ENDED};
    const uint32_t count = 2 * (flow->mask + 1);
    if (count > most_requests)
        return false;
    struct request *grown = new_memory(memory, count * sizeof *grown);
    if (!grown)
        return false;
    for (uint32_t i = 0; i < count; i++)
        grown[i] = nobody;
    /* Ended ones are remembered as long as the ring is. */
    for (uint32_t back = flow->mask + 1; back > 0; back--)
        grown[(flow->tail - back) & (count - 1)] =
            *flow_request(flow, flow->tail - back);
    flow->requests = grown;
    flow->mask = count - 1;
    return true;
}

/* Twice the bytes, and room for one more in any case; those that are there move
 * together at the front. */
static bool grow_bytes(struct flow *flow, struct flow_memory **memory,
                       uint32_t size_bytes)
{
    uint64_t count = 2 * ((uint64_t)flow->bytes_count + size_bytes);
    if (count > UINT32_MAX)
        return false;
    uint8_t *grown = new_memory(memory, count);
    if (!grown)
        return false;
    uint32_t next = 0;
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = flow_request(flow, i);
        memcpy(grown + next, flow->bytes + request->at, request->size_bytes);
        request->at = next;
        next += request->size_bytes;
    }
    flow->bytes = grown;
    flow->bytes_count = (uint32_t)count;
    flow->bytes_next = next;
    flow->wrapped = flow->head;
    return true;
}

/* Where size_bytes fit behind the last request: true, at bytes_next. */
static bool find_room(struct flow *flow, uint32_t size_bytes)
{
    if (flow->head == flow->tail) {
        flow->bytes_next = 0;
        return size_bytes <= flow->bytes_count;
    }
    const uint32_t oldest = flow_request(flow, flow->head)->at;
    if (flow->bytes_next <= oldest) /* what is free lies between them */
        return size_bytes <= oldest - flow->bytes_next;
    if (size_bytes <= flow->bytes_count - flow->bytes_next)
        return true;
    if (size_bytes > oldest)
        return false;
    flow->bytes_next = 0;
    flow->wrapped = flow->tail;
    return true;
}

struct request *flow_place(struct flow *flow, struct flow_memory **memory,
                           uint32_t most_requests, uint32_t size_bytes)
{
    if (flow->tail - flow->head > flow->mask &&
        !grow_requests(flow, memory, most_requests))
        return NULL;
    if (!find_room(flow, size_bytes) && !grow_bytes(flow, memory, size_bytes))
        return NULL;
    struct request *request = flow_request(flow, flow->tail);
    request->at = flow->bytes_next;
    request->size_bytes = size_bytes;
    flow->bytes_next += size_bytes;
    return request;
}

uint32_t flow_piece(const struct flow *flow, uint32_t first, size_t *ret_bytes)
{
    const uint32_t queued = flow->tail - first;
    const uint32_t before_wrap = flow->wrapped - first;
    const uint32_t count =
        before_wrap > 0 && before_wrap < queued ? before_wrap : queued;
    const struct request *begin = flow_request(flow, first);
    const struct request *last = flow_request(flow, first + count - 1);
    *ret_bytes = (size_t)last->at + last->size_bytes - begin->at;
    return count;
}
