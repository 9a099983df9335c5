#include "loadgen/flow.h"

#include "loadgen/measure/random.h"

#include <criterion/criterion.h>
#include <string.h>

#define MOST 64u

static struct flow flow;
static struct flow_memory *memory;
static struct request first_requests[2];
static uint8_t first_bytes[100];

static void make(uint32_t head)
{
    flow = (struct flow){.requests = first_requests,
                         .mask = 1,
                         .bytes = first_bytes,
                         .bytes_count = sizeof first_bytes,
                         .head = head,
                         .unsent = head,
                         .tail = head};
}

static bool push(uint32_t size_bytes)
{
    struct request *request = flow_place(&flow, &memory, MOST, size_bytes);
    if (!request)
        return false;
    memset(flow.bytes + request->at, (int)(flow.tail & 0xff), size_bytes);
    flow.tail++;
    return true;
}

/* Every request that is in flight still has its bytes, inside the ring. */
static void check(void)
{
    for (uint32_t i = flow.head; i != flow.tail; i++) {
        const struct request *request = flow_request(&flow, i);
        cr_assert_leq(request->at + request->size_bytes, flow.bytes_count);
        for (uint32_t k = 0; k < request->size_bytes; k++)
            cr_assert_eq(flow.bytes[request->at + k], i & 0xff);
    }
}

/* Pieces cover what is queued, in order, each without a gap. */
static uint32_t count_pieces(void)
{
    uint32_t pieces = 0;
    for (uint32_t i = flow.head; i != flow.tail; pieces++) {
        size_t bytes;
        uint32_t count = flow_piece(&flow, i, &bytes);
        cr_assert_gt(count, 0);
        cr_assert_leq(count, flow.tail - i);
        uint32_t at = flow_request(&flow, i)->at;
        for (uint32_t k = 0; k < count; k++) {
            cr_assert_eq(flow_request(&flow, i + k)->at, at);
            at += flow_request(&flow, i + k)->size_bytes;
        }
        cr_assert_eq(at - flow_request(&flow, i)->at, bytes);
        i += count;
    }
    return pieces;
}

Test(flow, one_request_after_the_other_uses_one_place)
{
    make(0);
    for (int i = 0; i < 1000; i++) {
        cr_assert(push(64));
        cr_expect_eq(flow_request(&flow, flow.head)->at, 0);
        flow.head++;
    }
    cr_expect_null(memory);
}

Test(flow, requests_of_any_size_keep_their_bytes)
{
    const uint32_t heads[] = {0, 0xfffffff0u};
    for (size_t k = 0; k < 2; k++) {
        make(heads[k]);
        for (uint64_t step = 0; step < 50000; step++) {
            uint64_t draw = random_at(k, step);
            if (draw % 2 == 0 && flow.head != flow.tail)
                flow.head++;
            else if (flow.tail - flow.head < MOST)
                cr_assert(
                    push((uint32_t)(1 + random_at(9, step) % 40 * (draw % 8))));
            if (step % 7 == 0)
                check();
            /* At most what wraps, twice: the ring begins anew once. */
            cr_assert_leq(count_pieces(), 2);
        }
    }
    flow_memory_done(&memory);
}

Test(flow, a_full_flow_takes_no_more)
{
    make(7);
    for (uint32_t i = 0; i < MOST; i++)
        cr_assert(push(10));
    cr_expect_not(push(10));
    check();
    flow.head++;
    cr_expect(push(10));
    cr_expect_not(push(0));
    check();
    flow_memory_done(&memory);
}

Test(flow, a_request_larger_than_the_ring_makes_it_grow)
{
    make(0);
    cr_assert(push(60));
    cr_assert(push(5000));
    cr_assert(push(60));
    check();
    size_t bytes;
    cr_expect_eq(flow_piece(&flow, 0, &bytes), 3);
    cr_expect_eq(bytes, 5120);
    flow_memory_done(&memory);
    cr_expect_null(memory);
}

Test(flow, what_is_taken_back_leaves_no_gap)
{
    for (uint32_t before = 0; before < 3; before++) {
        make(0);
        for (uint32_t i = 0; i < 200; i++) {
            for (uint32_t k = 0; k < before; k++)
                cr_assert(push(21));
            cr_assert(push(1 + i));
            flow_take_back(&flow);
            cr_assert(push(17));
            check();
            cr_assert_leq(count_pieces(), 2);
            flow.head = flow.tail - (i % 2);
        }
        flow_memory_done(&memory);
    }
}

Test(flow, empty_requests_have_places_too)
{
    make(0);
    for (uint32_t i = 0; i < MOST; i++)
        cr_assert(push(0));
    cr_expect_not(push(0));
    cr_expect_eq(count_pieces(), 1);
    flow_memory_done(&memory);
}
