#include "loadgen/arrival.h"

#include "loadgen/measure/random.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int arrival_parse(const char *text, enum arrival_kind *ret_kind,
                  uint32_t *ret_burst)
{
    if (strcmp(text, "poisson") == 0 || strcmp(text, "constant") == 0) {
        *ret_kind = *text == 'p' ? ARRIVAL_POISSON : ARRIVAL_CONSTANT;
        *ret_burst = 1;
        return 0;
    }
    static const char burst[] = "burst:";
    if (strncmp(text, burst, sizeof burst - 1) != 0)
        return -EINVAL;
    const char *number = text + sizeof burst - 1;
    size_t digits = strspn(number, "0123456789");
    unsigned long count = strtoul(number, NULL, 10);
    if (digits == 0 || digits > 5 || number[digits] != '\0' || count < 2 ||
        count > 65536)
        return -EINVAL;
    *ret_kind = ARRIVAL_BURST;
    *ret_burst = (uint32_t)count;
    return 0;
}

void arrival_init(struct arrival *arrival, enum arrival_kind kind,
                  uint32_t burst, double rate_per_s, uint32_t flows,
                  uint64_t seed)
{
    *arrival = (struct arrival){.kind = kind,
                                .burst = burst,
                                .flows = flows,
                                .gap_ns = 1e9 * (double)flows * (double)burst /
                                          rate_per_s,
                                .seed = seed};
}

/* Exponential by inversion; 1 - u is never 0. */
static double poisson_gap(const struct arrival *arrival, uint32_t flow,
                          uint64_t index)
{
    uint64_t key = arrival->seed ^ (uint64_t)flow << 32;
    return -arrival->gap_ns * log1p(-random_unit(key, index));
}

/* Where the events of a flow lie that come in equal steps. */
static double even_due(const struct arrival *arrival, uint32_t flow,
                       uint64_t event)
{
    double share = (double)flow / (double)arrival->flows;
    return arrival->gap_ns * ((double)event + share);
}

struct arrival_place arrival_first(const struct arrival *arrival, uint32_t flow)
{
    struct arrival_place place = {0};
    place.due_ns = arrival->kind == ARRIVAL_POISSON
                       ? poisson_gap(arrival, flow, 0)
                       : even_due(arrival, flow, 0);
    return place;
}

void arrival_next(const struct arrival *arrival, uint32_t flow,
                  struct arrival_place *place)
{
    place->index++;
    if (arrival->kind == ARRIVAL_POISSON)
        place->due_ns += poisson_gap(arrival, flow, place->index);
    else
        place->due_ns = even_due(arrival, flow, place->index / arrival->burst);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double arrival_distance(double *gaps, uint32_t count, double mean)
{
    double n = count;
    double distance = 0;
    qsort(gaps, count, sizeof *gaps, ascending);
    for (uint32_t i = 0; i < count; i++) {
        double claimed = -expm1(-gaps[i] / mean);
        double above = fabs((i + 1) / n - claimed);
        double below = fabs(claimed - i / n);
        double larger = above > below ? above : below;
        distance = larger > distance ? larger : distance;
    }
    return distance;
}

bool arrival_test(const struct arrival *arrival, uint32_t samples,
                  double *ret_distance, double *ret_critical)
{
    if (arrival->kind != ARRIVAL_POISSON || samples == 0)
        return false;
    double *gaps = malloc(samples * sizeof *gaps);
    if (!gaps)
        return false;
    for (uint32_t i = 0; i < samples; i++)
        gaps[i] = poisson_gap(arrival, i % arrival->flows, i / arrival->flows);
    double root = sqrt(samples);
    *ret_distance = arrival_distance(gaps, samples, arrival->gap_ns);
    *ret_critical = 1.628 / (root + 0.12 + 0.11 / root);
    free(gaps);
    return true;
}
