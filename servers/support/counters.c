#include "servers/support/counters.h"

#include "servers/support/workers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void add(struct server_counters *sum,
                const struct server_counters *counters)
{
    sum->accepted += counters->accepted;
    sum->refused += counters->refused;
    sum->closed += counters->closed;
    sum->timed_out += counters->timed_out;
    sum->accept_pauses += counters->accept_pauses;
    sum->reads += counters->reads;
    sum->writes += counters->writes;
    sum->bytes_in += counters->bytes_in;
    sum->bytes_out += counters->bytes_out;
    sum->send_errors += counters->send_errors;
    sum->datagrams_refused += counters->datagrams_refused;
    sum->socket_drops += counters->socket_drops;
}

void server_count(struct server *server, const struct server_counters *counters)
{
    pthread_mutex_lock(&server->lock);
    add(&server->counters, counters);
    pthread_mutex_unlock(&server->lock);
}

void server_count_worker(struct server *server, unsigned worker,
                         const struct server_counters *counters)
{
    pthread_mutex_lock(&server->lock);
    add(&server->counters, counters);
    if (server->per_worker)
        add(&server->per_worker[worker], counters);
    pthread_mutex_unlock(&server->lock);
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

int counters_write(const struct server *server)
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
