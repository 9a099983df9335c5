#include "loadgen/engine/blocks.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/* Room for one control message; the kernel takes 16 bits and gives 32. */
union control {
    struct cmsghdr align;
    uint8_t space[CMSG_SPACE(sizeof(int))];
};

int block_enable(int fd)
{
    const int on = 1;
    return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0 ? -errno
                                                                    : 0;
}

bool block_join(struct block *block, const uint8_t *data, size_t length_bytes)
{
    if (block->bytes == 0) {
        *block = (struct block){data, length_bytes, length_bytes, 1};
        return true;
    }
    if (block->data + block->bytes != data ||
        block->segment_bytes != length_bytes ||
        block->count == BLOCK_SEGMENTS_MAX ||
        block->bytes + length_bytes > BLOCK_BYTES_MAX)
        return false;
    block->bytes += length_bytes;
    block->count++;
    return true;
}

static ssize_t send_whole(const struct block *block, int fd)
{
    const uint16_t size = (uint16_t)block->segment_bytes;
    struct iovec at = {.iov_len = block->bytes};
    memcpy(&at.iov_base, &block->data, sizeof at.iov_base); /* only read */
    union control control = {0};
    struct msghdr message = {
        .msg_iov = &at,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(sizeof size),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(c), &size, sizeof size);
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int block_send(struct block *block, int fd, uint64_t *refused)
{
    const struct block taken = *block;
    int r = 0;
    *block = (struct block){0};
    if (taken.count > 1 && send_whole(&taken, fd) >= 0)
        return 0;
    /* A segment above the path's MTU, or a device that cannot: one by one. */
    for (unsigned i = 0; i < taken.count; i++) {
        if (send(fd, taken.data + i * taken.segment_bytes, taken.segment_bytes,
                 MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            continue;
        r = -errno;
        ++*refused;
    }
    return r;
}

ssize_t block_receive(int fd, uint8_t *into, size_t capacity_bytes,
                      size_t *ret_segment_bytes)
{
    struct iovec at = {into, capacity_bytes};
    union control control;
    struct msghdr message = {
        .msg_iov = &at,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
    int size = 0;
    if (n < 0)
        return n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c;
         c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(c), sizeof size);
    }
    *ret_segment_bytes = size > 0 ? (size_t)size : (size_t)n;
    return n;
}
