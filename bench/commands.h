/* The subcommands of sockbench. Each takes its own argv (argv[0] is its name)
 * and returns an exit code of servers/cli/log.h. */
#ifndef SOCKBENCH_BENCH_COMMANDS_H
#define SOCKBENCH_BENCH_COMMANDS_H

int command_run(int argc, char **argv);
int command_find(int argc, char **argv);
int command_list(int argc, char **argv);

#endif
