/* sockbench: the one name under which the parts are found. */
#include "bench/commands.h"
#include "bench/programs.h"
#include "servers/cli/log.h"
#include "servers/cli/nearest.h"

#include "build_facts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* NULL: another program */
    const char *program;               /* which stands beside this one */
};

static const struct command commands[] = {
    {"run", "run a scenario: servers against loads, one report", command_run,
     NULL},
    {"find", "find the highest rate that a server holds", command_find, NULL},
    {"list", "show the scenarios and the server models", command_list, NULL},
    {"serve", "start a server by hand (sockbench-serve)", NULL,
     "sockbench-serve"},
    {"load", "load a server by hand (sockbench-load)", NULL, "sockbench-load"},
    {"talk", "talk to a server line by line (sockbench-talk)", NULL,
     "sockbench-talk"},
    {"selftest", "what generator and machine can do at best", NULL,
     "sockbench-selftest"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static int help(void)
{
    printf("Usage: sockbench COMMAND [OPTIONS]\n\n"
           "Socket servers in the classic concurrency models, a load generator "
           "that checks\nevery reply, and a bench that runs one against the "
           "other.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    printf("\nOptions:\n"
           "  -h, --help                      print this; sockbench COMMAND "
           "--help says more\n"
           "  -V, --version                   print the version\n\n"
           "A beginning: sockbench run quickstart\n");
    return log_stdout_code();
}

static int hand_on(const char *program, char **argv)
{
    struct programs programs;
    char path[PATH_MAX + 32];
    char name[32];
    int r = programs_find(&programs);
    if (r == 0) {
        snprintf(path, sizeof path, "%s/%s", programs.folder, program);
        snprintf(name, sizeof name, "%s", program);
        argv[0] = name;
        execv(path, argv);
        r = -errno;
    }
    log_line("cannot start %s: %s", program, strerror(-r));
    return EXIT_FAILED;
}

static int unknown(const char *word)
{
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *near = nearest_name(word, names);
    if (near)
        log_line("unknown command '%s' (did you mean '%s'?)", word, near);
    else
        log_line("unknown command '%s' (see sockbench --help)", word);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    log_open(argc > 0 ? argv[0] : NULL);
    if (argc < 2) {
        log_line("no command: try `sockbench run quickstart`, or --help");
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("sockbench %s\n", BUILD_VERSION);
        return log_stdout_code();
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(word, commands[i].name) != 0)
            continue;
        return commands[i].run ? commands[i].run(argc - 1, argv + 1)
                               : hand_on(commands[i].program, argv + 1);
    }
    return unknown(word);
}
