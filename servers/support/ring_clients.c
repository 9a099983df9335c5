#include "servers/support/ring_clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_MAX (1u << 24) /* as many as user_data can name */

int ring_clients_init(struct ring_clients *clients, const struct server *server,
                      struct ring *ring, struct server_counters *counters,
                      uint64_t capacity)
{
    memset(clients, 0, sizeof *clients);
    clients->server = server;
    clients->ring = ring;
    clients->counters = counters;
    clients->capacity = capacity < SLOTS_MAX ? (uint32_t)capacity : SLOTS_MAX;
    clients->free = NO_SLOT;
    for (enum ring_want want = 0; want < RING_WANTS; want++)
        clients->waiting[want] =
            (struct ring_queue){.first = NO_SLOT, .last = NO_SLOT};
    clients->slots = calloc(clients->capacity, sizeof *clients->slots);
    return clients->slots ? 0 : -ENOMEM;
}

static void drop_piece(struct ring_clients *clients, struct piece *piece)
{
    if (!piece->is_shared) {
        free(piece);
        return;
    }
    ring_release(clients->ring, piece->buffer);
    piece->next = clients->spare;
    clients->spare = piece;
}

void ring_clients_done(struct ring_clients *clients)
{
    for (uint32_t i = 0; clients->slots && i < clients->used; i++) {
        struct ring_client *client = &clients->slots[i];
        client->sending = false;
        if (client->fd >= 0)
            ring_clients_remove(clients, client);
    }
    while (clients->spare) {
        struct piece *piece = clients->spare;
        clients->spare = piece->next;
        free(piece);
    }
    free(clients->slots);
    clients->slots = NULL;
}

uint32_t ring_client_slot(const struct ring_clients *clients,
                          const struct ring_client *client)
{
    return (uint32_t)(client - clients->slots);
}

struct ring_client *ring_clients_add(struct ring_clients *clients, int fd)
{
    uint32_t slot = clients->free;
    if (slot != NO_SLOT)
        clients->free = clients->slots[slot].next[0];
    else
        slot = clients->used++;
    struct ring_client *client = &clients->slots[slot];
    *client = (struct ring_client){
        .fd = fd,
        .generation = client->generation + 1,
    };
    clients->count++;
    return client;
}

void ring_clients_remove(struct ring_clients *clients,
                         struct ring_client *client)
{
    ring_client_forget(clients, client);
    answer_gone(clients->server, client->fd);
    close(client->fd);
    client->fd = -1;
    client->next[0] = clients->free;
    clients->free = ring_client_slot(clients, client);
    clients->count--;
    clients->counters->closed++;
    if (clients->shared_count)
        atomic_fetch_sub(clients->shared_count, 1);
}

void ring_clients_wait(struct ring_clients *clients, struct ring_client *client,
                       enum ring_want want)
{
    struct ring_queue *queue = &clients->waiting[want];
    const uint32_t slot = ring_client_slot(clients, client);
    if (client->waiting[want])
        return;
    client->waiting[want] = true;
    client->next[want] = NO_SLOT;
    if (queue->last == NO_SLOT)
        queue->first = slot;
    else
        clients->slots[queue->last].next[want] = slot;
    queue->last = slot;
    queue->count++;
}

struct ring_client *ring_clients_take_waiting(struct ring_clients *clients,
                                              enum ring_want want)
{
    struct ring_queue *queue = &clients->waiting[want];
    if (queue->first == NO_SLOT)
        return NULL;
    struct ring_client *client = &clients->slots[queue->first];
    queue->first = client->next[want];
    if (queue->first == NO_SLOT)
        queue->last = NO_SLOT;
    client->waiting[want] = false;
    queue->count--;
    return client;
}

static void append(struct ring_client *client, struct piece *piece)
{
    piece->next = NULL;
    if (client->last)
        client->last->next = piece;
    else
        client->first = piece;
    client->last = piece;
    client->queued_bytes += piece->length;
}

static struct piece *empty_piece(size_t length)
{
    struct piece *piece = malloc(sizeof *piece + length);
    if (piece)
        *piece = (struct piece){.data = (uint8_t *)(piece + 1),
                                .length = (uint32_t)length};
    return piece;
}

static struct piece *own_piece(const uint8_t *data, size_t length)
{
    struct piece *piece = empty_piece(length);
    if (piece)
        memcpy(piece->data, data, length);
    return piece;
}

static struct piece *shared_piece(struct ring_clients *clients, uint8_t *data,
                                  uint32_t length, uint16_t buffer)
{
    struct piece *piece = clients->spare;
    if (piece)
        clients->spare = piece->next;
    else
        piece = malloc(sizeof *piece);
    if (!piece)
        return NULL;
    *piece = (struct piece){
        .data = data, .length = length, .is_shared = true, .buffer = buffer};
    return piece;
}

