/* sockbench-load: options -> plan -> run -> report. */
#include "loadgen/measure/clock.h"
#include "loadgen/measure/host.h"
#include "loadgen/measure/report.h"
#include "loadgen/plan/plan.h"
#include "loadgen/report/interchange.h"
#include "loadgen/report/stream_json.h"
#include "loadgen/report/summary.h"
#include "loadgen/run.h"
#include "loadgen/sequence/replay.h"
#include "servers/cli/log.h"

#include "build_facts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_interrupt(int signal)
{
    run_interrupt(signal);
}

static void handle_signals(void)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt,
                                  .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    /* Both are told by return values. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* A report that cannot be written is best known before the load. */
static int check_output(const char *path)
{
    struct stat status;
    if (*path == '\0' || strcmp(path, "-") == 0) {
        log_line("cannot write '%s': a file's name is wanted (--json prints on "
                 "stdout)",
                 path);
        return EXIT_USAGE;
    }
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        log_line("cannot write %s: it is a directory", path);
        return EXIT_USAGE;
    }
    char *folder = strdup(path);
    if (!folder)
        return EXIT_FAILED;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int r = access(slash ? folder : ".", W_OK) < 0 ? errno : 0;
    free(folder);
    if (r == 0)
        return EXIT_PASS;
    log_line("cannot write %s: %s", path, strerror(r));
    return EXIT_USAGE;
}

static int check_outputs(const struct load_options *options)
{
    const char *const paths[] = {options->output, options->hlog, options->hgrm};
    int code = EXIT_PASS;
    for (size_t i = 0; i < 3 && code == EXIT_PASS; i++) {
        if (paths[i])
            code = check_output(paths[i]);
    }
    return code;
}

/* Why nothing could start: the first fault of any connection. */
static int explain_nothing(const struct plan *plan,
                           const struct run_result *result)
{
    static const char *const why[FAULTS] = {
        [FAULT_REFUSED] = "connection refused (does a server listen there?)",
        [FAULT_RESET] = "connection reset",
        [FAULT_CLOSED] = "the server closes every connection at once",
        [FAULT_CONNECT_TIMEOUT] = "no answer within 3 s (a full accept queue?)",
        [FAULT_NO_PORT] = "no address (is IPv6 off?) or no port left here",
        [FAULT_NO_DESCRIPTOR] = "this client's descriptors are used up",
    };
    const int first = result->total.first_error;
    if (first == -ENOENT) {
        log_line("cannot connect to %s: no socket of this name (does a server "
                 "listen there?)",
                 plan->target_text);
        return EXIT_FAILED;
    }
    for (int i = 0; i < FAULTS; i++) {
        if (result->total.connection_faults[i] > 0 && why[i]) {
            log_line("cannot connect to %s: %s", plan->target_text, why[i]);
            return EXIT_FAILED;
        }
    }
    log_line("cannot connect to %s: %s", plan->target_text,
             first < 0 ? strerror(-first) : "every connection failed");
    return EXIT_FAILED;
}

/* The run's clock has no date: the window began so long before now. */
static double window_begin_unix_s(const struct tally *total)
{
    double ago_s =
        ((double)clock_now_ns() - (double)total->window_begin_ns) / 1e9;
    return (double)clock_ns(CLOCK_REALTIME) / 1e9 - ago_s;
}

static int write_interchange(const struct plan *plan,
                             const struct run_result *result)
{
    const struct load_options *options = &plan->options;
    const struct tally *total = &result->total;
    const char *path = options->hlog;
    int r = 0;
    if (options->hlog)
        r = interchange_write_log(total, plan->course.interval_ns,
                                  window_begin_unix_s(total), options->hlog);
    if (r == 0 && options->hgrm) {
        path = options->hgrm;
        r = interchange_write_distribution(total, options->hgrm);
    }
    if (r < 0)
        log_line("cannot write %s: %s", path, strerror(-r));
    return r;
}

static int publish(const struct plan *plan, const struct run_result *result,
                   json_t *report)
{
    const struct load_options *options = &plan->options;
    int code = summary_exit_code(report);
    int r = 0;
    if (options->output) {
        r = report_write_file(report, options->output);
        if (r < 0) {
            log_line("cannot write %s: %s", options->output, strerror(-r));
            code = EXIT_FAILED;
        }
    }
    if (write_interchange(plan, result) < 0)
        code = EXIT_FAILED;
    if (plan->course.stream_json) {
        r = stream_json_finish(plan->course.stream_json, report);
    } else if (options->json) {
        r = report_print(report, stdout);
    } else {
        summary_print(report, options->quiet, stdout);
        r = fflush(stdout) != 0 || ferror(stdout) ? -errno : 0;
    }
    if (r < 0) {
        log_line("cannot write to stdout: %s", strerror(-r));
        code = EXIT_FAILED;
    }
    if (code == EXIT_INCONCLUSIVE) {
        const json_t *reasons =
            json_object_get(json_object_get(report, "verdict"), "reasons");
        const char *first = json_string_value(json_array_get(reasons, 0));
        log_line("%s: not a valid measurement: %s", plan->target_text,
                 first ? first : "unknown");
    }
    return result->interrupted_by ? 128 + result->interrupted_by : code;
}

