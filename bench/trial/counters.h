/*
 * What the kernel of one network namespace has counted: /proc/net/snmp{,6},
 * /proc/net/dev and the tables of UDP sockets. Opened while somebody is in that
 * namespace; can be read again after they have gone.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_COUNTERS_H
#define SOCKBENCH_BENCH_TRIAL_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of UDP over IPv4 and IPv6 together, since the namespace began. */
struct counters {
    uint64_t in;        /* InDatagrams: those that a recvmsg took */
    uint64_t out;       /* OutDatagrams */
    uint64_t no_ports;  /* arrived where nobody was bound */
    uint64_t in_errors; /* every drop at a socket: the next three lines, and
                           what a socket's filter refused */
    uint64_t rcvbuf_errors;
    uint64_t mem_errors;
    uint64_t checksum_errors;
    uint64_t sndbuf_errors; /* failed sends, and those that only look sent */
    uint64_t lo_dropped;    /* by the loopback's queues, either direction */
};

struct counters_source {
    int snmp_fd, snmp6_fd, dev_fd, udp_fd, udp6_fd; /* -1: not there */
};

/* Of the sockets bound to one port. */
struct counters_port {
    uint64_t drops;
    uint64_t queued_bytes; /* memory that unread datagrams hold */
    unsigned sockets;
};

/* A source that counters_close accepts. */
void counters_init(struct counters_source *source);

/* The namespace that a process is in. 0 or -errno. */
int counters_open(pid_t pid, struct counters_source *ret_source);
void counters_close(struct counters_source *source);

/* 0 or -errno. */
int counters_read(const struct counters_source *source,
                  struct counters *ret_counters);
int counters_of_port(const struct counters_source *source, uint16_t port,
                     struct counters_port *ret_port);

/* Pure, for tests: adds what the text of one such file says. False when it is
 * not such a text. */
bool counters_add_snmp(const char *text, struct counters *counters);
bool counters_add_snmp6(const char *text, struct counters *counters);
bool counters_add_dev(const char *text, struct counters *counters);
bool counters_add_udp(const char *text, uint16_t port,
                      struct counters_port *found);

#endif
