#include "loadgen/vain.h"

#include <stdio.h>
#include <string.h>

static bool is_stream(const struct load_kind *kind)
{
    return kind->stream;
}

static bool is_datagrams(const struct load_kind *kind)
{
    return !kind->stream;
}

static bool is_unix(const struct load_kind *kind)
{
    return kind->is_unix;
}

static bool is_not_tcp(const struct load_kind *kind)
{
    return kind->is_unix || !kind->stream;
}

static bool is_not_udp(const struct load_kind *kind)
{
    return kind->is_unix || kind->stream;
}

static bool is_local(const struct load_kind *kind)
{
    return !kind->remote;
}

static bool is_closed(const struct load_kind *kind)
{
    return kind->options->rate_per_s <= 0 &&
           kind->options->rate_per_conn_per_s <= 0;
}

static bool is_one_way(const struct load_kind *kind)
{
    return kind->options->one_way;
}

static bool is_unseen(const struct load_kind *kind)
{
    return kind->options->one_way && !kind->options->server_trace;
}

static bool is_greeting(const struct load_kind *kind)
{
    return kind->service->greeting != NULL;
}

/* 1 is what a greeting is. */
static bool is_greeted_often(const struct load_kind *kind)
{
    return is_greeting(kind) && kind->options->reconnect_every > 1;
}

static bool is_null(const struct load_kind *kind)
{
    const char *engine = kind->options->engine;
    return engine && strcmp(engine, "null") == 0;
}

#define NO_SCHEDULE "a closed loop has no schedule (--rate makes one)"
#define NO_LOSS "streams lose nothing"
#define NO_TRACE "one way what was lost is not known without --server-trace"
#define NO_REPLY "one way nothing comes back"
#define NO_NETWORK "the null engine has no network"
#define NO_CAP "the target is on this machine, where there is no cap"

static const struct vain {
    const char *option;
    bool (*where)(const struct load_kind *kind);
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
    {"rcvbuf", is_unix, "between Unix sockets the sender's buffer counts"},
    {"rcvbuf", is_null, NO_NETWORK},
    {"sndbuf", is_null, NO_NETWORK},
    {"remote-max-connections", is_local, NO_CAP},
    {"remote-max-rate", is_local, NO_CAP},
    {"remote-max-bits", is_local, NO_CAP},
};

/* The text of an option that has one, else NULL. */
static const char *text_of(const struct option_spec *row,
                           const struct load_options *options)
{
    const char *text = NULL;
    if (row->type == OPTION_TEXT || row->type == OPTION_CHOICE)
        memcpy(&text, (const char *)options + row->offset, sizeof text);
    return text;
}

bool load_is_vain(const struct load_kind *kind, char text[static VAIN_TEXT_MAX])
{
    for (size_t i = 0; i < sizeof vain / sizeof *vain; i++) {
        const struct option_spec *row =
            options_find(&load_option_table, vain[i].option);
        if (!options_changed(row, kind->options) || !vain[i].where(kind))
            continue;
        const char *value = text_of(row, kind->options);
        snprintf(text, VAIN_TEXT_MAX, "--%s%s%s%s: %s", row->name,
                 value ? " '" : "", value ? value : "", value ? "'" : "",
                 vain[i].why);
        return true;
    }
    return false;
}
