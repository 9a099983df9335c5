/* What was left open is chosen, and what was asked for by name is tried: blocks
 * of datagrams, the engine, how to wait. */
#include "loadgen/plan/parts.h"

#include "loadgen/engine/blocks.h"
#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OFFLOAD_FROM_PIPELINE 8

/* NULL, or why datagrams cannot or should not be moved in blocks. */
static const char *why_no_blocks(const struct plan *plan)
{
    const struct load_options *o = &plan->options;
    if (plan->course.stream || plan->course.target.u.any.sa_family == AF_UNIX)
        return "blocks are for UDP";
    if (plan_is_open_loop(o))
        return "in an open loop a block would delay what is due";
    if (plan->sizes.kind != SIZES_FIXED)
        return "a block holds datagrams of one size";
    if (plan->sizes.most_bytes == 0 ||
        2 * plan->sizes.most_bytes > BLOCK_BYTES_MAX)
        return "no two datagrams of this size make a block";
    if (o->unconnected)
        return "a block leaves from a connected socket";
    if (plan_is(o->engine, "uring"))
        return "the uring engine sends datagrams one by one";
    if (plan_is(o->engine, "null"))
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
    const bool on = plan_is(o->udp_offload, "on");
    const char *why = why_no_blocks(plan);
    if (on && why)
        return plan_fail(error, EXIT_USAGE, "--udp-offload on: %s", why);
    if (!why && plan_is(o->udp_offload, "off"))
        why = "--udp-offload off";
    if (!why && !on && o->pipeline < OFFLOAD_FROM_PIPELINE)
        why = "fewer than 8 requests in flight per flow";
    if (!why && try_blocks(plan) < 0) {
        why = "this kernel has no UDP_GRO (Linux 5.0)";
        if (on)
            return plan_fail(error, EXIT_IMPOSSIBLE, "--udp-offload on: %s",
                             why);
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
    if (plan_is(asked, "epoll"))
        return 0;
    if (plan_is(asked, "null")) {
        plan->course.engine = &engine_null;
        plan->engine_note = "no network: the target is ignored";
        return 0;
    }
    if (plan->options.one_way) {
        plan->engine_note =
            "only the epoll engine is done with a datagram when it is sent";
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
            return plan_fail(error, EXIT_USAGE, "--engine uring, --size 0: %s",
                             why);
        plan->engine_note = why;
        return 0;
    }
    struct engine *engine = NULL;
    struct engine_config config = {.target = plan->course.target,
                                   .channels = 1,
                                   .message_bytes = 64,
                                   .unconnected = plan->options.unconnected};
    int r = engine_uring.open(&engine, &config);
    if (r == 0) {
        engine_uring.close(engine);
        plan->course.engine = &engine_uring;
        return 0;
    }
    const char *cause =
        r == -EPERM    ? "io_uring is refused (kernel.io_uring_disabled, or "
                         "seccomp as under Docker)"
        : r == -ENOSYS ? "io_uring is not in this kernel"
        : r == -ENOMEM ? "locked memory is used up (ulimit -l)"
        : r == -EINVAL ? "this kernel is older than 5.19"
        : r == -EOPNOTSUPP
            ? "io_uring sends to no address here (it needs Linux 6.1)"
            : strerror(-r);
    if (asked)
        return plan_fail(error, EXIT_IMPOSSIBLE, "--engine uring: %s", cause);
    plan->engine_note = cause;
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
    if (!plan_is(o->pacing, "spin") || plan->may_spin)
        return 0;
    return plan_fail(error, EXIT_USAGE,
                     "--pacing spin: it would take CPU %s from the server "
                     "(--server-cpus)",
                     cpuset_format(plan->placement.kind == PLACEMENT_FREE
                                       ? &plan->placement.server
                                       : &plan->placement.shared,
                                   text, sizeof text));
}

int plan_choose(struct plan *plan, struct plan_error *error)
{
    if (choose_offload(plan, error) < 0 || choose_engine(plan, error) < 0)
        return -1;
    return check_pacing(plan, error);
}
