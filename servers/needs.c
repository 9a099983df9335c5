#include "servers/needs.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

enum subject {
    OF_KIND, /* as it stands */
    OF_MODEL,
    OF_SERVICE
};

/* What is broader comes first: of several reasons the first is told. */
static const struct {
    enum need need;
    enum subject subject;
    const char *kind; /* what does not meet it */
    const char *why;
} rows[] = {
    {NEEDS_CONNECTIONS, OF_KIND, "datagrams", "they have no connection"},
    {NEEDS_STREAM, OF_KIND, "datagrams", "each is received whole"},
    {NEEDS_DATAGRAMS, OF_KIND, "streams", "they lose nothing"},
    {NEEDS_TCP, OF_KIND, "Unix sockets", "only TCP has it"},
    {NEEDS_RECEIVE_BUFFER, OF_KIND, "Unix sockets",
     "what waits there is in the sender's buffer"},
    {NEEDS_WORKERS, OF_MODEL, NULL, "it takes no number of workers"},
    {NEEDS_SOCKETS, OF_MODEL, NULL, "it has one socket for all its clients"},
    {NEEDS_SHARED_ADDRESS, OF_KIND, "Unix sockets",
     "they cannot share an address"},
    {NEEDS_LIMIT, OF_MODEL, NULL, "it has no number of clients to limit"},
    {NEEDS_RING, OF_MODEL, NULL, "it has no io_uring"},
    {NEEDS_REQUESTS, OF_SERVICE, NULL, "it reads no request"},
    {NEEDS_TRACE, OF_KIND, "a server without --trace", "it notes nothing"},
};

unsigned needs_met_by_socket(int socket_type, bool is_unix)
{
    unsigned met =
        is_unix ? 0u : (unsigned)(NEEDS_RECEIVE_BUFFER | NEEDS_SHARED_ADDRESS);
    if (socket_type != SOCK_STREAM)
        return met | NEEDS_DATAGRAMS;
    if (!is_unix)
        met |= NEEDS_TCP;
    return met | NEEDS_CONNECTIONS | NEEDS_STREAM;
}

unsigned needs_met_by_service(const struct service *service)
{
    return service->greeting ? 0u : (unsigned)NEEDS_REQUESTS;
}

unsigned needs_of_service(const struct service *service)
{
    return service->greeting ? (unsigned)NEEDS_CONNECTIONS : 0u;
}

bool needs_are_met(unsigned needs, unsigned met, const char *model,
                   const char *service, char text[static NEEDS_TEXT_MAX])
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!(needs & ~met & rows[i].need))
            continue;
        const char *name = rows[i].subject == OF_MODEL     ? model
                           : rows[i].subject == OF_SERVICE ? service
                                                           : rows[i].kind;
        snprintf(text, NEEDS_TEXT_MAX, "%s%s: %s",
                 rows[i].subject == OF_MODEL     ? "model "
                 : rows[i].subject == OF_SERVICE ? "service "
                                                 : "",
                 name, rows[i].why);
        return false;
    }
    return true;
}
