/* What was asked for, before anything is tried: whether the words agree with
 * the target and with each other. Asks nobody. */
#include "loadgen/plan/parts.h"

#include "loadgen/vain.h"
#include "servers/cli/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_BYTES_MAX 65507u
#define BYTES_IN_FLIGHT_MAX (8ULL << 30)

int plan_fail(struct plan_error *error, int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->exit_code = exit_code;
    return -1;
}

bool plan_is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

bool plan_is_open_loop(const struct load_options *o)
{
    return o->rate_per_s > 0 || o->rate_per_conn_per_s > 0;
}

static int check_target(struct plan *plan, struct plan_error *error)
{
    const char *why = NULL;
    struct address *target = &plan->course.target;
    if (address_parse(plan->target_text, target, &why) < 0)
        return plan_fail(error, EXIT_USAGE, "cannot load '%s': %s",
                         plan->target_text, why);
    if (target->u.any.sa_family != AF_UNIX && address_port(target) == 0)
        return plan_fail(error, EXIT_USAGE, "cannot load '%s': the port is 0",
                         plan->target_text);
    if (address_is_multicast_or_broadcast(target))
        return plan_fail(
            error, EXIT_USAGE,
            "cannot load '%s': multicast and broadcast are refused",
            plan->target_text);
    plan->course.remote = !address_is_loopback(target);
    if (plan->course.remote && !plan->options.allow_remote)
        return plan_fail(error, EXIT_USAGE,
                         "cannot load '%s': only loopback addresses and Unix "
                         "sockets are loaded without --allow-remote",
                         plan->target_text);
    return 0;
}

static int check_sizes(struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    struct sizes *sizes = &plan->sizes;
    bool stream = plan->course.stream;
    (void)sizes_parse(o->size, sizes); /* checked as an option */
    if (stream && sizes->least_bytes == 0)
        return plan_fail(
            error, EXIT_USAGE,
            "--size '%s': a stream carries no empty requests (1 at "
            "least)",
            o->size);
    /* Drawn sizes follow from the number of a datagram, which it must carry. */
    if (!stream)
        sizes_limit(sizes, FRAME_TINY_BYTES, DATAGRAM_BYTES_MAX);
    if (!stream && sizes->kind == SIZES_UNIFORM &&
        sizes->least_bytes < FRAME_TINY_BYTES)
        return plan_fail(
            error, EXIT_USAGE,
            "--size '%s': datagrams of different sizes have to carry "
            "a number, which takes %d bytes",
            o->size, FRAME_TINY_BYTES);
    if (!stream && sizes->most_bytes > DATAGRAM_BYTES_MAX)
        return plan_fail(error, EXIT_USAGE,
                         "--size '%s': a datagram holds %u bytes at most",
                         o->size, DATAGRAM_BYTES_MAX);
    return 0;
}

static int check_shape(const struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (o->per_flow && frame_header_bytes(plan->sizes.least_bytes) == 0)
        return plan_fail(error, EXIT_USAGE,
                         "--per-flow, --size '%s': below %d bytes a datagram "
                         "carries no number",
                         o->size, FRAME_TINY_BYTES);
    if (o->duration_ns > 0 && o->requests > 0)
        return plan_fail(error, EXIT_USAGE,
                         "--duration and --requests: one of the two");
    if (o->json && o->json_stream)
        return plan_fail(error, EXIT_USAGE,
                         "--json and --json-stream: one of the two");
    if (o->reconnect_every > 0 && o->pipeline > o->reconnect_every)
        return plan_fail(error, EXIT_USAGE,
                         "--pipeline '%" PRIu64 "', --reconnect-every '%" PRIu64
                         "': more in flight than a connection carries",
                         o->pipeline, o->reconnect_every);
    if (o->threads > o->connections)
        return plan_fail(error, EXIT_USAGE,
                         "--threads '%" PRIu64 "': more than the %" PRIu64
                         " connections",
                         o->threads, o->connections);
    /* 4: the rings hold up to four times the depth. */
    if (o->connections * o->pipeline * 4 *
            ((uint64_t)plan->sizes.most_bytes + 1) >
        BYTES_IN_FLIGHT_MAX)
        return plan_fail(
            error, EXIT_USAGE,
            "--connections x --pipeline x --size: more than 2 GiB in "
            "flight");
    return 0;
}

