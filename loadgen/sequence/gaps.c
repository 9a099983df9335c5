#include "loadgen/sequence/gaps.h"

#include <stddef.h>

static struct gap *at(const struct gaps *gaps, uint32_t place)
{
    return &gaps->ring[place & (gaps->capacity - 1)];
}

static uint64_t size_of(const struct gap *gap)
{
    return gap->last - gap->first + 1;
}

static void drop_oldest(struct gaps *gaps)
{
    if (gaps->waiting == gaps->begin) {
        gaps->missing -= size_of(at(gaps, gaps->begin));
        gaps->forgotten++;
        gaps->waiting++;
    }
    gaps->begin++;
}

void gaps_open(struct gaps *gaps, const struct gap *gap)
{
    if (gaps->end - gaps->begin == gaps->capacity)
        drop_oldest(gaps);
    *at(gaps, gaps->end++) = *gap;
    gaps->missing += size_of(gap);
}

/* The place of the gap that holds a number, or `end`. */
static uint32_t find(const struct gaps *gaps, uint64_t number)
{
    uint32_t low = gaps->begin;
    uint32_t count = gaps->end - gaps->begin;
    while (count > 0) { /* the first gap that ends at the number or above it */
        uint32_t half = count / 2;
        if (at(gaps, low + half)->last < number) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low != gaps->end && at(gaps, low)->first <= number ? low : gaps->end;
}

/* Whether one place stands before another: places run on and may wrap. */
static bool is_before(const struct gaps *gaps, uint32_t a, uint32_t b)
{
    return a - gaps->begin < b - gaps->begin;
}

/* The shorter side moves. */
static void remove_at(struct gaps *gaps, uint32_t place)
{
    bool waited_for = !is_before(gaps, place, gaps->waiting);
    if (place - gaps->begin < gaps->end - place) {
        for (uint32_t i = place; i != gaps->begin; i--)
            *at(gaps, i) = *at(gaps, i - 1);
        gaps->waiting += waited_for;
        gaps->begin++;
    } else {
        for (uint32_t i = place + 1; i != gaps->end; i++)
            *at(gaps, i - 1) = *at(gaps, i);
        gaps->waiting -= !waited_for;
        gaps->end--;
    }
}

static void insert_after(struct gaps *gaps, uint32_t place,
                         const struct gap *gap)
{
    bool waited_for = !is_before(gaps, place, gaps->waiting);
    if (place - gaps->begin < gaps->end - place) {
        for (uint32_t i = gaps->begin; i != place + 1; i++)
            *at(gaps, i - 1) = *at(gaps, i);
        *at(gaps, place) = *gap;
        gaps->waiting -= waited_for;
        gaps->begin--;
    } else {
        for (uint32_t i = gaps->end; i != place + 1; i--)
            *at(gaps, i) = *at(gaps, i - 1);
        *at(gaps, place + 1) = *gap;
        gaps->waiting += !waited_for;
        gaps->end++;
    }
}

static void split(struct gaps *gaps, uint32_t place, uint64_t number,
                  uint64_t delay_ns)
{
    struct gap upper = *at(gaps, place);
    struct gap *lower = at(gaps, place);
    upper.first = number + 1;
    upper.before_ns = delay_ns;
    lower->last = number - 1;
    lower->after_ns = delay_ns;
    if (gaps->end - gaps->begin < gaps->capacity) {
        insert_after(gaps, place, &upper);
    } else if (place == gaps->begin) { /* the lower half is the oldest */
        if (place == gaps->waiting) {
            gaps->missing -= size_of(lower);
            gaps->forgotten++;
        }
        *lower = upper;
    } else {
        drop_oldest(gaps);
        insert_after(gaps, place, &upper);
    }
}

bool gaps_take(struct gaps *gaps, uint64_t number, uint64_t delay_ns,
               struct gap *ret_gap)
{
    uint32_t place = find(gaps, number);
    if (place == gaps->end)
        return false;
    struct gap *gap = at(gaps, place);
    *ret_gap = *gap;
    gaps->missing -= !is_before(gaps, place, gaps->waiting);
    if (gap->first == gap->last) {
        remove_at(gaps, place);
    } else if (number == gap->first) {
        gap->first++;
        gap->before_ns = delay_ns;
    } else if (number == gap->last) {
        gap->last--;
        gap->after_ns = delay_ns;
    } else {
        split(gaps, place, number, delay_ns);
    }
    return true;
}

void gaps_give_up(struct gaps *gaps, uint64_t before_ns)
{
    while (gaps->waiting != gaps->end &&
           at(gaps, gaps->waiting)->opened_ns < before_ns)
        gaps->missing -= size_of(at(gaps, gaps->waiting++));
}

void gaps_retire(struct gaps *gaps, uint64_t number)
{
    while (gaps->begin != gaps->end && at(gaps, gaps->begin)->last < number)
        drop_oldest(gaps);
}

const struct gap *gaps_oldest(const struct gaps *gaps)
{
    return gaps->begin == gaps->end ? NULL : at(gaps, gaps->begin);
}

uint64_t gaps_held_back(const struct gaps *gaps, uint64_t next)
{
    if (gaps->waiting == gaps->end)
        return 0;
    return next - at(gaps, gaps->waiting)->first - gaps->missing;
}
