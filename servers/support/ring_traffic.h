/*
 * The traffic of one client of an io_uring loop, as far as it is the same
 * however receives are asked for.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_RING_TRAFFIC_H
#define SOCKBENCH_SERVERS_SUPPORT_RING_TRAFFIC_H

#include "servers/support/ring_loop.h"

/* A client that an accept gave us, or NULL; its greeting is queued. */
struct ring_client *ring_traffic_accepted(struct ring_loop *loop,
                                          const struct io_uring_cqe *cqe);

/* A receive gave something or ended: the answer is queued. */
void ring_traffic_received(struct ring_loop *loop, struct ring_client *client,
                           const struct io_uring_cqe *cqe);

/* Asks for a send of the first piece. There must be one, and no send in flight:
 * two could swap their bytes. */
void ring_traffic_send(struct ring_loop *loop, struct ring_client *client);
void ring_traffic_sent(struct ring_loop *loop, struct ring_client *client,
                       int result);

/* Closing now would send nothing while the kernel holds operations: makes them
 * end. The client is closed after the last. */
void ring_traffic_fail(struct ring_loop *loop, struct ring_client *client);

/* Sends our FIN, and closes, where it is time for that. */
void ring_traffic_part(struct ring_loop *loop, struct ring_client *client);

/* Fails the client when it was silent or stuck for too long. */
void ring_traffic_tick(struct ring_loop *loop, struct ring_client *client);

#endif
