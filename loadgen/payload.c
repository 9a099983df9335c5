#include "loadgen/payload.h"

#include <string.h>

const char *const payload_fault_names[PAYLOAD_FAULTS] = {
    [PAYLOAD_OK] = "none",
    [PAYLOAD_CONTENT] = "content",
    [PAYLOAD_UNTRANSFORMED] = "untransformed",
    [PAYLOAD_SEQUENCE] = "sequence",
    [PAYLOAD_FLOW] = "flow",
    [PAYLOAD_SHORT] = "short",
    [PAYLOAD_LONG] = "long",
    [PAYLOAD_FOREIGN] = "foreign",
};

#define MAGIC_BYTES 4u

int payload_init(struct payload *payload, const struct service *service,
                 const struct sizes *sizes, uint64_t seed, uint32_t nonce,
                 bool verify, bool stream)
{
    struct payload made = {.service = service,
                           .nonce = nonce & FRAME_24_MASK,
                           .sizes = *sizes,
                           .verify = verify,
                           .stream = stream};
    made.sizes.seed = seed;
    if (service->greeting)
        made.sizes = (struct sizes){.kind = SIZES_FIXED};
    if (service->prefix)
        made.prefix_bytes = strlen(service->prefix);
    made.longest_bytes = made.sizes.most_bytes;
    made.header_bytes = frame_header_bytes(made.sizes.least_bytes);
    made.reply_extra_bytes =
        service->greeting ? strlen(service->greeting) : made.prefix_bytes;
    int r = frame_body_init(&made.body, seed, made.nonce, made.longest_bytes,
                            stream && service->prefix);
    if (r == 0)
        *payload = made;
    return r;
}

void payload_done(struct payload *payload)
{
    frame_body_done(&payload->body);
}

/*
 * Datagrams without a header cannot name their request, so all of a flow's are
 * alike; on a stream the order names it. Without the magic, the first byte of
 * the body is the letter that tells an upper-casing server.
 */
static size_t body_offset(const struct payload *payload, size_t header_bytes,
                          uint32_t flow, uint64_t sequence)
{
    if (header_bytes > 0)
        return frame_body_offset(&payload->body, flow, sequence);
    size_t at =
        frame_body_offset(&payload->body, flow, payload->stream ? sequence : 0);
    return frame_body_letter(&payload->body, at);
}

void payload_write(const struct payload *payload, char type, uint32_t flow,
                   uint64_t sequence, uint64_t time_ns, size_t request_bytes,
                   uint8_t *out)
{
    bool is_line = payload->stream && payload->service->prefix;
    struct frame frame = {.type = type,
                          .flags = is_line ? 0 : FRAME_FLAG_BINARY,
                          .length_bytes = (uint32_t)request_bytes,
                          .flow = flow,
                          .sequence = sequence,
                          .time_ns = time_ns & FRAME_TIME_MASK,
                          .nonce = payload->nonce};
    frame_encode(&frame, out);
    size_t header = frame_header_bytes(request_bytes);
    memcpy(out + header,
           payload->body.plain + body_offset(payload, header, flow, sequence),
           request_bytes - header);
    if (is_line)
        out[request_bytes - 1] = '\n';
}

static const uint8_t *right_body(const struct payload *payload)
{
    return payload->service->transform ? payload->body.upper
                                       : payload->body.plain;
}

static bool upper_matches(const struct payload *payload, const uint8_t *request,
                          size_t request_bytes, uint32_t flow,
                          uint64_t sequence, size_t offset,
                          const uint8_t *reply, size_t n)
{
    size_t header = frame_header_bytes(request_bytes);
    for (; offset < header && n > 0 && offset < MAGIC_BYTES;
         offset++, reply++, n--) {
        uint8_t right = request[offset];
        service_upper(&right, 1);
        if (*reply != right)
            return false;
    }
    if (offset < header && n > 0) {
        size_t part = header - offset < n ? header - offset : n;
        if (memcmp(request + offset, reply, part) != 0)
            return false;
        offset += part;
        reply += part;
        n -= part;
    }
    return n == 0 || memcmp(right_body(payload) +
                                body_offset(payload, header, flow, sequence) +
                                offset - header,
                            reply, n) == 0;
}

