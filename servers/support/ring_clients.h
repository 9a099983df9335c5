/*
 * The clients of an io_uring loop: slots whose numbers travel in user_data, and
 * the pieces that each client is still to be sent.
 *
 * A piece is sent from where it was received, in a buffer of the ring, as long
 * as its client takes it at once. When one does not, what it has still to get
 * is copied into memory of its own: a stalled peer holds no shared buffer.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_RING_CLIENTS_H
#define SOCKBENCH_SERVERS_SUPPORT_RING_CLIENTS_H

#include "servers/support/answer.h"
#include "servers/support/ring.h"

struct piece {
    struct piece *next;
    uint8_t *data;
    uint32_t length;
    bool is_shared; /* in a buffer of the ring, else in memory of its own */
    uint16_t buffer;
};

/* What a client may have to wait for; each has a queue of its own, for who
 * waits for an entry to send from a buffer must not stand behind those who wait
 * for that buffer. */
enum ring_want {
    RING_WANT_ENTRY,  /* of the submission queue */
    RING_WANT_BUFFER, /* to receive into */
    RING_WANTS
};

struct ring_client {
    int fd;              /* -1: a free slot */
    uint32_t generation; /* of the slot: one more with each client */
    uint32_t tick;       /* when it last sent or took something, in seconds */
    uint32_t next[RING_WANTS]; /* slot: in the queue; [0]: of free ones */
    struct piece *first, *last;
    size_t queued_bytes;
    struct answer answer;
    /* What the kernel holds of it: */
    bool receiving;
    bool sending;
    /* What is known of it: */
    bool pausing;   /* the receive is being cancelled */
    bool stalled;   /* it did not take a piece at once */
    bool ended;     /* its FIN came */
    bool failed;    /* shut down; its operations are coming in */
    bool parting;   /* nothing more is answered: our FIN follows the queue */
    bool finishing; /* our FIN is sent */
    bool waiting[RING_WANTS];
};

#define NO_SLOT UINT32_MAX

struct ring_queue { /* of slots, in order of their coming */
    uint32_t first, last;
    uint32_t count;
};

struct ring_clients {
    const struct server *server;
    struct ring *ring;
    struct server_counters *counters;
    struct ring_client *slots;
    uint32_t capacity;
    uint32_t used; /* slots that were ever taken */
    uint32_t count;
    atomic_uint_fast64_t *shared_count; /* NULL, or of all loops together: one
                                           less with each that goes */
    uint32_t free;
    struct ring_queue waiting[RING_WANTS];
    struct piece *spare;
};

/* 0 or -ENOMEM. Memory is touched as slots are used. */
int ring_clients_init(struct ring_clients *clients, const struct server *server,
                      struct ring *ring, struct server_counters *counters,
                      uint64_t capacity);

/* Closes every client; for after the ring, which forgets their operations. */
void ring_clients_done(struct ring_clients *clients);

/* Takes fd over; there must be room. */
struct ring_client *ring_clients_add(struct ring_clients *clients, int fd);

/* For a client that the kernel holds nothing of. */
void ring_clients_remove(struct ring_clients *clients,
                         struct ring_client *client);

uint32_t ring_client_slot(const struct ring_clients *clients,
                          const struct ring_client *client);

/* Puts the client at the end of the queue unless it is in it. Taking gives the
 * first, NULL for none. */
void ring_clients_wait(struct ring_clients *clients, struct ring_client *client,
                       enum ring_want want);
struct ring_client *ring_clients_take_waiting(struct ring_clients *clients,
                                              enum ring_want want);

static inline bool ring_client_waits(const struct ring_client *client)
{
    return client->waiting[RING_WANT_ENTRY] ||
           client->waiting[RING_WANT_BUFFER];
}

/*
 * Queue what answers a new client, a reception in a buffer of the ring, and a
 * FIN. A client that is parting or finishing is given no more answers. False
 * without memory; the buffer is released or queued in any case.
 */
bool ring_client_greet(struct ring_clients *clients,
                       struct ring_client *client);
bool ring_client_answer(struct ring_clients *clients,
                        struct ring_client *client, uint8_t *data,
                        uint32_t length, uint16_t buffer);
bool ring_client_end(struct ring_clients *clients, struct ring_client *client);

/* Queues a reception. False without memory; the buffer is released then. */
bool ring_client_queue(struct ring_clients *clients, struct ring_client *client,
                       uint8_t *data, uint32_t length, uint16_t buffer);

/* Drops the first length bytes, which are sent. */
void ring_client_sent(struct ring_clients *clients, struct ring_client *client,
                      uint32_t length);

/* Moves what is queued into memory of its own. False without memory. */
bool ring_client_stall(struct ring_clients *clients,
                       struct ring_client *client);

/* Drops the queue, except what is being sent. */
void ring_client_forget(struct ring_clients *clients,
                        struct ring_client *client);

#endif