/* No connection came about, or every datagram was refused. */
static bool nobody_is_there(const struct plan *plan,
                            const struct run_result *result)
{
    const struct tally *total = &result->total;
    if (result->interrupted_by)
        return false;
    if (plan->course.stream)
        return total->flows_connected == 0;
    if (total->answered_total > 0)
        return false;
    /* One way nothing is answered by a server that is there, either. */
    return total->connection_faults[FAULT_REFUSED] > 0 ||
           (!plan->course.one_way && !result->complete &&
            total->connection_faults[FAULT_OTHER] > 0);
}

/* One way, a flow of which anything came. */
static void count_served(struct tally *total, uint64_t flows)
{
    total->flows_served =
        flows < total->flows_connected ? flows : total->flows_connected;
    total->flows_unserved = total->flows_connected - total->flows_served;
}

/* Where there is a trace of the server's, once nothing is on its way. */
static int read_passage(struct plan *plan, struct run_result *result)
{
    const struct course *course = &plan->course;
    const struct sequence_sums *sums = &result->total.udp.sums;
    if (!plan->passage)
        return 0;
    int r = passage_read(
        plan->passage, course->epoch_ns, course->one_way ? sums->sent : 0,
        sums->unique + sums->duplicate + sums->ancient, course->timeout_ns);
    if (r == 0 && course->one_way)
        count_served(&result->total, plan->passage->counts.flows);
    if (r == 0 && course->one_way)
        r = replay(plan->passage, course->epoch_ns, course->timeout_ns,
                   &result->total);
    return r;
}

/* One JSON object a line from now on. */
static int begin_stream(struct plan *plan, int argc, char **argv)
{
    struct course *course = &plan->course;
    if (!plan->options.json_stream)
        return 0;
    int r = stream_json_open(&course->stream_json, stdout, course->threads,
                             course->interval_ns);
    if (r == 0)
        stream_json_start(course->stream_json, plan, argc, argv);
    return r;
}

static int measure(struct plan *plan, int argc, char **argv)
{
    const struct load_options *options = &plan->options;
    struct run_result result = {0};
    json_t *before = host_state();
    FILE *live = isatty(STDERR_FILENO) && !options->quiet && !options->json &&
                         !options->json_stream
                     ? stderr
                     : NULL;
    int code;
    int r = begin_stream(plan, argc, argv);
    if (r == 0)
        r = run(&plan->course, plan->cpus, live, &result);
    if (r < 0 || (result.error < 0 && result.total.answered_total == 0)) {
        log_line("cannot load %s: %s", plan->target_text,
                 strerror(r < 0 ? -r : -result.error));
        code = EXIT_FAILED;
    } else if ((r = read_passage(plan, &result)) < 0) {
        log_line("cannot read the trace '%s': %s", options->server_trace,
                 strerror(-r));
        code = EXIT_FAILED;
    } else if (nobody_is_there(plan, &result)) {
        code = explain_nothing(plan, &result);
    } else {
        json_t *report = summary_make(plan, &result, before, argc, argv);
        before = NULL;
        code = publish(plan, &result, report);
        json_decref(report);
    }
    json_decref(before);
    stream_json_close(plan->course.stream_json);
    run_result_done(&result);
    return code;
}

int main(int argc, char **argv)
{
    struct load_options options = {0};
    struct option_error error;
    int operands;
    log_open(argv[0]);
    options_defaults(&load_option_table, &options);
    /* getopt permutes argv: the report keeps what was typed. */
    char **typed = calloc((size_t)argc + 1, sizeof *typed);
    if (!typed)
        return EXIT_FAILED;
    memcpy(typed, argv, (size_t)argc * sizeof *typed);
    int code = EXIT_USAGE;
    struct plan plan = {0};
    if (options_parse(&load_option_table, argc, argv, &options, &operands,
                      &error) < 0) {
        log_line("%s", error.text);
    } else if (options.help) {
        options_help(&load_option_table, log_program(), stdout);
        code = log_stdout_code();
    } else if (options.version) {
        printf("sockbench-load %s\n", BUILD_VERSION);
        code = log_stdout_code();
    } else if (operands == argc) {
        log_line("which server? Give an address such as tcp://127.0.0.1:7000 "
                 "(see --help)");
    } else if (argc - operands > 1) {
        log_line("one address, not %d: '%s' is one too many", argc - operands,
                 argv[operands + 1]);
    } else if ((code = check_outputs(&options)) == EXIT_PASS) {
        struct plan_error refused;
        handle_signals();
        if (plan_make(&plan, &options, argv[operands], &refused) < 0) {
            log_line("%s", refused.text);
            code = refused.exit_code;
        } else {
            code = measure(&plan, argc, typed);
        }
        plan_done(&plan);
    }
    free(typed);
    return code;
}
