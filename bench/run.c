/* sockbench run: a scenario from its file to its report. */
#include "bench/commands.h"
#include "bench/folder.h"
#include "bench/interrupt.h"
#include "bench/report/report.h"
#include "bench/report/table.h"
#include "bench/scenario/shelf.h"
#include "bench/scenario/vocabulary.h"
#include "bench/trial/keeper.h"
#include "loadgen/measure/report.h"
#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/cli/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run_options {
    const char *output;
    const char *only;
    const char *namespace;
    bool plan;
    bool help;
};

#define AT(member) offsetof(struct run_options, member)
static const struct option_spec rows[] = {
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = AT(output),
     .argument = "DIR",
     .help = "write report.json and rows.json here (default "
             "results/runs/NAME-TIME)"},
    {.name = "only",
     .type = OPTION_TEXT,
     .offset = AT(only),
     .argument = "CELL",
     .help = "run this cell alone, or all that match a glob such as "
             "'tcp/*/c=64/*'"},
    {.name = "namespace",
     .type = OPTION_CHOICE,
     .offset = AT(namespace),
     .argument = "HOW",
     .choices = SPACE_CHOICES,
     .help = SPACE_HELP "; default: as the scenario says"},
    {.name = "plan",
     .type = OPTION_FLAG,
     .offset = AT(plan),
     .help = "print the trials in their order, and run none"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = AT(help),
     .help = "print this"},
};

