/* sockbench find: the highest rate that holds, from its words to its report. */
#include "bench/commands.h"
#include "bench/find/report.h"
#include "bench/folder.h"
#include "bench/interrupt.h"
#include "bench/report/losses_text.h"
#include "bench/trial/keeper.h"
#include "loadgen/measure/report.h"
#include "servers/cli/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All that a search holds open. */
struct work {
    struct find_options options;
    const char *address; /* the operand, or NULL */
    struct slo slo;
    struct programs programs;
    struct vocabulary vocabulary;
    struct target target;
    struct search search;
    struct find find;
    struct folder folder;
    int interrupt_fd;
    int interrupted_by; /* signal, or 0 */
    int failed;         /* exit code of what ended it; EXIT_PASS: nothing */
    bool progress;      /* stderr is a terminal */
    char stopped[TRIAL_REASON_MAX];
};

static int parse_words(struct work *work, int argc, char **argv)
{
    struct option_error error;
    int operands;
    options_defaults(find_option_table(), &work->options);
    if (options_parse(find_option_table(), argc, argv, &work->options,
                      &operands, &error) < 0) {
        log_line("%s", error.text);
        return EXIT_USAGE;
    }
    if (work->options.help)
        return EXIT_PASS;
    if (argc - operands > 1) {
        log_line("one address, not %d: '%s' is one too many", argc - operands,
                 argv[operands + 1]);
        return EXIT_USAGE;
    }
    work->address = operands < argc ? argv[operands] : NULL;
    return EXIT_PASS;
}

/* What the numbers among the options say of each other. */
static int check_numbers(const struct work *work)
{
    const struct find_options *options = &work->options;
    if (options->from_per_s > options->to_per_s) {
        log_line("--from %g, --to %g: the search goes upwards",
                 options->from_per_s, options->to_per_s);
        return EXIT_USAGE;
    }
    if (options->max_steps <= options->confirm) {
        log_line("--max-steps %" PRIu64 ": no more than --confirm %" PRIu64
                 " takes alone",
                 options->max_steps, options->confirm);
        return EXIT_USAGE;
    }
    return EXIT_PASS;
}

/* A clause that no step could ever judge is refused before the first. */
static int check_clauses(const struct work *work)
{
    const struct find_options *options = &work->options;
    double requests =
        options->from_per_s * (double)options->step_duration_ns / 1e9;
    double needed = slo_requests_needed(&work->slo);
    if (slo_asks_for_loss(&work->slo) &&
        work->target.server.transport != TRANSPORT_UDP) {
        log_line("--slo '%s': loss is for datagrams", options->slo);
        return EXIT_USAGE;
    }
    if (requests < needed) {
        log_line("--slo '%s': the lowest rate brings %.0f requests a step, and "
                 "its percentile wants %.0f (raise --from or --step-duration)",
                 options->slo, floor(requests), ceil(needed));
        return EXIT_USAGE;
    }
    return EXIT_PASS;
}

static int make_plan(struct work *work)
{
    char why[SLO_ERROR_MAX];
    struct target_error error;
    if (!work->options.slo) {
        log_line("what has to hold? Give --slo, such as --slo 'p99<1ms'");
        return EXIT_USAGE;
    }
    if (slo_parse(work->options.slo, &work->slo, why) < 0) {
        log_line("--slo '%s': %s", work->options.slo, why);
        return EXIT_USAGE;
    }
    int code = check_numbers(work);
    if (code != EXIT_PASS)
        return code;
    int r = programs_find(&work->programs);
    if (r == 0)
        r = vocabulary_open(&work->vocabulary, &work->programs);
    if (r < 0) {
        log_line("cannot list the models of %s: %s", work->programs.serve,
                 strerror(-r));
        return EXIT_FAILED;
    }
    if (target_init(&work->target, &work->options, work->address,
                    &work->vocabulary.words, &error) < 0) {
        log_line("%s", error.text);
        return error.exit_code;
    }
    return check_clauses(work);
}

static void show_start(const struct work *work)
{
    const struct search *search = &work->search;
    char rate[40];
    char low[40];
    char high[40];
    if (!work->progress)
        return;
    fprintf(stderr, "\r\033[K[step %u] %s/s: ", search->steps + 1,
            find_rate_text(search->rate_per_s, rate));
    if (search->phase == SEARCH_GROW)
        fputs("growing", stderr);
    else if (search->phase == SEARCH_BISECT)
        fprintf(stderr, "%s/s holds, %s/s does not",
                find_rate_text(search->held_per_s, low),
                find_rate_text(search->beyond_per_s, high));
    else
        fprintf(stderr, "measured again, %u of %u", search->confirm_tried + 1,
                search->plan.confirmations);
}

static void show_end(const struct work *work)
{
    if (work->progress)
        fputs("\r\033[K", stderr);
}

static void stop(struct work *work, int exit_code, const char *reason)
{
    work->failed = exit_code;
    snprintf(work->stopped, sizeof work->stopped, "%s", reason);
    work->find.stopped = work->stopped;
}

static void stop_interrupted(struct work *work)
{
    int number = interrupt_take(work->interrupt_fd);
    work->interrupted_by = number;
    stop(work, 128 + number, interrupt_text(number));
}

static bool any_measured(const struct find *find)
{
    for (size_t i = 0; i < find->step_count; i++) {
        if (find->steps[i].report)
            return true;
    }
    return false;
}

