#include "servers/options.h"

#include "servers/cli/units.h"
#include "servers/needs.h"
#include "servers/wire/trace.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(struct server_options, field)
#define LONGEST_WORK_NS 3600000000000ULL

const char *work_parse(const char *text, struct work *ret_work)
{
    static const char why[] = "sleep:10ms or spin:20us";
    struct work work;
    if (strncmp(text, "sleep:", 6) == 0) {
        work.kind = WORK_SLEEP;
        text += 6;
    } else if (strncmp(text, "spin:", 5) == 0) {
        work.kind = WORK_SPIN;
        text += 5;
    } else {
        return why;
    }
    if (units_parse_duration(text, &work.duration_ns) < 0)
        return why;
    if (work.duration_ns > LONGEST_WORK_NS)
        return "the most is 1h";
    *ret_work = work;
    return NULL;
}

static const char *check_work(const char *text)
{
    struct work work;
    return work_parse(text, &work);
}

static const char *check_close_word(const char *text)
{
    const size_t length = strlen(text);
    if (length == 0 || length > CLOSE_WORD_MAX)
        return "a word of 1 to 64 bytes";
    if (strchr(text, '\n') || strchr(" \t\v\f\r", text[length - 1]))
        return "no newline in it and no white space at its end";
    return NULL;
}

