/*
 * What an option of sockbench-serve cannot do without. An option whose needs
 * are not met would be without effect: it is refused, with the reason.
 */
#ifndef SOCKBENCH_SERVERS_NEEDS_H
#define SOCKBENCH_SERVERS_NEEDS_H

#include "servers/wire/service.h"

#include <stdbool.h>

/* Bits: of an option what it needs, of a server what it meets. */
enum need {
    NEEDS_CONNECTIONS = 1u << 0,
    NEEDS_STREAM = 1u << 1, /* bytes that a read may split */
    NEEDS_TCP = 1u << 2,
    NEEDS_DATAGRAMS = 1u << 3,
    NEEDS_RECEIVE_BUFFER = 1u << 4, /* one that the kernel keeps to */
    NEEDS_SHARED_ADDRESS = 1u << 5, /* several sockets on one address */
    NEEDS_REQUESTS = 1u << 6,       /* a service that reads */
    NEEDS_WORKERS = 1u << 7,        /* a model that takes a number of them */
    NEEDS_SOCKETS = 1u << 8,        /* a socket for each worker */
    NEEDS_LIMIT = 1u << 9,          /* a model that counts its clients */
    NEEDS_RING = 1u << 10,
    NEEDS_TRACE = 1u << 11,
};

/* What is met by whoever serves this kind of socket; is_unix: AF_UNIX. */
unsigned needs_met_by_socket(int socket_type, bool is_unix);
unsigned needs_met_by_service(const struct service *service);

/* And what a service itself needs. */
unsigned needs_of_service(const struct service *service);

#define NEEDS_TEXT_MAX 160

/*
 * True when all that is needed is met. Else text says of the first need that is
 * not where it is missing and why: "datagrams: they have no connection", or
 * this model or service.
 */
bool needs_are_met(unsigned needs, unsigned met, const char *model,
                   const char *service, char text[static NEEDS_TEXT_MAX]);

#endif
