/* Sockets that clients find: bound, listening, with the options asked for. */
#ifndef SOCKBENCH_SERVERS_SUPPORT_LISTEN_H
#define SOCKBENCH_SERVERS_SUPPORT_LISTEN_H

#include "servers/server.h"

/*
 * Opens a socket for each worker, or one for all, on server->address and writes
 * the real address (port chosen) back. 0 or -errno; listen_close takes what was
 * opened.
 */
int listen_open(struct server *server);
void listen_close(struct server *server);

#endif
