#include "servers/support/answer.h"

#include "servers/support/tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NO_MATCH UINT8_MAX /* words are shorter */

static void put_count(const struct answer *answer, struct answer_reply *reply)
{
    int n = snprintf(reply->count, sizeof reply->count, "%" PRIu64 "\n",
                     answer->received_bytes);
    reply->data = (const uint8_t *)reply->count;
    reply->length = (size_t)n;
}

static void tell_reply(const struct server *server, int fd,
                       const struct answer_reply *reply)
{
    if (server->options->verbose && reply->length > 0)
        tell_bytes(server, fd, "sent", reply->data, reply->length);
}

void answer_connected(const struct server *server, int fd,
                      struct answer_reply *ret_reply)
{
    const char *greeting = server->service->greeting;
    ret_reply->data = (const uint8_t *)greeting;
    ret_reply->length = greeting ? strlen(greeting) : 0;
    ret_reply->finish = greeting != NULL;
    tell_reply(server, fd, ret_reply);
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* How much of the word is matched after these bytes, too. */
static uint8_t match_on(const char *word, uint8_t word_bytes, uint8_t matched,
                        const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length && matched != NO_MATCH; i++) {
        if (matched == word_bytes && is_space(data[i]))
            continue;
        if (matched < word_bytes && data[i] == (uint8_t)word[matched])
            matched++;
        else
            matched = NO_MATCH;
    }
    return matched;
}

size_t answer_find_word(struct answer *answer, const char *word,
                        const uint8_t *data, size_t length)
{
    const uint8_t word_bytes = (uint8_t)strlen(word);
    size_t begin = 0;
    while (begin < length) {
        const uint8_t *line = data + begin;
        const uint8_t *newline = memchr(line, '\n', length - begin);
        const size_t line_bytes =
            newline ? (size_t)(newline - line) : length - begin;
        uint8_t matched =
            match_on(word, word_bytes, answer->matched, line, line_bytes);
        if (matched == word_bytes ||
            match_on(word, word_bytes, 0, line, line_bytes) == word_bytes)
            return begin + line_bytes + (newline != NULL);
        answer->matched = newline ? 0 : matched;
        begin += line_bytes + 1;
    }
    return 0;
}

void answer_received(const struct server *server, struct answer *answer, int fd,
                     uint8_t *data, size_t length, uint8_t *out,
                     struct answer_reply *ret_reply)
{
    const struct server_options *options = server->options;
    const struct service *service = server->service;
    bool finish = options->one_request;
    if (options->verbose)
        tell_bytes(server, fd, "received", data, length);
    if (options->close_word) {
        size_t end =
            answer_find_word(answer, options->close_word, data, length);
        finish |= end > 0;
        length = end > 0 ? end : length;
    }
    answer->received_bytes += length;
    server_answer(server, data, length);
    ret_reply->data = data;
    ret_reply->length = service->replies ? length : 0;
    ret_reply->finish = finish;
    if (service->prefix) {
        bool at_line_start = !answer->in_line;
        ret_reply->length =
            service_prefix_lines(service, &at_line_start, data, length, out);
        ret_reply->data = out;
        answer->in_line = !at_line_start;
    }
    if (!service->replies && finish)
        put_count(answer, ret_reply);
    tell_reply(server, fd, ret_reply);
}

void answer_ended(const struct server *server, struct answer *answer, int fd,
                  struct answer_reply *ret_reply)
{
    ret_reply->data = NULL;
    ret_reply->length = 0;
    ret_reply->finish = false; /* nothing to wait for: closing is FIN enough */
    if (!server->service->replies)
        put_count(answer, ret_reply);
    tell_reply(server, fd, ret_reply);
}

void answer_gone(const struct server *server, int fd)
{
    if (server->options->verbose)
        tell_client(server, fd, "left");
    server_one_more(server);
}

size_t answer_room(const struct server *server, const uint8_t *data,
                   size_t length)
{
    if (!server->service->prefix)
        return 0;
    size_t lines = 1; /* it may begin one */
    for (const uint8_t *at = data, *end = data + length;
         (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        lines++;
    return length + lines * strlen(server->service->prefix);
}
