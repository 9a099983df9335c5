#include "loadgen/sizes.h"

#include "servers/cli/units.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SALT 0x73697a65735f6f66ULL /* apart from what else the seed decides */

const char *const sizes_kind_names[] = {
    [SIZES_FIXED] = "fixed",
    [SIZES_UNIFORM] = "uniform",
    [SIZES_EXPONENTIAL] = "exp",
};

static int parse_bytes(const char *text, size_t length, uint32_t *ret)
{
    char copy[32];
    uint64_t bytes;
    if (length >= sizeof copy)
        return -EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (units_parse_bytes(copy, &bytes) < 0 || bytes > SIZES_BYTES_MAX)
        return -EINVAL;
    *ret = (uint32_t)bytes;
    return 0;
}

/* "uniform:64,1400": what stands behind the colon. */
static int parse_uniform(const char *text, struct sizes *ret)
{
    struct sizes made = {.kind = SIZES_UNIFORM};
    const char *comma = strchr(text, ',');
    if (!comma ||
        parse_bytes(text, (size_t)(comma - text), &made.least_bytes) < 0 ||
        parse_bytes(comma + 1, strlen(comma + 1), &made.most_bytes) < 0 ||
        made.least_bytes > made.most_bytes)
        return -EINVAL;
    *ret = made;
    return 0;
}

int sizes_parse(const char *text, struct sizes *ret)
{
    static const char uniform[] = "uniform:";
    static const char exponential[] = "exp:";
    struct sizes made = {0};
    if (strncmp(text, uniform, sizeof uniform - 1) == 0)
        return parse_uniform(text + sizeof uniform - 1, ret);
    bool is_drawn = strncmp(text, exponential, sizeof exponential - 1) == 0;
    if (is_drawn)
        text += sizeof exponential - 1;
    if (parse_bytes(text, strlen(text), &made.most_bytes) < 0)
        return -EINVAL;
    made.least_bytes = made.most_bytes;
    if (is_drawn) {
        if (made.most_bytes == 0)
            return -EINVAL;
        made.kind = SIZES_EXPONENTIAL;
        made.scale_bytes = made.most_bytes;
        made.least_bytes = 1;
        made.most_bytes = made.most_bytes < SIZES_BYTES_MAX / SIZES_CUT_AT
                              ? made.most_bytes * SIZES_CUT_AT
                              : SIZES_BYTES_MAX;
    }
    *ret = made;
    return 0;
}

void sizes_limit(struct sizes *sizes, uint32_t least_bytes, uint32_t most_bytes)
{
    if (sizes->kind != SIZES_EXPONENTIAL)
        return;
    if (sizes->least_bytes < least_bytes)
        sizes->least_bytes = least_bytes;
    if (sizes->most_bytes > most_bytes)
        sizes->most_bytes = most_bytes;
    if (sizes->most_bytes < sizes->least_bytes)
        sizes->most_bytes = sizes->least_bytes;
}

/* What an exponential draw has to stay below to be at most `most_bytes`. */
static double within(const struct sizes *sizes)
{
    return -expm1(-(double)sizes->most_bytes / sizes->scale_bytes);
}

uint32_t sizes_draw(const struct sizes *sizes, uint32_t flow, uint64_t number)
{
    uint64_t key = (sizes->seed ^ SALT) + ((uint64_t)flow << 32);
    if (sizes->kind == SIZES_UNIFORM)
        return sizes->least_bytes +
               (uint32_t)random_below(key, number,
                                      (uint64_t)sizes->most_bytes -
                                          sizes->least_bytes + 1);
    /* By inversion, of the part of the distribution that is not cut off. */
    double share = random_unit(key, number) * within(sizes);
    double bytes = ceil(-sizes->scale_bytes * log1p(-share));
    if (bytes < (double)sizes->least_bytes)
        return sizes->least_bytes;
    return bytes < (double)sizes->most_bytes ? (uint32_t)bytes
                                             : sizes->most_bytes;
}

double sizes_mean(const struct sizes *sizes)
{
    if (sizes->kind != SIZES_EXPONENTIAL)
        return ((double)sizes->least_bytes + (double)sizes->most_bytes) / 2;
    /* The least, and for every byte k from there on the chance that a size is
     * greater than k: a geometric series. */
    double r = exp(-1 / sizes->scale_bytes);
    double first = pow(r, sizes->least_bytes);
    double beyond = pow(r, sizes->most_bytes);
    double bytes = (double)sizes->most_bytes - (double)sizes->least_bytes;
    double series = (first - beyond) / -expm1(-1 / sizes->scale_bytes);
    return (double)sizes->least_bytes +
           (series - bytes * beyond) / within(sizes);
}
