#include "bench/find/options.h"

#include "bench/find/slo.h"
#include "bench/scenario/space.h"
#include "servers/wire/service.h"

#include <assert.h>
#include <stddef.h>

#define AT(member) offsetof(struct find_options, member)
#define SECOND 1000000000ULL
#define OF_LOAD SIZE_MAX /* the row of this name in the load's table */

static const char *check_service(const char *text)
{
    const struct service *service = service_find(text);
    if (!service)
        return "one of echo|upper|ok";
    return service->replies && !service->greeting
               ? NULL
               : "a schedule needs a reply to each request: echo, upper or ok";
}

static const char *check_precision(const char *text)
{
    double ratio;
    return slo_parse_ratio(text, &ratio) < 0 || ratio < 0.001 || ratio > 0.5
               ? "a ratio from 0.001 to 0.5, such as 0.05 or 5%"
               : NULL;
}

/* Of a row of the load stands here what differs from it. */
static struct option_spec rows[] = {
    {.name = "slo",
     .type = OPTION_TEXT,
     .offset = AT(slo),
     .argument = "CLAUSES",
     .help = "what has to hold: p50, p90, p95, p99, p99.9, p99.99 or max "
             "below a time, loss or errors below a ratio, with commas"},
    {.name = "model",
     .letter = 'm',
     .type = OPTION_TEXT,
     .offset = AT(model),
     .argument = "NAME",
     .help = "start this model of sockbench-serve, anew for each step"},
    {.name = "command",
     .type = OPTION_TEXT,
     .offset = AT(command),
     .argument = "WORDS",
     .help = "start this instead; {address}, {host} and {port} are filled in"},
    {.name = "listen",
     .letter = 'l',
     .type = OPTION_TEXT,
     .offset = AT(listen),
     .argument = "ADDRESS",
     .fallback = "tcp://127.0.0.1:0",
     .help = "where it serves: tcp or udp, on 127.0.0.1 or [::1], port 0"},
    {.name = "service",
     .offset = OF_LOAD,
     .help = "echo, upper or ok (default: echo, or upper on datagrams)",
     .check = check_service},
    {.name = "server-options",
     .type = OPTION_TEXT,
     .offset = AT(server_options),
     .argument = "WORDS",
     .help = "more options of sockbench-serve, as in '--workers 2'"},
    {.name = "load-options",
     .type = OPTION_TEXT,
     .offset = AT(load_options),
     .argument = "WORDS",
     .help = "more options of sockbench-load, as in '--engine epoll'"},
    {.name = "connections", .offset = OF_LOAD},
    {.name = "threads", .offset = OF_LOAD},
    {.name = "size", .offset = OF_LOAD},
    {.name = "arrival",
     .offset = OF_LOAD,
     .help = "poisson, constant or burst:N"},
    {.name = "from",
     .type = OPTION_RATE,
     .offset = AT(from_per_s),
     .argument = "N",
     .fallback = "1k",
     .help = "the lowest rate, where the search begins",
     .min = 1,
     .max = 100000000},
    {.name = "to",
     .type = OPTION_RATE,
     .offset = AT(to_per_s),
     .argument = "N",
     .fallback = "1M",
     .help = "the highest rate that is tried",
     .min = 1,
     .max = 100000000},
    {.name = "precision",
     .type = OPTION_TEXT,
     .offset = AT(precision),
     .argument = "RATIO",
     .fallback = "0.05",
     .help = "how near the rates that hold and do not hold come",
     .check = check_precision},
    {.name = "confirm",
     .type = OPTION_COUNT,
     .offset = AT(confirm),
     .argument = "N",
     .fallback = "3",
     .help = "measure the winner again so often; most must hold",
     .min = 1,
     .max = 99},
    {.name = "max-steps",
     .type = OPTION_COUNT,
     .offset = AT(max_steps),
     .argument = "N",
     .fallback = "40",
     .help = "never try more often than this",
     .min = 2,
     .max = 1000},
    {.name = "step-duration",
     .letter = 'd',
     .type = OPTION_DURATION,
     .offset = AT(step_duration_ns),
     .argument = "TIME",
     .fallback = "2s",
     .help = "length of the measured window of each step",
     .min = 10000000,
     .max = 3600 * SECOND},
    {.name = "warmup",
     .offset = OF_LOAD,
     .fallback = "500ms",
     .help = "of each step, at its rate"},
    {.name = "timeout", .offset = OF_LOAD},
    {.name = "seed",
     .offset = OF_LOAD,
     .help = "of the first step; each further one takes the next"},
    {.name = "layout",
     .type = OPTION_CHOICE,
     .offset = AT(layout),
     .argument = "NAME",
     .help = "split, shared, sharded or free (split; shared where there is one "
             "CPU)",
     .choices = "split|shared|sharded|free"},
    {.name = "namespace",
     .type = OPTION_CHOICE,
     .offset = AT(namespace),
     .argument = "HOW",
     .fallback = "auto",
     .choices = SPACE_CHOICES,
     .help = SPACE_HELP},
    {.name = "cpus",
     .offset = OF_LOAD,
     .help = "CPUs of the generator, instead of a layout"},
    {.name = "server-cpus",
     .offset = OF_LOAD,
     .help = "CPUs of the server; without them, those that are left"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = AT(output),
     .argument = "DIR",
     .help = "write report.json and rows.json here (default "
             "results/runs/find-TIME)"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = AT(help),
     .help = "print this"},
};

static const struct option_table table = {
    .usage = "--slo CLAUSES (--model NAME | --command WORDS | ADDRESS) "
             "[OPTIONS]",
    .summary =
        "Finds the highest rate of an open loop at which a server keeps up "
        "(0.99 of what\ncomes due is answered) and every clause holds. The "
        "winner is measured again.",
    .closing =
        "Examples:\n"
        "  sockbench find --slo 'p99<1ms' --model uring-multishot\n"
        "  sockbench find --slo 'p99<5ms,loss<0.001' --model batch --listen "
        "udp://127.0.0.1:0\n"
        "  sockbench find --slo 'p99<200us' --command 'python3 echo.py "
        "{port}'\n"
        "  sockbench find --slo 'p99<1ms' tcp://127.0.0.1:7000 --server-cpus 0 "
        "--cpus 1\n\n"
        "Exit codes: 0 found (or a lower bound, which is said), 1 nothing "
        "could run, 2 bad\nwords, 4 not even the lowest rate held, or "
        "inconclusive, 77 not possible on this\nmachine, 130 interrupted "
        "(report kept).",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

static void take_over(struct option_spec *row)
{
    const struct option_spec own = *row;
    const struct option_spec *whole =
        options_find(&load_option_table, own.name);
    assert(whole);
    *row = *whole;
    row->offset += AT(load);
    if (own.fallback)
        row->fallback = own.fallback;
    if (own.help)
        row->help = own.help;
    if (own.check)
        row->check = own.check;
}

const struct option_table *find_option_table(void)
{
    for (size_t i = 0; i < table.count; i++) {
        if (rows[i].offset == OF_LOAD)
            take_over(&rows[i]);
    }
    return &table;
}
