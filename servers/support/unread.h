/*
 * Unix datagram clients that do not read. What they leave unread stays in the
 * send buffer of the server's one socket, and once it is full, nobody gets a
 * reply. The kernel tells how much is unread in all, but not whose it is.
 *
 * So from half of the buffer on, each client is given a share. Who has used it
 * up, and whose bytes may be still there, is suspected and gets nothing, except
 * a reply to try it with: after 1, 2, 4, 8 ... requests. When that reply is
 * seen to be gone at the next request, the client reads and is trusted again.
 * Less than half unread clears everybody.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_UNREAD_H
#define SOCKBENCH_SERVERS_SUPPORT_UNREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define UNREAD_SLOTS 1024 /* clients by a hash of their names */
#define UNREAD_SHARES 16  /* of the buffer */
/* What a datagram takes beside its bytes, about. */
#define UNREAD_OVERHEAD_BYTES 768

struct unread_client {
    atomic_uint_fast32_t given_bytes;
    atomic_uint_fast32_t denied;    /* requests; 0: not suspected */
    atomic_uint_fast32_t try_bytes; /* unread in all before the try; 0: none */
};

struct unread { /* all zero at first; children and threads may share it */
    atomic_bool pressed;
    atomic_uint_fast32_t stuck_bytes; /* that nobody is known to read */
    /* Replies that may go and are not in the kernel yet, as far as told. */
    atomic_uint_fast32_t pending;
    atomic_uint_fast32_t pending_bytes;
    struct unread_client clients[UNREAD_SLOTS];
};

/* True when a reply may go to the client of this name now, while unread_bytes
 * of buffer_bytes are unread. */
bool unread_may_send(struct unread *unread, uint32_t buffer_bytes,
                     uint32_t unread_bytes, const void *name, socklen_t length,
                     uint32_t reply_bytes);

/* So many replies that might go were sent, or failed. */
void unread_settled(struct unread *unread, unsigned replies);

/* The same as may_send, asking the socket; what may go is pending. */
bool unread_may_send_on(struct unread *unread, int fd, const void *name,
                        socklen_t length, uint32_t reply_bytes);

#endif