bool payload_matches(const struct payload *payload, const uint8_t *request,
                     size_t request_bytes, uint32_t flow, uint64_t sequence,
                     size_t offset, const uint8_t *reply, size_t n)
{
    const struct service *service = payload->service;
    const size_t prefix = payload->prefix_bytes;
    if (!payload->verify)
        return true;
    if (service->greeting)
        return memcmp(service->greeting + offset, reply, n) == 0;
    if (offset < prefix) {
        size_t part = prefix - offset < n ? prefix - offset : n;
        if (memcmp(service->prefix + offset, reply, part) != 0)
            return false;
        offset += part;
        reply += part;
        n -= part;
    }
    offset -= prefix;
    if (service->transform)
        return upper_matches(payload, request, request_bytes, flow, sequence,
                             offset, reply, n);
    return n == 0 || memcmp(request + offset, reply, n) == 0;
}

enum payload_fault payload_explain(const struct payload *payload,
                                   const uint8_t *request, size_t request_bytes,
                                   uint32_t flow, uint64_t sequence,
                                   size_t offset, const uint8_t *reply,
                                   size_t n)
{
    struct frame frame;
    if (offset == 0 && frame_header_bytes(request_bytes) > 0) {
        size_t have = n < request_bytes ? n : request_bytes;
        enum frame_result r = frame_decode(reply, have, payload->nonce, &frame);
        if (r == FRAME_OK && frame.flow != flow)
            return PAYLOAD_FLOW;
        if (r == FRAME_OK && frame.sequence != sequence)
            return PAYLOAD_SEQUENCE;
    }
    if (payload->service->transform && memcmp(request + offset, reply, n) == 0)
        return PAYLOAD_UNTRANSFORMED;
    return PAYLOAD_CONTENT;
}

static enum payload_fault check_headerless(const struct payload *payload,
                                           uint32_t flow, const uint8_t *reply,
                                           size_t length_bytes)
{
    const size_t right_bytes = payload->longest_bytes; /* all are alike */
    const size_t at = body_offset(payload, 0, flow, 0);
    const uint8_t *body = right_body(payload) + at;
    const uint8_t *plain = payload->body.plain + at;
    if (length_bytes != right_bytes)
        return length_bytes < right_bytes ? PAYLOAD_SHORT : PAYLOAD_LONG;
    if (!payload->verify || memcmp(body, reply, length_bytes) == 0)
        return PAYLOAD_OK;
    return memcmp(plain, reply, length_bytes) == 0 ? PAYLOAD_UNTRANSFORMED
                                                   : PAYLOAD_CONTENT;
}

enum payload_fault payload_check_datagram(const struct payload *payload,
                                          uint32_t flow, const uint8_t *reply,
                                          size_t length_bytes,
                                          struct frame *ret_frame)
{
    size_t prefix = payload->prefix_bytes;
    if (prefix > 0) {
        if (length_bytes < prefix)
            return PAYLOAD_SHORT;
        if (memcmp(payload->service->prefix, reply, prefix) != 0)
            return payload->verify ? PAYLOAD_UNTRANSFORMED : PAYLOAD_OK;
        reply += prefix;
        length_bytes -= prefix;
    }
    if (payload->header_bytes == 0)
        return check_headerless(payload, flow, reply, length_bytes);
    struct frame frame;
    enum frame_result r =
        frame_decode(reply, length_bytes, payload->nonce, &frame);
    if (r == FRAME_FOREIGN)
        return PAYLOAD_FOREIGN;
    if (r == FRAME_SHORT)
        return PAYLOAD_SHORT;
    if (r != FRAME_OK)
        return PAYLOAD_CONTENT;
    if (frame.flow != flow)
        return PAYLOAD_FLOW;
    size_t right_bytes =
        payload_size(payload, frame.type, flow, frame.sequence);
    if (length_bytes != right_bytes)
        return length_bytes < right_bytes ? PAYLOAD_SHORT : PAYLOAD_LONG;
    *ret_frame = frame;
    if (!payload->verify)
        return PAYLOAD_OK;
    bool upper = payload->service->transform;
    size_t header = frame_header_bytes(right_bytes);
    size_t at = body_offset(payload, header, flow, frame.sequence);
    if (frame.upper == upper && memcmp(right_body(payload) + at, reply + header,
                                       length_bytes - header) == 0)
        return PAYLOAD_OK;
    if (upper && !frame.upper &&
        memcmp(payload->body.plain + at, reply + header,
               length_bytes - header) == 0)
        return PAYLOAD_UNTRANSFORMED;
    return PAYLOAD_CONTENT;
}
