/*
 * What a server says on one stream connection, decided here for every model:
 * given what came, which bytes go back, and whether that was all.
 *
 *   answer_connected --> [answer_received ...] --> answer_ended --> answer_gone
 *
 * Sending is the caller's, and so is what "finish" asks for: when the reply is
 * on its way, shutdown(SHUT_WR), then read to the client's FIN and throw away,
 * for ANSWER_LINGER_NS at most, then close.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_ANSWER_H
#define SOCKBENCH_SERVERS_SUPPORT_ANSWER_H

#include "servers/server.h"

/* How long a client may take for its FIN after ours. */
#define ANSWER_LINGER_NS 5000000000ULL

#define ANSWER_COUNT_MAX 24 /* a number of bytes as a line */

/* What is remembered of a connection; all zero at first. */
struct answer {
    uint64_t received_bytes; /* that were answered, or counted instead */
    bool in_line;            /* the next byte begins no line */
    uint8_t matched;         /* bytes of the close word at the line's end */
};

struct answer_reply {
    const uint8_t *data; /* in what came, in out, or below */
    size_t length;       /* may be 0 */
    bool finish;         /* nothing is answered after this */
    char count[ANSWER_COUNT_MAX];
};

/* To a new client: the greeting, if the service has one. */
void answer_connected(const struct server *server, int fd,
                      struct answer_reply *ret_reply);

/*
 * To length bytes, at least one, which are changed in place. A service with a
 * prefix writes to out instead, which has room for answer_room(); it may begin
 * before data in one buffer, service_reply_max(length) before its end. fd is
 * for --verbose alone.
 *
 * For a plain server, server_answer is all there is to it.
 */
void answer_received(const struct server *server, struct answer *answer, int fd,
                     uint8_t *data, size_t length, uint8_t *out,
                     struct answer_reply *ret_reply);

/* To the client's FIN: the number of bytes, where nothing else is answered. */
void answer_ended(const struct server *server, struct answer *answer, int fd,
                  struct answer_reply *ret_reply);

/* The client was served, and fd is about to be closed: counts for --exit-after.
 */
void answer_gone(const struct server *server, int fd);

/* The longest reply to these bytes in out; 0 when out is not used. */
size_t answer_room(const struct server *server, const uint8_t *data,
                   size_t length);

/*
 * The length of what there is up to the end of the first message that is the
 * word, or 0. A message is a line, which may have come in pieces, or what one
 * reception has before its first newline; white space after the word is its
 * own.
 */
size_t answer_find_word(struct answer *answer, const char *word,
                        const uint8_t *data, size_t length);

#endif
