#include "loadgen/report/view.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define SECONDS 4u

/* A closed loop of four clients in which all went well: 1,000 replies of 4 ms a
 * second, and a thread that was busy for a third of the time. */
static struct plan plan;
static struct run_result result;
static struct run_thread thread;
static struct interval intervals[SECONDS];
static struct view view = {.plan = &plan,
                           .course = &plan.course,
                           .result = &result,
                           .total = &result.total,
                           .window_s = SECONDS};

static void set_up(void)
{
    struct tally *t = &result.total;
    plan.course.engine = &engine_epoll;
    plan.course.threads = 1;
    plan.course.stream = true;
    plan.course.depth = 1;
    plan.course.interval_ns = 1000000000;
    plan.course.payload.verify = true;
    plan.placement.kind = PLACEMENT_SPLIT;
    plan.placement.server_known = true;
    CPU_SET(1, &plan.placement.server);
    thread.cpu = 0;
    thread.usage.cpu_ns = SECONDS * 333000000ull;
    thread.usage.waited_known = true;
    result.threads = &thread;
    result.complete = true;
    result.machine_known = true;
    result.machine_after.at_ns = SECONDS * 1000000000ull;
    result.machine_after.own_cpu_ns = thread.usage.cpu_ns;
    for (size_t cpu = 0; cpu < 2; cpu++) {
        result.machine_before.cpus[cpu].online = true;
        result.machine_after.cpus[cpu].online = true;
        result.machine_after.cpus[cpu].idle_ns = SECONDS * 667000000ull;
    }
    for (uint64_t i = 0; i < 1000 * SECONDS; i++)
        hist_record(&t->response, 4000000);
    for (size_t i = 0; i < SECONDS; i++)
        intervals[i].completed = 1000;
    t->intervals = intervals;
    t->intervals_count = SECONDS;
    t->window_completed = 1000 * SECONDS;
    t->accounting.scheduled = t->accounting.sent = t->accounting.ok =
        1000 * SECONDS;
    t->flows_offered = t->flows_connected = t->flows_served = 4;
}

TestSuite(verdict, .init = set_up);

/* "status: reason; reason [withdrawn withdrawn]" */
static const char *judged(void)
{
    static char text[1024];
    json_t *report = json_object();
    put_verdict(report, &view);
    const json_t *verdict = json_object_get(report, "verdict");
    const json_t *reasons = json_object_get(verdict, "reasons");
    const json_t *withdrawn = json_object_get(verdict, "withdrawn");
    int n =
        snprintf(text, sizeof text,
                 "%s:", json_string_value(json_object_get(verdict, "status")));
    for (size_t i = 0; i < json_array_size(reasons); i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %s;",
                      json_string_value(json_array_get(reasons, i)));
    for (size_t i = 0; i < json_array_size(withdrawn); i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " -%s",
                      json_string_value(json_array_get(withdrawn, i)));
    json_decref(report);
    return text;
}

Test(verdict, of_a_quiet_run_is_ok_and_takes_nothing_back)
{
    cr_expect_str_eq(judged(), "ok:");
}

Test(verdict, a_busy_thread_is_the_limit)
{
    thread.usage.cpu_ns = SECONDS * 950000000ull;
    result.machine_after.own_cpu_ns = thread.usage.cpu_ns;
    result.machine_after.cpus[0].idle_ns = SECONDS * 50000000ull;
    cr_expect_str_eq(
        judged(), "generator_bound: a thread of the generator was busy for "
                  "95 % of the window: throughput and latency may be its own; "
                  "-throughput -latency");
    thread.idle_window_ns = SECONDS * 100000000ull; /* it only spun */
    cr_expect_str_eq(judged(), "ok:");
}

Test(verdict, a_spin_that_waited_for_its_cpu_is_not_all_idle)
{
    struct thread_usage usage = {.cpu_ns = 700, .waited_known = true};
    cr_expect_float_eq(evidence_busy_ns(&usage, 600), 100, 1e-9);
    usage.waited_ns = 300; /* of 900 ns by the clock it had the CPU for 0.7 */
    cr_expect_float_eq(evidence_busy_ns(&usage, 900), 70, 1e-9);
    usage.cpu_ns = 0;
    cr_expect_float_eq(evidence_busy_ns(&usage, 0), 0, 1e-9);
}

