/* Measured beside the measurement: what a verdict rests on. */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"
#include "servers/cli/cpuset.h"

#include <math.h>

#define NO_WINDOW "the run ended before its window began"

/* Little's law: clients in the system over rate x response time, which is 1
 * where every client always waits for a reply. NAN where that is not so. */
double evidence_littles_law(const struct view *view)
{
    const struct course *course = view->course;
    const struct tally *t = view->total;
    if (course->rate_per_s > 0 || course->reconnect_every > 0 ||
        t->accounting.timeout > 0 || t->response.total == 0 ||
        t->held_back > 0 || view->window_s <= 0)
        return (double)NAN;
    double waiting = (double)t->window_completed / view->window_s *
                     hist_mean(&t->response) / 1e9;
    return waiting / ((double)t->flows_served * course->depth);
}

static double share(uint64_t part_ns, uint64_t whole_ns, unsigned cpus)
{
    double whole = (double)whole_ns * cpus;
    return whole > 0 ? (double)part_ns / whole : (double)NAN;
}

static uint64_t observed_ns(const struct view *view)
{
    const struct run_result *result = view->result;
    return result->machine_known
               ? result->machine_after.at_ns - result->machine_before.at_ns
               : 0;
}

/* The CPUs that the generator's threads may be on. */
static void generator_cpus(const struct view *view, cpu_set_t *ret)
{
    CPU_ZERO(ret);
    for (uint32_t i = 0; i < view->course->threads; i++) {
        int cpu = view->result->threads[i].cpu;
        if (cpu < 0) {
            (void)cpuset_allowed(ret);
            return;
        }
        CPU_SET((size_t)cpu, ret);
    }
}

static bool was_opened(const struct view *view)
{
    return view->window_s > 0;
}

static const char *machine_unknown(const struct view *view)
{
    return was_opened(view) ? "/proc/stat cannot be read" : NO_WINDOW;
}

/* Why others cannot be told from the server, or NULL. */
static const char *foreign_unknown(const struct view *view,
                                   const cpu_set_t *generator)
{
    const struct placement *placement = &view->plan->placement;
    cpu_set_t both;
    if (!view->result->machine_known)
        return machine_unknown(view);
    if (!placement->server_known)
        return "the server's CPUs are not known (--server-cpus)";
    CPU_AND(&both, generator, &placement->server);
    return CPU_COUNT(&both) > 0 ? "the server runs on the same CPUs" : NULL;
}

void evidence_disturbance(const struct view *view, struct disturbance *ret)
{
    const struct run_result *result = view->result;
    const struct machine_sample *before = &result->machine_before;
    const struct machine_sample *after = &result->machine_after;
    uint64_t span_ns = observed_ns(view);
    struct disturbance d = {.observed_ns = span_ns,
                            .foreign_ratio = (double)NAN,
                            .steal_ratio = (double)NAN,
                            .throttled_ratio = (double)NAN,
                            .waited_ratio = (double)NAN};
    generator_cpus(view, &d.cpus);
    d.foreign_unknown = foreign_unknown(view, &d.cpus);
    if (result->machine_known) {
        unsigned count = machine_count(before, after, &d.cpus);
        cpu_set_t both = d.cpus;
        if (view->plan->placement.server_known)
            CPU_OR(&both, &both, &view->plan->placement.server);
        d.busy_ns = machine_busy_ns(before, after, &d.cpus);
        d.own_ns = after->own_cpu_ns - before->own_cpu_ns;
        d.steal_ratio = share(machine_steal_ns(before, after, &both), span_ns,
                              machine_count(before, after, &both));
        if (!d.foreign_unknown) {
            d.foreign_ns = machine_foreign_ns(d.busy_ns, d.own_ns);
            d.foreign_ratio = share(d.foreign_ns, span_ns, count);
            d.foreign = machine_is_disturbed(d.foreign_ns, span_ns, count);
        }
        if (before->throttling_known && after->throttling_known) {
            d.throttled_periods =
                after->throttling.periods - before->throttling.periods;
            d.throttled_ns =
                after->throttling.held_ns - before->throttling.held_ns;
            d.throttled_ratio = share(d.throttled_ns, span_ns, 1);
        }
    }
    for (uint32_t i = 0; i < view->course->threads; i++) {
        const struct thread_usage *usage = &result->threads[i].usage;
        double waited = (double)usage->waited_ns / 1e9 / view->window_s;
        if (usage->waited_known && view->window_s > 0 &&
            !(waited <= d.waited_ratio))
            d.waited_ratio = waited;
    }
    *ret = d;
}

static void put_cpus(json_t *out, const char *key, const cpu_set_t *set)
{
    json_t *list = put_array(out, key);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, set))
            json_array_append_new(list, json_integer((json_int_t)cpu));
    }
}

static void put_shared_cpus(json_t *out, const struct placement *placement)
{
    if (placement->kind == PLACEMENT_FREE) {
        put_null(out, "shared_cpus");
        return;
    }
    put_cpus(out, "shared_cpus", &placement->shared);
}

