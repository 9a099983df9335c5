#include "servers/support/clients.h"

#include "servers/support/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_A_TURN 16 /* then it is the others' turn */

int clients_init(struct clients *clients, const struct server *server)
{
    memset(clients, 0, sizeof *clients);
    clients->server = server;
    clients->max_clients = server->max_clients;
    clients->buffer = malloc(server->options->buffer_bytes);
    return clients->buffer ? 0 : -ENOMEM;
}

void clients_done(struct clients *clients)
{
    while (clients->count > 0)
        clients_remove(clients, clients->all[clients->count - 1]);
    free(clients->all);
    free(clients->buffer);
    clients->all = NULL;
    clients->buffer = NULL;
}

static int grow(struct clients *clients)
{
    if (clients->count < clients->capacity)
        return 0;
    size_t capacity = clients->capacity ? 2 * clients->capacity : 64;
    struct client **all =
        reallocarray(clients->all, capacity, sizeof(struct client *));
    if (!all)
        return -ENOMEM;
    clients->all = all;
    clients->capacity = capacity;
    return 0;
}

static struct client *add(struct clients *clients, int fd)
{
    struct client *client =
        grow(clients) == 0 ? calloc(1, sizeof *client) : NULL;
    if (!client)
        return NULL;
    client->fd = fd;
    client->tick = clients->tick;
    client->index = clients->count;
    clients->all[clients->count++] = client;
    return client;
}

/* Takes a place for the client on fd; false when there is none. */
static bool enter(struct clients *clients, int fd)
{
    uint64_t now = clients->count;
    if (clients->shared_count)
        now = atomic_fetch_add(clients->shared_count, 1);
    if (clients->fd_end != 0 && fd >= clients->fd_end &&
        now < clients->max_clients)
        now = clients->max_clients;
    if (!accept_refuse(fd, now, clients->max_clients, &clients->counters))
        return true;
    if (clients->shared_count)
        atomic_fetch_sub(clients->shared_count, 1);
    return false;
}

static void leave(struct clients *clients, int fd)
{
    close(fd);
    clients->counters.closed++;
    if (clients->shared_count)
        atomic_fetch_sub(clients->shared_count, 1);
}

/* How much of it the client took now; -1 when it is gone. */
static ssize_t offer(struct clients *clients, struct client *client,
                     const uint8_t *data, size_t length)
{
    ssize_t n;
    do
        n = send(client->fd, data, length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0) {
        clients->counters.send_errors++;
        return -1;
    }
    clients->counters.writes++;
    clients->counters.bytes_out += (size_t)n;
    return n;
}

static enum client_state keep_rest(struct client *client, const uint8_t *data,
                                   size_t length)
{
    client->rest = malloc(length);
    if (!client->rest)
        return CLIENT_DONE;
    memcpy(client->rest, data, length);
    client->rest_begin = 0;
    client->rest_end = length;
    return CLIENT_WAITS;
}

/* Our FIN, where it is time for it: everything is sent. */
static void part(const struct clients *clients, struct client *client)
{
    if (client->finishing || !(client->parting || clients->finishing))
        return;
    shutdown(client->fd, SHUT_WR);
    client->finishing = true;
}

/* Sends a reply, and keeps what is not taken. */
static enum client_state say(struct clients *clients, struct client *client,
                             const uint8_t *data, size_t length)
{
    ssize_t n = length > 0 ? offer(clients, client, data, length) : 0;
    if (n < 0)
        return CLIENT_DONE;
    if ((size_t)n < length)
        return keep_rest(client, data + n, length - (size_t)n);
    part(clients, client);
    return CLIENT_READY;
}

/* False when the client does not even take that. */
static bool greet(struct clients *clients, struct client *client)
{
    struct answer_reply reply;
    answer_connected(clients->server, client->fd, &reply);
    client->parting = reply.finish;
    return !reply.finish ||
           say(clients, client, reply.data, reply.length) == CLIENT_READY;
}

/* CLIENT_READY when nothing is left over. */
static enum client_state send_rest(struct clients *clients,
                                   struct client *client)
{
    ssize_t n = offer(clients, client, client->rest + client->rest_begin,
                      client->rest_end - client->rest_begin);
    if (n < 0)
        return CLIENT_DONE;
    client->rest_begin += (size_t)n;
    if (client->rest_begin < client->rest_end)
        return CLIENT_WAITS;
    free(client->rest);
    client->rest = NULL;
    part(clients, client);
    return client->ended ? CLIENT_DONE : CLIENT_READY;
}

