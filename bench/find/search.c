#include "bench/find/search.h"

#include <math.h>
#include <stddef.h>

#define GROWTH 2.0
#define FINE_PRECISION 0.01 /* below, more than three figures */

/* A rate that a person can say: three figures, or five where the precision
 * asks for more. */
static double rounded(const struct search_plan *plan, double rate_per_s)
{
    int figures = plan->precision < FINE_PRECISION ? 5 : 3;
    double unit = pow(10, floor(log10(rate_per_s)) + 1 - figures);
    return round(rate_per_s / unit) * unit;
}

void search_init(struct search *search, const struct search_plan *plan)
{
    *search = (struct search){
        .plan = *plan, .rate_per_s = plan->from_per_s, .descent = 1};
}

bool search_next(const struct search *search, double *ret_rate_per_s)
{
    if (search->phase == SEARCH_DONE)
        return false;
    *ret_rate_per_s = search->rate_per_s;
    return true;
}

static void finish(struct search *search, enum search_end end,
                   enum search_bound bound)
{
    search->phase = SEARCH_DONE;
    search->end = end;
    search->bound = bound;
}

/* No step is left but those that confirm. */
static bool is_short_of_steps(const struct search *search)
{
    const struct search_plan *plan = &search->plan;
    return search->steps + plan->confirmations >= plan->max_steps;
}

static void confirm(struct search *search)
{
    search->phase = SEARCH_CONFIRM;
    search->rate_per_s = search->held_per_s;
    search->again = false;
    search->confirm_tried = 0;
    search->confirm_held = 0;
}

static void bisect(struct search *search)
{
    double low = search->held_per_s;
    double high = search->beyond_per_s;
    double middle = rounded(&search->plan, sqrt(low * high));
    search->again = false;
    if (high <= low * (1 + search->plan.precision) || middle <= low ||
        middle >= high) {
        confirm(search);
        return;
    }
    if (is_short_of_steps(search)) {
        search->bound = BOUND_STEPS;
        confirm(search);
        return;
    }
    search->phase = SEARCH_BISECT;
    search->rate_per_s = middle;
}

static void grow(struct search *search)
{
    const struct search_plan *plan = &search->plan;
    search->again = false;
    if (search->held_per_s >= plan->to_per_s) {
        search->bound = BOUND_TO;
        confirm(search);
    } else if (is_short_of_steps(search)) {
        search->bound = BOUND_STEPS;
        confirm(search);
    } else {
        search->rate_per_s = fmin(search->held_per_s * GROWTH, plan->to_per_s);
    }
}

static bool has_broken(enum step_outcome outcome)
{
    return outcome == STEP_BROKE || outcome == STEP_BROKE_FAR;
}

/* The rate does not hold. What is below is known to (or there is none). */
static void note_beyond(struct search *search, enum step_outcome outcome)
{
    search->beyond_per_s = search->rate_per_s;
    search->beyond_limited = !has_broken(outcome);
}

static void end_at_the_lowest(struct search *search)
{
    search->held_per_s = 0;
    if (search->beyond_limited)
        finish(search, SEARCH_INCONCLUSIVE, BOUND_GENERATOR);
    else
        finish(search, SEARCH_NOT_FOUND, BOUND_NONE);
}

static void note_looking(struct search *search, enum step_outcome outcome)
{
    bool grows = search->phase == SEARCH_GROW;
    if (outcome == STEP_HELD) {
        search->held_per_s = search->rate_per_s;
        if (grows)
            grow(search);
        else
            bisect(search);
        return;
    }
    if (!search->again && outcome != STEP_BROKE_FAR &&
        !is_short_of_steps(search)) {
        search->again = true;
        return;
    }
    note_beyond(search, outcome);
    if (search->held_per_s > 0)
        bisect(search);
    else
        end_at_the_lowest(search);
}

static void end_confirmed(struct search *search)
{
    if (search->beyond_per_s > 0 && search->beyond_limited)
        finish(search, SEARCH_LOWER_BOUND, BOUND_GENERATOR);
    else if (search->bound != BOUND_NONE)
        finish(search, SEARCH_LOWER_BOUND, search->bound);
    else
        finish(search, SEARCH_FOUND, BOUND_NONE);
}

/* The winner was none. */
static void step_down(struct search *search, enum step_outcome outcome)
{
    const struct search_plan *plan = &search->plan;
    note_beyond(search, outcome);
    search->bound = BOUND_NONE;
    if (search->rate_per_s <= plan->from_per_s) {
        end_at_the_lowest(search);
        return;
    }
    double lower =
        search->rate_per_s / pow(1 + plan->precision, search->descent);
    search->descent *= 2;
    search->held_per_s = fmax(rounded(plan, lower), plan->from_per_s);
    confirm(search);
}

static void note_confirming(struct search *search, enum step_outcome outcome)
{
    unsigned wanted = search->plan.confirmations / 2 + 1;
    search->confirm_tried++;
    search->confirm_held += outcome == STEP_HELD;
    unsigned failed = search->confirm_tried - search->confirm_held;
    if (failed > search->plan.confirmations - wanted)
        step_down(search, outcome);
    else if (search->confirm_tried == search->plan.confirmations)
        end_confirmed(search);
}

void search_note(struct search *search, enum step_outcome outcome)
{
    search->steps++;
    if (search->phase == SEARCH_CONFIRM)
        note_confirming(search, outcome);
    else
        note_looking(search, outcome);
    if (search->phase != SEARCH_DONE && search->steps >= search->plan.max_steps)
        finish(search, SEARCH_INCONCLUSIVE, BOUND_STEPS);
}

const char *search_phase_name(enum search_phase phase)
{
    static const char *const names[] = {"grow", "bisect", "confirm", "done"};
    return names[phase];
}

const char *step_outcome_name(enum step_outcome outcome)
{
    static const char *const names[] = {"held", "broke", "broke",
                                        "generator_limited"};
    return names[outcome];
}

const char *search_end_name(enum search_end end)
{
    static const char *const names[] = {"interrupted", "found", "lower_bound",
                                        "not_found", "inconclusive"};
    return names[end];
}

const char *search_bound_name(enum search_bound bound)
{
    static const char *const names[] = {NULL, "generator", "to", "max_steps"};
    return names[bound];
}
