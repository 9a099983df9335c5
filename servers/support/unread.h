/*
 * Unix datagram clients that do not read. What they leave unread stays in the
 * send buffer of the server's one socket, and once it is full, nobody gets a
 * reply. The kernel tells how much is unread in all, but not whose it is.
 *
 * So from half of the buffer on, each client is given a share. Who has used it
 * up, and whose bytes are seen to be still there, gets nothing more until less
 * than half is unread again. Bytes that have gone since were read: those who
 * read use up nothing.
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

struct unread { /* all zero at first; children and threads may share it */
    atomic_bool pressed;
    atomic_uint_fast32_t stuck_bytes; /* that nobody is known to read */
    atomic_uint_fast32_t given_bytes[UNREAD_SLOTS];
};

/* True when a reply may go to the client of this name now, while unread_bytes
 * of buffer_bytes are unread. */
bool unread_may_send(struct unread *unread, uint32_t buffer_bytes,
                     uint32_t unread_bytes, const void *name, socklen_t length,
                     uint32_t reply_bytes);

/* The same, asking the socket. */
bool unread_may_send_on(struct unread *unread, int fd, const void *name,
                        socklen_t length, uint32_t reply_bytes);

#endif
