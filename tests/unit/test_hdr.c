#include "loadgen/measure/hdr.h"
#include "loadgen/measure/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static struct hist hist;

/* A reader written from the format's description, not from the writer. */
static size_t unbase64(const char *text, uint8_t *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    return n;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

static int64_t get_varint(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift == 56) {
            value |= (uint64_t)byte << 56;
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void check_round_trip(void)
{
    static uint8_t packed[1 << 20];
    static uint8_t inner[1 << 20];
    static uint64_t counts[HIST_BUCKETS];
    char *text = hdr_encode(&hist);
    cr_assert_not_null(text);
    cr_expect_eq(strncmp(text, "HISTFA", 6), 0);
    size_t n = unbase64(text, packed);
    free(text);
    cr_assert_eq(get_u32(packed), 0x1c849314u);
    cr_assert_eq(get_u32(packed + 4), n - 8);
    uLongf length = sizeof inner;
    cr_assert_eq(uncompress(inner, &length, packed + 8, (uLong)(n - 8)), Z_OK);
    cr_assert_eq(get_u32(inner), 0x1c849313u);
    cr_assert_eq(get_u32(inner + 4), length - 40);
    cr_assert_eq(get_u32(inner + 12), 3);
    memset(counts, 0, sizeof counts);
    const uint8_t *at = inner + 40;
    for (uint32_t i = 0; at < inner + length;) {
        int64_t value = get_varint(&at);
        if (value < 0)
            i += (uint32_t)-value;
        else
            counts[i++] = (uint64_t)value;
    }
    cr_expect_arr_eq(counts, hist.counts, sizeof counts);
}

Test(hdr, counts_come_back_as_they_went)
{
    for (uint64_t i = 0; i < 10000; i++)
        hist_record(&hist, random_at(1, i) >> (24 + i % 40));
    check_round_trip();
}

Test(hdr, empty_single_and_extreme_histograms_too)
{
    check_round_trip();
    hist_record(&hist, 0);
    check_round_trip();
    hist_record(&hist, UINT64_MAX);
    hist.counts[5000] = 1ULL << 62; /* nine bytes */
    check_round_trip();
}

Test(hdr, the_distribution_ends_with_everything)
{
    char *text = NULL;
    size_t size = 0;
    for (uint64_t i = 1; i <= 1000; i++)
        hist_record(&hist, i * 1000000);
    FILE *out = open_memstream(&text, &size);
    cr_assert_eq(hdr_write_distribution(&hist, out), 0);
    fclose(out);
    cr_expect_not_null(strstr(text, " 1.000000000000       1000\n"));
    cr_expect_not_null(strstr(text, " 0.500000000000        500 "));
    free(text);
}
