/* The table of contents: every model, in lesson order. */
#ifndef SOCKBENCH_SERVERS_REGISTRY_H
#define SOCKBENCH_SERVERS_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct server;

#define MODEL_TAKES_WORKERS 1u  /* --workers says how many loops */
#define MODEL_SHARES_SOCKET 2u  /* and all use one socket; else one each */
#define MODEL_NEEDS_INET 4u     /* does not apply to Unix sockets */
#define MODEL_LIMITS_CLIENTS 8u /* to --max-clients at a time */
#define MODEL_HAS_RING 16u      /* of io_uring, with its options */

#define MODEL_REASON_MAX 160

struct server_model {
    const char *name;
    const char *summary;
    int socket_type; /* SOCK_STREAM or SOCK_DGRAM */
    unsigned flags;
    unsigned workers;     /* the default; 0: the CPUs it may use */
    uint64_t max_clients; /* the default; 0: as many as descriptors allow */

    /* Serves until stopped; 0 or -errno. */
    int (*run)(struct server *server);

    /* Tries what the model needs. 0, or -errno with the likely cause in why.
     * NULL: nothing special. */
    int (*probe)(char why[static MODEL_REASON_MAX]);
};

extern const struct server_model server_models[]; /* ends with a NULL name */

/* The model of this name and socket type, or NULL. */
const struct server_model *server_model_find(const char *name, int socket_type);

/* Which needs of options (servers/needs.h) it meets. */
unsigned server_model_meets(const struct server_model *model);

/* The model name nearest to a wrong one, of the transport if one of its names
 * is near; or NULL. */
const char *server_model_nearest(const char *name, int socket_type);

/* --list: an aligned table, or a JSON array of objects. */
void server_models_print(FILE *out);
void server_models_print_json(FILE *out);

/* The pages. */
int tcp_iterative_run(struct server *server);
int tcp_fork_run(struct server *server);
int tcp_prefork_run(struct server *server);
int tcp_thread_run(struct server *server);
int tcp_pool_run(struct server *server);
int tcp_select_run(struct server *server);
int tcp_poll_run(struct server *server);
int tcp_epoll_run(struct server *server);
int tcp_epoll_et_run(struct server *server);
int tcp_epoll_workers_run(struct server *server);
int tcp_uring_run(struct server *server);
int tcp_uring_multishot_run(struct server *server);
int udp_iterative_run(struct server *server);
int udp_epoll_run(struct server *server);
int udp_fork_run(struct server *server);
int udp_threads_run(struct server *server);
int udp_reuseport_run(struct server *server);
int udp_batch_run(struct server *server);
int udp_gso_run(struct server *server);
int udp_uring_run(struct server *server);

#endif
