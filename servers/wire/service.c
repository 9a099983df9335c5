#include "servers/wire/service.h"

#include <string.h>
#include <sys/socket.h>

/* gcc vectorises this loop only in a function of its own with -O3 or these
 * attributes; inlined into a server's loop it stays scalar (some 30 times
 * slower on 1,400 bytes). target_clones picks AVX2 at load time where the CPU
 * has it. The sanitizers run before ifuncs can be resolved, so not there. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) &&      \
    !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__)
#define FOR_EACH_CPU __attribute__((noinline, target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU __attribute__((noinline))
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define VECTORISED __attribute__((optimize("O3")))
#else
#define VECTORISED
#endif

FOR_EACH_CPU VECTORISED void service_upper(uint8_t *restrict data,
                                           size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++) {
        uint8_t is_lower = (uint8_t)(data[i] - 'a') < 26;
        data[i] = (uint8_t)(data[i] ^ (is_lower << 5));
    }
}

static const struct service service_echo_row = {
    .name = "echo",
    .summary = "every byte goes back as it came",
    .replies = true,
};
static const struct service service_upper_row = {
    .name = "upper",
    .summary = "a to z go back as A to Z, all else as it came",
    .replies = true,
    .transform = service_upper,
};
static const struct service service_ok_row = {
    .name = "ok",
    .summary =
        "\"OK...\" and the data: of a datagram, of each line of a stream",
    .prefix = "OK...",
    .replies = true,
};
static const struct service service_greeting_row = {
    .name = "greeting",
    .summary = "\"Thank you for connecting\" to who connects, then the end",
    .greeting = "Thank you for connecting",
    .replies = true,
};
static const struct service service_discard_row = {
    .name = "discard",
    .summary = "nothing; at the end of a stream the number of bytes that came",
};

const struct service *const services[] = {
    &service_echo_row,     &service_upper_row,   &service_ok_row,
    &service_greeting_row, &service_discard_row, NULL,
};

size_t service_prefix_lines(const struct service *service, bool *at_line_start,
                            const uint8_t *data, size_t length_bytes,
                            uint8_t *out)
{
    const size_t prefix_bytes = strlen(service->prefix);
    const uint8_t *begin = out;
    while (length_bytes > 0) {
        const uint8_t *newline = memchr(data, '\n', length_bytes);
        size_t line = newline ? (size_t)(newline - data) + 1 : length_bytes;
        if (*at_line_start) {
            memcpy(out, service->prefix, prefix_bytes);
            out += prefix_bytes;
        }
        memmove(out, data, line); /* they may share a buffer */
        out += line;
        data += line;
        length_bytes -= line;
        *at_line_start = newline != NULL;
    }
    return (size_t)(out - begin);
}

const struct service *service_find(const char *name)
{
    for (const struct service *const *at = services; *at; at++) {
        if (strcmp((*at)->name, name) == 0)
            return *at;
    }
    return NULL;
}

const struct service *service_default(int socket_type)
{
    return socket_type == SOCK_STREAM ? &service_echo_row : &service_upper_row;
}
