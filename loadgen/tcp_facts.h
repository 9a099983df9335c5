/*
 * What the kernel says of the generator's own TCP connections (TCP_INFO, tcp(7)
 * and linux/tcp.h), asked of each before it is closed and summed. Whole
 * connections: what was sent before and after the window is in it.
 */
#ifndef SOCKBENCH_LOADGEN_TCP_FACTS_H
#define SOCKBENCH_LOADGEN_TCP_FACTS_H

#include "servers/wire/congestion.h"

#include <stdint.h>

struct tcp_facts {
    uint64_t connections;   /* that were asked */
    uint64_t segments_sent; /* with and without data */
    uint64_t retransmitted_segments;
    uint64_t duplicate_acks;       /* DSACK: retransmitted in vain */
    uint64_t reordering_seen;      /* events, of what it sent */
    uint64_t out_of_order_packets; /* of what it received; Linux 5.4 */
    uint64_t unknown_order;        /* connections that do not tell these */
    uint64_t rtt_count;            /* connections with a round trip measured */
    uint64_t rtt_sum_ns;           /* of their smoothed ones at the end */
    uint64_t rtt_min_ns;           /* the least that any of them met */
    char congestion_control[CONGESTION_NAME_MAX]; /* "": not known */
};

/* Asks the connection of this descriptor; -1, or a socket that is not TCP, adds
 * nothing. */
void tcp_facts_ask(struct tcp_facts *facts, int fd);

void tcp_facts_add(struct tcp_facts *into, const struct tcp_facts *from);

#endif
