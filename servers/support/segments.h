/*
 * Datagrams of equal size to or from one peer that travel through the network's
 * layers as one block (UDP_SEGMENT and UDP_GRO: udp(7), Linux 4.18 and 5.0).
 *
 * A block holds segments of one size, only the last may be shorter. To be sent
 * it may have 64 of them (128 since Linux 6.9) and the bytes of one datagram,
 * and each must fit the path's MTU; what does not is sent one by one.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_SEGMENTS_H
#define SOCKBENCH_SERVERS_SUPPORT_SEGMENTS_H

#include "servers/server.h"

#include <sys/socket.h>

#define SEGMENTS_A_SEND 64
#define SEGMENTS_BYTES_MAX 65507
#define RUNS_MAX 64

/* Room for the one control message: the size of a segment. */
union segments_control {
    struct cmsghdr align;
    uint8_t space[CMSG_SPACE(sizeof(int))];
};

/* Replies that stand one behind the other and go to one peer. */
struct run {
    struct msghdr to; /* only the name is looked at */
    uint8_t *data;
    size_t bytes;
    size_t segment_bytes;
    unsigned count;
};

struct runs {
    const struct server *server;
    unsigned count;
    struct run all[RUNS_MAX];
};

/* For registry.c. */
int segments_probe(char why[static MODEL_REASON_MAX]);

/* Asks for blocks to be received whole. 0 or -errno. */
int segments_receive(int fd);

/* The size of the segments of a received block of length_bytes: all of it when
 * the kernel names none, as for a datagram that came alone. */
size_t segments_size(struct msghdr *message, size_t length_bytes);

/* Takes a reply up, to stay where it is until it is sent: it joins the last run
 * or begins one, and where there is no room for one, all go out before. */
void runs_add(struct runs *runs, int fd, const struct msghdr *to,
              uint8_t *reply, size_t length_bytes,
              struct server_counters *counters);

/* Sends the runs, counts datagrams, and leaves none. Never waits. */
void runs_send(struct runs *runs, int fd, struct server_counters *counters);

#endif
