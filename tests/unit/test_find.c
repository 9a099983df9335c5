/* The search of `sockbench find` against servers that are known, and the words
 * of its --slo. */
#include "bench/find/judge.h"
#include "bench/find/search.h"
#include "bench/words.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static const struct search_plan usual = {.from_per_s = 1000,
                                         .to_per_s = 1e6,
                                         .precision = 0.05,
                                         .confirmations = 3,
                                         .max_steps = 40};

/* A server that holds up to a rate; some of its outcomes are turned round. */
struct synthetic {
    double capacity_per_s;
    double far_per_s;       /* from here on it fails by far; 0: never */
    double generator_per_s; /* the generator's own limit; 0: none */
    unsigned noise_percent;
    uint64_t state; /* of the noise */
};

static unsigned draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % 100;
}

static enum step_outcome answer(struct synthetic *server, double rate_per_s)
{
    bool holds = rate_per_s <= server->capacity_per_s;
    if (server->generator_per_s > 0 && rate_per_s > server->generator_per_s)
        return STEP_LIMITED;
    if (server->far_per_s > 0 && rate_per_s >= server->far_per_s)
        return STEP_BROKE_FAR;
    if (draw(&server->state) < server->noise_percent)
        holds = !holds;
    return holds ? STEP_HELD : STEP_BROKE;
}

static struct search searched(const struct search_plan *plan,
                              struct synthetic server)
{
    struct search search;
    double rate;
    search_init(&search, plan);
    while (search_next(&search, &rate)) {
        cr_assert_geq(rate, plan->from_per_s);
        cr_assert_leq(rate, plan->to_per_s);
        cr_assert_lt(search.steps, plan->max_steps);
        search_note(&search, answer(&server, rate));
    }
    cr_assert_eq(search.steps <= plan->max_steps, true);
    cr_assert_neq(search.end, SEARCH_OPEN);
    return search;
}

Test(find_search, a_knee_is_found_within_the_precision)
{
    for (double capacity = 1000; capacity < 900e3; capacity *= 1.37) {
        struct search s =
            searched(&usual, (struct synthetic){.capacity_per_s = capacity});
        cr_expect_eq(s.end, SEARCH_FOUND, "capacity %g", capacity);
        cr_expect_leq(s.held_per_s, capacity);
        cr_expect_gt(s.beyond_per_s, capacity);
        cr_expect_leq(s.beyond_per_s, s.held_per_s * 1.05 + 1e-6);
        cr_expect_eq(s.confirm_held, 3);
        cr_expect_leq(s.steps, 25);
    }
}

Test(find_search, a_finer_precision_is_kept)
{
    struct search_plan plan = usual;
    plan.precision = 0.002;
    struct search s =
        searched(&plan, (struct synthetic){.capacity_per_s = 23456.7});
    cr_expect_eq(s.end, SEARCH_FOUND);
    cr_expect_leq(s.held_per_s, 23456.7);
    cr_expect_geq(s.held_per_s, 23456.7 / 1.002);
}

Test(find_search, what_failed_by_far_is_not_tried_twice)
{
    struct search slow =
        searched(&usual, (struct synthetic){.capacity_per_s = 5000});
    struct search fast =
        searched(&usual, (struct synthetic){.capacity_per_s = 5000,
                                            .far_per_s = 5000.1});
    cr_expect_lt(fast.steps, slow.steps);
    cr_expect_float_eq(fast.held_per_s, slow.held_per_s, 1e-6);
}

Test(find_search, one_that_never_holds_is_not_found)
{
    struct search s =
        searched(&usual, (struct synthetic){.capacity_per_s = 10});
    cr_expect_eq(s.end, SEARCH_NOT_FOUND);
    cr_expect_eq(s.held_per_s, 0.0);
    cr_expect_eq(s.beyond_per_s, 1000.0);
    cr_expect_eq(s.steps, 2);
}

Test(find_search, one_that_always_holds_is_a_lower_bound)
{
    struct search s =
        searched(&usual, (struct synthetic){.capacity_per_s = 1e9});
    cr_expect_eq(s.end, SEARCH_LOWER_BOUND);
    cr_expect_eq(s.bound, BOUND_TO);
    cr_expect_eq(s.held_per_s, 1e6);
    cr_expect_eq(s.beyond_per_s, 0.0);
    cr_expect_eq(s.confirm_held, 3);
}

