#include "servers/options.h"

#include "servers/cli/units.h"
#include "servers/wire/trace.h"

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
    {"model", 'm', OPTION_TEXT, AT(model), "NAME", NULL,
     "how clients are served (see --list)", 0, 0, NULL, NULL},
    {"listen", 'l', OPTION_TEXT, AT(listen), "ADDRESS", "tcp://127.0.0.1:7000",
     "where to serve; port 0: a free one", 0, 0, NULL, NULL},
    {"service", 's', OPTION_TEXT, AT(service), "NAME", NULL,
     "echo, upper, ok, greeting or discard (default: echo, or upper on "
     "datagrams)",
     0, 0, NULL, NULL},
    {"one-request", 0, OPTION_FLAG, AT(one_request), NULL, NULL,
     "streams: answer what comes first, then close", 0, 0, NULL, NULL},
    {"close-word", 0, OPTION_TEXT, AT(close_word), "WORD", NULL,
     "streams: answer this message, then close", 0, 0, NULL, check_close_word},
    {"exit-after", 0, OPTION_COUNT, AT(exit_after), "N", NULL,
     "end after so many clients or datagrams were served", 1, 0, NULL, NULL},
    {"workers", 0, OPTION_COUNT, AT(workers), "N", NULL,
     "loops, threads or processes, for models that take a number (default: "
     "the model's)",
     1, 256, NULL, NULL},
    {"max-clients", 0, OPTION_COUNT, AT(max_clients), "N", NULL,
     "refuse more connections than this (default: the model's)", 1, 10000000,
     NULL, NULL},
    {"backlog", 0, OPTION_COUNT, AT(backlog), "N", "4096",
     "connections that wait to be accepted; the kernel caps it", 0, 1000000,
     NULL, NULL},
    {"buffer", 0, OPTION_BYTES, AT(buffer_bytes), "SIZE", "64k",
     "user-space buffer of one read", 1, 1 << 20, NULL, NULL},
    {"rcvbuf", 0, OPTION_BYTES, AT(rcvbuf_bytes), "SIZE", NULL,
     "kernel receive buffer (default: the kernel's)", 1, 1 << 30, NULL, NULL},
    {"sndbuf", 0, OPTION_BYTES, AT(sndbuf_bytes), "SIZE", NULL,
     "kernel send buffer (default: the kernel's)", 1, 1 << 30, NULL, NULL},
    {"nodelay", 0, OPTION_SWITCH, AT(nodelay), "on|off", "on",
     "send small replies at once (TCP_NODELAY)", 0, 0, NULL, NULL},
    {"tcp-cc", 0, OPTION_TEXT, AT(tcp_cc), "NAME", NULL,
     "TCP: congestion control of each connection (default: the kernel's)", 0, 0,
     NULL, NULL},
    {"work", 0, OPTION_TEXT, AT(work), "WORK", NULL,
     "work a request: sleep:10ms or spin:20us; it blocks an event loop", 0, 0,
     NULL, check_work},
    {"cpus", 'A', OPTION_TEXT, AT(cpus), "LIST", NULL,
     "CPUs to run on, such as 0,2-3; one each for several workers", 0, 0, NULL,
     NULL},
    {"steer", 0, OPTION_CHOICE, AT(steer), "none|cpu", "none",
     "cpu: a client goes to the worker on the CPU that its packets come from",
     0, 0, "none|cpu", NULL},
    {"idle-timeout", 0, OPTION_DURATION, AT(idle_timeout_ns), "TIME", "60s",
     "close a client that sends nothing for so long; 0: never", 0, 0, NULL,
     NULL},
    {"io-timeout", 0, OPTION_DURATION, AT(io_timeout_ns), "TIME", "60s",
     "close a client that takes nothing for so long; 0: never", 0, 0, NULL,
     NULL},
    {"ready-fd", 0, OPTION_COUNT, AT(ready_fd), "N", NULL,
     "write a newline to this descriptor when ready", 1, 1 << 20, NULL, NULL},
    {"counters-fd", 0, OPTION_COUNT, AT(counters_fd), "N", NULL,
     "write the counters as JSON to this descriptor at the end", 1, 1 << 20,
     NULL, NULL},
    {"trace", 0, OPTION_TEXT, AT(trace), "FILE", NULL,
     "datagrams: note what becomes of each in FILE, for sockbench-load "
     "--server-trace",
     0, 0, NULL, NULL},
    {"trace-records", 0, OPTION_COUNT, AT(trace_records), "N", "262144",
     "datagrams that the trace holds one by one; all are counted", 0,
     TRACE_RECORDS_MAX, NULL, NULL},
    {"ring-entries", 0, OPTION_COUNT, AT(ring_entries), "N", "4096",
     "for experiments: io_uring submission entries", 1, 32768, NULL, NULL},
    {"cq-entries", 0, OPTION_COUNT, AT(cq_entries), "N", "32768",
     "for experiments: io_uring completion entries", 2, 65536, NULL, NULL},
    {"ring-buffers", 0, OPTION_COUNT, AT(ring_buffers), "N", NULL,
     "for experiments: io_uring receive buffers, a power of two", 1, 32768,
     NULL, NULL},
    {"verbose", 'v', OPTION_FLAG, AT(verbose), NULL, NULL,
     "who came and left, what was received and sent; at most 20 lines/s", 0, 0,
     NULL, NULL},
    {"list", 0, OPTION_FLAG, AT(list), NULL, NULL,
     "list the models and whether they can run here", 0, 0, NULL, NULL},
    {"json", 'J', OPTION_FLAG, AT(json), NULL, NULL, "with --list: as JSON", 0,
     0, NULL, NULL},
    {"help", 'h', OPTION_FLAG, AT(help), NULL, NULL, "this text", 0, 0, NULL,
     NULL},
    {"version", 'V', OPTION_FLAG, AT(version), NULL, NULL, "the version", 0, 0,
     NULL, NULL},
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
