/*
 * --trace: what becomes of every datagram, noted where the file's layout says
 * (servers/wire/trace.h). The one place in which a server reads the clock for
 * each request, so that it is off unless asked for.
 *
 * Replies are sent in the order in which they were made, by the thread (or
 * child) that made them: what is on its way is a queue of each thread.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_TRACE_H
#define SOCKBENCH_SERVERS_SUPPORT_TRACE_H

#include "servers/wire/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server_trace;

/* As trace_create; is_shared: several threads or children use one socket. */
int server_trace_open(struct server_trace **ret, const char *path,
                      uint64_t records_capacity, bool is_shared,
                      unsigned workers);
void server_trace_close(struct server_trace *trace); /* NULL is fine */

/* This thread's datagrams that come next were received just now. */
void server_trace_arrived(struct server_trace *trace);

/* One datagram, as it came. */
void server_trace_received(struct server_trace *trace, const uint8_t *data,
                           size_t length_bytes);

/* What is to become of it: a reply that is on its way now, or none; refused
 * says why. */
void server_trace_decided(struct server_trace *trace, bool has_reply,
                          bool refused);

/* The next so many replies are about to be sent; where several use one socket,
 * by nobody else until they were: else the order of sending would be a guess.
 */
void server_trace_sending(struct server_trace *trace, unsigned count);

/* And were; the kernel took them, or not. */
void server_trace_sent(struct server_trace *trace, unsigned count, bool taken);

#endif