static void put_foreign(json_t *out, const struct disturbance *d)
{
    json_t *foreign = put_object(out, "foreign_cpu");
    put_cpus(foreign, "cpus", &d->cpus);
    put_count(foreign, "observed_ns", d->observed_ns);
    put_count(foreign, "busy_ns", d->busy_ns);
    put_count(foreign, "own_ns", d->own_ns);
    if (d->foreign_unknown)
        put_null(foreign, "foreign_ns");
    else
        put_count(foreign, "foreign_ns", d->foreign_ns);
    put_real(foreign, "foreign_ratio", d->foreign_ratio);
    put_text(foreign, "reason", d->foreign_unknown);
}

static void put_throttling(json_t *out, json_t *absent,
                           const struct disturbance *d, bool opened)
{
    if (isnan(d->throttled_ratio)) {
        put_null(out, "throttling");
        put_text(absent, "throttling",
                 opened ? "no control group with a CPU limit" : NO_WINDOW);
        return;
    }
    json_t *throttling = put_object(out, "throttling");
    put_count(throttling, "periods", d->throttled_periods);
    put_count(throttling, "throttled_ns", d->throttled_ns);
    put_real(throttling, "throttled_ratio", d->throttled_ratio);
}

static double pressure_of(const struct view *view)
{
    const struct machine_sample *before = &view->result->machine_before;
    const struct machine_sample *after = &view->result->machine_after;
    bool known = view->result->machine_known && before->pressure_known &&
                 after->pressure_known;
    return known ? share(after->pressure_ns - before->pressure_ns,
                         observed_ns(view), 1)
                 : (double)NAN;
}

/* NAN in a closed loop. */
double evidence_lateness_ratio(const struct view *view)
{
    double response = (double)latency_response_p50_ns(view);
    bool known = view->course->rate_per_s > 0 && response > 0 &&
                 view->total->lateness.total > 0;
    return known ? (double)latency_lateness_ns(view) / response : (double)NAN;
}

double evidence_busiest(const struct view *view)
{
    double busiest = 0;
    for (uint32_t i = 0; i < view->course->threads; i++) {
        const struct run_thread *thread = &view->result->threads[i];
        double ns = evidence_busy_ns(&thread->usage, thread->idle_window_ns);
        double part = view->window_s > 0 ? ns / 1e9 / view->window_s : 0;
        busiest = part > busiest ? part : busiest;
    }
    return busiest;
}

static void put_known(json_t *out, json_t *absent, const char *key,
                      double value, const char *why)
{
    put_real(out, key, value);
    if (isnan(value))
        put_text(absent, key, why);
}

/* What the verdict rests on, and what a reader may want to judge by himself. */
void put_evidence(json_t *report, const struct view *view)
{
    struct disturbance d;
    evidence_disturbance(view, &d);
    json_t *out = put_object(report, "evidence");
    json_t *absent = json_object();
    bool open = view->course->rate_per_s > 0;
    bool opened = was_opened(view);
    put_known(out, absent, "busy_ratio",
              opened ? evidence_busiest(view) : (double)NAN, NO_WINDOW);
    put_known(out, absent, "littles_law_ratio", evidence_littles_law(view),
              "only a closed loop whose clients always wait keeps it");
    put_known(out, absent, "achieved_ratio",
              open ? (double)view->total->accounting.ok /
                         (double)view->total->accounting.scheduled
                   : (double)NAN,
              open ? NO_WINDOW : "a closed loop has no schedule");
    put_known(out, absent, "lateness_ratio", evidence_lateness_ratio(view),
              !open ? "a closed loop has no schedule"
              : view->total->accounting.ok == 0
                  ? "nothing was answered"
                  : "too few replies for a median (20)");
    put_shared_cpus(out, &view->plan->placement);
    put_foreign(out, &d);
    put_null(out, "server_foreign_cpu"); /* known to who started the server */
    put_known(out, absent, "waited_ratio", d.waited_ratio,
              opened ? "the kernel does not keep it (CONFIG_SCHED_INFO)"
                     : NO_WINDOW);
    put_known(out, absent, "steal_ratio", d.steal_ratio, machine_unknown(view));
    put_throttling(out, absent, &d, opened);
    put_known(out, absent, "pressure_cpu_ratio", pressure_of(view),
              opened ? "the kernel does not keep it (CONFIG_PSI)" : NO_WINDOW);
    put_limit(out, view, json_object_get(report, "environment"));
    put_json(out, "absent", absent);
}

/* A thread's CPU without the passes in which it only looked at the clock. Those
 * are timed by the clock: while another task had the CPU they went on, as often
 * as they are part of what the thread does. */
double evidence_busy_ns(const struct thread_usage *usage, uint64_t idle_ns)
{
    double cpu_ns = (double)usage->cpu_ns;
    double waited_ns = usage->waited_known ? (double)usage->waited_ns : 0;
    double idle_cpu_ns =
        cpu_ns > 0 ? (double)idle_ns * cpu_ns / (cpu_ns + waited_ns) : 0;
    return cpu_ns > idle_cpu_ns ? cpu_ns - idle_cpu_ns : 0;
}
