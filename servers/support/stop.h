/*
 * Stopping without a race. The first SIGTERM or SIGINT sets a flag, shuts the
 * listening sockets down (a blocked accept gives EINVAL, a blocked recvfrom 0),
 * makes an eventfd readable for event loops, and starts a timer that interrupts
 * the blocking calls of the main thread every 20 ms: a call that began between
 * a look at the flag and the signal does not sleep on. The second signal ends
 * the process at once.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_STOP_H
#define SOCKBENCH_SERVERS_SUPPORT_STOP_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STOP_POKE_NS 20000000L
#define STOP_POKE_SIGNAL SIGUSR1 /* does nothing but interrupt */
/* A stop that the server asks itself for, also from a child: as SIGTERM, but it
 * is never the second one. */
#define STOP_ASK_SIGNAL SIGUSR2

extern atomic_int stop_flag; /* free of locks: a handler may set it */

/*
 * Installs the handlers; the listening descriptors must outlive stop_close.
 * SIGPIPE is ignored from here on. 0 or -errno.
 */
int stop_open(const int *listen_fds, unsigned count);
void stop_close(void);

/* A stopped server that is still there then ends at once. */
#define STOP_LATEST_NS 1950000000ULL

/* What is still to be done where a handler ends the process at once; NULL:
 * nothing. It may call what signal-safety(7) allows. */
void stop_before_end(void (*act)(void));

/* When the stop was asked for (CLOCK_MONOTONIC); 0: not yet. */
uint64_t stop_began_ns(void);

static inline bool stop_requested(void)
{
    return atomic_load_explicit(&stop_flag, memory_order_relaxed) != 0;
}

/*
 * In a child: SIGTERM, as often as it comes, sets the flag and interrupts what
 * blocks. It ends nothing at once and shuts nothing down, for the listening
 * socket is the parent's too; Ctrl-C is for the parent, which passes it on.
 */
void stop_open_child(void);

/* Readable once a stop was asked for, and never read. */
int stop_event_fd(void);

/* Leaves the signals of stopping to the main thread. */
void stop_block_signals(void);

#endif
