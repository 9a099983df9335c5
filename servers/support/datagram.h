/*
 * Which datagrams a server must not answer. A UDP server answers whoever the
 * source address names, and that may be forged: see CERT CA-1996-01 and
 * CVE-2024-2169 for two servers that were made to talk to each other for ever.
 *
 * - A source port below 1024, or the server's own, is refused and counted.
 * - A datagram to a multicast group or a broadcast address is dropped.
 * - Replies carry a differentiated services code point of their own
 *   (RFC 2474, out of the pool for local use), and a datagram that carries it
 *   is dropped in the kernel: no server of this kind answers another's reply,
 *   whatever the ports. Such drops show as drops of the socket.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_DATAGRAM_H
#define SOCKBENCH_SERVERS_SUPPORT_DATAGRAM_H

#include "servers/server.h"

#include <sys/socket.h>

#define DATAGRAM_BYTES_MAX 65536

/* DSCP 7 (pool 2, xxxx11), as the whole traffic class octet. */
#define DATAGRAM_REPLY_CLASS (7 << 2)

/* Marks what fd sends and filters what it receives. 0 or -errno. */
int datagram_break_loops(int fd, int family);

/*
 * Counts a datagram and sends its reply, unless its source gets none. Never
 * waits: a full send buffer is an error of sending, counted, and the client's
 * loss.
 */
void datagram_answer(const struct server *server, int fd, uint8_t *data,
                     size_t length, const struct sockaddr_storage *source,
                     socklen_t source_length, struct server_counters *counters);

/* After a stop: answers what is queued at the socket, for 1.5 s at most. */
void datagram_drain(const struct server *server, int fd, uint8_t *buffer,
                    struct server_counters *counters);

/* Datagrams that the kernel dropped at this socket; 0 where it cannot tell. */
uint64_t datagram_socket_drops(int fd);

#endif
