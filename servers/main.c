/* sockbench-serve: options -> struct server -> model->run. */
#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/cli/nearest.h"
#include "servers/server.h"
#include "servers/support/listen.h"
#include "servers/support/stop.h"
#include "servers/support/trace.h"
#include "servers/support/workers.h"
#include "servers/wire/congestion.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Descriptors that are not clients: the standard ones, loops, rings, timers. */
#define RESERVED_DESCRIPTORS 32
/* And in each loop beyond the first: its listener, poller and timer. */
#define DESCRIPTORS_A_LOOP 3

static int usage(const char *text)
{
    log_line("%s", text);
    return EXIT_USAGE;
}

static int unknown(const char *kind, const char *word, const char *near)
{
    if (near)
        log_line("unknown %s '%s' (did you mean '%s'?)", kind, word, near);
    else
        log_line("unknown %s '%s' (see --list)", kind, word);
    return EXIT_USAGE;
}

static int unknown_service(const char *word)
{
    const char *names[16];
    size_t count = 0;
    for (const struct service *const *at = services; *at && count < 15; at++)
        names[count++] = (*at)->name;
    names[count] = NULL;
    return unknown("service", word, nearest_name(word, names));
}

static int choose_model(struct server *server)
{
    const char *name = server->options->model;
    int type = server->address.socket_type;
    if (!name)
        return usage("no --model: --list shows them");
    server->model = server_model_find(name, type);
    if (server->model)
        return EXIT_PASS;
    int other = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM;
    if (!server_model_find(name, other))
        return unknown("model", name, server_model_nearest(name));
    log_line("model '%s' serves %s, and %s is for %s (see --list)", name,
             other == SOCK_STREAM ? "streams" : "datagrams",
             server->options->listen,
             other == SOCK_STREAM ? "datagrams" : "streams");
    return EXIT_USAGE;
}

static int choose_cpus(struct server *server)
{
    const char *list = server->options->cpus;
    cpu_set_t allowed;
    const bool known = cpuset_allowed(&allowed) == 0;
    if (known)
        server->cpus = allowed;
    if (!list)
        return EXIT_PASS;
    if (cpuset_parse(list, &server->cpus) < 0) {
        log_line("--cpus '%s': a list of CPUs such as 0,2-3", list);
        return EXIT_USAGE;
    }
    CPU_AND(&allowed, &allowed, &server->cpus);
    if (known && !CPU_EQUAL(&allowed, &server->cpus)) {
        log_line("--cpus '%s': not all of them may be used here", list);
        return EXIT_USAGE;
    }
    return EXIT_PASS;
}

/* One a CPU, where the model has no number of its own or each is to have a CPU.
 */
static unsigned default_workers(const struct server *server)
{
    const unsigned cpus = (unsigned)CPU_COUNT(&server->cpus);
    if (server->model->workers != 0 && !server->is_steered)
        return server->model->workers;
    return cpus > 0 ? cpus : 1;
}

/* Steering needs a socket and a CPU for each worker. */
static int check_steering(const struct server *server)
{
    const unsigned cpus = (unsigned)CPU_COUNT(&server->cpus);
    if (!server->is_steered)
        return EXIT_PASS;
    if (!server_model_steers(server->model)) {
        log_line("--steer cpu: model '%s' has one socket for all its clients",
                 server->model->name);
        return EXIT_USAGE;
    }
    if (server->address.u.any.sa_family == AF_UNIX)
        return usage("--steer cpu: Unix sockets cannot share an address");
    if (server->options->workers > cpus) {
        log_line("--steer cpu: %" PRIu64 " workers want a CPU each, and there "
                 "are %u (see --cpus)",
                 server->options->workers, cpus);
        return EXIT_USAGE;
    }
    return EXIT_PASS;
}

static int choose_workers(struct server *server)
{
    const unsigned asked = (unsigned)server->options->workers;
    const unsigned flags = server->model->flags;
    const bool is_unix = server->address.u.any.sa_family == AF_UNIX;
    if (is_unix && flags & MODEL_NEEDS_INET) {
        log_line("model %s does not apply to %s: Unix sockets cannot share an "
                 "address and know no segments",
                 server->model->name, server->options->listen);
        return EXIT_USAGE;
    }
    if (asked && !(flags & MODEL_TAKES_WORKERS)) {
        log_line("--workers: model '%s' does not take a number of workers",
                 server->model->name);
        return EXIT_USAGE;
    }
    int code = check_steering(server);
    if (code != EXIT_PASS)
        return code;
    server->workers = asked ? asked : default_workers(server);
    if (server->workers > 1 && is_unix && !(flags & MODEL_SHARES_SOCKET))
        return usage("--workers: Unix sockets cannot share an address");
    return EXIT_PASS;
}

