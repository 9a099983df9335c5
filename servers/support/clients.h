/*
 * The clients of an event loop: non-blocking, each with what it has not taken
 * yet. One buffer serves all reads; a client owns memory only while a send was
 * short, at most one buffer, because it is not read from until that is gone.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_CLIENTS_H
#define SOCKBENCH_SERVERS_SUPPORT_CLIENTS_H

#include "servers/server.h"
#include "servers/support/answer.h"

#include <stdatomic.h>

struct client {
    int fd;
    uint32_t tick;  /* when it last sent or took something, in seconds */
    size_t index;   /* in clients.all */
    bool parting;   /* nothing more is answered: our FIN follows the rest */
    bool finishing; /* our FIN is sent; input is read and thrown away */
    bool ended;     /* its FIN came */
    struct answer answer;
    uint8_t *rest; /* what the last send left over, or NULL */
    size_t rest_begin, rest_end;
};

struct clients {
    const struct server *server;
    struct server_counters counters;
    struct client **all;
    size_t count, capacity;
    uint64_t max_clients; /* those above are refused */
    int fd_end;           /* 0, or descriptors from here on are refused */
    atomic_uint_fast64_t *shared_count; /* NULL, or of all loops together */
    uint32_t tick; /* seconds, moved on by the loop's timer */
    bool finishing;
    uint8_t *buffer; /* buffer_bytes of the options */
};

enum client_state {
    CLIENT_WAITS, /* until the kernel tells of a change */
    CLIENT_READY, /* its turn is over, but it has more: call again */
    CLIENT_DONE,  /* remove it */
};

/* It is to be told of room to send, and of input only after that. */
static inline bool client_wants_out(const struct client *client)
{
    return client->rest != NULL;
}

/* 0 or -ENOMEM. */
int clients_init(struct clients *clients, const struct server *server);

/* Closes every client. */
void clients_done(struct clients *clients);

/*
 * Accepts the next client that may be served. 0; -EAGAIN: nobody waits or a
 * stop was asked for; else as accept_client.
 */
int clients_accept(struct clients *clients, int listen_fd,
                   struct client **ret_client);
void clients_remove(struct clients *clients, struct client *client);

/*
 * Sends, reads and answers until the client has no more or can take no more.
 * `to_the_end` when its FIN is known to be on the way: else a read that does
 * not fill the buffer is taken as the last one.
 */
enum client_state client_serve(struct clients *clients, struct client *client,
                               bool to_the_end);

/* Removes the clients that were silent or stuck for too long. */
void clients_drop_idle(struct clients *clients);

/* From now on every client gets its FIN when it has taken everything. */
void clients_finish(struct clients *clients);

#endif
