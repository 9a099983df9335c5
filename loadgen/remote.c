#include "loadgen/remote.h"

#include "loadgen/measure/clock.h"
#include "servers/cli/units.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define NONCE_BYTES 32u
#define PATIENCE_NS (2 * NS_PER_S)
#define ASK_AGAIN_NS (NS_PER_S / 2)

static bool refuse(char text[static REMOTE_TEXT_MAX], const char *what,
                   double most, const char *unit, const char *lifted_by)
{
    char count[UNITS_TEXT_MAX];
    snprintf(text, REMOTE_TEXT_MAX,
             "%s: a remote target is given %s%s at most (%s lifts that)", what,
             units_format_count((uint64_t)most, count), unit, lifted_by);
    return false;
}

bool remote_is_within_caps(const struct load_options *options,
                           const struct idlers_words *idlers, double mean_bytes,
                           struct remote_caps *ret_caps,
                           char text[static REMOTE_TEXT_MAX])
{
    const double most = options->remote_max_rate_per_s;
    const double bits = options->remote_max_bits_per_s;
    const double open =
        options->rate_per_s > 0
            ? options->rate_per_s
            : options->rate_per_conn_per_s * (double)options->connections;
    const double idle =
        idlers->count ? idlers->count * 1e9 / (double)idlers->idle_ns : 0;
    const double idle_bits = idle * 8 * mean_bytes;
    if (options->connections + idlers->count > options->remote_max_connections)
        return refuse(text, "--connections",
                      (double)options->remote_max_connections, "",
                      "--remote-max-connections");
    if (open + idle > most || idle >= most)
        return refuse(text, "--rate", most, " requests/s", "--remote-max-rate");
    if (open * 8 * mean_bytes + idle_bits > bits || idle_bits >= bits)
        return refuse(text, "--rate x --size", bits, " bit/s",
                      "--remote-max-bits");
    *ret_caps = (struct remote_caps){.requests_per_s = most - idle,
                                     .bits_per_s = bits - idle_bits};
    return true;
}

struct question {
    int fd;
    uint64_t until_ns;
    uint8_t sent[NONCE_BYTES + 1];
    size_t sent_bytes;
    uint8_t right[SERVICE_PREFIX_MAX + NONCE_BYTES + 1];
    size_t right_bytes;
};

/* The nonce is of bytes 0x20 to 0x5F, which are their own upper case. */
static int make_question(struct question *question,
                         const struct service *service, bool stream)
{
    const size_t prefix = service->prefix ? strlen(service->prefix) : 0;
    if (!service->replies || service->greeting)
        return -EINVAL;
    if (getrandom(question->sent, NONCE_BYTES, 0) != (ssize_t)NONCE_BYTES)
        return -errno;
    for (size_t i = 0; i < NONCE_BYTES; i++)
        question->sent[i] = (uint8_t)(0x20 + (question->sent[i] & 63));
    question->sent_bytes = NONCE_BYTES;
    if (stream && prefix > 0) /* there an answer begins with a line */
        question->sent[question->sent_bytes++] = '\n';
    if (prefix > 0)
        memcpy(question->right, service->prefix, prefix);
    memcpy(question->right + prefix, question->sent, question->sent_bytes);
    question->right_bytes = prefix + question->sent_bytes;
    if (service->transform)
        service->transform(question->right, question->right_bytes);
    return 0;
}

/* 0, or -ETIMEDOUT when the socket is not ready by then. */
static int await(const struct question *question, short events,
                 uint64_t until_ns)
{
    struct pollfd poller = {.fd = question->fd, .events = events};
    const uint64_t now = clock_now_ns();
    int r = now < until_ns
                ? poll(&poller, 1, (int)((until_ns - now) / NS_PER_MS) + 1)
                : 0;
    if (r < 0)
        return -errno;
    return r > 0 ? 0 : -ETIMEDOUT;
}

static int begin(struct question *question, const struct address *target,
                 const struct sources *sources)
{
    question->fd =
        socket(target->u.any.sa_family,
               target->socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (question->fd < 0)
        return -errno;
    int r = sources_bind(sources, 0, question->fd);
    if (r < 0)
        return r;
    if (connect(question->fd, &target->u.any, target->length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    int error = 0;
    socklen_t size = sizeof error;
    r = await(question, POLLOUT, question->until_ns);
    if (r == 0 &&
        getsockopt(question->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    return r < 0 ? r : -error;
}

static int ask_stream(const struct question *question)
{
    uint8_t came[sizeof question->right + 1];
    size_t have = 0;
    if (send(question->fd, question->sent, question->sent_bytes,
             MSG_NOSIGNAL) != (ssize_t)question->sent_bytes)
        return -errno;
    while (have < question->right_bytes) {
        int r = await(question, POLLIN, question->until_ns);
        if (r < 0)
            return r;
        ssize_t n = recv(question->fd, came, sizeof came, 0);
        if (n < 0)
            return -errno;
        if (n == 0 || (size_t)n > question->right_bytes - have ||
            memcmp(came, question->right + have, (size_t)n) != 0)
            return -EPROTO;
        have += (size_t)n;
    }
    return 0;
}

static int ask_datagrams(const struct question *question)
{
    uint8_t came[sizeof question->right + 1];
    int r = -ETIMEDOUT;
    while (r == -ETIMEDOUT && clock_now_ns() < question->until_ns) {
        if (send(question->fd, question->sent, question->sent_bytes, 0) < 0)
            return -errno;
        r = await(question, POLLIN, clock_now_ns() + ASK_AGAIN_NS);
    }
    if (r < 0)
        return r;
    ssize_t n = recv(question->fd, came, sizeof came, MSG_TRUNC);
    if (n < 0)
        return -errno;
    return (size_t)n == question->right_bytes &&
                   memcmp(came, question->right, (size_t)n) == 0
               ? 0
               : -EPROTO;
}

int remote_ask(const struct address *target, const struct sources *sources,
               const struct service *service)
{
    const bool stream = target->socket_type == SOCK_STREAM;
    struct question question = {.fd = -1,
                                .until_ns = clock_now_ns() + PATIENCE_NS};
    int r = make_question(&question, service, stream);
    if (r == 0)
        r = begin(&question, target, sources);
    if (r == 0)
        r = stream ? ask_stream(&question) : ask_datagrams(&question);
    if (question.fd >= 0)
        close(question.fd);
    return r;
}