Test(find_search, one_rate_alone_can_be_asked_about)
{
    struct search_plan plan = usual;
    plan.to_per_s = plan.from_per_s;
    struct search s =
        searched(&plan, (struct synthetic){.capacity_per_s = 1e9});
    cr_expect_eq(s.end, SEARCH_LOWER_BOUND);
    cr_expect_eq(s.held_per_s, 1000.0);
    cr_expect_eq(s.steps, 4);
}

Test(find_search, where_the_generator_ends_the_answer_is_a_lower_bound)
{
    struct search s =
        searched(&usual, (struct synthetic){.capacity_per_s = 1e9,
                                            .generator_per_s = 70e3});
    cr_expect_eq(s.end, SEARCH_LOWER_BOUND);
    cr_expect_eq(s.bound, BOUND_GENERATOR);
    cr_expect(s.beyond_limited);
    cr_expect_leq(s.held_per_s, 70e3);
    cr_expect_geq(s.held_per_s, 70e3 / 1.05 - 1);
}

Test(find_search, a_generator_that_ends_above_the_server_is_no_matter)
{
    struct search s =
        searched(&usual, (struct synthetic){.capacity_per_s = 20e3,
                                            .generator_per_s = 70e3});
    cr_expect_eq(s.end, SEARCH_FOUND);
    cr_expect_not(s.beyond_limited);
    cr_expect_leq(s.held_per_s, 20e3);
}

Test(find_search, a_generator_that_ends_at_once_says_nothing)
{
    struct search s =
        searched(&usual, (struct synthetic){.capacity_per_s = 1e9,
                                            .generator_per_s = 10});
    cr_expect_eq(s.end, SEARCH_INCONCLUSIVE);
    cr_expect_eq(s.bound, BOUND_GENERATOR);
}

/* One outcome in ten is turned round: the answer may be low, it is seldom far
 * off, and it never lies far above what the server can. */
Test(find_search, noise_is_survived)
{
    unsigned near = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct search s =
            searched(&usual, (struct synthetic){.capacity_per_s = 50e3,
                                                .noise_percent = 10,
                                                .state = seed});
        cr_expect_leq(s.held_per_s, 50e3 * 4, "seed %d", (int)seed);
        near += s.end == SEARCH_FOUND && s.held_per_s > 50e3 * 0.75 &&
                s.held_per_s < 50e3 * 1.15;
    }
    cr_expect_geq(near, 850, "%u of 1000 were near", near);
}

/* Outcomes in order, the last one for ever. */
static struct search scripted(const struct search_plan *plan,
                              const char *outcomes)
{
    struct search search;
    double rate;
    search_init(&search, plan);
    while (search_next(&search, &rate)) {
        search_note(&search, *outcomes == '+'   ? STEP_HELD
                             : *outcomes == 'g' ? STEP_LIMITED
                                                : STEP_BROKE);
        outcomes += outcomes[1] != '\0';
    }
    return search;
}

Test(find_search, one_failure_by_chance_is_forgiven)
{
    struct search_plan plan = usual;
    plan.to_per_s = 4000;
    struct search s = scripted(&plan, "+-+++++");
    cr_expect_eq(s.held_per_s, 4000.0);
    cr_expect_eq(s.steps, 7);
}

Test(find_search, most_of_the_repetitions_must_hold)
{
    struct search_plan plan = usual;
    plan.to_per_s = 2000;
    struct search two = scripted(&plan, "+++-+");
    cr_expect_eq(two.end, SEARCH_LOWER_BOUND);
    cr_expect_eq(two.held_per_s, 2000.0);
    cr_expect_eq(two.confirm_held, 2);
    /* Two of three failed: down by one precision, where all hold. */
    struct search one = scripted(&plan, "++-+-+++");
    cr_expect_eq(one.end, SEARCH_FOUND);
    cr_expect_eq(one.held_per_s, 1900.0);
    cr_expect_eq(one.beyond_per_s, 2000.0);
    cr_expect_eq(one.confirm_held, 3);
}

