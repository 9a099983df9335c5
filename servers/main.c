/* sockbench-serve: options -> struct server -> model->run. */
#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/configure.h"
#include "servers/server.h"
#include "servers/support/counters.h"
#include "servers/support/listen.h"
#include "servers/support/stop.h"
#include "servers/support/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors that are not clients: the standard ones, loops, rings, timers. */
#define RESERVED_DESCRIPTORS 32
/* And in each loop beyond the first: its listener, poller and timer. */
#define DESCRIPTORS_A_LOOP 3

/* As many descriptors as allowed, and as many clients as fit into them. */
static void set_limits(struct server *server)
{
    struct rlimit limit = {0};
    uint64_t fit = 1;
    uint64_t reserved = RESERVED_DESCRIPTORS;
    if (!(server->model->flags & MODEL_SHARES_SOCKET))
        reserved += (uint64_t)DESCRIPTORS_A_LOOP * (server->workers - 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur > reserved)
            fit = limit.rlim_cur - reserved;
    }
    uint64_t most = server->model->max_clients;
    server->max_clients = most != 0 && most < fit ? most : fit;
    /* What was asked for is taken at its word: running out is survived. */
    if (server->options->max_clients)
        server->max_clients = server->options->max_clients;
}

static void warn_of_strangers(const struct server *server)
{
    char text[ADDRESS_TEXT_MAX];
    if (address_is_loopback(&server->address))
        return;
    log_line("warning: other machines can reach %s",
             address_format(&server->address, text));
    if (geteuid() == 0)
        log_line("warning: and this server runs as root");
}

static int run(struct server *server)
{
    char text[ADDRESS_TEXT_MAX];
    int code = EXIT_FAILED;
    int r = listen_open(server);
    if (r < 0) {
        log_line("cannot bind %s: %s", address_format(&server->address, text),
                 strerrordesc_np(-r));
        goto out;
    }
    r = stop_open(server->listen_fds, server->listen_count);
    if (r < 0) {
        log_line("cannot catch signals: %s", strerrordesc_np(-r));
        goto out;
    }
    warn_of_strangers(server);
    r = server->model->run(server);
    if (r < 0 && ferror(stdout)) {
        log_line("cannot say on standard output that %s is ready: %s",
                 address_format(&server->address, text), strerrordesc_np(-r));
        goto out;
    }
    if (r < 0) {
        log_line("cannot serve %s: %s", address_format(&server->address, text),
                 strerrordesc_np(-r));
        goto out;
    }
    r = counters_write(server);
    if (r < 0) {
        log_line("cannot write the counters to descriptor %" PRIu64 ": %s",
                 server->options->counters_fd, strerrordesc_np(-r));
        goto out;
    }
    code = EXIT_PASS;
out:
    stop_close();
    listen_close(server);
    return code;
}

/* Before anything is served. */
static int open_trace(struct server *server)
{
    const char *path = server->options->trace;
    if (!path)
        return EXIT_PASS;
    const bool is_shared =
        server->model->flags & MODEL_SHARES_SOCKET &&
        (server->workers > 1 || !(server->model->flags & MODEL_TAKES_WORKERS));
    int r =
        server_trace_open(&server->trace, path, server->options->trace_records,
                          is_shared, server->workers);
    if (r == -EEXIST || r == -EBUSY)
        log_line("--trace '%s': %s", path,
                 r == -EBUSY ? "another server writes it"
                             : "a file that is no trace is left alone");
    else if (r < 0)
        log_line("cannot write the trace '%s': %s", path, strerrordesc_np(-r));
    return r == -EEXIST || r == -EBUSY ? EXIT_USAGE
           : r < 0                     ? EXIT_FAILED
                                       : EXIT_PASS;
}

static int serve(const struct server_options *options)
{
    struct server server = {.options = options,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    char why[MODEL_REASON_MAX];
    int code = configure(&server);
    if (code != EXIT_PASS)
        return code;
    if (server.model->probe && server.model->probe(why) < 0) {
        log_line("cannot run %s: %s", server.model->name, why);
        return EXIT_IMPOSSIBLE;
    }
    set_limits(&server);
    int r = options->cpus ? cpuset_pin(&server.cpus) : 0;
    if (r < 0) {
        log_line("cannot run on CPUs %s: %s", options->cpus,
                 strerrordesc_np(-r));
        return EXIT_FAILED;
    }
    r = server_prepare(&server);
    if (r < 0) {
        log_line("no memory to count in: %s", strerrordesc_np(-r));
        return EXIT_FAILED;
    }
    code = open_trace(&server);
    if (code == EXIT_PASS)
        code = run(&server);
    server_trace_close(server.trace);
    server_done(&server);
    return code;
}

static int usage(const char *text)
{
    log_line("%s", text);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct server_options options = {0};
    struct option_error error;
    int operands = 0;
    log_open(argv[0]);
    options_defaults(&server_option_table, &options);
    if (argc < 2)
        return usage("no --model (try --help, or --list)");
    if (options_parse(&server_option_table, argc, argv, &options, &operands,
                      &error) < 0)
        return usage(error.text);
    if (operands < argc) {
        log_line("unexpected word '%s' (see --help)", argv[operands]);
        return EXIT_USAGE;
    }
    if (options.json && !options.list)
        return usage("--json: only with --list");
    if (!options.help && !options.version && !options.list)
        return serve(&options);
    if (options.help)
        options_help(&server_option_table, log_program(), stdout);
    else if (options.version)
        printf("%s %s\n", log_program(), SOCKBENCH_VERSION);
    else if (options.json)
        server_models_print_json(stdout);
    else
        server_models_print(stdout);
    return log_stdout_code();
}
