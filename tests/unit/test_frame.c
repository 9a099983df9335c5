#include "servers/wire/frame.h"
#include "servers/wire/service.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct frame full = {.type = 'D',
                                  .flags = FRAME_FLAG_BINARY | FRAME_FLAG_LAST,
                                  .length_bytes = 64,
                                  .flow = 0xabcdef,
                                  .sequence = (1ULL << 45) + 12345,
                                  .time_ns = (1ULL << 47) + 99,
                                  .nonce = 0x123456};

Test(frame, crc32c_matches_the_published_vectors)
{
    /* RFC 3720, B.4 */
    uint8_t data[32] = {0};
    cr_expect_eq(frame_crc32c(data, 32), 0x8a9136aau);
    memset(data, 0xff, 32);
    cr_expect_eq(frame_crc32c(data, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        data[i] = i;
    cr_expect_eq(frame_crc32c(data, 32), 0x46dd794eu);
    cr_expect_eq(frame_crc32c((const uint8_t *)"123456789", 9), 0xe3069283u);
}

Test(frame, the_full_form_round_trips_and_survives_upper_casing)
{
    uint8_t data[64] = {0};
    frame_encode(&full, data);
    for (int pass = 0; pass < 2; pass++) {
        struct frame back;
        cr_assert_eq(frame_decode(data, 64, full.nonce, &back), FRAME_OK);
        cr_expect_eq(back.type, full.type);
        cr_expect_eq(back.flags, full.flags);
        cr_expect_eq(back.upper, pass == 1);
        cr_expect_eq(back.length_bytes, full.length_bytes);
        cr_expect_eq(back.flow, full.flow);
        cr_expect_eq(back.sequence, full.sequence);
        cr_expect_eq(back.time_ns, full.time_ns);
        service_upper(data, sizeof data);
    }
}

Test(frame, the_tiny_form_round_trips_and_survives_upper_casing)
{
    static const char kinds[] = {'D', 'W', 'F'};
    for (int i = 0; i < 3; i++) {
        struct frame tiny = full;
        tiny.length_bytes = 20;
        tiny.type = kinds[i];
        uint8_t data[20] = {0};
        frame_encode(&tiny, data);
        service_upper(data, sizeof data);
        struct frame back;
        cr_assert_eq(frame_decode(data, 20, full.nonce, &back), FRAME_OK);
        cr_expect_eq(back.type, kinds[i]);
        cr_expect_eq(back.flow, full.flow);
        cr_expect_eq(back.sequence, full.sequence);
        cr_expect(back.upper);
    }
}

Test(frame, every_flipped_bit_of_a_full_header_is_seen)
{
    uint8_t data[64] = {0};
    frame_encode(&full, data);
    for (unsigned bit = 0; bit < 8 * FRAME_HEADER_BYTES; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct frame back;
        enum frame_result r = frame_decode(data, 64, full.nonce, &back);
        /* Upper-casing the whole magic is the one change that is allowed, and
         * it takes three flips. */
        cr_expect_neq(r, FRAME_OK, "bit %u", bit);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Also those that a sextet cannot be, and would be taken for one. */
Test(frame, every_other_byte_in_a_header_is_seen)
{
    uint8_t data[64] = {0};
    frame_encode(&full, data);
    for (unsigned at = 4; at < FRAME_HEADER_BYTES; at++) {
        const uint8_t right = data[at];
        for (unsigned byte = 0; byte < 256; byte++) {
            struct frame back;
            data[at] = (uint8_t)byte;
            enum frame_result r = frame_decode(data, 64, full.nonce, &back);
            cr_expect((r == FRAME_OK) == (byte == right), "%u at %u", byte, at);
        }
        data[at] = right;
    }
}

/* Written out digit by digit, slowly. */
static void put_digits(uint8_t *out, unsigned count, uint64_t value)
{
    for (unsigned i = count; i-- > 0; value /= 64)
        out[i] = (uint8_t)(' ' + value % 64);
}

Test(frame, a_type_that_there_is_not_is_damage_however_right_the_check)
{
    struct frame odd = full;
    uint8_t data[FRAME_HEADER_BYTES];
    struct frame back;
    odd.type = 'E';
    frame_encode(&odd, data);
    cr_expect_eq(frame_decode(data, sizeof data, full.nonce, &back),
                 FRAME_DAMAGED);
    for (uint64_t code = 0; code < 4; code++) {
        uint8_t tiny[FRAME_TINY_BYTES] = "SKT1";
        put_digits(tiny + 4, 4, 7);
        put_digits(tiny + 8, 8, code << 46 | 99);
        put_digits(tiny + 16, 4,
                   (frame_crc32c(tiny, 16) & 0xfff) << 12 |
                       (full.nonce & 0xfff));
        cr_expect_eq(frame_decode(tiny, sizeof tiny, full.nonce, &back),
                     code < 3 ? FRAME_OK : FRAME_DAMAGED, "%lu", code);
    }
}

Test(frame, numbers_are_big_endian_digits_of_64)
{
    uint64_t random = 1;
    for (int i = 0; i < 10000; i++) {
        struct frame frame = full;
        uint8_t data[FRAME_HEADER_BYTES];
        uint8_t slow[FRAME_HEADER_BYTES];
        struct frame back;
        random = random * 6364136223846793005u + 1442695040888963407u;
        frame.flow = (uint32_t)(random >> 40);
        frame.sequence = random >> (16 + i % 48);
        frame.time_ns = (random * 3) >> 16;
        frame.nonce = (uint32_t)(random * 5 >> 40);
        frame_encode(&frame, data);
        put_digits(slow + 10, 4, frame.flow);
        put_digits(slow + 14, 8, frame.sequence);
        put_digits(slow + 22, 8, frame.time_ns);
        put_digits(slow + 30, 4, frame.nonce);
        cr_assert_arr_eq(data + 10, slow + 10, 24);
        cr_assert_eq(frame_decode(data, sizeof data, frame.nonce, &back),
                     FRAME_OK);
        cr_assert_eq(back.flow, frame.flow);
        cr_assert_eq(back.sequence, frame.sequence);
        cr_assert_eq(back.time_ns, frame.time_ns);
    }
}

Test(frame, another_runs_frame_is_foreign_and_a_cut_one_short)
{
    uint8_t data[64] = {0};
    struct frame back;
    frame_encode(&full, data);
    cr_expect_eq(frame_decode(data, 64, 7, &back), FRAME_FOREIGN);
    cr_expect_eq(frame_decode(data, 39, full.nonce, &back), FRAME_SHORT);
    cr_expect_eq(frame_decode(data, 3, full.nonce, &back), FRAME_NOT_A_FRAME);
    cr_expect_eq(frame_decode((const uint8_t *)"hello there", 11, 7, &back),
                 FRAME_NOT_A_FRAME);
    struct frame tiny = full;
    tiny.length_bytes = 25;
    frame_encode(&tiny, data);
    cr_expect_eq(frame_decode(data, 25, full.nonce ^ 1, &back), FRAME_FOREIGN);
    cr_expect_eq(frame_decode(data, 19, full.nonce, &back), FRAME_SHORT);
}

Test(frame, bodies_hold_every_byte_value_and_depend_on_flow_and_sequence)
{
    struct frame_body body;
    cr_assert_eq(frame_body_init(&body, 1, 2, 1024, false), 0);
    bool seen[256] = {false};
    for (size_t i = 0; i < 4096; i++)
        seen[body.plain[i]] = true;
    for (int i = 0; i < 256; i++)
        cr_expect(seen[i], "value %d", i);
    size_t same = 0;
    for (uint64_t s = 0; s < 1000; s++) {
        size_t a = frame_body_offset(&body, 1, s);
        cr_assert_lt(a, 4096);
        same += a == frame_body_offset(&body, 2, s);
        same += a == frame_body_offset(&body, 1, s + 1);
    }
    cr_expect_lt(same, 20);
    frame_body_done(&body);
}

Test(service, upper_changes_a_to_z_alone)
{
    uint8_t data[256 + 13];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    service_upper(data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++) {
        uint8_t want = (uint8_t)i;
        if (want >= 'a' && want <= 'z')
            want = (uint8_t)(want - 32);
        cr_expect_eq(data[i], want, "byte %zu", i);
    }
}

Test(service, a_prefix_stands_before_every_line_however_it_is_cut)
{
    const struct service *ok = service_find("ok");
    static const char text[] = "one\ntwo\n\nlast";
    static const char want[] = "OK...one\nOK...two\nOK...\nOK...last";
    for (size_t cut = 0; cut < sizeof text; cut++) {
        uint8_t out[256];
        bool at_line_start = true;
        size_t n = service_prefix_lines(ok, &at_line_start,
                                        (const uint8_t *)text, cut, out);
        n += service_prefix_lines(ok, &at_line_start,
                                  (const uint8_t *)text + cut,
                                  sizeof text - 1 - cut, out + n);
        cr_assert_eq(n, sizeof want - 1, "cut at %zu", cut);
        cr_assert_arr_eq(out, want, sizeof want - 1, "cut at %zu", cut);
    }
    cr_expect_geq(SERVICE_PREFIX_MAX, strlen(ok->prefix));
}

Test(service, names_and_defaults)
{
    cr_expect_str_eq(service_default(1)->name, "echo");
    cr_expect_str_eq(service_default(2)->name, "upper");
    cr_expect_null(service_find("nosuch"));
}
