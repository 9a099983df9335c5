#include "servers/support/blocking.h"

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
static void part(int fd, uint8_t *buffer, size_t size, struct drain *drain,
                 struct server_counters *counters)
{
    shutdown(fd, SHUT_WR);
    while (phase_of(drain, counters) != DRAIN_OVER) {
        ssize_t n = recv(fd, buffer, size, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return;
    }
}

void blocking_serve(const struct server *server, int fd, uint8_t *buffer,
                    struct server_counters *counters)
{
    const struct server_options *options = server->options;
    const size_t size = options->buffer_bytes;
    struct drain drain = {0};
    set_timeout(fd, SO_RCVTIMEO, options->idle_timeout_ns);
    set_timeout(fd, SO_SNDTIMEO, options->io_timeout_ns);
    while (phase_of(&drain, counters) == DRAIN_SERVE) {
        ssize_t n = recv(fd, buffer, size, 0);
        if (n < 0 && errno == EINTR)
            continue; /* a stop, or a look whether its grace is over */
        if (n <= 0) {
            counters->timed_out += n < 0 && errno == EAGAIN;
            return;
        }
        counters->reads++;
        counters->bytes_in += (size_t)n;
        server_answer(server, buffer, (size_t)n);
        if (!send_all(fd, buffer, (size_t)n, &drain, counters))
            return;
    }
    part(fd, buffer, size, &drain, counters);
}
