#include "loadgen/plan.h"

#include "loadgen/blocks.h"

#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/wire/congestion.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS_BESIDE 32u /* standard streams, rings, epoll, files */
#define DATAGRAM_BYTES_MAX 65507u
#define BYTES_IN_FLIGHT_MAX (8ULL << 30)
#define OFFLOAD_FROM_PIPELINE 8
#define SPIN_ABOVE_PER_S 5000.0 /* per thread; below, sleeping costs little */
#define SPIN_AFTER_SLEEP_NS 150000u /* wakes are late by less, as a rule */

static int fail(struct plan_error *error, int exit_code, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

static int fail(struct plan_error *error, int exit_code, const char *format,
                ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->exit_code = exit_code;
    return -1;
}

static bool is_word(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

static int check_target(struct plan *plan, struct plan_error *error)
{
    const char *why = NULL;
    struct address *target = &plan->course.target;
    if (address_parse(plan->target_text, target, &why) < 0)
        return fail(error, EXIT_USAGE, "cannot load '%s': %s",
                    plan->target_text, why);
    if (target->u.any.sa_family != AF_UNIX && address_port(target) == 0)
        return fail(error, EXIT_USAGE, "cannot load '%s': the port is 0",
                    plan->target_text);
    if (address_is_multicast_or_broadcast(target))
        return fail(error, EXIT_USAGE,
                    "cannot load '%s': multicast and broadcast are refused",
                    plan->target_text);
    plan->course.remote = !address_is_loopback(target);
    if (plan->course.remote && !plan->options.allow_remote)
        return fail(error, EXIT_USAGE,
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
        return fail(error, EXIT_USAGE,
                    "--size '%s': a stream carries no empty requests (1 at "
                    "least)",
                    o->size);
    /* Drawn sizes follow from the number of a datagram, which it must carry. */
    if (!stream)
        sizes_limit(sizes, FRAME_TINY_BYTES, DATAGRAM_BYTES_MAX);
    if (!stream && sizes->kind == SIZES_UNIFORM &&
        sizes->least_bytes < FRAME_TINY_BYTES)
        return fail(error, EXIT_USAGE,
                    "--size '%s': datagrams of different sizes have to carry "
                    "a number, which takes %d bytes",
                    o->size, FRAME_TINY_BYTES);
    if (!stream && sizes->most_bytes > DATAGRAM_BYTES_MAX)
        return fail(error, EXIT_USAGE,
                    "--size '%s': a datagram holds %u bytes at most", o->size,
                    DATAGRAM_BYTES_MAX);
    return 0;
}

static int check_shape(const struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (!plan->course.stream && o->reconnect_every > 0)
        return fail(error, EXIT_USAGE,
                    "--reconnect-every: datagrams have no "
                    "connections");
    if (plan->course.stream && (o->per_flow || o->max_loss_ratio < 1))
        return fail(error, EXIT_USAGE, "%s: streams lose nothing",
                    o->per_flow ? "--per-flow" : "--max-loss");
    if (o->one_way && !o->server_trace &&
        (o->per_flow || o->max_loss_ratio < 1))
        return fail(error, EXIT_USAGE,
                    "%s, --one-way: what was lost is not known without "
                    "--server-trace",
                    o->per_flow ? "--per-flow" : "--max-loss");
    if (o->per_flow && frame_header_bytes(plan->sizes.least_bytes) == 0)
        return fail(error, EXIT_USAGE,
                    "--per-flow, --size '%s': below %d bytes a datagram "
                    "carries no number",
                    o->size, FRAME_TINY_BYTES);
    if (o->duration_ns > 0 && o->requests > 0)
        return fail(error, EXIT_USAGE,
                    "--duration and --requests: one of the two");
    if (o->json && o->json_stream)
        return fail(error, EXIT_USAGE,
                    "--json and --json-stream: one of the two");
    if (o->threads > o->connections)
        return fail(error, EXIT_USAGE,
                    "--threads '%" PRIu64 "': more than the %" PRIu64
                    " connections",
                    o->threads, o->connections);
    /* 4: the rings hold up to four times the depth. */
    if (o->connections * o->pipeline * 4 *
            ((uint64_t)plan->sizes.most_bytes + 1) >
        BYTES_IN_FLIGHT_MAX)
        return fail(error, EXIT_USAGE,
                    "--connections x --pipeline x --size: more than 2 GiB in "
                    "flight");
    return 0;
}

static bool is_open_loop(const struct load_options *o)
{
    return o->rate_per_s > 0 || o->rate_per_conn_per_s > 0;
}

static int check_rate(const struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (o->rate_per_s > 0 && o->rate_per_conn_per_s > 0)
        return fail(error, EXIT_USAGE,
                    "--rate and --rate-per-conn: one of the two");
    if (is_open_loop(o) && o->pipeline > 1)
        return fail(error, EXIT_USAGE,
                    "--rate and --pipeline: in an open loop the schedule says "
                    "how many are in flight");
    if (is_open_loop(o) && o->reconnect_every > 0)
        return fail(error, EXIT_USAGE,
                    "--rate and --reconnect-every: a schedule needs "
                    "connections that stay");
    if (is_open_loop(o) && o->service && strcmp(o->service, "greeting") == 0)
        return fail(error, EXIT_USAGE,
                    "--rate and --service greeting: a schedule needs "
                    "connections that stay");
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
        return fail(error, EXIT_USAGE,
                    "--one-way, --service %s: nothing comes back from service "
                    "discard alone",
                    service->name);
    if (!o->one_way && !service->replies)
        return fail(error, EXIT_USAGE,
                    "--service %s: it answers nothing, and what is measured "
                    "are round trips (%s)",
                    service->name,
                    plan->course.stream ? "echo, upper, ok and greeting answer"
                                        : "datagrams: try --one-way");
    if (service->greeting && !plan->course.stream)
        return fail(error, EXIT_USAGE,
                    "--service %s: datagrams have no connection to greet",
                    service->name);
    if (service->greeting && o->pipeline > 1)
        return fail(error, EXIT_USAGE,
                    "--service %s, --pipeline '%" PRIu64
                    "': one greeting a connection",
                    service->name, o->pipeline);
    if (!plan->course.stream)
        sizes_limit(&plan->sizes, 0, DATAGRAM_BYTES_MAX - prefix);
    if (!plan->course.stream &&
        plan->sizes.most_bytes > DATAGRAM_BYTES_MAX - prefix)
        return fail(error, EXIT_USAGE,
                    "--service %s, --size '%s': the reply would be larger than "
                    "a datagram (at most %u)",
                    service->name, o->size, DATAGRAM_BYTES_MAX - prefix);
    return 0;
}

/* What goes one way alone is told apart by its numbers. */
static int check_one_way(const struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (o->server_trace && plan->course.stream)
        return fail(error, EXIT_USAGE,
                    "--server-trace '%s': a server traces datagrams alone",
                    o->server_trace);
    if (!o->one_way)
        return 0;
    if (plan->course.stream)
        return fail(error, EXIT_USAGE,
                    "--one-way: a stream's bytes are acknowledged");
    if (frame_header_bytes(plan->sizes.least_bytes) == 0)
        return fail(error, EXIT_USAGE,
                    "--one-way, --size '%s': a datagram below %d bytes has no "
                    "number to count",
                    o->size, FRAME_TINY_BYTES);
    if (o->engine && strcmp(o->engine, "epoll") != 0)
        return fail(error, EXIT_USAGE,
                    "--one-way, --engine %s: only the epoll engine is done "
                    "with a datagram when it is sent",
                    o->engine);
    return 0;
}

/* Tried, since only the kernel knows. */
static int check_congestion(const struct plan *plan, struct plan_error *error)
{
    const char *name = plan->options.tcp_cc;
    char why[240] = "";
    if (!name)
        return 0;
    if (!plan->course.stream || plan->course.target.u.any.sa_family == AF_UNIX)
        return fail(error, EXIT_USAGE,
                    "--tcp-cc '%s': only TCP has a congestion control", name);
    int r = congestion_try(name, why, sizeof why);
    if (r == 0)
        return 0;
    return fail(error, r == -EINVAL ? EXIT_USAGE : EXIT_IMPOSSIBLE,
                "--tcp-cc '%s': %s", name, *why ? why : strerror(-r));
}

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
        return fail(
            error, EXIT_USAGE,
            "--server-trace '%s': not a file of sockbench-serve --trace", path);
    if (r == -E2BIG)
        return fail(error, EXIT_IMPOSSIBLE,
                    "--server-trace '%s': it has room for %u flows, not for "
                    "%" PRIu64,
                    path, passage_room(plan->passage),
                    plan->options.connections);
    if (r < 0)
        return fail(error, EXIT_FAILED, "cannot read the trace '%s': %s", path,
                    strerror(-r));
    plan->course.receipts = &plan->passage->receipts;
    return 0;
}

/* Raises the soft limit to the hard one, and says before the run what a run
 * would die of. */
static int check_descriptors(const struct plan *plan, struct plan_error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    uint64_t needed = plan->options.connections + plan->course.idlers.count +
                      2 * plan->options.threads + DESCRIPTORS_BESIDE;
    if (limit.rlim_cur == RLIM_INFINITY || needed <= limit.rlim_cur)
        return 0;
    return fail(error, EXIT_IMPOSSIBLE,
                "%" PRIu64 " connections need %" PRIu64 " descriptors, %" PRIu64
                " are allowed (ulimit -Hn)",
                plan->options.connections, needed, (uint64_t)limit.rlim_cur);
}

static int check_idle_clients(struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    if (!o->idle_clients)
        return 0;
    (void)idlers_parse(o->idle_clients, &plan->course.idlers); /* checked */
    if (!plan->course.stream)
        return fail(error, EXIT_USAGE,
                    "--idle-clients: datagrams have no connection to be silent "
                    "on");
    if (is_word(o->service, "greeting"))
        return fail(
            error, EXIT_USAGE,
            "--idle-clients, --service greeting: who is greeted at once "
            "cannot be idle");
    if (is_word(o->engine, "null"))
        return fail(error, EXIT_USAGE,
                    "--idle-clients, --engine null: nobody is there to connect "
                    "to");
    return 0;
}

static int check_sources(struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    const struct address *target = &plan->course.target;
    const bool udp = !plan->course.stream && target->u.any.sa_family != AF_UNIX;
    const char *why = NULL;
    char host[ADDRESS_TEXT_MAX];
    char port[8];
    if (o->unconnected && !udp)
        return fail(error, EXIT_USAGE, "--unconnected: only UDP knows that");
    if (!o->source)
        return 0;
    if (sources_parse(o->source, &plan->course.sources, &why) < 0)
        return fail(error, EXIT_FAILED, "out of memory");
    for (uint32_t i = 0; i < plan->course.sources.count; i++) {
        const struct address *source = &plan->course.sources.list[i];
        if (source->u.any.sa_family != target->u.any.sa_family)
            return fail(error, EXIT_USAGE,
                        "--source '%s': %s is reached from addresses of its "
                        "own family",
                        o->source, plan->target_text);
    }
    int r = 0;
    const struct address *bad =
        sources_find_bad(&plan->course.sources, target->socket_type, &r);
    if (!bad)
        return 0;
    address_format_parts(bad, host, port);
    return fail(error, EXIT_USAGE, "--source '%s': cannot send from it: %s",
                host, strerror(-r));
}

static int check_ports(const struct plan *plan, struct plan_error *error)
{
    if (plan->course.target.u.any.sa_family == AF_UNIX)
        return 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    unsigned low = 32768;
    unsigned high = 60999;
    if (file) {
        char line[64] = "";
        char *end = line;
        if (fgets(line, sizeof line, file)) {
            low = (unsigned)strtoul(line, &end, 10);
            high = (unsigned)strtoul(end, NULL, 10);
        }
        fclose(file);
    }
    uint64_t ports = high >= low ? high - low + 1 : 0;
    uint64_t sources = plan->course.sources.count;
    const uint64_t all = plan->options.connections + plan->course.idlers.count;
    uint64_t each = sources > 1 ? (all + sources - 1) / sources : all;
    if (each <= ports)
        return 0;
    if (sources > 1)
        return fail(error, EXIT_IMPOSSIBLE,
                    "%" PRIu64 " connections from %" PRIu64
                    " addresses need %" PRIu64 " ports of each, %" PRIu64
                    " are there (net.ipv4.ip_local_port_range)",
                    all, sources, each, ports);
    return fail(error, EXIT_IMPOSSIBLE,
                "%" PRIu64 " connections from one address need as many ports, "
                "%" PRIu64 " are there (net.ipv4.ip_local_port_range)",
                all, ports);
}

/* NULL, or why datagrams cannot or should not be moved in blocks. */
static const char *why_no_blocks(const struct plan *plan)
{
    const struct load_options *o = &plan->options;
    if (plan->course.stream || plan->course.target.u.any.sa_family == AF_UNIX)
        return "blocks are for UDP";
    if (is_open_loop(o))
        return "in an open loop a block would delay what is due";
    if (plan->sizes.kind != SIZES_FIXED)
        return "a block holds datagrams of one size";
    if (plan->sizes.most_bytes == 0 ||
        2 * plan->sizes.most_bytes > BLOCK_BYTES_MAX)
        return "no two datagrams of this size make a block";
    if (o->unconnected)
        return "a block leaves from a connected socket";
    if (is_word(o->engine, "uring"))
        return "the uring engine sends datagrams one by one";
    if (is_word(o->engine, "null"))
        return "the null engine sends nothing";
    return NULL;
}

/* Whether the kernel grants blocks is found by asking for them. */
static int try_blocks(const struct plan *plan)
{
    int fd = socket(plan->course.target.u.any.sa_family,
                    SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = block_enable(fd);
    close(fd);
    return r;
}

static int choose_offload(struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    const bool on = is_word(o->udp_offload, "on");
    const char *why = why_no_blocks(plan);
    if (on && why)
        return fail(error, EXIT_USAGE, "--udp-offload on: %s", why);
    if (!why && is_word(o->udp_offload, "off"))
        why = "--udp-offload off";
    if (!why && !on && o->pipeline < OFFLOAD_FROM_PIPELINE)
        why = "fewer than 8 requests in flight per flow";
    if (!why && try_blocks(plan) < 0) {
        why = "this kernel has no UDP_GRO (Linux 5.0)";
        if (on)
            return fail(error, EXIT_IMPOSSIBLE, "--udp-offload on: %s", why);
    }
    plan->course.udp_offload = !why;
    plan->udp_offload_note = plan->course.stream ? NULL : why;
    return 0;
}

/* Whether a ring is granted is found by making one. */
static int choose_engine(struct plan *plan, struct plan_error *error)
{
    const char *asked = plan->options.engine;
    plan->course.engine = &engine_epoll;
    if (is_word(asked, "epoll"))
        return 0;
    if (is_word(asked, "null")) {
        plan->course.engine = &engine_null;
        plan->engine_note = "no network: the target is ignored";
        return 0;
    }
    if (plan->options.unconnected) {
        const char *why = "only the epoll engine has unconnected sockets";
        if (asked)
            return fail(error, EXIT_USAGE, "--engine uring, --unconnected: %s",
                        why);
        plan->engine_note = why;
        return 0;
    }
    if (plan->options.one_way) {
        plan->engine_note = "one way is for the epoll engine";
        return 0;
    }
    if (plan->course.udp_offload) {
        plan->engine_note = "only the epoll engine moves UDP in blocks";
        return 0;
    }
    if (plan->sizes.most_bytes == 0) {
        const char *why = "a multishot receive takes an empty datagram for the "
                          "end";
        if (asked)
            return fail(error, EXIT_USAGE, "--engine uring, --size 0: %s", why);
        plan->engine_note = why;
        return 0;
    }
    struct engine *engine = NULL;
    struct engine_config config = {
        .target = plan->course.target, .channels = 1, .message_bytes = 64};
    int r = engine_uring.open(&engine, &config);
    if (r == 0) {
        engine_uring.close(engine);
        plan->course.engine = &engine_uring;
        return 0;
    }
    const char *cause =
        r == -EPERM    ? "refused (kernel.io_uring_disabled, or seccomp as "
                         "under Docker)"
        : r == -ENOSYS ? "not in this kernel"
        : r == -ENOMEM ? "locked memory is used up (ulimit -l)"
        : r == -EINVAL ? "this kernel is older than 5.19"
                       : strerror(-r);
    if (asked)
        return fail(error, EXIT_IMPOSSIBLE, "--engine uring: io_uring is %s",
                    cause);
    plan->engine_note = cause;
    return 0;
}

static int choose_cpus(struct plan *plan, struct plan_error *error)
{
    uint32_t n = (uint32_t)plan->options.threads;
    plan->cpus = calloc(n, sizeof *plan->cpus);
    if (!plan->cpus)
        return fail(error, EXIT_FAILED, "out of memory");
    cpu_set_t wanted;
    cpu_set_t allowed;
    for (uint32_t i = 0; i < n; i++)
        plan->cpus[i] = -1;
    if (!plan->options.cpus || cpuset_parse(plan->options.cpus, &wanted) < 0)
        return 0;
    int r = cpuset_allowed(&allowed);
    cpu_set_t both;
    CPU_AND(&both, &wanted, &allowed);
    if (r == 0 && !CPU_EQUAL(&both, &wanted)) {
        char text[256];
        return fail(error, EXIT_IMPOSSIBLE,
                    "--cpus '%s': only CPUs %s may be used here",
                    plan->options.cpus,
                    cpuset_format(&allowed, text, sizeof text));
    }
    for (uint32_t i = 0; i < n; i++)
        plan->cpus[i] = cpuset_nth(&wanted, i);
    return 0;
}

/* To spin on a CPU of the server is to take it away. */
static int check_pacing(struct plan *plan, struct plan_error *error)
{
    cpu_set_t allowed;
    char text[256];
    const struct load_options *o = &plan->options;
    placement_judge(&plan->placement, plan->cpus, (uint32_t)o->threads,
                    o->server_cpus);
    if (cpuset_allowed(&allowed) < 0)
        CPU_ZERO(&allowed);
    plan->may_spin = !placement_spins_on_server(&plan->placement, &allowed);
    if (!is_word(o->pacing, "spin") || plan->may_spin)
        return 0;
    return fail(error, EXIT_USAGE,
                "--pacing spin: it would take CPU %s from the server "
                "(--server-cpus)",
                cpuset_format(plan->placement.kind == PLACEMENT_FREE
                                  ? &plan->placement.server
                                  : &plan->placement.shared,
                              text, sizeof text));
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
    const bool may = is_word(o->pacing, "auto") && o->cpus && plan->may_spin;
    const double each_per_s = course->rate_per_s / course->threads;
    if (is_word(o->pacing, "spin") || (may && each_per_s > SPIN_ABOVE_PER_S))
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
    if (is_open_loop(o))
        fill_schedule(plan);
    course->nodelay = o->nodelay;
    course->tcp_cc = o->tcp_cc;
    course->per_flow = o->per_flow || (o->one_way && o->server_trace);
    course->link = is_word(o->path, "link");
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
        return fail(error, EXIT_USAGE, "%s", text);
    int r = remote_ask(&course->target, &course->sources, service);
    if (r == -EINVAL)
        return fail(error, EXIT_USAGE,
                    "--service %s: it cannot repeat a nonce, as a remote "
                    "target must",
                    service->name);
    if (r == -EACCES)
        return fail(error, EXIT_USAGE,
                    "cannot load '%s': multicast and broadcast are refused",
                    plan->target_text);
    if (r < 0)
        return fail(error, EXIT_FAILED,
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
    if (check_target(plan, error) < 0)
        return -1;
    plan->course.stream = plan->course.target.socket_type == SOCK_STREAM;
    if (check_sizes(plan, error) < 0 || check_shape(plan, error) < 0 ||
        check_rate(plan, error) < 0 || check_one_way(plan, error) < 0 ||
        check_congestion(plan, error) < 0 ||
        check_idle_clients(plan, error) < 0 ||
        check_descriptors(plan, error) < 0 || check_sources(plan, error) < 0 ||
        check_ports(plan, error) < 0 || choose_offload(plan, error) < 0 ||
        choose_engine(plan, error) < 0 || choose_cpus(plan, error) < 0 ||
        check_pacing(plan, error) < 0)
        return -1;
    const struct service *service =
        options->service   ? service_find(options->service)
        : options->one_way ? service_find("discard")
                           : service_default(plan->course.target.socket_type);
    if (check_service(plan, service, error) < 0 ||
        check_remote(plan, service, error) < 0)
        return -1;
    uint32_t nonce = 0;
    if (getrandom(&nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
        return fail(error, EXIT_FAILED, "no random numbers: %s",
                    strerror(errno));
    if (payload_init(&plan->course.payload, service, &plan->sizes,
                     options->seed, nonce, !options->no_verify,
                     plan->course.stream) < 0)
        return fail(error, EXIT_FAILED, "out of memory");
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
