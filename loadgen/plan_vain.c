/* Which options mean nothing for which load. One that was given and changes
 * nothing is a mistake, and it is better told than found in the figures. */
#include "loadgen/plan_parts.h"

#include "servers/cli/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool is_stream(const struct plan *plan)
{
    return plan->course.stream;
}

static bool is_datagrams(const struct plan *plan)
{
    return !plan->course.stream;
}

static bool is_unix(const struct plan *plan)
{
    return plan->course.target.u.any.sa_family == AF_UNIX;
}

static bool is_not_tcp(const struct plan *plan)
{
    return is_unix(plan) || !plan->course.stream;
}

static bool is_not_udp(const struct plan *plan)
{
    return is_unix(plan) || plan->course.stream;
}

static bool is_local(const struct plan *plan)
{
    return !plan->course.remote;
}

static bool is_closed(const struct plan *plan)
{
    return !plan_is_open_loop(&plan->options);
}

static bool is_one_way(const struct plan *plan)
{
    return plan->options.one_way;
}

static bool is_unseen(const struct plan *plan)
{
    return plan->options.one_way && !plan->options.server_trace;
}

static bool is_greeting(const struct plan *plan)
{
    return plan_service(plan)->greeting != NULL;
}

/* 1 is what a greeting is. */
static bool is_greeted_often(const struct plan *plan)
{
    return is_greeting(plan) && plan->options.reconnect_every > 1;
}

static bool is_null(const struct plan *plan)
{
    return plan_is(plan->options.engine, "null");
}

#define NO_SCHEDULE "a closed loop has no schedule (--rate makes one)"
#define NO_LOSS "streams lose nothing"
#define NO_TRACE "one way what was lost is not known without --server-trace"
#define NO_REPLY "one way nothing comes back"
#define NO_NETWORK "the null engine has no network"
#define NO_CAP "the target is on this machine, where there is no cap"

static const struct vain {
    const char *option;
    bool (*where)(const struct plan *plan);
    const char *why;
} vain[] = {
    {"reconnect-every", is_datagrams, "datagrams have no connections"},
    {"max-loss", is_stream, NO_LOSS},
    {"max-loss", is_unseen, NO_TRACE},
    {"per-flow", is_stream, NO_LOSS},
    {"per-flow", is_unseen, NO_TRACE},
    {"path", is_stream, "only datagrams can come twice"},
    {"one-way", is_stream, "a stream's bytes are acknowledged"},
    {"server-trace", is_stream, "a server traces datagrams alone"},
    {"unconnected", is_not_udp, "only UDP knows that"},
    {"nodelay", is_not_tcp, "only TCP holds small requests back"},
    {"tcp-cc", is_not_tcp, "only TCP has a congestion control"},
    {"arrival", is_closed, NO_SCHEDULE},
    {"max-inflight", is_closed, NO_SCHEDULE},
    {"max-inflight", is_one_way, "one way nothing is waited for"},
    {"pacing", is_closed, NO_SCHEDULE},
    {"no-verify", is_one_way, NO_REPLY},
    {"hlog", is_one_way, NO_REPLY},
    {"hgrm", is_one_way, NO_REPLY},
    {"size", is_greeting, "who is greeted sends nothing"},
    {"reconnect-every", is_greeted_often, "one greeting a connection"},
    {"idle-clients", is_datagrams,
     "datagrams have no connection to be silent on"},
    {"idle-clients", is_greeting, "who is greeted at once cannot be idle"},
    {"idle-clients", is_null, NO_NETWORK},
    {"source", is_null, NO_NETWORK},
    {"unconnected", is_null, NO_NETWORK},
    {"server-trace", is_null, NO_NETWORK},
    {"path", is_null, NO_NETWORK},
    {"nodelay", is_null, NO_NETWORK},
    {"tcp-cc", is_null, NO_NETWORK},
    {"rcvbuf", is_null, NO_NETWORK},
    {"sndbuf", is_null, NO_NETWORK},
    {"remote-max-connections", is_local, NO_CAP},
    {"remote-max-rate", is_local, NO_CAP},
    {"remote-max-bits", is_local, NO_CAP},
};

static const void *value_of(const struct option_spec *row,
                            const struct load_options *options)
{
    return (const char *)options + row->offset;
}

/* The text of an option that has one, else NULL. */
static const char *text_of(const struct option_spec *row,
                           const struct load_options *options)
{
    const char *text = NULL;
    if (row->type == OPTION_TEXT || row->type == OPTION_CHOICE)
        memcpy(&text, value_of(row, options), sizeof text);
    return text;
}

/* Is it another than the default? To type the default is no mistake. */
static bool is_given(const struct option_spec *row,
                     const struct load_options *options,
                     const struct load_options *defaults)
{
    const char *text = text_of(row, options);
    const char *usual = text_of(row, defaults);
    switch (row->type) {
    case OPTION_TEXT:
    case OPTION_CHOICE:
        return text && !(usual && strcmp(text, usual) == 0);
    case OPTION_FLAG:
    case OPTION_SWITCH:
        return memcmp(value_of(row, options), value_of(row, defaults),
                      sizeof(bool)) != 0;
    default: /* 64 bits, whole or real */
        return memcmp(value_of(row, options), value_of(row, defaults),
                      sizeof(uint64_t)) != 0;
    }
}

int plan_check_vain(const struct plan *plan, struct plan_error *error)
{
    struct load_options defaults = {0};
    options_defaults(&load_option_table, &defaults);
    for (size_t i = 0; i < sizeof vain / sizeof *vain; i++) {
        const struct option_spec *row =
            options_find(&load_option_table, vain[i].option);
        if (!is_given(row, &plan->options, &defaults) || !vain[i].where(plan))
            continue;
        const char *text = text_of(row, &plan->options);
        return plan_fail(error, EXIT_USAGE, "--%s%s%s%s: %s", row->name,
                         text ? " '" : "", text ? text : "", text ? "'" : "",
                         vain[i].why);
    }
    return 0;
}
