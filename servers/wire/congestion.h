/*
 * Which algorithm steers how much TCP has on its way (congestion control),
 * pinned for one socket: results at 1 % loss differ by a factor of a hundred
 * between cubic and bbr, and the kernel's default is the machine's, not ours.
 */
#ifndef SOCKBENCH_SERVERS_WIRE_CONGESTION_H
#define SOCKBENCH_SERVERS_WIRE_CONGESTION_H

#include <stdbool.h>
#include <stddef.h>

#define CONGESTION_NAME_MAX 16 /* with its end */

/* 0 or -errno; -ENOENT: not in this kernel, -EPERM: not for this user. A
 * listener's is inherited by its connections. */
int congestion_set(int fd, const char *name);

/* The algorithm of a TCP socket; "" when it has none. */
const char *congestion_of(int fd, char name[static CONGESTION_NAME_MAX]);

/*
 * Whether it can be had here, found by asking for it. 0, or -errno with one
 * line in why that names what can be had; -EINVAL when Linux has no such
 * algorithm at all.
 */
int congestion_try(const char *name, char *why, size_t size);

#endif
