#include "servers/cli/options.h"

#include "servers/cli/nearest.h"
#include "servers/cli/units.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 96
#define LONG_ONLY 256 /* values of getopt_long above every letter */

static int fail(struct option_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(struct option_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

const struct option_spec *options_find(const struct option_table *table,
                                       const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->options[i].name, name) == 0)
            return &table->options[i];
    }
    return NULL;
}

const char *options_nearest(const struct option_table *table, const char *name)
{
    const char *names[OPTIONS_MAX + 1];
    assert(table->count <= OPTIONS_MAX);
    for (size_t i = 0; i < table->count; i++)
        names[i] = table->options[i].name;
    names[table->count] = NULL;
    return nearest_name(name, names);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; length > 0 && *at;) {
        size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, text, n) == 0)
            return true;
        at += n + (at[n] == '|');
    }
    return false;
}

static const char *example_of(enum option_type type)
{
    switch (type) {
    case OPTION_COUNT:
        return "a count such as 64 or 50k";
    case OPTION_BYTES:
        return "a size such as 64 or 16k";
    case OPTION_DURATION:
        return "a duration such as 10s or 250ms";
    case OPTION_RATIO:
        return "a ratio such as 0.01";
    default:
        return "a rate such as 500 or 50k";
    }
}

static void format_limit(enum option_type type, uint64_t value,
                         char text[static UNITS_TEXT_MAX])
{
    if (type == OPTION_DURATION)
        units_format_duration(value, text);
    else
        snprintf(text, UNITS_TEXT_MAX, "%" PRIu64, value);
}

static int parse_number(const struct option_spec *option, const char *text,
                        void *at, struct option_error *error)
{
    uint64_t value = 0;
    double rate = 0;
    int r;
    if (option->type == OPTION_COUNT)
        r = units_parse_count(text, &value);
    else if (option->type == OPTION_BYTES)
        r = units_parse_bytes(text, &value);
    else if (option->type == OPTION_DURATION)
        r = units_parse_duration(text, &value);
    else
        r = units_parse_rate(text, &rate);
    if (r < 0)
        return fail(error, "--%s '%s': %s", option->name, text,
                    r == -ERANGE ? "too large" : example_of(option->type));
    bool limited = option->min != 0 || option->max != 0;
    bool real = option->type == OPTION_RATE || option->type == OPTION_RATIO;
    double shown = real ? rate : (double)value;
    char limit[UNITS_TEXT_MAX];
    if (limited && shown < (double)option->min) {
        format_limit(option->type, option->min, limit);
        return fail(error, "--%s '%s': the least is %s", option->name, text,
                    limit);
    }
    if (limited && option->max != 0 && shown > (double)option->max) {
        format_limit(option->type, option->max, limit);
        return fail(error, "--%s '%s': the most is %s", option->name, text,
                    limit);
    }
    if (real)
        memcpy(at, &rate, sizeof rate);
    else
        memcpy(at, &value, sizeof value);
    return 0;
}

/* Texts that no argument holds; a config points into them until the end. */
struct joined {
    struct joined *next;
    char text[];
};
static struct joined *joined;

static const char *join(const char *earlier, const char *text)
{
    const size_t length = strlen(earlier) + 1 + strlen(text) + 1;
    struct joined *made = malloc(sizeof *made + length);
    if (!made)
        return NULL;
    snprintf(made->text, length, "%s,%s", earlier, text);
    made->next = joined;
    joined = made;
    return made->text;
}

static int set_text(const struct option_spec *option, const char *text,
                    void *at, struct option_error *error)
{
    const char *earlier;
    memcpy(&earlier, at, sizeof earlier);
    if (option->adds && earlier) {
        text = join(earlier, text);
        if (!text)
            return fail(error, "--%s: out of memory", option->name);
    }
    memcpy(at, &text, sizeof text);
    return 0;
}

static int set_value(const struct option_spec *option, const char *text,
                     void *config, struct option_error *error)
{
    char *at = (char *)config + option->offset;
    bool flag;
    if (option->check) {
        const char *why = option->check(text);
        if (why)
            return fail(error, "--%s '%s': %s", option->name, text, why);
    }
    switch (option->type) {
    case OPTION_FLAG:
    case OPTION_SWITCH:
        flag = strcmp(text, "on") == 0 || strcmp(text, "true") == 0;
        if (!flag && strcmp(text, "off") != 0 && strcmp(text, "false") != 0)
            return fail(error, "--%s '%s': on or off", option->name, text);
        memcpy(at, &flag, sizeof flag);
        return 0;
    case OPTION_CHOICE:
        if (!is_choice(option->choices, text))
            return fail(error, "--%s '%s': one of %s", option->name, text,
                        option->choices);
        memcpy(at, &text, sizeof text);
        return 0;
    case OPTION_TEXT:
        return set_text(option, text, at, error);
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
    case OPTION_RATE:
    case OPTION_RATIO:
        return parse_number(option, text, at, error);
    }
    return fail(error, "--%s: unknown kind of option", option->name);
}

