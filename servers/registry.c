#include "servers/registry.h"

#include "servers/cli/nearest.h"
#include "servers/needs.h"
#include "servers/support/ring.h"
#include "servers/support/segments.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

const struct server_model server_models[] = {
    {"iterative", "one client after the other", SOCK_STREAM, 0, 1, 0,
     tcp_iterative_run, NULL},
    {"fork", "a process for every client", SOCK_STREAM, MODEL_LIMITS_CLIENTS, 1,
     500, tcp_fork_run, NULL},
    {"prefork", "processes that each accept", SOCK_STREAM,
     MODEL_TAKES_WORKERS | MODEL_SHARES_SOCKET, 4, 0, tcp_prefork_run, NULL},
    {"thread", "a thread for every client", SOCK_STREAM, MODEL_LIMITS_CLIENTS,
     1, 1000, tcp_thread_run, NULL},
    {"pool", "threads that take clients from a queue", SOCK_STREAM,
     MODEL_TAKES_WORKERS | MODEL_SHARES_SOCKET | MODEL_LIMITS_CLIENTS, 4, 1000,
     tcp_pool_run, NULL},
    {"select", "one loop, asking about a set", SOCK_STREAM,
     MODEL_LIMITS_CLIENTS, 1, 1000, tcp_select_run, NULL},
    {"poll", "one loop, asking about a list", SOCK_STREAM, MODEL_LIMITS_CLIENTS,
     1, 0, tcp_poll_run, NULL},
    {"epoll", "one loop, told which clients are ready", SOCK_STREAM,
     MODEL_LIMITS_CLIENTS, 1, 0, tcp_epoll_run, NULL},
    {"epoll-et", "one loop, told when that changes", SOCK_STREAM,
     MODEL_LIMITS_CLIENTS, 1, 0, tcp_epoll_et_run, NULL},
    {"epoll-workers", "a loop and a listener for each thread", SOCK_STREAM,
     MODEL_TAKES_WORKERS | MODEL_NEEDS_INET | MODEL_LIMITS_CLIENTS, 0, 0,
     tcp_epoll_workers_run, NULL},
    {"uring", "one ring, told what has been done", SOCK_STREAM,
     MODEL_LIMITS_CLIENTS | MODEL_HAS_RING, 1, 0, tcp_uring_run, ring_probe},
    {"uring-multishot", "the same, asking once for many", SOCK_STREAM,
     MODEL_TAKES_WORKERS | MODEL_LIMITS_CLIENTS | MODEL_HAS_RING, 1, 0,
     tcp_uring_multishot_run, ring_probe},

    {"iterative", "one datagram after the other", SOCK_DGRAM, 0, 1, 0,
     udp_iterative_run, NULL},
    {"fork", "a child for every datagram", SOCK_DGRAM,
     MODEL_SHARES_SOCKET | MODEL_LIMITS_CLIENTS, 1, 64, udp_fork_run, NULL},
    {"threads", "threads that receive from one socket", SOCK_DGRAM,
     MODEL_TAKES_WORKERS | MODEL_SHARES_SOCKET, 0, 0, udp_threads_run, NULL},
    {"reuseport", "a socket for each thread, on one port", SOCK_DGRAM,
     MODEL_TAKES_WORKERS | MODEL_NEEDS_INET, 0, 0, udp_reuseport_run, NULL},
    {"epoll", "one loop, told when datagrams wait", SOCK_DGRAM, 0, 1, 0,
     udp_epoll_run, NULL},
    {"batch", "many datagrams a call", SOCK_DGRAM, MODEL_TAKES_WORKERS, 1, 0,
     udp_batch_run, NULL},
    {"gso", "datagrams of one size in blocks", SOCK_DGRAM,
     MODEL_TAKES_WORKERS | MODEL_NEEDS_INET, 1, 0, udp_gso_run, segments_probe},
    {"uring", "one ring, told what has been done", SOCK_DGRAM,
     MODEL_TAKES_WORKERS | MODEL_HAS_RING, 1, 0, udp_uring_run, ring_probe},
    {0},
};

const struct server_model *server_model_find(const char *name, int socket_type)
{
    for (const struct server_model *m = server_models; m->name; m++) {
        if (m->socket_type == socket_type && strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

unsigned server_model_meets(const struct server_model *model)
{
    const unsigned flags = model->flags;
    unsigned met = 0;
    if (flags & MODEL_TAKES_WORKERS)
        met |= NEEDS_WORKERS;
    if (flags & MODEL_TAKES_WORKERS && !(flags & MODEL_SHARES_SOCKET))
        met |= NEEDS_SOCKETS;
    if (flags & MODEL_LIMITS_CLIENTS)
        met |= NEEDS_LIMIT;
    if (flags & MODEL_HAS_RING)
        met |= NEEDS_RING;
    return met;
}

const char *server_model_nearest(const char *name, int socket_type)
{
    const char *names[sizeof server_models / sizeof *server_models];
    const char *near = NULL;
    /* First among those of the transport, then among all. */
    for (int pass = 0; pass < 2 && !near; pass++) {
        size_t count = 0;
        for (const struct server_model *m = server_models; m->name; m++) {
            if (pass == 1 || m->socket_type == socket_type)
                names[count++] = m->name;
        }
        names[count] = NULL;
        near = nearest_name(name, names);
    }
    return near;
}

static const char *transport_of(const struct server_model *model)
{
    return model->socket_type == SOCK_STREAM ? "stream" : "datagram";
}

static bool available(const struct server_model *model,
                      char why[static MODEL_REASON_MAX])
{
    return !model->probe || model->probe(why) == 0;
}

void server_models_print(FILE *out)
{
    fprintf(out, "%-16s %-10s %-42s %s\n", "MODEL", "TRANSPORT", "HOW",
            "AVAILABLE");
    for (const struct server_model *m = server_models; m->name; m++) {
        char why[MODEL_REASON_MAX] = "";
        bool yes = available(m, why);
        fprintf(out, "%-16s %-10s %-42s %s%s\n", m->name, transport_of(m),
                m->summary, yes ? "yes" : "no: ", why);
    }
}

static const char *word(bool yes)
{
    return yes ? "true" : "false";
}

/* Every text here is ours and plain ASCII without quotes or backslashes. */
void server_models_print_json(FILE *out)
{
    fputs("[\n", out);
    for (const struct server_model *m = server_models; m->name; m++) {
        char why[MODEL_REASON_MAX] = "";
        const unsigned met = server_model_meets(m);
        bool yes = available(m, why);
        fprintf(out,
                "  {\"name\": \"%s\", \"transport\": \"%s\", \"summary\": "
                "\"%s\", \"takes_workers\": %s, \"takes_steering\": %s, "
                "\"takes_max_clients\": %s, \"takes_ring_options\": %s, "
                "\"available\": %s, \"reason\": %s%s%s}%s\n",
                m->name, transport_of(m), m->summary, word(met & NEEDS_WORKERS),
                word(met & NEEDS_SOCKETS), word(met & NEEDS_LIMIT),
                word(met & NEEDS_RING), word(yes), yes ? "" : "\"",
                yes ? "null" : why, yes ? "" : "\"", m[1].name ? "," : "");
    }
    fputs("]\n", out);
}
