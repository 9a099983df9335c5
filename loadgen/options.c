#include "loadgen/options.h"

#include "loadgen/arrival.h"
#include "loadgen/idlers.h"
#include "loadgen/sizes.h"
#include "loadgen/sources.h"

#include "servers/cli/cpuset.h"
#include "servers/wire/service.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define AT(member) offsetof(struct load_options, member)
#define SECOND 1000000000ULL

static const char *check_cpus(const char *text)
{
    cpu_set_t set;
    return cpuset_parse(text, &set) < 0 ? "a list of CPUs such as 0,2-3" : NULL;
}

static const char *check_service(const char *text)
{
    return service_find(text) ? NULL : "one of echo|upper|ok|greeting|discard";
}

static const char *check_label(const char *text)
{
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        const char *equals = memchr(at, '=', length);
        if (!equals || equals == at)
            return "not of the form key=value,key=value";
        at += length;
        if (*at == '\0')
            return NULL;
    }
}

static const char *check_source(const char *text)
{
    struct sources sources = {0};
    const char *why = NULL;
    if (sources_parse(text, &sources, &why) == -EINVAL)
        return why;
    sources_done(&sources);
    return NULL;
}

static const char *check_idle_clients(const char *text)
{
    struct idlers_words words;
    return idlers_parse(text, &words) < 0 ? IDLERS_TEXT : NULL;
}

static const char *check_size(const char *text)
{
    struct sizes sizes;
    return sizes_parse(text, &sizes) < 0 ? SIZES_TEXT : NULL;
}

static const char *check_arrival(const char *text)
{
    enum arrival_kind kind;
    uint32_t burst;
    return arrival_parse(text, &kind, &burst) < 0
               ? "poisson, constant or burst:N (N from 2 to 65536)"
               : NULL;
}

