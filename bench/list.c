/* sockbench list: scenarios and models. */
#include "bench/commands.h"
#include "bench/scenario/matrix.h"
#include "bench/scenario/shelf.h"
#include "bench/scenario/vocabulary.h"
#include "loadgen/measure/clock.h"
#include "servers/cli/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Starting and stopping a trial, beside warm-up and window. */
#define TRIAL_EXTRA_NS (400 * NS_PER_MS)

struct list_options {
    bool help;
};

static const struct option_spec rows[] = {
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = offsetof(struct list_options, help),
     .help = "print this"},
};

static const struct option_table table = {
    .usage = "[OPTIONS]",
    .summary = "Shows the scenarios that `sockbench run` knows by name, and "
               "the server models.",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

/* "about 60 s" for all trials; "" when a load counts requests. */
static void estimate(const struct scenario *scenario,
                     const struct option_table *load_table, char *text,
                     size_t size)
{
    struct matrix matrix;
    uint64_t sum_ns = 0;
    text[0] = '\0';
    if (matrix_expand(scenario, load_table, NULL, &matrix) < 0)
        return;
    bool known = true;
    for (size_t i = 0; i < matrix.count; i++) {
        if (matrix.cells[i].does_not_apply)
            continue;
        known = known && matrix.cells[i].expected_ns > 0;
        sum_ns += matrix.cells[i].expected_ns + TRIAL_EXTRA_NS;
    }
    matrix_done(&matrix);
    uint64_t seconds = sum_ns * scenario->repetitions / NS_PER_S;
    if (known && seconds < 120)
        snprintf(text, size, "about %" PRIu64 " s", seconds);
    else if (known)
        snprintf(text, size, "about %" PRIu64 " min", (seconds + 30) / 60);
}

static void list_scenarios(const struct programs *programs,
                           const struct scenario_words *words)
{
    struct shelf shelf;
    printf("Scenarios (sockbench run NAME):\n");
    if (shelf_open(programs->folder, &shelf) < 0) {
        printf("  none found\n");
        return;
    }
    for (size_t i = 0; i < shelf.count; i++) {
        char file[PATH_MAX];
        char time_text[40];
        struct scenario scenario;
        struct scenario_error error;
        snprintf(file, sizeof file, "%s", shelf.names[i]);
        shelf_find(&shelf, shelf.names[i], file);
        if (scenario_read(file, words, &scenario, &error) != 0) {
            printf("  %-16s (%s)\n", shelf.names[i], error.text);
            continue;
        }
        estimate(&scenario, words->load_table, time_text, sizeof time_text);
        printf("  %-16s %s%s%s%s\n", scenario.name,
               scenario.title ? scenario.title : "", *time_text ? " (" : "",
               time_text, *time_text ? ")" : "");
        scenario_done(&scenario);
    }
    shelf_close(&shelf);
}

static void list_models(const json_t *models)
{
    size_t i;
    json_t *row;
    printf("\nServer models (sockbench serve --model NAME):\n");
    json_array_foreach(models, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *transport =
            json_string_value(json_object_get(row, "transport"));
        const char *summary =
            json_string_value(json_object_get(row, "summary"));
        const char *reason = json_string_value(json_object_get(row, "reason"));
        bool available = json_is_true(json_object_get(row, "available"));
        printf("  %-16s %-9s %s%s%s%s\n", name ? name : "?",
               transport ? transport : "?", summary ? summary : "",
               available ? "" : " (not here: ",
               available ? "" : (reason ? reason : "?"), available ? "" : ")");
    }
}

int command_list(int argc, char **argv)
{
    struct list_options options = {0};
    struct option_error error;
    struct programs programs;
    struct vocabulary vocabulary;
    int operands;
    if (options_parse(&table, argc, argv, &options, &operands, &error) < 0) {
        log_line("%s", error.text);
        return EXIT_USAGE;
    }
    if (operands < argc) {
        log_line("list takes no words beside options: '%s'", argv[operands]);
        return EXIT_USAGE;
    }
    if (options.help) {
        options_help(&table, "sockbench list", stdout);
        return log_stdout_code();
    }
    int r = programs_find(&programs);
    if (r == 0)
        r = vocabulary_open(&vocabulary, &programs);
    if (r != 0) {
        log_line("cannot list the models of sockbench-serve: %s", strerror(-r));
        return EXIT_FAILED;
    }
    list_scenarios(&programs, &vocabulary.words);
    list_models(vocabulary.models);
    vocabulary_close(&vocabulary);
    return log_stdout_code();
}