void options_defaults(const struct option_table *table, void *config)
{
    struct option_error error;
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        if (option->fallback) {
            int r = set_value(option, option->fallback, config, &error);
            assert(r == 0);
            (void)r;
        }
    }
}

bool options_changed(const struct option_spec *option, const void *config)
{
    struct option_spec alone = *option;
    const struct option_table table = {.options = &alone, .count = 1};
    const void *at = (const char *)config + option->offset;
    const char *text;
    double real;
    union {
        bool flag;
        uint64_t number;
        double real;
        const char *text;
    } usual = {0};
    alone.offset = 0;
    options_defaults(&table, &usual);
    switch (option->type) {
    case OPTION_FLAG:
    case OPTION_SWITCH:
        return memcmp(at, &usual.flag, sizeof usual.flag) != 0;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        memcpy(&text, at, sizeof text);
        return text && !(usual.text && strcmp(text, usual.text) == 0);
    case OPTION_RATE:
    case OPTION_RATIO:
        memcpy(&real, at, sizeof real);
        return real < usual.real || real > usual.real;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        break;
    }
    return memcmp(at, &usual.number, sizeof usual.number) != 0;
}

int options_set(const struct option_table *table, const char *name,
                const char *text, void *config, struct option_error *error)
{
    const struct option_spec *option = options_find(table, name);
    if (option)
        return set_value(option, text, config, error);
    const char *near = options_nearest(table, name);
    return fail(error, "unknown option '%s'%s%s%s", name,
                near ? " (did you mean '" : "", near ? near : "",
                near ? "'?)" : "");
}

static int unknown(const struct option_table *table, const char *word,
                   struct option_error *error)
{
    if (word[0] != '-' || word[1] != '-')
        return fail(error, "unknown option '%s' (see --help)", word);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *near = options_nearest(table, name);
    if (near)
        return fail(error, "unknown option '--%s' (did you mean '--%s'?)", name,
                    near);
    return fail(error, "unknown option '--%s' (see --help)", name);
}

struct lexer {
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 2];
};

static void lexer_init(struct lexer *lexer, const struct option_table *table)
{
    assert(table->count <= OPTIONS_MAX);
    memset(lexer, 0, sizeof *lexer);
    char *out = lexer->shorts;
    *out++ = ':';
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        bool flag = option->type == OPTION_FLAG;
        lexer->longs[i].name = option->name;
        lexer->longs[i].has_arg = flag ? no_argument : required_argument;
        lexer->longs[i].val = LONG_ONLY + (int)i;
        if (option->letter) {
            *out++ = option->letter;
            if (!flag)
                *out++ = ':';
        }
    }
}

static const struct option_spec *option_of(const struct option_table *table,
                                           int code)
{
    if (code >= LONG_ONLY)
        return &table->options[code - LONG_ONLY];
    for (size_t i = 0; i < table->count; i++) {
        if (table->options[i].letter == code)
            return &table->options[i];
    }
    return NULL;
}

int options_parse(const struct option_table *table, int argc, char **argv,
                  void *config, int *ret_operands, struct option_error *error)
{
    struct lexer lexer;
    lexer_init(&lexer, table);
    optind = 0; /* glibc: start anew */
    opterr = 0;
    for (;;) {
        /* Options are parsed before there are threads. */
        /* NOLINTNEXTLINE(concurrency-mt-unsafe) */
        int code = getopt_long(argc, argv, lexer.shorts, lexer.longs, NULL);
        if (code == -1)
            break;
        if (code == ':') {
            const struct option_spec *option = option_of(table, optopt);
            return fail(error, "%s: wants %s", argv[optind - 1],
                        option && option->argument ? option->argument
                                                   : "an argument");
        }
        if (code == '?') {
            if (optopt > 0 && optopt < LONG_ONLY)
                return fail(error, "unknown option '-%c' (see --help)", optopt);
            if (optopt >= LONG_ONLY)
                return fail(error, "%s: takes no argument", argv[optind - 1]);
            return unknown(table, argv[optind - 1], error);
        }
        const struct option_spec *option = option_of(table, code);
        assert(option);
        const char *text = option->type == OPTION_FLAG ? "on" : optarg;
        int r = set_value(option, text, config, error);
        if (r < 0)
            return r;
    }
    *ret_operands = optind;
    return 0;
}

void options_help(const struct option_table *table, const char *program,
                  FILE *out)
{
    fprintf(out, "Usage: %s %s\n\n%s\n\nOptions:\n", program, table->usage,
            table->summary);
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        char left[80];
        char letter[8] = "    ";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
                 option->argument ? " " : "",
                 option->argument ? option->argument : "");
        fprintf(out, "  %-31s %s", left, option->help);
        if (option->fallback && option->type != OPTION_FLAG)
            fprintf(out, " (default %s)", option->fallback);
        fputc('\n', out);
    }
    if (table->closing)
        fprintf(out, "\n%s\n", table->closing);
}