Test(find_search, a_winner_that_never_holds_again_is_none)
{
    struct search s = scripted(&usual, "+--");
    cr_expect_eq(s.end, SEARCH_NOT_FOUND);
    cr_expect_eq(s.held_per_s, 0.0);
    struct search limited = scripted(&usual, "+gg");
    cr_expect_eq(limited.end, SEARCH_INCONCLUSIVE);
    cr_expect_eq(limited.bound, BOUND_GENERATOR);
}

Test(find_search, steps_are_bounded_and_the_best_is_still_confirmed)
{
    struct search_plan plan = usual;
    plan.max_steps = 8;
    struct search s =
        searched(&plan, (struct synthetic){.capacity_per_s = 1e9});
    cr_expect_eq(s.steps, 8);
    cr_expect_eq(s.end, SEARCH_LOWER_BOUND);
    cr_expect_eq(s.bound, BOUND_STEPS);
    cr_expect_eq(s.held_per_s, 16000.0);
    cr_expect_eq(s.confirm_held, 3);
    /* The repetitions fail, and there is no step left to find out more. */
    struct search none = scripted(&plan, "+++++-");
    cr_expect_eq(none.end, SEARCH_INCONCLUSIVE);
    cr_expect_eq(none.bound, BOUND_STEPS);
    cr_expect_eq(none.steps, 8);
}

static void expect_refused(const char *text, const char *part)
{
    struct slo slo;
    char error[SLO_ERROR_MAX] = "";
    cr_expect_lt(slo_parse(text, &slo, error), 0, "'%s' was taken", text);
    cr_expect_not_null(strstr(error, part), "'%s': %s", text, error);
}

Test(slo, clauses_are_understood)
{
    struct slo slo;
    char error[SLO_ERROR_MAX];
    char text[200];
    cr_assert_eq(slo_parse("p99<1ms", &slo, error), 0);
    cr_expect_eq(slo.count, 1);
    cr_expect_eq(slo.clauses[0].limit, 1e6);
    cr_expect_not(slo_asks_for_loss(&slo));
    cr_expect_float_eq(slo_requests_needed(&slo), 1200, 1e-6);
    cr_assert_eq(
        slo_parse(" p50 < 250us , p99.9<2ms,max<1s,loss<0.1%", &slo, error), 0);
    cr_expect_eq(slo.count, 4);
    cr_expect_eq(slo.clauses[0].limit, 250e3);
    cr_expect_float_eq(slo.clauses[3].limit, 0.001, 1e-12);
    cr_expect(slo_asks_for_loss(&slo));
    cr_expect_float_eq(slo_requests_needed(&slo), 12000, 1e-3);
    cr_expect_str_eq(slo_format(&slo, text, sizeof text),
                     "p50 < 250 us, p99.9 < 2 ms, max < 1 s and loss < 0.001");
}

Test(slo, what_is_no_slo_is_refused_with_the_reason)
{
    expect_refused("", "no clause");
    expect_refused("p99", "no clause");
    expect_refused("p99>1ms", "no clause");
    expect_refused("p99<", "is not a limit for p99");
    expect_refused("p99<1", "is not a limit for p99");
    expect_refused("p99<0", "is not a limit for p99");
    expect_refused("p99<=1ms", "is not a limit for p99");
    expect_refused("p99<-1ms", "is not a limit for p99");
    expect_refused("p98<1ms", "did you mean 'p9");
    expect_refused("latency<1ms", "one of p50");
    expect_refused("<1ms", "unknown quantity ''");
    expect_refused("loss<2", "a ratio");
    expect_refused("loss<0", "a ratio");
    expect_refused("loss<1ms", "a ratio");
    expect_refused("loss<nan", "a ratio");
    expect_refused("loss<0x1", "a ratio");
    expect_refused("p99<1ms,", "no clause");
    expect_refused("p99<1ms,p99<2ms", "twice");
    expect_refused("p50<1s,p90<1s,p95<1s,p99<1s,p99.9<1s,p99.99<1s,max<1s,"
                   "loss<1,errors<1",
                   "more than 8");
}

