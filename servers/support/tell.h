/* What --verbose says of clients, as the exercises of a course print it. */
#ifndef SOCKBENCH_SERVERS_SUPPORT_TELL_H
#define SOCKBENCH_SERVERS_SUPPORT_TELL_H

#include "servers/server.h"

#include <sys/socket.h>

#define TELL_LINES_PER_S 20
#define TELL_BYTES_MAX 60 /* of the data; more is cut */
#define TELL_TEXT_MAX (TELL_BYTES_MAX * 4 + 8)

/* "client NAME on descriptor 5 WHAT" */
void tell_client(const struct server *server, int fd, const char *what);

/* "client NAME on descriptor 5: WHAT 6 bytes: "hello\n"" */
void tell_bytes(const struct server *server, int fd, const char *what,
                const uint8_t *data, size_t length);

/* "NAME: WHAT 6 bytes: "hello\n"" */
void tell_datagram(const struct server *server,
                   const struct sockaddr_storage *source,
                   socklen_t source_length, const char *what,
                   const uint8_t *data, size_t length);

/* Data as a quoted string of C, cut with "..." after it. Returns text. */
char *tell_quote(const uint8_t *data, size_t length,
                 char text[static TELL_TEXT_MAX]);

#endif