static const struct option_spec rows[] = {
    {.name = "connections",
     .letter = 'c',
     .type = OPTION_COUNT,
     .offset = AT(connections),
     .argument = "N",
     .fallback = "64",
     .help = "connections, or UDP flows",
     .min = 1,
     .max = 1000000},
    {.name = "threads",
     .letter = 't',
     .type = OPTION_COUNT,
     .offset = AT(threads),
     .argument = "N",
     .fallback = "1",
     .help = "threads that share the connections",
     .min = 1,
     .max = 256},
    {.name = "duration",
     .letter = 'd',
     .type = OPTION_DURATION,
     .offset = AT(duration_ns),
     .argument = "TIME",
     .help = "length of the measured window (10s unless -n)",
     .min = 1000000,
     .max = 86400 * SECOND},
    {.name = "requests",
     .letter = 'n',
     .type = OPTION_COUNT,
     .offset = AT(requests),
     .argument = "N",
     .help = "measure this many requests instead",
     .min = 1,
     .max = 1000000000000},
    {.name = "rate",
     .letter = 'r',
     .type = OPTION_RATE,
     .offset = AT(rate_per_s),
     .argument = "N",
     .help = "open loop: requests due per second, all connections together",
     .min = 0,
     .max = 100000000},
    {.name = "rate-per-conn",
     .type = OPTION_RATE,
     .offset = AT(rate_per_conn_per_s),
     .argument = "N",
     .help = "the same, for each connection",
     .min = 0,
     .max = 100000000},
    {.name = "arrival",
     .type = OPTION_TEXT,
     .offset = AT(arrival),
     .argument = "HOW",
     .fallback = "poisson",
     .help = "open loop: poisson, constant or burst:N",
     .check = check_arrival},
    {.name = "max-inflight",
     .type = OPTION_COUNT,
     .offset = AT(max_inflight),
     .argument = "N",
     .fallback = "65536",
     .help = "open loop: unanswered per thread; beyond, requests are skipped",
     .min = 1,
     .max = 1048576},
    {.name = "pacing",
     .type = OPTION_CHOICE,
     .offset = AT(pacing),
     .argument = "auto|spin|block",
     .fallback = "auto",
     .help = "open loop: how to wait; auto spins on a CPU given by --cpus, "
             "never on one of --server-cpus",
     .choices = "auto|spin|block"},
    {.name = "pipeline",
     .letter = 'P',
     .type = OPTION_COUNT,
     .offset = AT(pipeline),
     .argument = "N",
     .fallback = "1",
     .help = "requests in flight per connection",
     .min = 1,
     .max = 1024},
    {.name = "size",
     .letter = 's',
     .type = OPTION_TEXT,
     .offset = AT(size),
     .argument = "SIZE",
     .fallback = "64",
     .help = "bytes per request: 64, uniform:LEAST,MOST or exp:MEAN",
     .check = check_size},
    {.name = "warmup",
     .letter = 'w',
     .type = OPTION_DURATION,
     .offset = AT(warmup_ns),
     .argument = "TIME",
     .fallback = "1s",
     .help = "same load beforehand, not counted",
     .min = 0,
     .max = 3600 * SECOND},
    {.name = "reconnect-every",
     .type = OPTION_COUNT,
     .offset = AT(reconnect_every),
     .argument = "N",
     .help = "new connection after N requests (1: one request a connection)",
     .min = 0,
     .max = 1000000000000},
    {.name = "service",
     .type = OPTION_TEXT,
     .offset = AT(service),
     .argument = "NAME",
     .help = "what the server answers: echo (default on streams), upper "
             "(default on datagrams), ok, greeting or discard",
     .check = check_service},
    {.name = "engine",
     .type = OPTION_CHOICE,
     .offset = AT(engine),
     .argument = "uring|epoll|null",
     .help = "how bytes are moved (uring where granted, else epoll); null: no "
             "network, the generator's own cost",
     .choices = "uring|epoll|null"},
    {.name = "udp-offload",
     .type = OPTION_CHOICE,
     .offset = AT(udp_offload),
     .argument = "auto|on|off",
     .fallback = "auto",
     .help = "UDP in blocks of equal datagrams (auto: --pipeline 8 and more, "
             "closed loop)",
     .choices = "auto|on|off"},
    {.name = "path",
     .type = OPTION_CHOICE,
     .offset = AT(path),
     .argument = "direct|link",
     .fallback = "direct",
     .help = "datagrams: whether something on the way may duplicate them",
     .choices = "direct|link"},
    {.name = "max-loss",
     .type = OPTION_RATIO,
     .offset = AT(max_loss_ratio),
     .argument = "RATIO",
     .fallback = "1",
     .help = "datagrams: a run that lost more is not valid",
     .max = 1},
    {.name = "per-flow",
     .type = OPTION_FLAG,
     .offset = AT(per_flow),
     .help = "datagrams: what became of each flow, in the report"},
    {.name = "one-way",
     .type = OPTION_FLAG,
     .offset = AT(one_way),
     .help = "datagrams to service discard: nothing comes back"},
    {.name = "server-trace",
     .type = OPTION_TEXT,
     .offset = AT(server_trace),
     .argument = "FILE",
     .help = "datagrams: what the server noted with --trace FILE, on this "
             "host"},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .offset = AT(timeout_ns),
     .argument = "TIME",
     .fallback = "1s",
     .help = "a request unanswered this long is lost; also the drain",
     .min = 1000000,
     .max = 3600 * SECOND},
    {.name = "connect-rate",
     .type = OPTION_RATE,
     .offset = AT(connect_rate_per_s),
     .argument = "N",
     .help = "first connections opened per second (as fast as can be)"},
    {.name = "source",
     .type = OPTION_TEXT,
     .offset = AT(source),
     .argument = "ADDR,...",
     .help = "addresses that the connections come from, in turn",
     .check = check_source},
    {.name = "idle-clients",
     .type = OPTION_TEXT,
     .offset = AT(idle_clients),
     .argument = "N:TIME",
     .help = "N more clients that connect, stay silent for TIME, ask once, "
             "leave and return",
     .check = check_idle_clients},
    {.name = "unconnected",
     .type = OPTION_FLAG,
     .offset = AT(unconnected),
     .help = "UDP: sockets that name the server with every datagram"},
    {.name = "cpus",
     .letter = 'A',
     .type = OPTION_TEXT,
     .offset = AT(cpus),
     .argument = "LIST",
     .help = "pin threads to these CPUs in turn",
     .check = check_cpus},
    {.name = "server-cpus",
     .type = OPTION_TEXT,
     .offset = AT(server_cpus),
     .argument = "LIST",
     .help = "CPUs that the server uses, told by whoever started it",
     .check = check_cpus},
    {.name = "seed",
     .type = OPTION_COUNT,
     .offset = AT(seed),
     .argument = "N",
     .fallback = "1",
     .help = "of every random choice"},
    {.name = "nodelay",
     .type = OPTION_SWITCH,
     .offset = AT(nodelay),
     .argument = "on|off",
     .fallback = "on",
     .help = "TCP_NODELAY"},
    {.name = "tcp-cc",
     .type = OPTION_TEXT,
     .offset = AT(tcp_cc),
     .argument = "NAME",
     .help = "TCP: congestion control of each connection (the kernel's)"},
    {.name = "rcvbuf",
     .type = OPTION_BYTES,
     .offset = AT(rcvbuf_bytes),
     .argument = "BYTES",
     .help = "SO_RCVBUF (the kernel's default)",
     .max = 1 << 30},
    {.name = "sndbuf",
     .type = OPTION_BYTES,
     .offset = AT(sndbuf_bytes),
     .argument = "BYTES",
     .help = "SO_SNDBUF (the kernel's default)",
     .max = 1 << 30},
    {.name = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .argument = "TIME",
     .fallback = "1s",
     .help = "length of the report's intervals",
     .min = 10000000,
     .max = 3600 * SECOND},
    {.name = "allow-remote",
     .type = OPTION_FLAG,
     .offset = AT(allow_remote),
     .help = "load an address beyond this machine, which must echo a nonce "
             "first"},
    {.name = "remote-max-connections",
     .type = OPTION_COUNT,
     .offset = AT(remote_max_connections),
     .argument = "N",
     .fallback = "1000",
     .help = "cap of a remote target: connections",
     .min = 1,
     .max = 1000000},
    {.name = "remote-max-rate",
     .type = OPTION_RATE,
     .offset = AT(remote_max_rate_per_s),
     .argument = "N",
     .fallback = "10k",
     .help = "cap of a remote target: requests per second",
     .min = 1,
     .max = 100000000},
    {.name = "remote-max-bits",
     .type = OPTION_RATE,
     .offset = AT(remote_max_bits_per_s),
     .argument = "N",
     .fallback = "100M",
     .help = "cap of a remote target: bits of requests per second",
     .min = 1,
     .max = 1000000000000},
    {.name = "no-verify",
     .type = OPTION_FLAG,
     .offset = AT(no_verify),
     .help = "count replies without looking at them"},
    {.name = "label",
     .type = OPTION_TEXT,
     .offset = AT(label),
     .argument = "K=V,...",
     .adds = true,
     .check = check_label,
     .help = "kept in the report"},
    {.name = "json",
     .letter = 'J',
     .type = OPTION_FLAG,
     .offset = AT(json),
     .help = "print the report as JSON on stdout"},
    {.name = "json-stream",
     .type = OPTION_FLAG,
     .offset = AT(json_stream),
     .help = "print JSON as it goes, an object a line: start, intervals, "
             "report"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = AT(output),
     .argument = "FILE",
     .help = "write the report as JSON to FILE"},
    {.name = "hlog",
     .type = OPTION_TEXT,
     .offset = AT(hlog),
     .argument = "FILE",
     .help = "write the intervals' response times as an HdrHistogram log"},
    {.name = "hgrm",
     .type = OPTION_TEXT,
     .offset = AT(hgrm),
     .argument = "FILE",
     .help = "write the percentile distribution of the response times"},
    {.name = "quiet",
     .letter = 'q',
     .type = OPTION_FLAG,
     .offset = AT(quiet),
     .help = "only the two lines of the summary"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = AT(help),
     .help = "print this"},
    {.name = "version",
     .letter = 'V',
     .type = OPTION_FLAG,
     .offset = AT(version),
     .help = "print the version"},
};

