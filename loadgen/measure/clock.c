#include "loadgen/measure/clock.h"

#include <stdio.h>
#include <string.h>

#define LOOK_EVERY_NS NS_PER_MS
#define RATE_EVERY_NS (10 * NS_PER_MS)
#define ANCHOR_EVERY_NS (100 * NS_PER_MS)
#define RATE_ONE 4294967296.0
#define AHEAD_NS                                                               \
    900 /* beyond it the ticks are not what they were taken for                \
         */
#define PAIR_TRIES 4
#define PAIR_FIRST_TRIES 32

#ifdef __x86_64__

static bool kernel_counts_ticks(void)
{
    static const char path[] = "/sys/devices/system/clocksource/clocksource0/"
                               "current_clocksource";
    char line[32] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(line, sizeof line, file);
    fclose(file);
    return read && strcmp(line, "tsc\n") == 0;
}

static uint64_t ticks_now(void)
{
    return __builtin_ia32_rdtsc();
}

#else

static bool kernel_counts_ticks(void)
{
    return false;
}

static uint64_t ticks_now(void)
{
    return 0;
}

#endif

const char *clock_view_source(const struct clock_view *view)
{
    return view->trusts_ticks ? "tsc" : "clock_gettime";
}

static uint64_t ticks_in(const struct clock_view *view, uint64_t ns)
{
    return (uint64_t)((double)ns * RATE_ONE / (double)view->true_rate);
}

/* Both clocks, and how many ticks that took. */
static uint64_t read_both_once(uint64_t *ticks, uint64_t *ns)
{
    *ticks = ticks_now();
    *ns = clock_now_ns();
    return ticks_now() - *ticks;
}

/* Both clocks at one moment. False when something came in between each time:
 * then the ticks are the earlier. */
static bool read_both(const struct clock_view *view, uint64_t *ticks,
                      uint64_t *ns)
{
    for (int i = 0; i < PAIR_TRIES; i++) {
        const uint64_t length = read_both_once(ticks, ns);
        if (length <= view->pair_ticks) {
            *ticks += length / 2;
            return true;
        }
    }
    return false;
}

void clock_view_open(struct clock_view *view)
{
    *view = (struct clock_view){.trusts_ticks = kernel_counts_ticks()};
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < PAIR_FIRST_TRIES && view->trusts_ticks; i++) {
        uint64_t ticks;
        uint64_t ns;
        const uint64_t length = read_both_once(&ticks, &ns);
        if (length < best) {
            best = length;
            view->base_ticks = view->anchor_ticks = ticks + length / 2;
            view->base_ns = view->anchor_ns = ns;
        }
    }
    view->pair_ticks = best < UINT64_MAX ? 2 * best : 0;
}

/* How fast ticks go, from the anchor to here. */
static void measure_rate(struct clock_view *view, uint64_t ticks, uint64_t ns)
{
    const uint64_t length_ns = ns - view->anchor_ns;
    if (length_ns < (view->true_rate ? RATE_EVERY_NS : LOOK_EVERY_NS) ||
        ticks <= view->anchor_ticks)
        return;
    view->true_rate = (uint64_t)((double)length_ns * RATE_ONE /
                                 (double)(ticks - view->anchor_ticks));
    view->limit_ticks = ticks_in(view, LOOK_EVERY_NS);
    if (length_ns > ANCHOR_EVERY_NS) {
        view->anchor_ticks = ticks;
        view->anchor_ns = ns;
    }
}

static uint64_t say(struct clock_view *view, uint64_t ns)
{
    if (ns > view->said_ns)
        view->said_ns = ns;
    return view->said_ns;
}

uint64_t clock_view_look(struct clock_view *view)
{
    uint64_t ticks;
    uint64_t ns;
    if (!view->trusts_ticks)
        return say(view, clock_now_ns());
    const bool at_once = read_both(view, &ticks, &ns);
    /* What was said before was at most this; after a long silence the real time
     * is far beyond it. */
    const uint64_t since = ticks - view->base_ticks;
    uint64_t floor_ns = view->base_ns;
    if (since <= 2 * view->limit_ticks)
        floor_ns += since * view->rate >> 32;
    const uint64_t ahead_ns = floor_ns > ns ? floor_ns - ns : 0;
    if (ahead_ns > AHEAD_NS) {
        view->trusts_ticks = false;
        view->limit_ticks = 0;
    } else if (at_once) {
        measure_rate(view, ticks, ns);
        /* Never back: what it is ahead by, it loses until the next look. */
        view->rate =
            view->true_rate - view->true_rate * ahead_ns / LOOK_EVERY_NS;
        view->base_ticks = ticks;
        view->base_ns = ns + ahead_ns;
    }
    return say(view, ns + ahead_ns);
}
