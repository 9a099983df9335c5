#include "loadgen/payload.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

static struct payload payload;
static uint8_t request[2000];
static uint8_t reply[2000];

static void make(const char *service, size_t bytes, bool stream)
{
    const struct sizes size = {.least_bytes = (uint32_t)bytes,
                               .most_bytes = (uint32_t)bytes};
    cr_assert_eq(payload_init(&payload, service_find(service), &size, 1, 77,
                              true, stream),
                 0);
    payload_write(&payload, 'D', 3, 9, 1000, bytes, request);
    memcpy(reply, request, bytes);
    if (payload.service->transform)
        payload.service->transform(reply, bytes);
}

static const size_t sizes[] = {1, 19, 20, 39, 40, 41, 64, 1400};

Test(payload, a_right_reply_matches_at_every_cut)
{
    for (int upper = 0; upper < 2; upper++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            make(upper ? "upper" : "echo", sizes[k], true);
            for (size_t cut = 0; cut <= sizes[k]; cut++) {
                cr_assert(payload_matches(&payload, request, sizes[k], 3, 9, 0,
                                          reply, cut));
                cr_assert(payload_matches(&payload, request, sizes[k], 3, 9,
                                          cut, reply + cut, sizes[k] - cut));
            }
            payload_done(&payload);
        }
    }
}

Test(payload, every_wrong_byte_is_seen_whatever_the_size)
{
    for (int upper = 0; upper < 2; upper++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            make(upper ? "upper" : "echo", sizes[k], true);
            for (size_t i = 0; i < sizes[k]; i++) {
                reply[i] ^= 0x20;
                cr_assert_not(payload_matches(&payload, request, sizes[k], 3, 9,
                                              0, reply, sizes[k]),
                              "size %zu byte %zu", sizes[k], i);
                reply[i] ^= 0x20;
            }
            payload_done(&payload);
        }
    }
}

Test(payload, an_unchanged_request_never_passes_for_upper_case)
{
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (uint32_t flow = 0; flow < 50; flow++) {
            make("upper", sizes[k], false);
            payload_write(&payload, 'D', flow, 0, 0, sizes[k], request);
            struct frame frame;
            cr_assert_eq(payload_check_datagram(&payload, flow, request,
                                                sizes[k], &frame),
                         PAYLOAD_UNTRANSFORMED, "size %zu flow %u", sizes[k],
                         flow);
            payload_done(&payload);
        }
    }
}

Test(payload, faults_of_a_datagram_are_named)
{
    struct frame frame;
    make("echo", 64, false);
    cr_expect_eq(payload_check_datagram(&payload, 3, reply, 64, &frame),
                 PAYLOAD_OK);
    cr_expect_eq(frame.sequence, 9);
    cr_expect_eq(payload_check_datagram(&payload, 4, reply, 64, &frame),
                 PAYLOAD_FLOW);
    cr_expect_eq(payload_check_datagram(&payload, 3, reply, 63, &frame),
                 PAYLOAD_SHORT);
    cr_expect_eq(payload_check_datagram(&payload, 3, reply, 65, &frame),
                 PAYLOAD_LONG);
    cr_expect_eq(payload_check_datagram(&payload, 3, reply, 12, &frame),
                 PAYLOAD_SHORT);
    reply[50] ^= 1;
    cr_expect_eq(payload_check_datagram(&payload, 3, reply, 64, &frame),
                 PAYLOAD_CONTENT);
    payload_done(&payload);
    make("echo", 64, false);
    payload.nonce ^= 1;
    cr_expect_eq(payload_check_datagram(&payload, 3, reply, 64, &frame),
                 PAYLOAD_FOREIGN);
    payload_done(&payload);
}

Test(payload, faults_of_a_stream_are_named)
{
    uint8_t other[64];
    make("echo", 64, true);
    payload_write(&payload, 'D', 3, 10, 1000, 64, other);
    cr_expect_eq(payload_explain(&payload, request, 64, 3, 9, 0, other, 64),
                 PAYLOAD_SEQUENCE);
    payload_write(&payload, 'D', 4, 9, 1000, 64, other);
    cr_expect_eq(payload_explain(&payload, request, 64, 3, 9, 0, other, 64),
                 PAYLOAD_FLOW);
    cr_expect_eq(payload_explain(&payload, request, 64, 3, 9, 0, reply + 1, 20),
                 PAYLOAD_CONTENT);
    payload_done(&payload);
    make("upper", 64, true);
    cr_expect_eq(payload_explain(&payload, request, 64, 3, 9, 0, request, 64),
                 PAYLOAD_UNTRANSFORMED);
    payload_done(&payload);
}

Test(payload, datagrams_of_drawn_sizes_have_the_size_of_their_number)
{
    struct sizes drawn;
    struct frame frame;
    cr_assert_eq(sizes_parse("uniform:20,1400", &drawn), 0);
    cr_assert_eq(payload_init(&payload, service_find("upper"), &drawn, 1, 77,
                              true, false),
                 0);
    for (uint64_t n = 0; n < 500; n++) {
        char type = n % 2 ? 'D' : 'W';
        size_t bytes = payload_size(&payload, type, 3, n);
        payload_write(&payload, type, 3, n, 1000, bytes, request);
        service_upper(request, bytes);
        cr_assert_eq(
            payload_check_datagram(&payload, 3, request, bytes, &frame),
            PAYLOAD_OK, "number %d", (int)n);
        cr_assert_eq(frame.sequence, n);
        /* One byte less is short of what this number has, not another size. */
        cr_assert_eq(
            payload_check_datagram(&payload, 3, request, bytes - 1, &frame),
            PAYLOAD_SHORT);
        cr_assert_eq(
            payload_check_datagram(&payload, 3, request, bytes + 1, &frame),
            PAYLOAD_LONG);
    }
    payload_done(&payload);
}

Test(payload, requests_of_drawn_sizes_are_checked_to_their_last_byte)
{
    struct sizes drawn;
    cr_assert_eq(sizes_parse("uniform:1,100", &drawn), 0);
    for (int upper = 0; upper < 2; upper++) {
        cr_assert_eq(payload_init(&payload,
                                  service_find(upper ? "upper" : "echo"),
                                  &drawn, 1, 77, true, true),
                     0);
        for (uint64_t n = 0; n < 500; n++) {
            size_t bytes = payload_size(&payload, 'D', 3, n);
            payload_write(&payload, 'D', 3, n, 1000, bytes, request);
            memcpy(reply, request, bytes);
            if (upper)
                service_upper(reply, bytes);
            cr_assert(payload_matches(&payload, request, bytes, 3, n, 0, reply,
                                      bytes));
            reply[bytes - 1] ^= 0x20;
            cr_assert_not(payload_matches(&payload, request, bytes, 3, n, 0,
                                          reply, bytes));
        }
        payload_done(&payload);
    }
}
