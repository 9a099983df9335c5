/* sockbench-selftest: what the generator and this machine can do at best. */
#include "loadgen/selftest/selftest.h"

#include "loadgen/measure/clock.h"
#include "loadgen/measure/host.h"
#include "loadgen/measure/report.h"
#include "loadgen/selftest/cache.h"
#include "loadgen/selftest/text.h"
#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/cli/options.h"

#include "build_facts.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

struct selftest_options {
    bool quick;
    bool refresh;
    bool json;
    bool help;
    bool version;
    const char *output;
};

#define AT(member) offsetof(struct selftest_options, member)

static const struct option_spec rows[] = {
    {.name = "quick",
     .type = OPTION_FLAG,
     .offset = AT(quick),
     .help = "2 seconds instead of 10"},
    {.name = "refresh",
     .type = OPTION_FLAG,
     .offset = AT(refresh),
     .help = "measure anew, whatever is kept"},
    {.name = "json",
     .letter = 'J',
     .type = OPTION_FLAG,
     .offset = AT(json),
     .help = "print the report as JSON on stdout"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = AT(output),
     .argument = "FILE",
     .help = "write the report as JSON to FILE"},
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

static const struct option_table table = {
    .usage = "[OPTIONS]",
    .summary =
        "Measures what the load generator costs by itself, what one thread of "
        "this\n"
        "machine can do at most, and how well time is kept here. Loads quote "
        "it.",
    .closing =
        "What was found is kept for this machine and this program, in\n"
        "${XDG_CACHE_HOME:-~/.cache}/sockbench, and printed from there the "
        "next time.\n"
        "It runs on the last CPU that it may use (see taskset).\n\n"
        "Exit codes: 0 measured, 1 could not run, or could not write what was "
        "asked for,\n2 bad words.",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

static const struct selftest_pace thorough = {
    .windows = 9,
    .raw_window_ns = 120 * NS_PER_MS,
    .generator_requests = 2000000,
    .spinning_ns = NS_PER_S,
    .sleeping_ns = 1500 * NS_PER_MS,
};

static const struct selftest_pace hasty = {
    .windows = 3,
    .raw_window_ns = 30 * NS_PER_MS,
    .generator_requests = 200000,
    .spinning_ns = 100 * NS_PER_MS,
    .sleeping_ns = 500 * NS_PER_MS,
};

static int probe(json_t *report, bool quick)
{
    struct selftest_pace pace = quick ? hasty : thorough;
    cpu_set_t allowed;
    int r = cpuset_allowed(&allowed);
    if (r < 0)
        return r;
    pace.cpu = cpuset_nth(&allowed, (unsigned)CPU_COUNT(&allowed) - 1);
    r = cpuset_pin_one(pace.cpu);
    if (r < 0)
        return r;
    put_count(json_object_get(report, "machine"), "cpu", (uint64_t)pace.cpu);
    r = selftest_instruments(report);
    if (r == 0)
        r = selftest_generator(report, &pace);
    if (r == 0)
        selftest_raw_loop(report, &pace);
    return r < 0 ? r : selftest_pacing(report, &pace);
}

/* What this report is of: the frame that the probes fill. */
static json_t *begin_report(const json_t *environment, const char *key,
                            bool quick)
{
    static const char *const facts[] = {"cpu_model", "kernel"};
    json_t *report = json_object();
    json_t *schema = put_object(report, "schema");
    put_text(schema, "name", SELFTEST_SCHEMA_NAME);
    put_count(schema, "version", SELFTEST_SCHEMA_VERSION);
    put_tool(report, "tool", BUILD_LIBURING);
    put_utc_now(report, "measured_utc");
    put_flag(report, "quick", quick);
    json_t *machine = put_object(report, "machine");
    put_text(machine, "selftest_key", key);
    put_text(machine, "environment_key",
             json_string_value(json_object_get(environment, "key")));
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        put_text(machine, facts[i],
                 json_string_value(json_object_get(environment, facts[i])));
    return report;
}

/* Time and histogram alone, beside a whole round trip of the machine. */
static void put_share(json_t *report)
{
    const json_t *raw = json_object_get(report, "raw_loop");
    const double reading = json_number_value(
        json_object_get(json_object_get(report, "clock"), "reading_ns"));
    json_t *hist = json_object_get(report, "histogram");
    const double sample = json_number_value(json_object_get(hist, "sample_ns"));
    put_ratio(hist, "with_clock_ratio_of_tcp", reading + sample,
              json_number_value(json_object_get(json_object_get(raw, "tcp"),
                                                "ns_per_round_trip")));
}

/* A new report; NULL, and a line on stderr, where it could not be made. */
static json_t *measure(const json_t *environment, const char *key, bool quick)
{
    json_t *report = begin_report(environment, key, quick);
    int r = probe(report, quick);
    if (r < 0) {
        log_line("cannot measure this machine: %s", strerror(-r));
        json_decref(report);
        return NULL;
    }
    put_share(report);
    r = selftest_cache_write(key, report);
    if (r == -ENOENT)
        log_line("not kept: neither XDG_CACHE_HOME nor HOME says where");
    else if (r < 0)
        log_line("cannot keep what was found: %s", strerror(-r));
    return report;
}

static int publish(const struct selftest_options *options, json_t *report,
                   bool kept)
{
    int code = EXIT_PASS;
    int r = options->output ? report_write_file(report, options->output) : 0;
    if (r < 0) {
        log_line("cannot write %s: %s", options->output, strerror(-r));
        code = EXIT_FAILED;
    }
    if (options->json) {
        r = report_print(report, stdout);
    } else {
        selftest_print(report, kept, stdout);
        r = fflush(stdout) != 0 || ferror(stdout) ? -errno : 0;
    }
    if (r < 0) {
        log_line("cannot write to stdout: %s", strerror(-r));
        code = EXIT_FAILED;
    }
    return code;
}

static int selftest(const struct selftest_options *options)
{
    char key[SELFTEST_KEY_MAX];
    json_t *facts = json_object();
    host_put_environment(facts, "environment");
    const json_t *environment = json_object_get(facts, "environment");
    selftest_key(environment, key);
    json_t *report = options->refresh ? NULL : selftest_cache_read(key);
    /* A hasty one stands in for a thorough one only until that is wanted. */
    if (report && !options->quick &&
        json_is_true(json_object_get(report, "quick"))) {
        json_decref(report);
        report = NULL;
    }
    const bool kept = report;
    if (!report)
        report = measure(environment, key, options->quick);
    int code = report ? publish(options, report, kept) : EXIT_FAILED;
    json_decref(report);
    json_decref(facts);
    return code;
}

int main(int argc, char **argv)
{
    struct selftest_options options = {0};
    struct option_error error;
    int operands;
    log_open(argv[0]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    options_defaults(&table, &options);
    if (options_parse(&table, argc, argv, &options, &operands, &error) < 0) {
        log_line("%s", error.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        options_help(&table, log_program(), stdout);
        return log_stdout_code();
    }
    if (options.version) {
        printf("sockbench-selftest %s\n", BUILD_VERSION);
        return log_stdout_code();
    }
    if (operands < argc) {
        log_line("'%s': no operands are taken (see --help)", argv[operands]);
        return EXIT_USAGE;
    }
    return selftest(&options);
}