static int check_rate(const struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (o->rate_per_s > 0 && o->rate_per_conn_per_s > 0)
        return plan_fail(error, EXIT_USAGE,
                         "--rate and --rate-per-conn: one of the two");
    if (plan_is_open_loop(o) && o->pipeline > 1)
        return plan_fail(
            error, EXIT_USAGE,
            "--rate and --pipeline: in an open loop the schedule says "
            "how many are in flight");
    if (plan_is_open_loop(o) && o->reconnect_every > 0)
        return plan_fail(error, EXIT_USAGE,
                         "--rate and --reconnect-every: a schedule needs "
                         "connections that stay");
    if (plan_is_open_loop(o) && o->service &&
        strcmp(o->service, "greeting") == 0)
        return plan_fail(error, EXIT_USAGE,
                         "--rate and --service greeting: a schedule needs "
                         "connections that stay");
    return 0;
}

/* What goes one way alone is told apart by its numbers. */
static int check_one_way(const struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (!o->one_way)
        return 0;
    if (frame_header_bytes(plan->sizes.least_bytes) == 0)
        return plan_fail(
            error, EXIT_USAGE,
            "--one-way, --size '%s': a datagram below %d bytes has no "
            "number to count",
            o->size, FRAME_TINY_BYTES);
    if (o->engine && strcmp(o->engine, "epoll") != 0)
        return plan_fail(
            error, EXIT_USAGE,
            "--one-way, --engine %s: only the epoll engine is done "
            "with a datagram when it is sent",
            o->engine);
    return 0;
}

/* What a service cannot be measured by. */
static int check_service(struct plan *plan, const struct service *service,
                         struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    const uint32_t prefix =
        service->prefix ? (uint32_t)strlen(service->prefix) : 0;
    if (o->one_way && service->replies)
        return plan_fail(
            error, EXIT_USAGE,
            "--one-way, --service %s: nothing comes back from service "
            "discard alone",
            service->name);
    if (!o->one_way && !service->replies)
        return plan_fail(
            error, EXIT_USAGE,
            "--service %s: it answers nothing, and what is measured "
            "are round trips (%s)",
            service->name,
            plan->course.stream ? "echo, upper, ok and greeting answer"
                                : "datagrams: try --one-way");
    if (service->greeting && !plan->course.stream)
        return plan_fail(error, EXIT_USAGE,
                         "--service %s: datagrams have no connection to greet",
                         service->name);
    if (service->greeting && o->pipeline > 1)
        return plan_fail(error, EXIT_USAGE,
                         "--service %s, --pipeline '%" PRIu64
                         "': one greeting a connection",
                         service->name, o->pipeline);
    if (!plan->course.stream)
        sizes_limit(&plan->sizes, 0, DATAGRAM_BYTES_MAX - prefix);
    if (!plan->course.stream &&
        plan->sizes.most_bytes > DATAGRAM_BYTES_MAX - prefix)
        return plan_fail(
            error, EXIT_USAGE,
            "--service %s, --size '%s': the reply would be larger than "
            "a datagram (at most %u)",
            service->name, o->size, DATAGRAM_BYTES_MAX - prefix);
    return 0;
}

/* What would change nothing is a mistake. */
static int check_vain(const struct plan *plan, struct plan_error *error)
{
    char text[VAIN_TEXT_MAX];
    const struct load_kind kind = {
        .options = &plan->options,
        .service = plan_service(plan),
        .stream = plan->course.stream,
        .is_unix = plan->course.target.u.any.sa_family == AF_UNIX,
        .remote = plan->course.remote};
    return load_is_vain(&kind, text) ? plan_fail(error, EXIT_USAGE, "%s", text)
                                     : 0;
}

const struct service *plan_service(const struct plan *plan)
{
    const struct load_options *o = &plan->options;
    return o->service   ? service_find(o->service)
           : o->one_way ? service_find("discard")
                        : service_default(plan->course.target.socket_type);
}

int plan_check_words(struct plan *plan, struct plan_error *error)
{
    if (check_target(plan, error) < 0)
        return -1;
    plan->course.stream = plan->course.target.socket_type == SOCK_STREAM;
    if (plan->options.idle_clients) /* checked as an option */
        (void)idlers_parse(plan->options.idle_clients, &plan->course.idlers);
    if (check_sizes(plan, error) < 0 || check_vain(plan, error) < 0 ||
        check_shape(plan, error) < 0 || check_rate(plan, error) < 0 ||
        check_one_way(plan, error) < 0)
        return -1;
    return check_service(plan, plan_service(plan), error);
}