static int choose_service(struct server *server)
{
    const struct server_options *options = server->options;
    const bool is_stream = server->address.socket_type == SOCK_STREAM;
    server->service = options->service
                          ? service_find(options->service)
                          : service_default(server->address.socket_type);
    if (!server->service)
        return unknown_service(options->service);
    if (server->service->greeting && !is_stream)
        return usage("service greeting does not apply to datagrams: they have "
                     "no connection");
    if (!is_stream && options->one_request)
        return usage("--one-request does not apply to datagrams: they have no "
                     "connection to close");
    if (!is_stream && options->close_word)
        return usage("--close-word does not apply to datagrams: they have no "
                     "connection to close");
    if (is_stream && options->trace)
        return usage("--trace does not apply to streams: TCP loses nothing");
    if (is_stream && server->service->prefix &&
        options->buffer_bytes < service_reply_max(1)) {
        log_line("--buffer '%" PRIu64 "': service %s takes %zu bytes at least",
                 options->buffer_bytes, server->service->name,
                 service_reply_max(1));
        return EXIT_USAGE;
    }
    return EXIT_PASS;
}

/* Tried, since only the kernel knows. */
static int check_congestion(const struct server *server)
{
    const char *name = server->options->tcp_cc;
    char why[320] = "";
    if (!name)
        return EXIT_PASS;
    if (server->address.socket_type != SOCK_STREAM ||
        server->address.u.any.sa_family == AF_UNIX) {
        log_line("--tcp-cc '%s': only TCP has a congestion control", name);
        return EXIT_USAGE;
    }
    int r = congestion_try(name, why, sizeof why);
    if (r == 0)
        return EXIT_PASS;
    log_line("--tcp-cc '%s': %s", name, *why ? why : strerrordesc_np(-r));
    return r == -EINVAL ? EXIT_USAGE : EXIT_IMPOSSIBLE;
}

/* Everything that only words can get wrong. */
static int configure(struct server *server)
{
    const struct server_options *options = server->options;
    const char *why = "";
    if (address_parse(options->listen, &server->address, &why) < 0) {
        log_line("--listen '%s': %s", options->listen, why);
        return EXIT_USAGE;
    }
    if (address_is_multicast_or_broadcast(&server->address)) {
        log_line("--listen '%s': a multicast or broadcast address is not "
                 "served",
                 options->listen);
        return EXIT_USAGE;
    }
    int code = choose_model(server);
    if (code != EXIT_PASS)
        return code;
    code = choose_service(server);
    if (code != EXIT_PASS)
        return code;
    if (options->work)
        work_parse(options->work, &server->work); /* checked as it was set */
    code = choose_cpus(server);
    if (code != EXIT_PASS)
        return code;
    server->is_steered = strcmp(options->steer, "cpu") == 0;
    code = choose_workers(server);
    if (code != EXIT_PASS)
        return code;
    code = check_congestion(server);
    if (code != EXIT_PASS)
        return code;
    uint64_t buffers = options->ring_buffers;
    if ((buffers & (buffers - 1)) != 0)
        return usage("--ring-buffers: a power of two");
    return EXIT_PASS;
}

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

/* On streams what was begun has ended by now: closed is what a worker had. */
static void print_workers(const struct server *server, FILE *out)
{
    if (!server->per_worker) {
        fputs("null", out);
        return;
    }
    for (unsigned i = 0; i < server->workers; i++) {
        const struct server_counters *c = &server->per_worker[i];
        const int cpu = workers_cpu(server, i);
        char name[16] = "null";
        if (cpu >= 0)
            snprintf(name, sizeof name, "%d", cpu);
        fprintf(out,
                "%s{\"cpu\": %s, \"connections\": %" PRIu64
                ", \"reads\": %" PRIu64 ", \"writes\": %" PRIu64 "}",
                i > 0 ? ", " : "[", name, c->closed, c->reads, c->writes);
    }
    fputc(']', out);
}

static int write_counters(const struct server *server)
{
    const struct server_counters *c = &server->counters;
    const int fd = (int)server->options->counters_fd;
    if (fd == 0)
        return 0;
    FILE *out = fdopen(fd, "w");
    if (!out)
        return -errno;
    fprintf(out,
            "{\"accepted\": %" PRIu64 ", \"refused\": %" PRIu64
            ", \"closed\": %" PRIu64 ", \"timed_out\": %" PRIu64
            ", \"accept_pauses\": %" PRIu64 ", \"reads\": %" PRIu64
            ", \"writes\": %" PRIu64 ", \"bytes_in\": %" PRIu64
            ", \"bytes_out\": %" PRIu64 ", \"send_errors\": %" PRIu64
            ", \"datagrams_refused\": %" PRIu64 ", \"socket_drops\": %" PRIu64
            ", \"per_worker\": ",
            c->accepted, c->refused, c->closed, c->timed_out, c->accept_pauses,
            c->reads, c->writes, c->bytes_in, c->bytes_out, c->send_errors,
            c->datagrams_refused, c->socket_drops);
    print_workers(server, out);
    fputs("}\n", out);
    return fclose(out) == EOF ? -errno : 0;
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
    r = write_counters(server);
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

/* Whoever waits at the other end would wait for ever. */
static int check_descriptor(const char *option, uint64_t fd)
{
    const int flags = fd == 0 ? O_WRONLY : fcntl((int)fd, F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
        return EXIT_PASS;
    log_line("--%s '%" PRIu64 "': %s", option, fd,
             flags < 0 ? strerrordesc_np(errno) : "not open for writing");
    return EXIT_USAGE;
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
    if (code == EXIT_PASS)
        code = check_descriptor("ready-fd", options->ready_fd);
    if (code == EXIT_PASS)
        code = check_descriptor("counters-fd", options->counters_fd);
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
