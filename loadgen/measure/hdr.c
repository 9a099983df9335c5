#include "loadgen/measure/hdr.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COOKIE_OUTER 0x1c849314u
#define COOKIE_INNER 0x1c849313u
#define INNER_HEADER_BYTES 40u
#define OUTER_HEADER_BYTES 8u
#define VARINT_BYTES_MAX 9u
#define SIGNIFICANT_FIGURES 3u
#define HIGHEST_VALUE ((1ULL << 42) - 1)
#define NS_PER_MS 1e6

static uint8_t *put_u32(uint8_t *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof value);
    return out + sizeof value;
}

static uint8_t *put_u64(uint8_t *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof value);
    return out + sizeof value;
}

/* LEB128 in at most nine bytes: the ninth carries eight bits. */
static uint8_t *put_varint(uint8_t *out, int64_t number)
{
    uint64_t value = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
    for (unsigned i = 0; i < VARINT_BYTES_MAX - 1; i++) {
        if (value < 0x80) {
            *out++ = (uint8_t)value;
            return out;
        }
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

/* A run of empty buckets is one negative number; those at the end are left
 * out. */
static uint8_t *put_counts(uint8_t *out, const struct hist *hist)
{
    uint32_t end = HIST_BUCKETS;
    while (end > 0 && hist->counts[end - 1] == 0)
        end--;
    for (uint32_t i = 0; i < end;) {
        uint32_t zeros = 0;
        while (hist->counts[i + zeros] == 0)
            zeros++;
        if (zeros > 0)
            out = put_varint(out, -(int64_t)zeros);
        i += zeros;
        if (zeros == 0)
            out = put_varint(out, (int64_t)hist->counts[i++]);
    }
    return out;
}

static char *base64(const uint8_t *data, size_t length)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((length + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    char *out = text;
    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16;
        if (i + 1 < length)
            group |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < length)
            group |= data[i + 2];
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = digits[group >> 6 & 63];
        *out++ = digits[group & 63];
    }
    *out = '\0';
    for (size_t i = 0; i < (3 - length % 3) % 3; i++)
        *--out = '=';
    return text;
}

char *hdr_encode(const struct hist *hist)
{
    const size_t room = INNER_HEADER_BYTES + HIST_BUCKETS * VARINT_BYTES_MAX;
    uLongf packed = compressBound((uLong)room);
    uint8_t *inner = malloc(room);
    uint8_t *outer = malloc(OUTER_HEADER_BYTES + packed);
    char *text = NULL;
    if (!inner || !outer)
        goto out;
    uint8_t *end = put_counts(inner + INNER_HEADER_BYTES, hist);
    uint32_t payload = (uint32_t)(end - inner) - INNER_HEADER_BYTES;
    uint8_t *at = put_u32(inner, COOKIE_INNER);
    at = put_u32(at, payload);
    at = put_u32(at, 0);
    at = put_u32(at, SIGNIFICANT_FIGURES);
    at = put_u64(at, 1);
    at = put_u64(at, HIGHEST_VALUE);
    const double ratio = 1.0;
    uint64_t ratio_bits;
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    put_u64(at, ratio_bits);
    if (compress2(outer + OUTER_HEADER_BYTES, &packed, inner,
                  (uLong)(end - inner), Z_BEST_COMPRESSION) != Z_OK)
        goto out;
    put_u32(put_u32(outer, COOKIE_OUTER), (uint32_t)packed);
    text = base64(outer, OUTER_HEADER_BYTES + packed);
out:
    free(inner);
    free(outer);
    return text;
}

int hdr_write_distribution(const struct hist *hist, FILE *out)
{
    const unsigned ticks = 5;
    uint64_t rank = 0;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    for (double q = 0; hist->total > 0 && rank < hist->total;) {
        rank = (uint64_t)ceil(q * (double)hist->total);
        rank = rank < 1 ? 1 : rank > hist->total ? hist->total : rank;
        double value = (double)hist_at_rank(hist, rank) / NS_PER_MS;
        if (rank == hist->total)
            break;
        fprintf(out, "%12.6f %2.12f %10" PRIu64 " %14.2f\n", value, q, rank,
                1 / (1 - q));
        /* Steps get finer by half each time the rest halves. */
        double halvings = floor(log2(1 / (1 - q))) + 1;
        q += 1 / (exp2(halvings) * ticks);
    }
    if (hist->total > 0)
        fprintf(out, "%12.6f %2.12f %10" PRIu64 "\n",
                (double)hist->max / NS_PER_MS, 1.0, hist->total);
    fprintf(out, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            hist_mean(hist) / NS_PER_MS, hist_stddev(hist) / NS_PER_MS);
    fprintf(out, "#[Max     = %12.6f, Total count    = %12" PRIu64 "]\n",
            (double)hist->max / NS_PER_MS, hist->total);
    fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n", HIST_MAGNITUDES,
            2 * HIST_HALF);
    return ferror(out) ? -EIO : 0;
}
