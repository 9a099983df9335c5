/*
 * What a server did, added up and told at the end. Pages count through
 * server_count and server_count_worker of server.h, which are here too.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_COUNTERS_H
#define SOCKBENCH_SERVERS_SUPPORT_COUNTERS_H

#include "servers/server.h"

/* Writes them as JSON to the descriptor of --counters-fd and closes it. 0, at
 * once where none was given, or -errno. */
int counters_write(const struct server *server);

#endif