Test(verdict, replies_that_fall_behind_are_too_few)
{
    plan.course.rate_per_s = 1000;
    plan.course.warmup_ns = 1000000000;
    hist_reset(&result.total.response);
    for (uint64_t i = 0; i < 1000 * SECONDS; i++)
        hist_record(&result.total.response, 1000000 + i * 250000);
    result.total.window_completed = 3200; /* the rest came in time, but later */
    cr_expect_str_eq(judged(), "server_bound: replies fell behind: 800/s came "
                               "where 1,000/s were due; -latency");
    plan.course.stream = false;
    cr_expect_str_eq(judged(),
                     "server_bound: replies fell behind: 800/s came "
                     "where 1,000/s were due; -order",
                     "of datagrams what came is still known");
}

Test(verdict, replies_that_are_on_their_way_have_not_fallen_behind)
{
    struct tally *t = &result.total;
    plan.course.rate_per_s = 1000;
    t->window_completed = 3900;
    cr_expect_str_eq(judged(), "ok:", "it stood still at the end: %s",
                     judged());
    hist_reset(&t->response);
    for (uint64_t i = 0; i < 1000 * SECONDS; i++)
        hist_record(&t->response, 100000000);
    cr_expect_str_eq(judged(), "ok:", "100 ms each, no warm-up: %s", judged());
}

Test(verdict, others_on_the_generators_cpu_are_others)
{
    result.machine_after.cpus[0].idle_ns = SECONDS * 467000000ull;
    cr_expect_str_eq(judged(), "unstable: others used 20 % of the generator's "
                               "CPUs; -throughput -latency");
    plan.placement.server_known = false;
    plan.placement.kind = PLACEMENT_FREE;
    cr_expect_str_eq(judged(), "ok:", "it may have been the server");
}

Test(verdict, a_thread_that_waits_for_its_cpu_says_so)
{
    thread.usage.waited_ns = SECONDS * 100000000ull;
    cr_expect_str_eq(judged(),
                     "unstable: a thread of the generator waited for 10 % of "
                     "the window for a CPU that others had; -throughput "
                     "-latency");
    plan.placement.kind = PLACEMENT_SHARED;
    cr_expect_str_eq(judged(), "ok:", "the server had it");
}

Test(verdict, stolen_time_is_the_servers_as_well)
{
    for (size_t cpu = 0; cpu < 2; cpu++) {
        result.machine_after.cpus[cpu].steal_ns = SECONDS * 100000000ull;
        result.machine_after.cpus[cpu].idle_ns = SECONDS * 567000000ull;
    }
    cr_expect_str_eq(judged(),
                     "unstable: the hypervisor took 10 % of the CPUs away; "
                     "-throughput -latency -server_cpu");
    plan.course.payload.verify = false;
    cr_expect(strstr(judged(), "-content") != NULL);
}

Test(verdict, a_rate_that_drifts_is_unstable)
{
    intervals[2].completed = intervals[3].completed = 800;
    cr_expect(strstr(judged(), "unstable: the rate drifted: the second half of "
                               "the window differs by -20 % from the first; "
                               "-throughput -latency") != NULL,
              "%s", judged());
    json_t *report = json_object();
    put_stationarity(report, &view);
    const json_t *out = json_object_get(report, "stationarity");
    cr_expect_float_eq(json_number_value(json_object_get(out, "drift_ratio")),
                       -0.2, 1e-9);
    /* Pairs: two of 0, four of -200 over 2, 3, 1 and 2 s. */
    cr_expect_float_eq(json_number_value(json_object_get(out, "slope_per_s2")),
                       (-100 - 200.0 / 3) / 2, 1e-9);
    json_decref(report);
}

Test(verdict, timeouts_of_streams_are_unstable_but_of_overload)
{
    struct accounting *a = &result.total.accounting;
    a->timeout = 400;
    a->ok -= 400;
    cr_expect(strncmp(judged(), "unstable: 400 of 4,000 requests", 31) == 0,
              "%s", judged());
    plan.course.rate_per_s = 1000;
    cr_expect(
        strncmp(judged(), "server_bound: 3,600 of the 4,000 requests", 41) == 0,
        "%s", judged());
}

Test(verdict, the_worst_status_stands_and_every_reason)
{
    thread.usage.cpu_ns = SECONDS * 950000000ull;
    result.machine_after.own_cpu_ns = thread.usage.cpu_ns;
    result.machine_after.cpus[0].idle_ns = 0;
    result.machine_after.cpus[0].steal_ns = SECONDS * 500000000ull;
    const char *text = judged();
    cr_expect(strncmp(text, "generator_bound:", 16) == 0, "%s", text);
    cr_expect(strstr(text, "hypervisor") != NULL);
    cr_expect(strstr(text, "-server_cpu") != NULL);
    result.total.accounting.error = 1; /* which nobody had counted */
    text = judged();
    cr_expect(strncmp(text, "invalid: the accounting does not close", 38) == 0,
              "%s", text);
    cr_expect(strstr(text, "-loss") != NULL);
}