static const struct option_table table = {
    .usage = "SCENARIO [OPTIONS]",
    .summary =
        "Runs each server of a scenario under each of its loads, a fresh "
        "process each\ntime, in a seeded random order, and writes one report. "
        "SCENARIO is a JSON file\nor a name that `sockbench list` shows.",
    .closing =
        "Examples:\n"
        "  sockbench run quickstart\n"
        "  sockbench run my.json -o results/runs/mine\n"
        "  sockbench run smoke --only 'tcp/epoll/*'\n\n"
        "Exit codes: 0 every cell that applies was measured, 1 nothing could "
        "run, 2 bad\nwords or scenario, 4 a cell failed, 77 not possible on "
        "this machine (a CPU that is\nnot there, nothing but refused "
        "servers), 130 interrupted (report kept).",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

/* All that a run holds open. */
struct work {
    struct run_options options;
    struct programs programs;
    struct vocabulary vocabulary;
    struct scenario scenario;
    struct matrix matrix;
    struct layout layout;
    cpu_set_t allowed;
    const char *impossible; /* why the layout cannot be; or NULL */
    struct run run;
    struct slot *slots;
    size_t slot_count;
    struct folder folder;
    int interrupt_fd;
    int interrupted_by; /* signal, or 0 */
    bool progress;      /* stderr is a terminal */
};

/* One line of the compiler's form, so that editors find the place. */
static void print_problem(const char *text)
{
    char line[700];
    size_t used = 0;
    for (; *text && used < sizeof line - 2; text++) {
        bool printable = (unsigned char)*text >= 0x20 && *text != 0x7f;
        line[used] = '?';
        if (printable)
            line[used] = *text;
        used++;
    }
    line[used++] = '\n';
    fwrite(line, 1, used, stderr);
}

static int parse_words(struct work *work, int argc, char **argv,
                       const char **ret_word)
{
    struct option_error error;
    int operands;
    options_defaults(&table, &work->options);
    if (options_parse(&table, argc, argv, &work->options, &operands, &error) <
        0) {
        log_line("%s", error.text);
        return EXIT_USAGE;
    }
    if (work->options.help)
        return EXIT_PASS;
    if (argc - operands != 1) {
        log_line(argc == operands
                     ? "no scenario: try quickstart, or see `sockbench list`"
                     : "more than one scenario");
        return EXIT_USAGE;
    }
    *ret_word = argv[operands];
    return EXIT_PASS;
}

/* A word that is neither a file nor a name on the shelf (or NULL). */
static void say_unknown(const struct shelf *shelf, const char *word)
{
    const char *near =
        shelf ? nearest_name(word, (const char *const *)shelf->names) : NULL;
    if (near)
        log_line("no scenario '%s' (did you mean '%s'?)", word, near);
    else
        log_line("no scenario '%s', and no such file (`sockbench list` shows "
                 "those that have a name)",
                 word);
}

static int load_scenario(struct work *work, const char *word)
{
    struct scenario_error error;
    struct shelf shelf;
    char file[PATH_MAX];
    int r = programs_find(&work->programs);
    if (r < 0) {
        log_line("cannot find the programs beside this one: %s", strerror(-r));
        return EXIT_FAILED;
    }
    r = vocabulary_open(&work->vocabulary, &work->programs);
    if (r < 0) {
        log_line("cannot list the models of %s: %s", work->programs.serve,
                 strerror(-r));
        return EXIT_FAILED;
    }
    bool have_shelf = shelf_open(work->programs.folder, &shelf) == 0;
    shelf_find(have_shelf ? &shelf : NULL, word, file);
    r = scenario_read(file, &work->vocabulary.words, &work->scenario, &error);
    if (r == -ENOENT && !strchr(word, '/'))
        say_unknown(have_shelf ? &shelf : NULL, word);
    else if (r < 0)
        print_problem(error.text);
    shelf_close(&shelf);
    return r < 0 ? EXIT_USAGE : EXIT_PASS;
}

static int plan_trials(struct work *work)
{
    const struct scenario *scenario = &work->scenario;
    int r = matrix_expand(scenario, work->vocabulary.words.load_table,
                          work->options.only, &work->matrix);
    if (r == 0)
        r = cpuset_allowed(&work->allowed);
    if (r == 0)
        work->slots = calloc(work->matrix.count * scenario->repetitions + 1,
                             sizeof *work->slots);
    if (r == 0 && !work->slots)
        r = -ENOMEM;
    if (r < 0) {
        log_line("cannot plan the run: %s", strerror(-r));
        return EXIT_FAILED;
    }
    if (work->matrix.count == 0 && work->options.only) {
        log_line("--only '%s': no cell has this key (--plan shows them)",
                 work->options.only);
        return EXIT_USAGE;
    }
    if (work->matrix.count == 0) {
        log_line("no cell: the loads are for other transports");
        return EXIT_USAGE;
    }
    if (work->options.namespace)
        (void)space_parse(work->options.namespace, &work->scenario.space);
    work->layout = scenario->layout;
    work->impossible = layout_settle(&work->layout, &work->allowed);
    matrix_fit(&work->matrix, &work->layout);
    work->slot_count = matrix_order(&work->matrix, scenario->repetitions,
                                    scenario->seed, work->slots);
    return EXIT_PASS;
}

static int print_plan(const struct work *work)
{
    for (size_t i = 0; i < work->slot_count; i++)
        printf("%s\n", work->matrix.cells[work->slots[i].cell].key);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_PASS : EXIT_FAILED;
}

static bool take_interrupt(struct work *work)
{
    int number = interrupt_take(work->interrupt_fd);
    if (number == 0)
        return false;
    work->interrupted_by = number;
    work->run.reason = interrupt_text(number);
    return true;
}

static void show_start(const struct work *work, size_t done)
{
    if (work->progress)
        fprintf(stderr, "\r\033[K[%zu/%zu] %s", done + 1, work->slot_count,
                work->matrix.cells[work->slots[done].cell].key);
}

static void show_end(const struct work *work, const struct slot *slot,
                     const struct trial_result *result)
{
    const char *key = work->matrix.cells[slot->cell].key;
    if (work->progress)
        fputs("\r\033[K", stderr);
    if (result->status == TRIAL_FAILED || result->status == TRIAL_SKIPPED)
        log_line("%s: %s: %s", key, trial_status_name(result->status),
                 result->reason);
}

static void run_slot(struct work *work, const struct slot *slot)
{
    char scratch[PATH_MAX + 32];
    struct trial_result result;
    folder_scratch(&work->folder, scratch);
    const struct trial_plan plan = {
        .scenario = &work->scenario,
        .cell = &work->matrix.cells[slot->cell],
        .layout = &work->layout,
        .programs = &work->programs,
        .server_table = work->vocabulary.words.server_table,
        .load_table = work->vocabulary.words.load_table,
        .seed = work->scenario.seed + slot->repetition,
        .space = work->scenario.space,
        .report_path = scratch,
        .interrupt_fd = work->interrupt_fd,
    };
    trial_run(&plan, &result);
    show_end(work, slot, &result);
    run_add(&work->run, slot, &result);
    json_decref(result.report);
}

/* A cell that is not possible here stays so: its repetitions are spared. */
static bool is_pointless(const struct work *work, const struct slot *slot)
{
    return work->run.results[slot->cell].status == CELL_SKIPPED;
}

static void run_trials(struct work *work)
{
    for (size_t i = 0; i < work->slot_count; i++) {
        if (take_interrupt(work))
            return;
        if (is_pointless(work, &work->slots[i]))
            continue;
        show_start(work, i);
        run_slot(work, &work->slots[i]);
    }
    work->run.complete = !take_interrupt(work);
}

static int exit_code(const struct work *work)
{
    bool measured = false;
    bool failed = false;
    bool skipped = false;
    for (size_t i = 0; i < work->matrix.count; i++) {
        const struct cell_result *result = &work->run.results[i];
        measured |= json_array_size(result->repetitions) > 0;
        failed |= result->status == CELL_FAILED;
        skipped |= result->status == CELL_SKIPPED;
    }
    if (work->interrupted_by)
        return 128 + work->interrupted_by;
    if (!measured)
        return skipped && !failed ? EXIT_IMPOSSIBLE : EXIT_FAILED;
    return failed ? EXIT_INCONCLUSIVE : EXIT_PASS;
}

static int finish(struct work *work)
{
    int r =
        folder_write(&work->folder, "report.json", run_report_json(&work->run));
    int rows_written =
        folder_write(&work->folder, "rows.json", run_rows_json(&work->run));
    if (work->scenario.title)
        printf("%s\n", work->scenario.title);
    table_print(&work->run, stdout);
    table_print_failures(&work->run, stdout);
    reading_print(&work->run, stdout);
    if (!work->run.complete)
        printf("Interrupted: the report holds what was measured until then.\n");
    if (r == 0)
        printf("Report: %s/report.json\n", work->folder.path);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_line("cannot write to stdout: %s", strerror(errno));
        r = r < 0 ? r : -EIO;
    }
    return r < 0 || rows_written < 0 ? EXIT_FAILED : exit_code(work);
}

