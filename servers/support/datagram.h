/*
 * Which datagrams a server must not answer. A UDP server answers whoever the
 * source address names, and that may be forged: see CERT CA-1996-01 and
 * CVE-2024-2169 for two servers that were made to talk to each other for ever.
 *
 * - A source port below 1024, or the server's own, is refused and counted.
 * - A reply is no longer than what it answers but for a prefix (five bytes of
 *   "OK..."), and with one never longer than 65,507 bytes: refused, counted.
 * - A Unix client without a name cannot be answered: counted as refused.
 * - A datagram to a multicast group or a broadcast address is dropped.
 * - Replies carry a differentiated services code point of their own
 *   (RFC 2474, out of the pool for local use), and a datagram that carries it
 *   is dropped in the kernel: no server of this kind answers another's reply,
 *   whatever the ports. Such drops show as drops of the socket.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_DATAGRAM_H
#define SOCKBENCH_SERVERS_SUPPORT_DATAGRAM_H

#include "servers/server.h"
#include "servers/support/stop.h"
#include "servers/support/trace.h"

#include <sys/socket.h>

#define DATAGRAM_BYTES_MAX 65536

/* DSCP 7 (pool 2, xxxx11), as the whole traffic class octet. */
#define DATAGRAM_REPLY_CLASS (7 << 2)

/* Marks what fd sends and filters what it receives. 0 or -errno. */
int datagram_break_loops(int fd, int family);

/* The most that a prefix service answers: UDP carries 65,507 bytes. */
#define DATAGRAM_PREFIXED_MAX 65502

/*
 * Makes the reply to a datagram where it lies: data has room for capacity
 * bytes. Counts the datagram, and a refusal; sending and counting that is the
 * caller's (datagram_sent). The reply's length, or -1: its sender gets none.
 *
 * length above capacity says that it was cut (MSG_TRUNC): refused as well.
 */
ssize_t datagram_reply(const struct server *server, uint8_t *data,
                       size_t length, size_t capacity,
                       const struct sockaddr_storage *source,
                       socklen_t source_length,
                       struct server_counters *counters);

/* To be told where a call has received, except by datagram_answer's callers:
 * only a trace wants to know when. */
static inline void datagram_arrived(const struct server *server)
{
    if (server->trace)
        server_trace_arrived(server->trace);
}

/* So many replies, the next in the order in which datagram_reply made them, are
 * about to be sent: for a trace as well. */
static inline void datagram_sending(const struct server *server, unsigned count)
{
    if (server->trace)
        server_trace_sending(server->trace, count);
}

/* Counts what came of sending a reply: the bytes sent, or below 0. In order,
 * too. */
static inline void datagram_sent(const struct server *server,
                                 struct server_counters *counters, ssize_t sent)
{
    if (server->trace)
        server_trace_sent(server->trace, 1, sent >= 0);
    if (sent < 0) {
        counters->send_errors++;
        return;
    }
    counters->writes++;
    counters->bytes_out += (size_t)sent;
}

/* To be told, too, where replies are not sent one by one: so many that
 * datagram_reply made were sent, or were not to be. */
static inline void datagram_settled(const struct server *server,
                                    unsigned replies)
{
    if (server->unread)
        unread_settled(server->unread, replies);
}

/*
 * datagram_reply and sendto, for buffers of DATAGRAM_BYTES_MAX. Never waits: a
 * full send buffer is an error of sending, counted, and the client's loss. The
 * datagram arrived just now.
 */
void datagram_answer(const struct server *server, int fd, uint8_t *data,
                     size_t length, const struct sockaddr_storage *source,
                     socklen_t source_length, struct server_counters *counters);

/* The same for one that datagram_arrived has been told of. */
void datagram_answer_later(const struct server *server, int fd, uint8_t *data,
                           size_t length, const struct sockaddr_storage *source,
                           socklen_t source_length,
                           struct server_counters *counters);

/* True for what recvfrom gives on a socket that a stop shut down. An empty
 * datagram of a Unix client without a name looks the same before. */
static inline bool datagram_is_end(ssize_t received, socklen_t source_length)
{
    return received == 0 && source_length == 0 && stop_requested();
}

/* After a stop: answers what is queued at the socket, for 1.5 s at most. */
void datagram_drain(const struct server *server, int fd, uint8_t *buffer,
                    struct server_counters *counters);

/* Datagrams that the kernel dropped at this socket; 0 where it cannot tell. */
uint64_t datagram_socket_drops(int fd);

#endif
