/* From the words of the command line to a server that can be started. */
#ifndef SOCKBENCH_SERVERS_CONFIGURE_H
#define SOCKBENCH_SERVERS_CONFIGURE_H

#include "servers/server.h"

/*
 * Fills in what server->options say: address, model, service, work, CPUs,
 * workers, steering. Everything that words alone can get wrong is found here,
 * and nothing is opened. EXIT_PASS; else the exit code, after one line on
 * stderr.
 */
int configure(struct server *server);

#endif
