/* Serving one stream client with calls that block. */
#ifndef SOCKBENCH_SERVERS_SUPPORT_BLOCKING_H
#define SOCKBENCH_SERVERS_SUPPORT_BLOCKING_H

#include "servers/server.h"

/*
 * Answers the client on fd until it has sent its FIN and got everything back,
 * or fails, or a timeout, a stop or the service ends it. buffer holds
 * buffer_bytes of the options. Closing fd is the caller's, at once: the client
 * counts as gone.
 */
void blocking_serve(const struct server *server, int fd, uint8_t *buffer,
                    struct server_counters *counters);

#endif
