/*
 * Datagrams of one size in blocks: one call and one pass through the network's
 * layers for many (UDP_SEGMENT and UDP_GRO, udp(7); Linux 4.18 and 5.0).
 */
#ifndef SOCKBENCH_LOADGEN_ENGINE_BLOCKS_H
#define SOCKBENCH_LOADGEN_ENGINE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BLOCK_SEGMENTS_MAX 64 /* of one send; 128 since Linux 6.9 */
#define BLOCK_BYTES_MAX 65507

/* Datagrams that stand one behind the other and are not sent yet. */
struct block {
    const uint8_t *data;
    size_t bytes; /* 0: none */
    size_t segment_bytes;
    unsigned count;
};

/* Asks a socket for blocks to be received whole. 0 or -errno. */
int block_enable(int fd);

/* True when the datagram has joined the block. */
bool block_join(struct block *block, const uint8_t *data, size_t length_bytes);

/* Sends the block and empties it; one by one where it is not taken whole. 0, or
 * -errno of the last datagram that was not taken; *refused grows by the number
 * of those. Never waits. */
int block_send(struct block *block, int fd, uint64_t *refused);

/* As recv(2) with MSG_DONTWAIT and MSG_TRUNC; *ret_segment_bytes is the size of
 * the datagrams in the block, but for the last. */
ssize_t block_receive(int fd, uint8_t *into, size_t capacity_bytes,
                      size_t *ret_segment_bytes);

#endif
