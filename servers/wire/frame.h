/*
 * The message that the load generator sends: it survives an upper-casing
 * server, and its reply proves what the server did to it.
 *
 * Bytes 0x20..0x5F are 64 values that no upper-caser touches. A "sextet" is
 * byte - 0x20: six bits; numbers are big-endian sextets.
 *
 *   offset size  full frame (40 bytes and more)
 *        0    4  magic "skb1" as sent, "SKB1" from an upper-casing server
 *        4    1  type: D data, W warm-up, F end of flow
 *        5    1  flags: bit 0 last, bit 1 binary body
 *        6    4  total length, 24 bits
 *       10    4  flow, 24 bits
 *       14    8  sequence, 48 bits
 *       22    8  send time, 48 bits, ns since the run's epoch
 *       30    4  run nonce, 24 bits
 *       34    6  CRC-32C over bytes 0..33, the magic taken as upper case
 *       40    n  body: a slice of a seeded ring (struct frame_body)
 *
 *   offset size  tiny frame (20 to 39 bytes)
 *        0    4  magic "skt1" / "SKT1"
 *        4    4  flow, 24 bits
 *        8    8  type and sequence: 2 + 46 bits
 *       16    4  check: 12 bits of CRC-32C over bytes 0..15 (magic upper), 12
 * of the nonce 20    n  body
 *
 * Below 20 bytes a message is body only: no flow, no sequence.
 */
#ifndef SOCKBENCH_SERVERS_WIRE_FRAME_H
#define SOCKBENCH_SERVERS_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 40
#define FRAME_TINY_BYTES 20
#define FRAME_BYTES_MAX ((1u << 24) - 1)
#define FRAME_SEQUENCE_MASK ((1ULL << 46) - 1) /* what both forms can hold */
#define FRAME_TIME_MASK ((1ULL << 48) - 1)
#define FRAME_24_MASK 0xffffffu

#define FRAME_FLAG_LAST 1u
#define FRAME_FLAG_BINARY 2u

struct frame {
    char type;             /* 'D', 'W' or 'F' */
    uint8_t flags;         /* full frames only */
    bool upper;            /* decoded: the magic came back in upper case */
    uint32_t length_bytes; /* of the whole message */
    uint32_t flow;
    uint64_t sequence;
    uint64_t time_ns; /* full frames only */
    uint32_t nonce;
};

enum frame_result {
    FRAME_OK = 0,
    FRAME_NOT_A_FRAME, /* the magic is not ours */
    FRAME_SHORT,       /* ours, but cut */
    FRAME_DAMAGED,     /* ours, but the check or a field is wrong */
    FRAME_FOREIGN,     /* whole, but of another run */
};

/* The bytes that the header of a message of this size takes: 40, 20 or 0. */
size_t frame_header_bytes(size_t length_bytes);

/* Writes the header of frame->length_bytes's form into out. The caller vouches
 * for the ranges. */
void frame_encode(const struct frame *frame, uint8_t *out);

/*
 * Reads the header at data, of which have_bytes are there; the form is told by
 * the magic, and tiny frames are as long as what is there. *ret_frame is filled
 * for FRAME_OK and FRAME_FOREIGN.
 */
enum frame_result frame_decode(const uint8_t *data, size_t have_bytes,
                               uint32_t nonce, struct frame *ret_frame);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4); SSE4.2 where the CPU has it. */
uint32_t frame_crc32c(const uint8_t *data, size_t length_bytes);

/*
 * Bodies: slices of a ring of random bytes in which all 256 values occur, and
 * of the same ring with a-z as A-Z, made beforehand, so that checking a reply
 * is one memcmp.
 */
struct frame_body {
    uint8_t *plain;
    uint8_t *upper;
    size_t longest_bytes; /* the longest slice */
    uint64_t key;
};

/* 0 or -ENOMEM; released by frame_body_done. text: printable bytes only, for
 * services that look for newlines. */
int frame_body_init(struct frame_body *body, uint64_t seed, uint32_t nonce,
                    size_t longest_bytes, bool text);
void frame_body_done(struct frame_body *body);

/* The slice of a message: an index into plain and upper. */
size_t frame_body_offset(const struct frame_body *body, uint32_t flow,
                         uint64_t sequence);

/* The next slice from offset on (wrapping) that begins with a letter of a-z. */
size_t frame_body_letter(const struct frame_body *body, size_t offset);

#endif
