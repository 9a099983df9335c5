#include "servers/wire/frame.h"

#include "servers/wire/service.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RING_OFFSETS 4096u /* slices begin in the first 4 KiB of the ring */

static const uint8_t magic_full[4] = {'s', 'k', 'b', '1'};
static const uint8_t magic_tiny[4] = {'s', 'k', 't', '1'};
static const uint8_t magic_full_upper[4] = {'S', 'K', 'B', '1'};
static const uint8_t magic_tiny_upper[4] = {'S', 'K', 'T', '1'};
static const char types[3] = {'D', 'W', 'F'};

static bool is_type(uint8_t byte)
{
    return byte == 'D' || byte == 'W' || byte == 'F';
}

static uint32_t crc_step(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
    return crc;
}

static uint32_t crc_table[256];

static void __attribute__((constructor)) crc_table_init(void)
{
    for (uint32_t i = 0; i < 256; i++)
        crc_table[i] = crc_step(0, (uint8_t)i);
}

static uint32_t crc_plain(uint32_t crc, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        crc = (crc >> 8) ^ crc_table[(crc ^ data[i]) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_sse42(uint32_t crc, const uint8_t *data, size_t length)
{
    uint64_t wide = crc;
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    if (length >= 4) {
        uint32_t word;
        memcpy(&word, data, sizeof word);
        crc = __builtin_ia32_crc32si(crc, word);
        data += 4;
        length -= 4;
    }
    if (length >= 2) {
        uint16_t word;
        memcpy(&word, data, sizeof word);
        crc = __builtin_ia32_crc32hi(crc, word);
        data += 2;
        length -= 2;
    }
    return length > 0 ? __builtin_ia32_crc32qi(crc, *data) : crc;
}

static uint32_t crc_update(uint32_t crc, const uint8_t *data, size_t length)
{
    return __builtin_cpu_supports("sse4.2") ? crc_sse42(crc, data, length)
                                            : crc_plain(crc, data, length);
}
#else
static uint32_t crc_update(uint32_t crc, const uint8_t *data, size_t length)
{
    return crc_plain(crc, data, length);
}
#endif

uint32_t frame_crc32c(const uint8_t *data, size_t length_bytes)
{
    return ~crc_update(~0u, data, length_bytes);
}

/* The check of a header, whichever case its magic has. */
static uint32_t header_crc(const uint8_t *magic_upper, const uint8_t *rest,
                           size_t rest_bytes)
{
    return ~crc_update(crc_update(~0u, magic_upper, 4), rest, rest_bytes);
}

/* A byte of each of eight, as in a word whose first byte is the highest. */
#define EACH(byte) ((byte)*0x0101010101010101u)

/* Eight sextets at once: they are spread over a word in three steps, each of
 * which parts every piece in two. count is at most 8. */
static inline void put_sextets(uint8_t *out, unsigned count, uint64_t value)
{
    uint64_t x = value & ((1ULL << 48) - 1);
    x = (x & 0xffffff) | (x >> 24) << 32;
    x = (x & 0x00000fff00000fffu) | (x & 0x00fff00000fff000u) << 4;
    x = (x & 0x003f003f003f003fu) | (x & 0x0fc00fc00fc00fc0u) << 2;
    x = htobe64(x + EACH(0x20));
    memcpy(out, (const uint8_t *)&x + 8 - count, count);
}

/*
 * And together again. Adding 0x60 makes 0x80 to 0xbf of the 64 values, and of
 * no other: what is above carries into the byte before it, but then the lowest
 * such byte itself is seen.
 */
static inline bool get_sextets(const uint8_t *in, unsigned count, uint64_t *ret)
{
    uint64_t x = EACH(0x20);
    memcpy((uint8_t *)&x + 8 - count, in, count);
    x = be64toh(x) + EACH(0x60);
    const bool inside = (x & EACH(0xc0)) == EACH(0x80);
    x &= EACH(0x3f);
    x = (x & 0x003f003f003f003fu) | (x & 0x3f003f003f003f00u) >> 2;
    x = (x & 0x00000fff00000fffu) | (x & 0x0fff00000fff0000u) >> 4;
    *ret = (x & 0xffffff) | x >> 32 << 24;
    return inside;
}

size_t frame_header_bytes(size_t length_bytes)
{
    if (length_bytes >= FRAME_HEADER_BYTES)
        return FRAME_HEADER_BYTES;
    return length_bytes >= FRAME_TINY_BYTES ? FRAME_TINY_BYTES : 0;
}

static uint64_t type_code(char type)
{
    return type == 'D' ? 0 : type == 'W' ? 1 : 2;
}

static uint32_t tiny_check(const uint8_t *rest, uint32_t nonce)
{
    uint32_t crc = header_crc(magic_tiny_upper, rest, 12);
    return (crc & 0xfff) << 12 | (nonce & 0xfff);
}

static void encode_tiny(const struct frame *frame, uint8_t *out)
{
    memcpy(out, magic_tiny, 4);
    put_sextets(out + 4, 4, frame->flow);
    put_sextets(out + 8, 8,
                type_code(frame->type) << 46 |
                    (frame->sequence & FRAME_SEQUENCE_MASK));
    put_sextets(out + 16, 4, tiny_check(out + 4, frame->nonce));
}

void frame_encode(const struct frame *frame, uint8_t *out)
{
    size_t header = frame_header_bytes(frame->length_bytes);
    if (header == 0)
        return;
    if (header == FRAME_TINY_BYTES) {
        encode_tiny(frame, out);
        return;
    }
    memcpy(out, magic_full, 4);
    out[4] = (uint8_t)frame->type;
    out[5] = (uint8_t)(0x20 + frame->flags);
    put_sextets(out + 6, 4, frame->length_bytes);
    put_sextets(out + 10, 4, frame->flow);
    put_sextets(out + 14, 8, frame->sequence);
    put_sextets(out + 22, 8, frame->time_ns);
    put_sextets(out + 30, 4, frame->nonce);
    put_sextets(out + 34, 6, header_crc(magic_full_upper, out + 4, 30));
}

static enum frame_result decode_tiny(const uint8_t *data, size_t have_bytes,
                                     uint32_t nonce, struct frame *ret_frame)
{
    if (have_bytes < FRAME_TINY_BYTES)
        return FRAME_SHORT;
    uint64_t flow;
    uint64_t sequence;
    uint64_t check;
    bool whole = get_sextets(data + 4, 4, &flow) &&
                 get_sextets(data + 8, 8, &sequence) &&
                 get_sextets(data + 16, 4, &check);
    if (!whole || check >> 12 != tiny_check(data + 4, 0) >> 12 ||
        sequence >> 46 >= sizeof types)
        return FRAME_DAMAGED;
    *ret_frame = (struct frame){
        .type = types[sequence >> 46],
        .upper = data[0] == 'S',
        .length_bytes = (uint32_t)have_bytes,
        .flow = (uint32_t)flow,
        .sequence = sequence & FRAME_SEQUENCE_MASK,
        .nonce = (uint32_t)check & 0xfff,
    };
    return (check & 0xfff) == (nonce & 0xfff) ? FRAME_OK : FRAME_FOREIGN;
}

static enum frame_result decode_full(const uint8_t *data, size_t have_bytes,
                                     uint32_t nonce, struct frame *ret_frame)
{
    if (have_bytes < FRAME_HEADER_BYTES)
        return FRAME_SHORT;
    uint64_t length;
    uint64_t flow;
    uint64_t sequence;
    uint64_t time_ns;
    uint64_t its_nonce;
    uint64_t check;
    bool whole = get_sextets(data + 6, 4, &length) &&
                 get_sextets(data + 10, 4, &flow) &&
                 get_sextets(data + 14, 8, &sequence) &&
                 get_sextets(data + 22, 8, &time_ns) &&
                 get_sextets(data + 30, 4, &its_nonce) &&
                 get_sextets(data + 34, 6, &check);
    if (!whole || check != header_crc(magic_full_upper, data + 4, 30) ||
        !is_type(data[4]))
        return FRAME_DAMAGED;
    *ret_frame = (struct frame){
        .type = (char)data[4],
        .flags = (uint8_t)(data[5] - 0x20),
        .upper = data[0] == 'S',
        .length_bytes = (uint32_t)length,
        .flow = (uint32_t)flow,
        .sequence = sequence,
        .time_ns = time_ns,
        .nonce = (uint32_t)its_nonce,
    };
    return its_nonce == nonce ? FRAME_OK : FRAME_FOREIGN;
}

enum frame_result frame_decode(const uint8_t *data, size_t have_bytes,
                               uint32_t nonce, struct frame *ret_frame)
{
    if (have_bytes < 4)
        return FRAME_NOT_A_FRAME;
    if (memcmp(data, magic_full, 4) == 0 ||
        memcmp(data, magic_full_upper, 4) == 0)
        return decode_full(data, have_bytes, nonce, ret_frame);
    if (memcmp(data, magic_tiny, 4) == 0 ||
        memcmp(data, magic_tiny_upper, 4) == 0)
        return decode_tiny(data, have_bytes, nonce, ret_frame);
    return FRAME_NOT_A_FRAME;
}

/* splitmix64 (Steele, Lea, Flood 2014): also how flows and sequences are
 * spread over the ring. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int frame_body_init(struct frame_body *body, uint64_t seed, uint32_t nonce,
                    size_t longest_bytes, bool text)
{
    size_t ring = RING_OFFSETS + longest_bytes;
    uint8_t *plain = malloc(2 * ring);
    if (!plain)
        return -ENOMEM;
    uint8_t *upper = plain + ring;
    for (size_t i = 0; i < ring; i++)
        plain[i] = (uint8_t)(mix(seed ^ i) >> 24);
    for (size_t i = 0; text && i < ring; i++)
        plain[i] = (uint8_t)('!' + plain[i] % ('~' - '!' + 1));
    memcpy(upper, plain, ring);
    service_upper(upper, ring);
    *body = (struct frame_body){.plain = plain,
                                .upper = upper,
                                .longest_bytes = longest_bytes,
                                .key = mix(seed ^ (uint64_t)nonce << 32)};
    return 0;
}

void frame_body_done(struct frame_body *body)
{
    free(body->plain);
    *body = (struct frame_body){0};
}

size_t frame_body_offset(const struct frame_body *body, uint32_t flow,
                         uint64_t sequence)
{
    uint64_t hash =
        (sequence ^ (uint64_t)flow << 40 ^ body->key) * 0x9e3779b97f4a7c15u;
    return (size_t)(hash >> 52);
}

size_t frame_body_letter(const struct frame_body *body, size_t offset)
{
    while (body->plain[offset] == body->upper[offset])
        offset = (offset + 1) % RING_OFFSETS;
    return offset;
}