const struct option_table load_option_table = {
    .usage = "ADDRESS [OPTIONS]",
    .summary =
        "Loads a server with many connections, in a closed loop or (--rate) by "
        "a\n"
        "schedule, checks every byte of every reply, and reports throughput,\n"
        "latency and losses.",
    .closing =
        "Addresses: tcp://127.0.0.1:7000  udp://[::1]:7001  unix:/path  "
        "unix-dgram:@name\n"
        "Times: 250us 10ms 1.5s 2m   Sizes: 64 16k 1M   Counts: 64 50k 1M\n\n"
        "Examples:\n"
        "  sockbench-load tcp://127.0.0.1:7000 -c 64 -d 10s\n"
        "  sockbench-load tcp://127.0.0.1:7000 --reconnect-every 1 -n 10k\n"
        "  sockbench-load tcp://127.0.0.1:7000 -r 50k --cpus 1\n"
        "  sockbench-load udp://127.0.0.1:7001 -c 16 -P 8 -s 1400 -o "
        "report.json\n\n"
        "Exit codes: 0 measured, 1 could not start, 2 bad words, 4 invalid or "
        "incomplete\nmeasurement, 77 not possible on this machine, 130 "
        "interrupted (report kept).",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

void load_options_resolve(struct load_options *options)
{
    if (options->duration_ns == 0 && options->requests == 0)
        options->duration_ns = 10 * SECOND;
}