/* A load report as far as it is read. */
static json_t *report_of(double achieved, uint64_t due, uint64_t ok,
                         const char *verdict)
{
    json_t *report = json_pack(
        "{s{sfsf} s{sI sI si si} s{s{sIs[{sfsI}{sfsI}]}} sn s{ss s[s]}}",
        "load", "offered_per_s", 1000.0, "achieved_per_s", 1000.0 * achieved,
        "accounting", "scheduled", (json_int_t)due, "ok", (json_int_t)ok,
        "error", 0, "timeout", 0, "latency", "response", "max_ns",
        (json_int_t)9000000, "quantiles", "q", 0.5, "value_ns",
        (json_int_t)100000, "q", 0.99, "value_ns", (json_int_t)2400000, "udp",
        "verdict", "status", verdict, "reasons", "sends were late");
    cr_assert_not_null(report);
    return report;
}

static void expect_outcome(json_t *report, const char *text,
                           enum step_outcome outcome, const char *reason)
{
    struct slo slo;
    char error[SLO_ERROR_MAX];
    char why[SLO_REASON_MAX];
    const struct slo_clause *clause;
    cr_assert_eq(slo_parse(text, &slo, error), 0);
    cr_expect_eq(slo_judge(&slo, report, &clause, why), outcome, "%s", text);
    cr_expect_str_eq(why, reason);
    json_decref(report);
}

Test(slo, a_step_is_judged_by_every_clause)
{
    expect_outcome(report_of(1, 2000, 2000, "ok"), "p99<2.5ms", STEP_HELD, "");
    expect_outcome(report_of(1, 2000, 2000, "ok"), "p50<1ms,p99<1ms",
                   STEP_BROKE, "p99 was 2.40 ms");
    expect_outcome(report_of(1, 2000, 2000, "ok"), "max<9ms", STEP_BROKE,
                   "max was 9.00 ms");
    expect_outcome(report_of(1, 2000, 2000, "ok"), "p99.9<1s", STEP_BROKE,
                   "p99.9 is not known: too few replies");
    expect_outcome(report_of(0.98, 2000, 2000, "ok"), "p99<1s", STEP_BROKE,
                   "0.98 of what came due was answered");
    expect_outcome(report_of(0.5, 2000, 1999, "server_bound"), "p99<1s",
                   STEP_BROKE_FAR, "0.5 of what came due was answered");
}

Test(slo, what_was_not_answered_is_beyond_every_limit)
{
    expect_outcome(report_of(1, 2000, 1981, "ok"), "p99<1s", STEP_HELD, "");
    expect_outcome(report_of(1, 2000, 1979, "ok"), "p99<1s", STEP_BROKE,
                   "p99 was beyond the timeout: too many requests were not "
                   "answered");
    expect_outcome(report_of(1, 2000, 1999, "ok"), "max<1s", STEP_BROKE,
                   "max was beyond the timeout: too many requests were not "
                   "answered");
}

Test(slo, a_late_generator_is_not_the_servers_failing)
{
    expect_outcome(report_of(1, 2000, 2000, "generator_bound"), "p99<1ms",
                   STEP_LIMITED,
                   "the generator was the limit: sends were "
                   "late");
    /* Response time runs from when a request was due: lateness is in it. */
    expect_outcome(report_of(1, 2000, 2000, "generator_bound"), "p99<3ms",
                   STEP_HELD, "");
    expect_outcome(report_of(1, 2000, 2000, "invalid"), "p99<1s", STEP_BROKE,
                   "not a valid measurement: sends were late");
}

Test(words, are_split_as_a_shell_does)
{
    struct words words;
    cr_assert_eq(words_split("  python3 'a b'/\"c's\" '' {port}\t", &words), 0);
    cr_assert_eq(words.count, 4);
    cr_expect_str_eq(words.list[0], "python3");
    cr_expect_str_eq(words.list[1], "a b/c's");
    cr_expect_str_eq(words.list[2], "");
    cr_expect_str_eq(words.list[3], "{port}");
    cr_expect_null(words.list[4]);
    words_done(&words);
    cr_expect_eq(words_split("", &words), 0);
    cr_expect_eq(words.count, 0);
    cr_expect_eq(words_split("a 'b", &words), -EINVAL);
    words_done(&words);
    char many[2 * WORDS_MAX + 3];
    for (size_t i = 0; i < sizeof many - 1; i++)
        many[i] = i % 2 == 0 ? 'x' : ' ';
    many[sizeof many - 1] = '\0';
    cr_expect_eq(words_split(many, &words), -E2BIG);
    words_done(&words);
}
