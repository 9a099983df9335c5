#include "servers/support/listen.h"

#include "servers/support/datagram.h"
#include "servers/support/steer.h"
#include "servers/support/stop.h"
#include "servers/wire/congestion.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The kernel takes a killed server's rings apart, and closes the sockets that
 * they hold, after the process has ended: in 30 ms on a busy machine. */
#define TAKEN_TRIES 20
#define TAKEN_PAUSE_NS 10000000L

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

/* Everything here is inherited by the connections that are accepted. */
static int set_options(const struct server *server, int fd)
{
    const struct server_options *options = server->options;
    const struct address *address = &server->address;
    bool is_stream = address->socket_type == SOCK_STREAM;
    bool is_unix = address->u.any.sa_family == AF_UNIX;
    int r = 0;
    if (is_stream && !is_unix)
        r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && server->listen_count > 1)
        r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && options->rcvbuf_bytes)
        r = set(fd, SOL_SOCKET, SO_RCVBUF, (int)options->rcvbuf_bytes);
    if (r == 0 && options->sndbuf_bytes)
        r = set(fd, SOL_SOCKET, SO_SNDBUF, (int)options->sndbuf_bytes);
    if (r == 0 && is_stream && !is_unix)
        r = set(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay);
    if (r == 0 && options->tcp_cc)
        r = congestion_set(fd, options->tcp_cc);
    if (r == 0 && !is_stream && !is_unix)
        r = datagram_break_loops(fd, address->u.any.sa_family);
    return r;
}

static int bind_to(const struct address *address, int fd)
{
    int r = bind(fd, &address->u.any, address->length) < 0 ? -errno : 0;
    if (r != -EADDRINUSE || !socket_file_is_used(address))
        return r;
    r = socket_file_clear(address);
    if (r == 0 && bind(fd, &address->u.any, address->length) < 0)
        r = -errno;
    return r;
}

static int open_one(struct server *server, int *ret_fd)
{
    const struct address *address = &server->address;
    int r;
    int fd = socket(address->u.any.sa_family,
                    address->socket_type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = set_options(server, fd);
    if (r < 0)
        goto out;
    r = bind_to(address, fd);
    if (r < 0)
        goto out;
    if (socket_file_is_used(address))
        socket_file_made(address, &server->socket_file);
    if (address->socket_type == SOCK_STREAM &&
        listen(fd, (int)server->options->backlog) < 0) {
        r = -errno;
        goto out;
    }
    *ret_fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    return r;
}

static int open_all(struct server *server)
{
    for (unsigned i = 0; i < server->listen_count; i++) {
        int r = open_one(server, &server->listen_fds[i]);
        /* The first one chose the port; the others join it there. */
        if (r == 0 && i == 0)
            r = address_of_socket(server->listen_fds[0],
                                  server->address.socket_type,
                                  &server->address);
        if (r < 0)
            return r;
    }
    server->listen_fd = server->listen_fds[0];
    return server->is_steered ? steer_attach(server) : 0;
}

/* Whose file is left, should the process be ended at once. */
static const struct server *opened;

static void remove_file(void)
{
    socket_file_remove(&opened->address, &opened->socket_file);
}

static int open_locked(struct server *server)
{
    if (!socket_file_is_used(&server->address))
        return open_all(server);
    int lock = socket_file_lock(&server->address);
    int r = open_all(server);
    opened = server;
    stop_before_end(remove_file);
    if (lock >= 0)
        close(lock);
    return r;
}

static void close_all(struct server *server)
{
    for (unsigned i = 0; i < server->listen_count; i++) {
        if (server->listen_fds[i] >= 0)
            close(server->listen_fds[i]);
        server->listen_fds[i] = -1;
    }
}

int listen_open(struct server *server)
{
    const bool share = server->model->flags & MODEL_SHARES_SOCKET;
    server->listen_count = share ? 1 : server->workers;
    server->listen_fds = malloc(server->listen_count * sizeof(int));
    if (!server->listen_fds)
        return -ENOMEM;
    for (unsigned i = 0; i < server->listen_count; i++)
        server->listen_fds[i] = -1;
    int r = open_locked(server);
    for (int i = 0; i < TAKEN_TRIES && r == -EADDRINUSE; i++) {
        const struct timespec pause = {.tv_nsec = TAKEN_PAUSE_NS};
        close_all(server);
        nanosleep(&pause, NULL);
        r = open_locked(server);
    }
    return r;
}

void listen_close(struct server *server)
{
    if (!server->listen_fds)
        return;
    stop_before_end(NULL);
    socket_file_remove(&server->address, &server->socket_file);
    close_all(server);
    free(server->listen_fds);
    server->listen_fds = NULL;
}
