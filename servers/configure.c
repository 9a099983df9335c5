#include "servers/configure.h"

#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/cli/nearest.h"
#include "servers/needs.h"
#include "servers/wire/congestion.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

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

static bool is_unix(const struct server *server)
{
    return server->address.u.any.sa_family == AF_UNIX;
}

static int choose_model(struct server *server)
{
    const char *name = server->options->model;
    int type = server->address.socket_type;
    if (!name)
        return usage("no --model: --list shows them");
    server->model = server_model_find(name, type);
    if (server->model &&
        !(is_unix(server) && server->model->flags & MODEL_NEEDS_INET))
        return EXIT_PASS;
    if (server->model) {
        log_line("model %s does not apply to %s: Unix sockets cannot share an "
                 "address and know no segments",
                 name, server->options->listen);
        return EXIT_USAGE;
    }
    int other = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM;
    if (!server_model_find(name, other))
        return unknown("model", name, server_model_nearest(name, type));
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
    cpu_set_t both;
    CPU_AND(&both, &allowed, &server->cpus);
    if (known && !CPU_EQUAL(&both, &server->cpus)) {
        char text[256];
        log_line("--cpus '%s': only CPUs %s may be used here", list,
                 cpuset_format(&allowed, text, sizeof text));
        return EXIT_IMPOSSIBLE;
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

static int check_steering(const struct server *server)
{
    const unsigned cpus = (unsigned)CPU_COUNT(&server->cpus);
    if (!server->is_steered || server->options->workers <= cpus)
        return EXIT_PASS;
    log_line("--steer cpu: %" PRIu64 " workers want a CPU each, and there "
             "are %u (see --cpus)",
             server->options->workers, cpus);
    return EXIT_USAGE;
}

static int choose_workers(struct server *server)
{
    const unsigned asked = (unsigned)server->options->workers;
    const unsigned flags = server->model->flags;
    int code = check_steering(server);
    if (code != EXIT_PASS)
        return code;
    server->workers = asked ? asked : default_workers(server);
    if (server->workers > 1 && is_unix(server) &&
        !(flags & MODEL_SHARES_SOCKET))
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
    if (is_stream && server->service->prefix &&
        options->buffer_bytes < service_reply_max(1)) {
        log_line("--buffer '%" PRIu64 "': service %s takes %zu bytes at least",
                 options->buffer_bytes, server->service->name,
                 service_reply_max(1));
        return EXIT_USAGE;
    }
    return EXIT_PASS;
}

/* An option without effect is a mistake, and nobody would see it. */
static int check_needs(const struct server *server)
{
    const struct option_table *table = &server_option_table;
    const char *model = server->model->name;
    const char *service = server->service->name;
    const unsigned met =
        needs_met_by_socket(server->address.socket_type, is_unix(server)) |
        needs_met_by_service(server->service) |
        server_model_meets(server->model) |
        (server->options->trace ? (unsigned)NEEDS_TRACE : 0u);
    char why[NEEDS_TEXT_MAX];
    if (!needs_are_met(needs_of_service(server->service), met, model, service,
                       why)) {
        log_line("service %s does not apply to %s", service, why);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        if (!options_changed(option, server->options) ||
            needs_are_met(option->needs, met, model, service, why))
            continue;
        log_line("--%s does not apply to %s", option->name, why);
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
    int r = congestion_try(name, why, sizeof why);
    if (r == 0)
        return EXIT_PASS;
    log_line("--tcp-cc '%s': %s", name, *why ? why : strerrordesc_np(-r));
    return r == -EINVAL ? EXIT_USAGE : EXIT_IMPOSSIBLE;
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

int configure(struct server *server)
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
    code = check_needs(server);
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
    code = check_descriptor("ready-fd", options->ready_fd);
    if (code != EXIT_PASS)
        return code;
    return check_descriptor("counters-fd", options->counters_fd);
}
