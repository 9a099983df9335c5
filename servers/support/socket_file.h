/*
 * The file that a Unix socket with a path leaves in a folder: replacing a stale
 * one, never a live one, and removing our own.
 *
 * A socket file outlives its server when that is killed, and then it refuses
 * connections; but so does one whose server is between bind and listen. So our
 * servers hold a lock on the folder from before the one until after the other.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_SOCKET_FILE_H
#define SOCKBENCH_SERVERS_SUPPORT_SOCKET_FILE_H

#include "servers/wire/address.h"

#include <sys/types.h>

struct socket_file { /* all zero: none */
    dev_t device;
    ino_t inode;
};

/* True for Unix sockets with a path: what follows is for those alone. */
bool socket_file_is_used(const struct address *address);

/*
 * Locks the folder of the path: a descriptor to be closed. -1 where that cannot
 * be done, since binding says better why.
 */
int socket_file_lock(const struct address *address);

/*
 * Makes room for a bind that gave EADDRINUSE: removes a socket file that no
 * server has open. 0; -EADDRINUSE: there is one; -EEXIST: the file is no
 * socket; else -errno.
 */
int socket_file_clear(const struct address *address);

/* Remembers the file that was just made. */
void socket_file_made(const struct address *address,
                      struct socket_file *ret_file);

/* Removes the file if it is still that one; the socket must be open yet, or
 * another file may have its number. Signal handlers may call it. */
void socket_file_remove(const struct address *address,
                        const struct socket_file *file);

#endif