static const struct option_spec options[] = {
    {.name = "model",
     .letter = 'm',
     .type = OPTION_TEXT,
     .offset = AT(model),
     .argument = "NAME",
     .help = "how clients are served (see --list)"},
    {.name = "listen",
     .letter = 'l',
     .type = OPTION_TEXT,
     .offset = AT(listen),
     .argument = "ADDRESS",
     .fallback = "tcp://127.0.0.1:7000",
     .help = "where to serve; port 0: a free one"},
    {.name = "service",
     .letter = 's',
     .type = OPTION_TEXT,
     .offset = AT(service),
     .argument = "NAME",
     .help = "echo, upper, ok, greeting or discard (default: echo, or upper on "
             "datagrams)"},
    {.name = "one-request",
     .type = OPTION_FLAG,
     .offset = AT(one_request),
     .help = "streams: answer what comes first, then close",
     .needs = NEEDS_CONNECTIONS | NEEDS_REQUESTS},
    {.name = "close-word",
     .type = OPTION_TEXT,
     .offset = AT(close_word),
     .argument = "WORD",
     .help = "streams: answer this message, then close",
     .check = check_close_word,
     .needs = NEEDS_CONNECTIONS | NEEDS_REQUESTS},
    {.name = "exit-after",
     .type = OPTION_COUNT,
     .offset = AT(exit_after),
     .argument = "N",
     .help = "end after so many clients or datagrams were served",
     .min = 1},
    {.name = "workers",
     .type = OPTION_COUNT,
     .offset = AT(workers),
     .argument = "N",
     .help =
         "loops, threads or processes, for models that take a number (default: "
         "the model's)",
     .min = 1,
     .max = 256,
     .needs = NEEDS_WORKERS},
    {.name = "max-clients",
     .type = OPTION_COUNT,
     .offset = AT(max_clients),
     .argument = "N",
     .help = "refuse more connections than this (default: the model's)",
     .min = 1,
     .max = 10000000,
     .needs = NEEDS_LIMIT},
    {.name = "backlog",
     .type = OPTION_COUNT,
     .offset = AT(backlog),
     .argument = "N",
     .fallback = "4096",
     .help =
         "streams: connections that wait to be accepted; the kernel caps it",
     .max = 1000000,
     .needs = NEEDS_CONNECTIONS},
    {.name = "buffer",
     .type = OPTION_BYTES,
     .offset = AT(buffer_bytes),
     .argument = "SIZE",
     .fallback = "64k",
     .help = "streams: user-space buffer of one read",
     .min = 1,
     .max = 1 << 20,
     .needs = NEEDS_STREAM},
    {.name = "rcvbuf",
     .type = OPTION_BYTES,
     .offset = AT(rcvbuf_bytes),
     .argument = "SIZE",
     .help = "TCP and UDP: kernel receive buffer (default: the kernel's)",
     .min = 1,
     .max = 1 << 30,
     .needs = NEEDS_RECEIVE_BUFFER},
    {.name = "sndbuf",
     .type = OPTION_BYTES,
     .offset = AT(sndbuf_bytes),
     .argument = "SIZE",
     .help = "kernel send buffer (default: the kernel's)",
     .min = 1,
     .max = 1 << 30},
    {.name = "nodelay",
     .type = OPTION_SWITCH,
     .offset = AT(nodelay),
     .argument = "on|off",
     .fallback = "on",
     .help = "TCP: send small replies at once (TCP_NODELAY)",
     .needs = NEEDS_CONNECTIONS | NEEDS_TCP},
    {.name = "tcp-cc",
     .type = OPTION_TEXT,
     .offset = AT(tcp_cc),
     .argument = "NAME",
     .help =
         "TCP: congestion control of each connection (default: the kernel's)",
     .needs = NEEDS_CONNECTIONS | NEEDS_TCP},
    {.name = "work",
     .type = OPTION_TEXT,
     .offset = AT(work),
     .argument = "WORK",
     .help =
         "work for each request: sleep:10ms or spin:20us; it blocks an event "
         "loop",
     .check = check_work,
     .needs = NEEDS_REQUESTS},
    {.name = "cpus",
     .letter = 'A',
     .type = OPTION_TEXT,
     .offset = AT(cpus),
     .argument = "LIST",
     .help = "CPUs to run on, such as 0,2-3; one each for several workers"},
    {.name = "steer",
     .type = OPTION_CHOICE,
     .offset = AT(steer),
     .argument = "none|cpu",
     .fallback = "none",
     .help = "cpu: a client goes to the worker on the CPU that its packets "
             "come from",
     .choices = "none|cpu",
     .needs = NEEDS_SOCKETS | NEEDS_SHARED_ADDRESS},
    {.name = "idle-timeout",
     .type = OPTION_DURATION,
     .offset = AT(idle_timeout_ns),
     .argument = "TIME",
     .fallback = "60s",
     .help = "streams: close a client that sends nothing for so long; 0: never",
     .needs = NEEDS_CONNECTIONS},
    {.name = "io-timeout",
     .type = OPTION_DURATION,
     .offset = AT(io_timeout_ns),
     .argument = "TIME",
     .fallback = "60s",
     .help = "streams: close a client that takes nothing for so long; 0: never",
     .needs = NEEDS_CONNECTIONS},
    {.name = "ready-fd",
     .type = OPTION_COUNT,
     .offset = AT(ready_fd),
     .argument = "N",
     .help = "write a newline to this descriptor when ready",
     .min = 1,
     .max = 1 << 20},
    {.name = "counters-fd",
     .type = OPTION_COUNT,
     .offset = AT(counters_fd),
     .argument = "N",
     .help = "write the counters as JSON to this descriptor at the end",
     .min = 1,
     .max = 1 << 20},
    {.name = "trace",
     .type = OPTION_TEXT,
     .offset = AT(trace),
     .argument = "FILE",
     .help = "datagrams: note what becomes of each in FILE, for sockbench-load "
             "--server-trace",
     .needs = NEEDS_DATAGRAMS},
    {.name = "trace-records",
     .type = OPTION_COUNT,
     .offset = AT(trace_records),
     .argument = "N",
     .fallback = "262144",
     .help =
         "with --trace: datagrams that it holds one by one; all are counted",
     .max = TRACE_RECORDS_MAX,
     .needs = NEEDS_DATAGRAMS | NEEDS_TRACE},
    {.name = "ring-entries",
     .type = OPTION_COUNT,
     .offset = AT(ring_entries),
     .argument = "N",
     .fallback = "4096",
     .help = "for experiments: io_uring submission entries",
     .min = 1,
     .max = 32768,
     .needs = NEEDS_RING},
    {.name = "cq-entries",
     .type = OPTION_COUNT,
     .offset = AT(cq_entries),
     .argument = "N",
     .fallback = "32768",
     .help = "for experiments: io_uring completion entries",
     .min = 2,
     .max = 65536,
     .needs = NEEDS_RING},
    {.name = "ring-buffers",
     .type = OPTION_COUNT,
     .offset = AT(ring_buffers),
     .argument = "N",
     .help = "for experiments: io_uring receive buffers, a power of two",
     .min = 1,
     .max = 32768,
     .needs = NEEDS_RING},
    {.name = "verbose",
     .letter = 'v',
     .type = OPTION_FLAG,
     .offset = AT(verbose),
     .help =
         "who came and left, what was received and sent; at most 20 lines/s"},
    {.name = "list",
     .type = OPTION_FLAG,
     .offset = AT(list),
     .help = "list the models and whether they can run here"},
    {.name = "json",
     .letter = 'J',
     .type = OPTION_FLAG,
     .offset = AT(json),
     .help = "with --list: as JSON"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = AT(help),
     .help = "this text"},
    {.name = "version",
     .letter = 'V',
     .type = OPTION_FLAG,
     .offset = AT(version),
     .help = "the version"},
};

const struct option_table server_option_table = {
    .usage = "--model NAME [--listen ADDRESS] [options]",
    .summary = "Serves echo or another service on one socket, in the "
               "concurrency model "
               "of your choice.\nSays \"ready ADDRESS\" on standard output "
               "when it does.",
    .closing =
        "Addresses: tcp://127.0.0.1:7000  tcp://[::1]:0  udp://localhost:7000  "
        "unix:/path\n           unix:@name  unix-dgram:/path\n"
        "Stop with SIGTERM or Ctrl-C: clients are served until they are quiet, "
        "2 s at most;\na second signal ends at once.\n"
        "Exit codes: 0 stopped, 1 cannot run, 2 bad words, 77 not possible on "
        "this machine.",
    .options = options,
    .count = sizeof options / sizeof *options,
};
