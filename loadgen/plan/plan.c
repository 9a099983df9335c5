/* What will be run: what was asked for, checked, with the gaps filled in. */
#include "loadgen/plan/parts.h"

#include "servers/cli/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SPIN_ABOVE_PER_S 5000.0 /* per thread; below, sleeping costs little */
#define SPIN_AFTER_SLEEP_NS 150000u /* wakes are late by less, as a rule */

static int open_passage(struct plan *plan, uint32_t nonce,
                        struct plan_error *error)
{
    const char *path = plan->options.server_trace;
    if (!path)
        return 0;
    plan->passage = calloc(1, sizeof *plan->passage);
    int r = !plan->passage
                ? -ENOMEM
                : passage_open(plan->passage, path, nonce & FRAME_24_MASK,
                               (uint32_t)plan->options.connections);
    if (r == -EPROTO)
        return plan_fail(
            error, EXIT_USAGE,
            "--server-trace '%s': not a file of sockbench-serve --trace", path);
    if (r == -E2BIG)
        return plan_fail(
            error, EXIT_IMPOSSIBLE,
            "--server-trace '%s': it has room for %u flows, not for "
            "%" PRIu64,
            path, passage_room(plan->passage), plan->options.connections);
    if (r < 0)
        return plan_fail(error, EXIT_FAILED, "cannot read the trace '%s': %s",
                         path, strerror(-r));
    plan->course.receipts = &plan->passage->receipts;
    return 0;
}

static void fill_schedule(struct plan *plan)
{
    const struct load_options *o = &plan->options;
    struct course *course = &plan->course;
    enum arrival_kind kind = ARRIVAL_POISSON;
    uint32_t burst = 1;
    (void)arrival_parse(o->arrival, &kind, &burst); /* checked as an option */
    course->rate_per_s = o->rate_per_s > 0
                             ? o->rate_per_s
                             : o->rate_per_conn_per_s * (double)o->connections;
    arrival_init(&course->arrival, kind, burst, course->rate_per_s,
                 course->connections, o->seed);
    /* Spinning where nobody vouched for a CPU of its own could take the
     * server's. */
    const bool may = plan_is(o->pacing, "auto") && o->cpus && plan->may_spin;
    const double each_per_s = course->rate_per_s / course->threads;
    if (plan_is(o->pacing, "spin") || (may && each_per_s > SPIN_ABOVE_PER_S))
        course->spin_ns = UINT64_MAX;
    else if (may)
        course->spin_ns = SPIN_AFTER_SLEEP_NS;
}

static void fill_course(struct plan *plan)
{
    const struct load_options *o = &plan->options;
    struct course *course = &plan->course;
    course->connections = (uint32_t)o->connections;
    course->threads = (uint32_t)o->threads;
    course->depth = (uint32_t)o->pipeline;
    course->requests = o->requests;
    course->warmup_ns = o->warmup_ns;
    course->duration_ns = o->duration_ns;
    course->timeout_ns = o->timeout_ns;
    course->interval_ns = o->interval_ns;
    course->reconnect_every =
        plan->course.payload.service->greeting ? 1 : o->reconnect_every;
    course->rcvbuf_bytes = o->rcvbuf_bytes;
    course->sndbuf_bytes = o->sndbuf_bytes;
    course->connect_rate_per_s = o->connect_rate_per_s;
    course->max_inflight = (uint32_t)o->max_inflight;
    if (plan_is_open_loop(o))
        fill_schedule(plan);
    course->nodelay = o->nodelay;
    course->tcp_cc = o->tcp_cc;
    course->per_flow = o->per_flow || (o->one_way && o->server_trace);
    course->link = plan_is(o->path, "link");
    course->max_loss = o->max_loss_ratio;
    course->one_way = o->one_way;
    course->unconnected = o->unconnected;
}

/* The last check: here the first packets leave. */
static int check_remote(struct plan *plan, const struct service *service,
                        struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    struct course *course = &plan->course;
    char text[REMOTE_TEXT_MAX];
    if (!course->remote)
        return 0;
    if (!remote_is_within_caps(o, &course->idlers, sizes_mean(&plan->sizes),
                               &course->caps, text))
        return plan_fail(error, EXIT_USAGE, "%s", text);
    int r = remote_ask(&course->target, &course->sources, service);
    if (r == -EINVAL)
        return plan_fail(error, EXIT_USAGE,
                         "--service %s: it cannot repeat a nonce, as a remote "
                         "target must",
                         service->name);
    if (r == -EACCES)
        return plan_fail(
            error, EXIT_USAGE,
            "cannot load '%s': multicast and broadcast are refused",
            plan->target_text);
    if (r < 0)
        return plan_fail(error, EXIT_FAILED,
                         "cannot load '%s': a remote target must echo a random "
                         "nonce first, and %s",
                         plan->target_text,
                         r == -EPROTO      ? "the answer was another one"
                         : r == -ETIMEDOUT ? "nothing came back in 2 s"
                                           : strerror(-r));
    return 0;
}

int plan_make(struct plan *plan, const struct load_options *options,
              const char *target, struct plan_error *error)
{
    *plan = (struct plan){.options = *options, .target_text = target};
    load_options_resolve(&plan->options);
    if (plan_check_words(plan, error) < 0 ||
        plan_check_machine(plan, error) < 0 || plan_choose(plan, error) < 0)
        return -1;
    const struct service *service = plan_service(plan);
    if (check_remote(plan, service, error) < 0)
        return -1;
    uint32_t nonce = 0;
    if (getrandom(&nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
        return plan_fail(error, EXIT_FAILED, "no random numbers: %s",
                         strerror(errno));
    if (payload_init(&plan->course.payload, service, &plan->sizes,
                     options->seed, nonce, !options->no_verify,
                     plan->course.stream) < 0)
        return plan_fail(error, EXIT_FAILED, "out of memory");
    fill_course(plan);
    return open_passage(plan, nonce, error);
}

void plan_done(struct plan *plan)
{
    payload_done(&plan->course.payload);
    if (plan->passage)
        passage_done(plan->passage);
    free(plan->passage);
    plan->passage = NULL;
    sources_done(&plan->course.sources);
    free(plan->cpus);
    plan->cpus = NULL;
}
