/*
 * What a request holds, and whether a reply is the right answer to it. Built on
 * the frame (servers/wire/frame.h); knows no sockets.
 */
#ifndef SOCKBENCH_LOADGEN_PAYLOAD_H
#define SOCKBENCH_LOADGEN_PAYLOAD_H

#include "loadgen/sizes.h"
#include "servers/wire/frame.h"
#include "servers/wire/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct payload {
    const struct service *service;
    struct frame_body body;
    uint32_t nonce;
    struct sizes sizes;       /* of requests; 0 for a greeting */
    size_t longest_bytes;     /* of all requests */
    size_t header_bytes;      /* 40, 20 or 0: of the shortest request */
    size_t prefix_bytes;      /* of the reply */
    size_t reply_extra_bytes; /* by which a reply is longer than its request */
    bool verify;
    bool stream;
};

/* What is wrong with a reply. */
enum payload_fault {
    PAYLOAD_OK = 0,
    PAYLOAD_CONTENT,       /* bytes differ, for no reason below */
    PAYLOAD_UNTRANSFORMED, /* the request came back as it was sent */
    PAYLOAD_SEQUENCE,      /* a whole reply, to another request */
    PAYLOAD_FLOW,          /* a whole reply, to another connection's request */
    PAYLOAD_SHORT,         /* datagram shorter than the right reply */
    PAYLOAD_LONG,          /* datagram longer, or bytes that nobody asked for */
    PAYLOAD_FOREIGN,       /* datagram of another run: a stray, not a fault */
    PAYLOAD_FAULTS,
};

/* Names for reports: "content", "untransformed", ... */
extern const char *const payload_fault_names[PAYLOAD_FAULTS];

/* 0 or -ENOMEM; released by payload_done. */
int payload_init(struct payload *payload, const struct service *service,
                 const struct sizes *sizes, uint64_t seed, uint32_t nonce,
                 bool verify, bool stream);
void payload_done(struct payload *payload);

/* The bytes of a request; type is 'D' or 'W'. */
static inline uint32_t payload_size(const struct payload *payload, char type,
                                    uint32_t flow, uint64_t sequence)
{
    return sizes_of(&payload->sizes, type == 'W', flow, sequence);
}

/* The bytes of the right reply to so many. */
static inline size_t payload_reply_size(const struct payload *payload,
                                        size_t request_bytes)
{
    return request_bytes + payload->reply_extra_bytes;
}

/* Writes a whole request of payload_size bytes; time_ns since the run's epoch.
 */
void payload_write(const struct payload *payload, char type, uint32_t flow,
                   uint64_t sequence, uint64_t time_ns, size_t request_bytes,
                   uint8_t *out);

/*
 * Streams: whether the n bytes at `reply`, which stand at `offset` of the reply
 * to `request` (as written), are right.
 */
bool payload_matches(const struct payload *payload, const uint8_t *request,
                     size_t request_bytes, uint32_t flow, uint64_t sequence,
                     size_t offset, const uint8_t *reply, size_t n);

/* Names the fault, after payload_matches said no. */
enum payload_fault payload_explain(const struct payload *payload,
                                   const uint8_t *request, size_t request_bytes,
                                   uint32_t flow, uint64_t sequence,
                                   size_t offset, const uint8_t *reply,
                                   size_t n);

/*
 * Datagrams: checks a whole reply to any request of this flow. *ret_frame holds
 * its type, sequence and time where the message has a header and the result is
 * PAYLOAD_OK.
 */
enum payload_fault payload_check_datagram(const struct payload *payload,
                                          uint32_t flow, const uint8_t *reply,
                                          size_t length_bytes,
                                          struct frame *ret_frame);

#endif