/* No cell can run in a layout that this machine does not have. */
static int check_layout(const struct work *work)
{
    char text[LAYOUT_CPUS_MAX * 2];
    if (!work->impossible)
        return EXIT_PASS;
    log_line("%s: %s (allowed: %s)", work->scenario.name, work->impossible,
             cpuset_format(&work->allowed, text, sizeof text));
    return EXIT_IMPOSSIBLE;
}

static int run_all(struct work *work, int argc, char **argv)
{
    int code = check_layout(work);
    if (code == EXIT_PASS)
        code = folder_open(&work->folder, work->options.output,
                           work->scenario.name);
    if (code != EXIT_PASS)
        return code;
    work->interrupt_fd = interrupt_open();
    int r = work->interrupt_fd < 0 ? work->interrupt_fd : keeper_open();
    work->run.scenario = &work->scenario;
    work->run.matrix = &work->matrix;
    work->run.layout = &work->layout;
    if (r == 0)
        r = run_init(&work->run, argc, argv);
    if (r < 0) {
        log_line("cannot start: %s", strerror(-r));
        return EXIT_FAILED;
    }
    work->progress = isatty(STDERR_FILENO);
    run_trials(work);
    return finish(work);
}

int command_run(int argc, char **argv)
{
    struct work work = {.interrupt_fd = -1};
    const char *word = NULL;
    int code = parse_words(&work, argc, argv, &word);
    if (work.options.help && code == EXIT_PASS) {
        options_help(&table, "sockbench run", stdout);
        return fflush(stdout) == 0 ? EXIT_PASS : EXIT_FAILED;
    }
    if (code == EXIT_PASS)
        code = load_scenario(&work, word);
    if (code == EXIT_PASS)
        code = plan_trials(&work);
    if (code == EXIT_PASS)
        code =
            work.options.plan ? print_plan(&work) : run_all(&work, argc, argv);
    keeper_close();
    if (work.run.matrix)
        run_done(&work.run);
    if (work.interrupt_fd >= 0)
        close(work.interrupt_fd);
    free(work.slots);
    matrix_done(&work.matrix);
    scenario_done(&work.scenario);
    vocabulary_close(&work.vocabulary);
    return code;
}