/* What a trial means. False when the search cannot go on. */
static bool judge(struct work *work, const struct trial_result *result,
                  struct step *step)
{
    if (result->status == TRIAL_INTERRUPTED) {
        stop_interrupted(work);
        return false;
    }
    bool begun = any_measured(&work->find);
    if (result->status == TRIAL_SKIPPED || (!result->report && !begun)) {
        int code = result->refused                   ? EXIT_USAGE
                   : result->status == TRIAL_SKIPPED ? EXIT_IMPOSSIBLE
                                                     : EXIT_FAILED;
        stop(work, begun ? EXIT_INCONCLUSIVE : code, result->reason);
        log_line("%s: %s", work->target.name, result->reason);
        return false;
    }
    slo_read(result->report, &step->facts);
    if (result->status != TRIAL_OK) {
        step->outcome = STEP_BROKE;
        snprintf(step->reason, sizeof step->reason, "%s", result->reason);
        return true;
    }
    char reason[SLO_REASON_MAX];
    step->outcome =
        slo_judge(&work->slo, result->report, &step->clause, reason);
    snprintf(step->reason, sizeof step->reason, "%s", reason);
    return true;
}

/* One step. False when the search cannot go on. */
static bool run_step(struct work *work, double rate_per_s)
{
    struct find *find = &work->find;
    char scratch[PATH_MAX + 32];
    struct trial_result result;
    struct step step = {.number = find->step_count + 1,
                        .phase = work->search.phase,
                        .rate_per_s = rate_per_s,
                        .again = work->search.again};
    folder_scratch(&work->folder, scratch);
    target_set_rate(&work->target, rate_per_s);
    const struct trial_plan plan = {
        .scenario = &work->target.scenario,
        .cell = &work->target.cell,
        .layout = &work->target.layout,
        .address = work->target.address,
        .programs = &work->programs,
        .server_table = work->vocabulary.words.server_table,
        .load_table = work->vocabulary.words.load_table,
        .seed = work->options.load.seed + find->step_count,
        .space = work->target.scenario.space,
        .report_path = scratch,
        .interrupt_fd = work->interrupt_fd,
    };
    show_start(work);
    trial_run(&plan, &result);
    show_end(work);
    bool goes_on = judge(work, &result, &step);
    if (goes_on) {
        step.report = result.report;
        find->steps[find->step_count++] = step;
        search_note(&work->search, step.outcome);
    } else {
        json_decref(result.report);
    }
    return goes_on;
}

static int exit_code(const struct work *work)
{
    if (work->failed != EXIT_PASS)
        return work->failed;
    return work->search.end == SEARCH_FOUND ||
                   work->search.end == SEARCH_LOWER_BOUND
               ? EXIT_PASS
               : EXIT_INCONCLUSIVE;
}

static int finish(struct work *work)
{
    const struct find *find = &work->find;
    char sentence[FIND_SENTENCE_MAX];
    int r = folder_write(&work->folder, "report.json", find_report_json(find));
    int rows = folder_write(&work->folder, "rows.json", find_rows_json(find));
    if (find->step_count > 0)
        find_print_table(find, stdout);
    losses_print_search(find, stdout);
    if (work->interrupted_by)
        printf("Interrupted: the report holds what was measured until then.\n");
    if (r == 0)
        printf("Report: %s/report.json\n", work->folder.path);
    find_sentence(find, sentence);
    printf("%s\n", sentence);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_line("cannot write to stdout: %s", strerror(errno));
        r = r < 0 ? r : -EIO;
    }
    return r < 0 || rows < 0 ? EXIT_FAILED : exit_code(work);
}

static int search_all(struct work *work, int argc, char **argv)
{
    const struct find_options *options = &work->options;
    struct search_plan plan = {.from_per_s = options->from_per_s,
                               .to_per_s = options->to_per_s,
                               .confirmations = (unsigned)options->confirm,
                               .max_steps = (unsigned)options->max_steps};
    double rate_per_s;
    int code = folder_open(&work->folder, options->output, "find");
    if (code != EXIT_PASS)
        return code;
    (void)slo_parse_ratio(options->precision, &plan.precision); /* checked */
    search_init(&work->search, &plan);
    work->find = (struct find){.options = options,
                               .slo = &work->slo,
                               .target = &work->target,
                               .search = &work->search};
    work->interrupt_fd = interrupt_open();
    int r = work->interrupt_fd < 0 ? work->interrupt_fd : keeper_open();
    if (r == 0)
        r = find_init(&work->find, argc, argv);
    if (r < 0) {
        log_line("cannot start: %s", strerror(-r));
        return EXIT_FAILED;
    }
    work->progress = isatty(STDERR_FILENO);
    find_print_plan(&work->find, stdout);
    while (search_next(&work->search, &rate_per_s) &&
           run_step(work, rate_per_s))
        continue;
    return finish(work);
}

int command_find(int argc, char **argv)
{
    struct work *work = calloc(1, sizeof *work);
    /* getopt permutes argv: the report keeps what was typed. */
    char **typed = calloc((size_t)argc + 1, sizeof *typed);
    int code = EXIT_FAILED;
    if (!work || !typed) {
        log_line("out of memory");
        goto out;
    }
    memcpy(typed, argv, (size_t)argc * sizeof *typed);
    work->interrupt_fd = -1;
    code = parse_words(work, argc, argv);
    if (work->options.help && code == EXIT_PASS) {
        options_help(find_option_table(), "sockbench find", stdout);
        code = log_stdout_code();
        goto out;
    }
    if (code == EXIT_PASS)
        code = make_plan(work);
    if (code == EXIT_PASS)
        code = search_all(work, argc, typed);
    keeper_close();
    find_done(&work->find);
    if (work->interrupt_fd >= 0)
        close(work->interrupt_fd);
    target_done(&work->target);
    vocabulary_close(&work->vocabulary);
out:
    free(work);
    free(typed);
    return code;
}
