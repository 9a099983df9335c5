/*
 * Steering: of several sockets on one port, a client is given the one whose
 * worker runs on the CPU that its packet arrived on. Over loopback that is the
 * CPU of the thread that sent it, so client and worker share caches, and a
 * request wakes nobody on another CPU.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_STEER_H
#define SOCKBENCH_SERVERS_SUPPORT_STEER_H

#include "servers/server.h"

#include <linux/filter.h>

#define STEER_WORKERS_MAX CPU_SETSIZE /* each has a CPU of its own */
#define STEER_PROGRAM_MAX (3 + 2 * STEER_WORKERS_MAX)

/*
 * Writes the program that the kernel runs for each connection or datagram: from
 * the CPU to the number of a socket. cpus[i] is worker i's, count of them from
 * 1 to STEER_WORKERS_MAX, no CPU twice; what arrives on a CPU that is nobody's
 * goes to worker cpu % count. How many instructions there are.
 */
unsigned short steer_program(const int *cpus, unsigned count,
                             struct sock_filter program[]);

/*
 * Gives the program to the server's sockets, which are all open, in the order
 * of the workers: the kernel numbers them as they came. 0 or -errno.
 */
int steer_attach(const struct server *server);

#endif
