#include "servers/support/blocking.h"

#include "servers/support/answer.h"
#include "servers/support/drain.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

static void set_timeout(int fd, int name, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return;
    const struct timeval timeout = {
        .tv_sec = (time_t)(timeout_ns / 1000000000),
        .tv_usec = (suseconds_t)(timeout_ns % 1000000000 / 1000),
    };
    setsockopt(fd, SOL_SOCKET, name, &timeout, sizeof timeout);
}

static enum drain_phase phase_of(struct drain *drain,
                                 const struct server_counters *counters)
{
    if (!stop_requested())
        return DRAIN_SERVE;
    return drain_step(drain, drain_now_ns(), counters->reads);
}

/* False when the client takes no more. */
static bool send_all(int fd, const uint8_t *data, size_t length,
                     struct drain *drain, struct server_counters *counters)
{
    while (length > 0) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            counters->timed_out += errno == EAGAIN;
            counters->send_errors++;
            return false;
        }
        if (n > 0) {
            counters->writes++;
            counters->bytes_out += (size_t)n;
            data += n;
            length -= (size_t)n;
        }
        if (phase_of(drain, counters) == DRAIN_OVER)
            return false;
    }
    return true;
}

/* FIN, then the client's own: closing over unread input would send a reset and
 * destroy what is still on its way. */
static void part(const struct server *server, int fd, uint8_t *buffer,
                 struct drain *drain, struct server_counters *counters)
{
    const uint64_t idle_ns = server->options->idle_timeout_ns;
    const uint64_t linger_ns =
        idle_ns != 0 && idle_ns < ANSWER_LINGER_NS ? idle_ns : ANSWER_LINGER_NS;
    const uint64_t until_ns = drain_now_ns() + linger_ns;
    shutdown(fd, SHUT_WR);
    set_timeout(fd, SO_RCVTIMEO, linger_ns);
    while (phase_of(drain, counters) != DRAIN_OVER &&
           drain_now_ns() < until_ns) {
        ssize_t n = recv(fd, buffer, server->options->buffer_bytes, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return;
    }
}

/* One reception and its reply. False when the client is to be closed, or when
 * *ret_part says so, parted from. */
static bool serve_once(const struct server *server, int fd, uint8_t *buffer,
                       struct answer *answer, struct drain *drain,
                       struct server_counters *counters, bool *ret_part)
{
    uint8_t *data = buffer + server->options->buffer_bytes - server->read_bytes;
    struct answer_reply reply = {.data = data};
    ssize_t n = recv(fd, data, server->read_bytes, 0);
    if (n < 0 && errno == EINTR)
        return true; /* a stop, or a look whether its grace is over */
    if (n < 0) {
        counters->timed_out += errno == EAGAIN;
        return false;
    }
    if (n == 0) {
        answer_ended(server, answer, fd, &reply);
        send_all(fd, reply.data, reply.length, drain, counters);
        return false;
    }
    counters->reads++;
    counters->bytes_in += (size_t)n;
    if (server->is_plain) {
        server_answer(server, data, (size_t)n);
        reply.length = (size_t)n;
    } else {
        answer_received(server, answer, fd, data, (size_t)n, buffer, &reply);
        *ret_part = reply.finish;
    }
    return send_all(fd, reply.data, reply.length, drain, counters) &&
           !*ret_part;
}

void blocking_serve(const struct server *server, int fd, uint8_t *buffer,
                    struct server_counters *counters)
{
    struct drain drain = {0};
    struct answer answer = {0};
    struct answer_reply greeting;
    set_timeout(fd, SO_RCVTIMEO, server->options->idle_timeout_ns);
    set_timeout(fd, SO_SNDTIMEO, server->options->io_timeout_ns);
    answer_connected(server, fd, &greeting);
    bool finish = greeting.finish;
    bool alive = send_all(fd, greeting.data, greeting.length, &drain, counters);
    while (alive && !finish && phase_of(&drain, counters) == DRAIN_SERVE)
        alive =
            serve_once(server, fd, buffer, &answer, &drain, counters, &finish);
    if (alive || finish)
        part(server, fd, buffer, &drain, counters);
    answer_gone(server, fd);
}
