/*
 * How much the upper-casing of service_upper gains over a plain loop at -O2:
 * at least ten times on 1,400 bytes. It is called as the servers call it,
 * through the row of the service: every page transforms by that pointer.
 *
 *   upper [ROUNDS]       exit 0: it does, 1: it does not, 77: not to be told
 */
#include "servers/wire/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LENGTH 1400
#define CALLS 2048 /* a multiple of 64 */
#define AT_LEAST 10.0

/* What one would write, and what -O2 makes of it. */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((noinline, optimize("O2", "no-tree-vectorize")))
#else
__attribute__((noinline))
#endif
static void
plain_upper(uint8_t *data, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        if (data[i] >= 'a' && data[i] <= 'z')
            data[i] = (uint8_t)(data[i] - 'a' + 'A');
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void fill(uint8_t *data)
{
    uint32_t state = 1;
    for (size_t i = 0; i < LENGTH; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (uint8_t)(state >> 24);
    }
}

/* Of one call, over many, each on bytes that it has not seen. */
static double time_ns(void (*transform)(uint8_t *restrict, size_t),
                      const uint8_t *fresh)
{
    static uint8_t data[64][LENGTH];
    uint64_t taken_ns = 0;
    for (unsigned done = 0; done < CALLS; done += 64) {
        for (unsigned i = 0; i < 64; i++)
            memcpy(data[i], fresh, LENGTH);
        const uint64_t begin_ns = now_ns();
        for (unsigned i = 0; i < 64; i++)
            transform(data[i], LENGTH);
        taken_ns += now_ns() - begin_ns;
    }
    return (double)taken_ns / CALLS;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    const struct service *service = service_find("upper");
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 201;
    uint8_t fresh[LENGTH];
    uint8_t ours[LENGTH];
    uint8_t plain[LENGTH];
    double ours_ns[1001];
    double plain_ns[1001];
    double ratios[1001];
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    puts("skipped: a sanitizer takes part in every byte");
    return 77;
#endif
    if (rounds == 0 || rounds > 1001)
        rounds = 1001;
    fill(fresh);
    memcpy(ours, fresh, LENGTH);
    memcpy(plain, fresh, LENGTH);
    service->transform(ours, LENGTH);
    plain_upper(plain, LENGTH);
    if (memcmp(ours, plain, LENGTH) != 0) {
        puts("they differ");
        return 1;
    }
    for (size_t i = 0; i < rounds; i++) {
        plain_ns[i] = time_ns(plain_upper, fresh);
        ours_ns[i] = time_ns(service->transform, fresh);
        ratios[i] = plain_ns[i] / ours_ns[i];
    }
    const double ratio = median(ratios, rounds);
    printf("upper      %.1f (at least %.0f): %.0f / %.0f ns; %d bytes, a plain "
           "loop at -O2 / the transform of the service\n",
           ratio, AT_LEAST, median(plain_ns, rounds), median(ours_ns, rounds),
           LENGTH);
    return ratio >= AT_LEAST ? 0 : 1;
}
