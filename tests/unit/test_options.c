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
    {"quiet", 'q', OPTION_FLAG, AT(quiet), NULL, NULL, "say less", 0, 0, NULL,
     NULL},
    {"nodelay", 0, OPTION_SWITCH, AT(nodelay), "on|off", "on", "x", 0, 0, NULL,
     NULL},
    {"name", 0, OPTION_TEXT, AT(name), "TEXT", NULL, "x", 0, 0, NULL, not_bob},
    {"engine", 0, OPTION_CHOICE, AT(engine), "NAME", NULL, "x", 0, 0,
     "uring|epoll", NULL},
    {"connections", 'c', OPTION_COUNT, AT(connections), "N", "64", "x", 1,
     1000000, NULL, NULL},
    {"size", 's', OPTION_BYTES, AT(size_bytes), "BYTES", "64", "x", 0, 65507,
     NULL, NULL},
    {"duration", 'd', OPTION_DURATION, AT(duration_ns), "TIME", "10s", "x", 0,
     0, NULL, NULL},
    {"rate", 'r', OPTION_RATE, AT(rate_per_s), "N", NULL, "x", 0, 0, NULL,
     NULL},
};
static const struct option_table table = {"[OPTIONS]", "x", NULL, rows,
                                          sizeof rows / sizeof *rows};

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