bool ring_client_queue(struct ring_clients *clients, struct ring_client *client,
                       uint8_t *data, uint32_t length, uint16_t buffer)
{
    struct piece *piece = client->stalled
                              ? own_piece(data, length)
                              : shared_piece(clients, data, length, buffer);
    if (!piece || !piece->is_shared)
        ring_release(clients->ring, buffer);
    if (piece)
        append(client, piece);
    return piece != NULL;
}

/* Queues what is neither in a buffer of the ring nor in a piece. */
static bool queue_reply(struct ring_client *client,
                        const struct answer_reply *reply)
{
    client->parting = reply->finish;
    if (reply->length == 0)
        return true;
    struct piece *piece = own_piece(reply->data, reply->length);
    if (piece)
        append(client, piece);
    return piece != NULL;
}

bool ring_client_greet(struct ring_clients *clients, struct ring_client *client)
{
    struct answer_reply reply;
    answer_connected(clients->server, client->fd, &reply);
    return queue_reply(client, &reply);
}

bool ring_client_end(struct ring_clients *clients, struct ring_client *client)
{
    struct answer_reply reply;
    client->ended = true;
    if (client->failed || client->finishing || client->parting)
        return true;
    answer_ended(clients->server, &client->answer, client->fd, &reply);
    return queue_reply(client, &reply);
}

/* Services that write elsewhere: the buffer goes back at once. */
static bool answer_apart(struct ring_clients *clients,
                         struct ring_client *client, uint8_t *data,
                         uint32_t length, uint16_t buffer)
{
    const struct server *server = clients->server;
    struct answer_reply reply;
    struct piece *piece = empty_piece(answer_room(server, data, length));
    if (piece) {
        answer_received(server, &client->answer, client->fd, data, length,
                        piece->data, &reply);
        piece->length = (uint32_t)reply.length;
        client->parting = reply.finish;
        append(client, piece);
    }
    ring_release(clients->ring, buffer);
    return piece != NULL;
}

bool ring_client_answer(struct ring_clients *clients,
                        struct ring_client *client, uint8_t *data,
                        uint32_t length, uint16_t buffer)
{
    const struct server *server = clients->server;
    struct answer_reply reply;
    if (client->failed || client->finishing || client->parting) {
        ring_release(clients->ring, buffer);
        return true;
    }
    if (server->is_plain) {
        server_answer(server, data, length);
        return ring_client_queue(clients, client, data, length, buffer);
    }
    if (server->service->prefix)
        return answer_apart(clients, client, data, length, buffer);
    answer_received(server, &client->answer, client->fd, data, length, NULL,
                    &reply);
    client->parting = reply.finish;
    if (reply.data == data && reply.length > 0)
        return ring_client_queue(clients, client, data, (uint32_t)reply.length,
                                 buffer);
    ring_release(clients->ring, buffer);
    return queue_reply(client, &reply);
}

void ring_client_sent(struct ring_clients *clients, struct ring_client *client,
                      uint32_t length)
{
    struct piece *piece = client->first;
    client->queued_bytes -= length;
    piece->data += length;
    piece->length -= length;
    if (piece->length > 0)
        return;
    client->first = piece->next;
    if (!client->first) {
        client->last = NULL;
        client->stalled = false;
    }
    drop_piece(clients, piece);
}

bool ring_client_stall(struct ring_clients *clients, struct ring_client *client)
{
    struct piece *piece = client->first;
    client->stalled = true;
    client->first = NULL;
    client->last = NULL;
    client->queued_bytes = 0;
    while (piece) {
        struct piece *next = piece->next;
        struct piece *own = piece;
        if (piece->is_shared) {
            own = own_piece(piece->data, piece->length);
            drop_piece(clients, piece);
        }
        if (own)
            append(client, own);
        piece = next;
        if (own)
            continue;
        while (piece) { /* a stream with a hole is none: drop the rest */
            next = piece->next;
            drop_piece(clients, piece);
            piece = next;
        }
        return false;
    }
    return true;
}

void ring_client_forget(struct ring_clients *clients,
                        struct ring_client *client)
{
    struct piece *kept = client->sending ? client->first : NULL;
    struct piece *piece = kept ? kept->next : client->first;
    while (piece) {
        struct piece *next = piece->next;
        drop_piece(clients, piece);
        piece = next;
    }
    if (kept)
        kept->next = NULL;
    client->first = kept;
    client->last = kept;
    client->queued_bytes = kept ? kept->length : 0;
}
