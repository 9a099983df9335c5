/*
 * All that a page includes: the server that main.c made from the command line,
 * and what every model does with a request.
 */
#ifndef SOCKBENCH_SERVERS_SERVER_H
#define SOCKBENCH_SERVERS_SERVER_H

#include "servers/options.h"
#include "servers/registry.h"
#include "servers/support/socket_file.h"
#include "servers/support/unread.h"
#include "servers/wire/address.h"
#include "servers/wire/service.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What was done, counted by each loop or thread for itself and added up when
 * it ends. On a stream a read is what one call returned, not a request; on
 * datagrams reads and writes are datagrams.
 */
struct server_counters {
    uint64_t accepted;
    uint64_t refused; /* connections closed at once: --max-clients */
    uint64_t closed;
    uint64_t timed_out;     /* of closed: by a timeout */
    uint64_t accept_pauses; /* out of descriptors or memory */
    uint64_t reads;
    uint64_t writes;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t send_errors;
    uint64_t datagrams_refused; /* by the source's port */
    uint64_t socket_drops; /* datagrams dropped at the socket: buffer full, or
                              filtered as another server's reply */
};

struct server {
    const struct server_options *options;
    const struct server_model *model;
    const struct service *service;
    struct work work;
    struct address address; /* the real one, port chosen */
    uint64_t max_clients;
    unsigned workers;
    cpu_set_t cpus;  /* of --cpus, else all that it may use */
    bool is_steered; /* --steer cpu: worker i has the i-th CPU to itself */
    int *listen_fds; /* one a worker, in order, or one for all of them */
    unsigned listen_count;
    int listen_fd; /* the first, and most often the only one */

    /* What is received is answered by the transform and nothing else. */
    bool is_plain;
    size_t read_bytes; /* received at once on a stream, so that the reply fits
                          into a buffer of the options */
    pid_t pid;         /* of the process that was started, for its children */
    atomic_uint_fast64_t *served; /* NULL without --exit-after */
    struct unread *unread;        /* NULL but for Unix datagrams */
    struct server_trace *trace;   /* NULL without --trace */

    struct socket_file socket_file;

    pthread_mutex_t lock; /* over counters */
    struct server_counters counters;
    struct server_counters *per_worker; /* shared with children; NULL for models
                                           without --workers */
};

/*
 * Tells the world that clients are served now: the ready line with the words in
 * `granted` (or NULL), then the ready descriptor. 0, or -errno when standard
 * output takes nothing.
 */
int server_ready(struct server *server, const char *granted);

/* Adds one loop's counters to the server's. */
void server_count(struct server *server,
                  const struct server_counters *counters);

/* The same for one of the server's workers, whose share is told apart. */
void server_count_worker(struct server *server, unsigned worker,
                         const struct server_counters *counters);

/* Fills in is_plain and what follows it, up to unread. 0 or -errno;
 * server_done takes half of it. */
int server_prepare(struct server *server);
void server_done(struct server *server);

/*
 * For --exit-after: one more client is gone, or one more datagram is to be
 * answered. False when there were enough before; the last one asks for the
 * stop. From any thread or child.
 */
bool server_one_more(const struct server *server);

/* No more datagrams are answered. */
bool server_served_all(const struct server *server);

/* Sleeps or spins as --work asks. */
void server_work(const struct work *work);

/* Turns a request into its reply, in place. */
static inline void server_answer(const struct server *server, uint8_t *data,
                                 size_t length_bytes)
{
    if (server->service->transform)
        server->service->transform(data, length_bytes);
    if (server->work.kind != WORK_NONE)
        server_work(&server->work);
}

#endif
