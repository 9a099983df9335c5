/*
 * Ports for servers that cannot say which one they took: a free one to offer,
 * and whether somebody serves on it, read from /proc/net/{tcp,udp}{,6}.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_LISTENING_H
#define SOCKBENCH_BENCH_TRIAL_LISTENING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A port of the loopback address that is free at this moment. 0 or -errno.
 * socket_type is SOCK_STREAM or SOCK_DGRAM.
 */
int listening_free_port(int socket_type, bool ipv6, uint16_t *ret_port);

/*
 * Whether a socket listens (streams) or is bound (datagrams) on port in the
 * network namespace of the process, by the tables of either family: a server
 * on [::] serves IPv4 too.
 */
bool listening_on(pid_t pid, int socket_type, uint16_t port);

/* One line of such a table: pure, for tests. */
bool listening_line(const char *line, int socket_type, uint16_t port);

/*
 * Whether nobody listens on any line from this one on: the kernel names those
 * who listen first (proc_net_tcp of its documentation). What follows may be
 * tens of thousands of connections that wait for their end, and to read them
 * takes longer than a server does to start.
 */
bool listening_line_is_last(const char *line, int socket_type);

#endif
