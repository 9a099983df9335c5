#include "bench/report/aggregate.h"

#include <criterion/criterion.h>
#include <math.h>

Test(aggregate, spread_of_nothing_is_nothing)
{
    struct spread spread = spread_of(NULL, 0);
    cr_expect_eq(spread.n, 0);
    cr_expect(isnan(spread.median));
}

Test(aggregate, median_min_and_max)
{
    double odd[] = {3, 1, 2};
    struct spread spread = spread_of(odd, 3);
    cr_expect_eq(spread.n, 3);
    cr_expect_eq(spread.median, 2);
    cr_expect_eq(spread.min, 1);
    cr_expect_eq(spread.max, 3);
    double even[] = {10, 1, 4, 2};
    cr_expect_eq(spread_of(even, 4).median, 3);
    double one[] = {5};
    cr_expect_eq(spread_of(one, 1).median, 5);
}

static json_t *report(double rate, int p99_ns, int served)
{
    return json_pack(
        "{s:{s:f}, s:{s:{s:[{s:f,s:i},{s:f,s:i}]}, s:n}, s:{s:{s:i,s:i}},"
        " s:{s:f, s:n, s:i}, s:{s:f}, s:{s:i, s:i}}",
        "throughput", "requests_per_s", rate, "latency", "response",
        "quantiles", "q", 0.5, "value_ns", 1000, "q", 0.99, "value_ns", p99_ns,
        "connect", "load", "flows", "offered", 64, "served", served, "server",
        "cpu_ns_per_request", 3000.5, "rss_peak_bytes", "pss_peak_bytes", 4096,
        "generator", "cpu_ns_per_request", 2000.0, "udp", "sent", 200, "lost",
        5);
}

Test(aggregate, each_number_is_over_the_repetitions_that_have_it)
{
    json_t *reports = json_array();
    struct summary summary;
    json_array_append_new(reports, report(100, 9000, 64));
    json_array_append_new(reports, report(300, 7000, 1));
    json_array_append_new(reports, report(200, 8000, 64));
    json_array_append_new(reports, json_object());
    summary_of(reports, &summary);
    cr_expect_eq(summary.requests_per_s.n, 3);
    cr_expect_eq(summary.requests_per_s.median, 200);
    cr_expect_eq(summary.response_p50_ns.median, 1000);
    cr_expect_eq(summary.response_p99_ns.median, 8000);
    cr_expect_eq(summary.response_p99_ns.max, 9000);
    cr_expect_eq(summary.connect_p50_ns.n, 0);
    cr_expect_eq(summary.server_cpu_ns_per_request.median, 3000.5);
    cr_expect_eq(summary.generator_cpu_ns_per_request.median, 2000);
    cr_expect_eq(summary.rss_peak_bytes.n, 0);
    cr_expect_eq(summary.pss_peak_bytes.median, 4096);
    cr_expect_float_eq(summary.lost_ratio.median, 0.025, 1e-12);
    cr_expect_eq(summary.flows_offered, 64);
    cr_expect_eq(summary.flows_served, 1);
    json_decref(reports);
}

Test(aggregate, the_least_served_counts_wherever_it_stands)
{
    json_t *reports = json_array();
    struct summary summary;
    json_array_append_new(reports, json_object());
    json_array_append_new(reports, report(100, 9000, 8));
    json_array_append_new(reports, report(100, 9000, 64));
    summary_of(reports, &summary);
    cr_expect_eq(summary.flows_served, 8);
    json_decref(reports);
}

static json_t *given_up(void)
{
    return json_pack("{s:{s:{s:[{s:f,s:n,s:i,s:b}]}}}", "latency", "response",
                     "quantiles", "q", 0.99, "value_ns", "above_ns", 1000000,
                     "below_lateness", 0);
}

Test(aggregate, a_percentile_among_requests_given_up_is_above_all_others)
{
    json_t *reports = json_array();
    struct summary summary;
    json_array_append_new(reports, report(100, 9000, 64));
    json_array_append_new(reports, given_up());
    json_array_append_new(reports, report(100, 7000, 64));
    summary_of(reports, &summary);
    cr_expect_eq(summary.response_p99_ns.median, 9000);
    cr_expect(isinf(summary.response_p99_ns.max));
    cr_expect(isnan(summary.response_p99_ns.above));
    json_array_append_new(reports, given_up());
    summary_of(reports, &summary);
    cr_expect(isinf(summary.response_p99_ns.median));
    cr_expect_eq(summary.response_p99_ns.above, 1000000);
    json_t *json = summary_json(&summary);
    const json_t *p99 = json_object_get(json, "response_p99_ns");
    cr_expect(json_is_null(json_object_get(p99, "median")));
    cr_expect_eq(json_number_value(json_object_get(p99, "min")), 7000);
    cr_expect_eq(json_number_value(json_object_get(p99, "above")), 1000000);
    json_decref(json);
    json_decref(reports);
}

Test(aggregate, one_doubtful_repetition_makes_a_percentile_doubtful)
{
    json_t *reports = json_array();
    struct summary summary;
    json_array_append_new(reports, report(100, 9000, 64));
    summary_of(reports, &summary);
    cr_expect_not(summary.p50_below_lateness || summary.p99_below_lateness);
    json_array_append_new(reports, json_pack("{s:{s:{s:[{s:f,s:i,s:n,s:b}]}}}",
                                             "latency", "response", "quantiles",
                                             "q", 0.5, "value_ns", 10,
                                             "above_ns", "below_lateness", 1));
    summary_of(reports, &summary);
    cr_expect(summary.p50_below_lateness);
    cr_expect_not(summary.p99_below_lateness);
    json_decref(reports);
}

Test(aggregate, what_is_absent_is_null_in_json)
{
    struct summary summary;
    json_t *none = json_array();
    summary_of(none, &summary);
    json_t *json = summary_json(&summary);
    cr_assert_not_null(json);
    cr_expect(json_is_null(json_object_get(json, "requests_per_s")));
    cr_expect(json_is_null(json_object_get(json, "lost_ratio")));
    cr_expect(json_is_null(json_object_get(json, "offered_per_s")));
    cr_expect_eq(json_object_size(json), 12);
    json_decref(json);
    json_decref(none);
}