int clients_accept(struct clients *clients, int listen_fd,
                   struct client **ret_client)
{
    for (;;) {
        int fd = accept_client(clients->server, listen_fd, SOCK_NONBLOCK,
                               &clients->counters);
        if (fd == -ECANCELED)
            return -EAGAIN;
        if (fd < 0)
            return fd;
        if (!enter(clients, fd))
            continue;
        struct client *client = add(clients, fd);
        if (!client) {
            leave(clients, fd);
            return -EMFILE; /* memory is short: the same rest helps */
        }
        if (greet(clients, client)) {
            *ret_client = client;
            return 0;
        }
        clients_remove(clients, client);
    }
}

void clients_remove(struct clients *clients, struct client *client)
{
    struct client *last = clients->all[--clients->count];
    clients->all[client->index] = last;
    last->index = client->index;
    answer_gone(clients->server, client->fd);
    leave(clients, client->fd);
    free(client->rest);
    free(client);
}

static enum client_state answer(struct clients *clients, struct client *client,
                                uint8_t *data, size_t length)
{
    const struct server *server = clients->server;
    struct answer_reply reply;
    clients->counters.reads++;
    clients->counters.bytes_in += length;
    if (client->finishing)
        return CLIENT_READY;
    if (server->is_plain) {
        server_answer(server, data, length);
        return say(clients, client, data, length);
    }
    answer_received(server, &client->answer, client->fd, data, length,
                    clients->buffer, &reply);
    client->parting = reply.finish;
    return say(clients, client, reply.data, reply.length);
}

/* Its FIN came, and everything is sent but what that is answered with. */
static enum client_state end(struct clients *clients, struct client *client)
{
    struct answer_reply reply;
    client->ended = true;
    if (client->finishing)
        return CLIENT_DONE;
    answer_ended(clients->server, &client->answer, client->fd, &reply);
    enum client_state state = say(clients, client, reply.data, reply.length);
    return state == CLIENT_WAITS ? CLIENT_WAITS : CLIENT_DONE;
}

enum client_state client_serve(struct clients *clients, struct client *client,
                               bool to_the_end)
{
    const size_t size = clients->server->read_bytes;
    uint8_t *data =
        clients->buffer + clients->server->options->buffer_bytes - size;
    enum client_state state = CLIENT_READY;
    if (!client->finishing) /* it has so long for its FIN and not longer */
        client->tick = clients->tick;
    for (int i = 0; i < READS_A_TURN; i++) {
        if (client->rest)
            state = send_rest(clients, client);
        if (state != CLIENT_READY)
            return state;
        ssize_t n = recv(client->fd, data, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? CLIENT_WAITS : CLIENT_DONE;
        if (n == 0)
            return end(clients, client);
        state = answer(clients, client, data, (size_t)n);
        if (state != CLIENT_READY)
            return state;
        if ((size_t)n < size && !to_the_end)
            return CLIENT_WAITS;
    }
    return state;
}

static uint32_t seconds_up(uint64_t ns)
{
    return (uint32_t)((ns + 999999999) / 1000000000);
}

void clients_drop_idle(struct clients *clients)
{
    const struct server_options *options = clients->server->options;
    const uint32_t idle_s = seconds_up(options->idle_timeout_ns);
    const uint32_t io_s = seconds_up(options->io_timeout_ns);
    const uint32_t linger_s = seconds_up(ANSWER_LINGER_NS);
    /* Backwards: removing puts the last one, already seen, into the gap. */
    for (size_t i = clients->count; i-- > 0;) {
        struct client *client = clients->all[i];
        uint32_t limit_s = client->rest ? io_s : idle_s;
        if (client->finishing && (limit_s == 0 || limit_s > linger_s))
            limit_s = linger_s;
        if (limit_s != 0 && clients->tick - client->tick > limit_s) {
            clients->counters.timed_out++;
            clients_remove(clients, client);
        }
    }
}

void clients_finish(struct clients *clients)
{
    if (clients->finishing)
        return;
    clients->finishing = true;
    for (size_t i = 0; i < clients->count; i++) {
        struct client *client = clients->all[i];
        if (!client->rest)
            part(clients, client);
    }
}
