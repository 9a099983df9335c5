#include "servers/cli/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct config {
    bool quiet, nodelay;
    const char *name, *engine;
    uint64_t connections, size_bytes, duration_ns;
    double rate_per_s;
};

static const char *not_bob(const char *text)
{
    return strcmp(text, "bob") == 0 ? "not him" : NULL;
}

#define AT(member) offsetof(struct config, member)
static const struct option_spec rows[] = {
    {.name = "quiet",
     .letter = 'q',
     .type = OPTION_FLAG,
     .offset = AT(quiet),
     .help = "say less"},
    {.name = "nodelay",
     .type = OPTION_SWITCH,
     .offset = AT(nodelay),
     .argument = "on|off",
     .fallback = "on",
     .help = "x"},
    {.name = "name",
     .type = OPTION_TEXT,
     .offset = AT(name),
     .argument = "TEXT",
     .help = "x",
     .adds = true,
     .check = not_bob},
    {.name = "engine",
     .type = OPTION_CHOICE,
     .offset = AT(engine),
     .argument = "NAME",
     .help = "x",
     .choices = "uring|epoll"},
    {.name = "connections",
     .letter = 'c',
     .type = OPTION_COUNT,
     .offset = AT(connections),
     .argument = "N",
     .fallback = "64",
     .help = "x",
     .min = 1,
     .max = 1000000},
    {.name = "size",
     .letter = 's',
     .type = OPTION_BYTES,
     .offset = AT(size_bytes),
     .argument = "BYTES",
     .fallback = "64",
     .help = "x",
     .max = 65507},
    {.name = "duration",
     .letter = 'd',
     .type = OPTION_DURATION,
     .offset = AT(duration_ns),
     .argument = "TIME",
     .fallback = "10s",
     .help = "x"},
    {.name = "rate",
     .letter = 'r',
     .type = OPTION_RATE,
     .offset = AT(rate_per_s),
     .argument = "N",
     .help = "x"},
};
#define ROWS (sizeof rows / sizeof *rows)
static const struct option_table table = {
    .usage = "[OPTIONS]", .summary = "x", .options = rows, .count = ROWS};

static int parse(const char *const *words, struct config *config, int *operands,
                 struct option_error *error)
{
    static char copies[16][64]; /* outlives the config, as argv does */
    char *argv[17] = {NULL};
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = strcpy(copies[argc], words[argc]);
    *config = (struct config){0};
    options_defaults(&table, config);
    return options_parse(&table, argc, argv, config, operands, error);
}

#define PARSE(...)                                                             \
    parse((const char *const[]){"prog", __VA_ARGS__, NULL}, &config,           \
          &operands, &error)

Test(options, defaults_long_short_and_operands)
{
    struct config config;
    struct option_error error;
    int operands;
    cr_assert_eq(PARSE("-c8", "here", "--size=16k", "--rate", "50k", "-q"), 0);
    cr_expect_eq(config.connections, 8);
    cr_expect_eq(config.size_bytes, 16384);
    cr_expect_eq(config.duration_ns, 10000000000u);
    cr_expect_eq(config.rate_per_s, 50000.0);
    cr_expect(config.quiet);
    cr_expect(config.nodelay);
    cr_expect_eq(operands, 6);
}

Test(options, bad_words_say_what_on_what_and_why)
{
    struct config config;
    struct option_error error;
    int operands;
    cr_assert_eq(PARSE("--connectoins", "8"), -EINVAL);
    cr_expect_str_eq(error.text, "unknown option '--connectoins' (did you mean "
                                 "'--connections'?)");
    cr_assert_eq(PARSE("-c", "0"), -EINVAL);
    cr_expect_str_eq(error.text, "--connections '0': the least is 1");
    cr_assert_eq(PARSE("-s", "1M"), -EINVAL);
    cr_expect_str_eq(error.text, "--size '1M': the most is 65507");
    cr_assert_eq(PARSE("-d", "10"), -EINVAL);
    cr_expect_str_eq(error.text,
                     "--duration '10': a duration such as 10s or 250ms");
    cr_assert_eq(PARSE("--engine", "kqueue"), -EINVAL);
    cr_expect_str_eq(error.text, "--engine 'kqueue': one of uring|epoll");
    cr_assert_eq(PARSE("--name", "bob"), -EINVAL);
    cr_expect_str_eq(error.text, "--name 'bob': not him");
    cr_assert_eq(PARSE("-c"), -EINVAL);
    cr_expect_str_eq(error.text, "-c: wants N");
    cr_assert_eq(PARSE("-x"), -EINVAL);
    cr_expect_str_eq(error.text, "unknown option '-x' (see --help)");
    cr_assert_eq(PARSE("--quiet=yes"), -EINVAL);
    cr_expect_str_eq(error.text, "--quiet=yes: takes no argument");
}

Test(options, a_scenario_sets_them_by_name)
{
    struct config config = {0};
    struct option_error error;
    cr_expect_eq(options_set(&table, "nodelay", "off", &config, &error), 0);
    cr_expect_eq(options_set(&table, "nam", "x", &config, &error), -EINVAL);
    cr_expect_str_eq(error.text, "unknown option 'nam' (did you mean 'name'?)");
}

Test(options, another_value_than_the_default_is_a_change)
{
    struct config config;
    struct option_error error;
    int operands;
    cr_assert_eq(PARSE("-c", "63", "--nodelay", "on"), 0);
    for (size_t i = 0; i < ROWS; i++)
        cr_expect_eq(options_changed(&rows[i], &config), rows[i].letter == 'c',
                     "%s", rows[i].name);
    const char *const changes[][2] = {{"nodelay", "off"},
                                      {"quiet", "on"},
                                      {"name", "x"},
                                      {"size", "10"},
                                      {"rate", "7"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct option_spec *row = options_find(&table, changes[i][0]);
        cr_assert_eq(
            options_set(&table, row->name, changes[i][1], &config, &error), 0);
        cr_expect(options_changed(row, &config), "%s", row->name);
    }
}

Test(options, a_text_that_adds_keeps_what_was_said_before)
{
    struct config config = {0};
    struct option_error error;
    cr_assert_eq(options_set(&table, "name", "ann", &config, &error), 0);
    cr_assert_eq(options_set(&table, "name", "cid", &config, &error), 0);
    cr_assert_eq(options_set(&table, "name", "dee", &config, &error), 0);
    cr_expect_str_eq(config.name, "ann,cid,dee");
    cr_assert_eq(options_set(&table, "engine", "uring", &config, &error), 0);
    cr_assert_eq(options_set(&table, "engine", "epoll", &config, &error), 0);
    cr_expect_str_eq(config.engine, "epoll");
}
