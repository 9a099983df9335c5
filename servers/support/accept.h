/* Taking a connection, or refusing it cleanly. */
#ifndef SOCKBENCH_SERVERS_SUPPORT_ACCEPT_H
#define SOCKBENCH_SERVERS_SUPPORT_ACCEPT_H

#include "servers/server.h"

/* How long accepting rests when descriptors or memory ran out. */
#define ACCEPT_PAUSE_NS 100000000LL

/*
 * Accepts the next client; flags as for accept4(2). The descriptor, or
 *   -EAGAIN     nobody waits (non-blocking sockets)
 *   -ECANCELED  a stop was asked for
 *   -EMFILE     no descriptors or no memory: try again after ACCEPT_PAUSE_NS
 *   -errno      the listening socket is broken
 */
int accept_client(const struct server *server, int listen_fd, int flags,
                  struct server_counters *counters);

/* The same judgement for io_uring, which does the call itself: result is what
 * it returned. Also -EINTR: to be repeated. */
int accept_judge(const struct server *server, int result,
                 struct server_counters *counters);

/*
 * True when as many clients are served as may be: fd is closed and counted. To
 * be asked after accepting, which may have taken its time.
 */
bool accept_refuse(int fd, uint64_t clients_now, uint64_t max_clients,
                   struct server_counters *counters);

/* Rests for ACCEPT_PAUSE_NS or until a signal. For blocking pages. */
void accept_rest(void);

#endif
