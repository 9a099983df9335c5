#include "servers/support/accept.h"

#include "servers/cli/log.h"
#include "servers/support/stop.h"
#include "servers/support/tell.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINES_PER_S 1

static int judge_error(int error, struct server_counters *counters)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        counters->accept_pauses++;
        log_limited(LINES_PER_S, "cannot accept: %s; resting for 100 ms",
                    strerrordesc_np(error));
        return -EMFILE;
    case EINVAL:
        return stop_requested() ? -ECANCELED : -EINVAL;
    case EBADF:
    case EFAULT:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EPERM:
        return -error;
    default:
        /* Interrupted, or the client was gone before it was accepted: accept
         * passes on the errors of its network (accept(2)). */
        return stop_requested() ? -ECANCELED : -EINTR;
    }
}

int accept_judge(const struct server *server, int result,
                 struct server_counters *counters)
{
    if (result == -EAGAIN)
        return -EAGAIN;
    if (result < 0)
        return judge_error(-result, counters);
    if (server->options->verbose)
        tell_client(server, result, "connected");
    return result;
}

int accept_client(const struct server *server, int listen_fd, int flags,
                  struct server_counters *counters)
{
    int r;
    do {
        int fd = accept4(listen_fd, NULL, NULL, flags | SOCK_CLOEXEC);
        r = accept_judge(server, fd < 0 ? -errno : fd, counters);
    } while (r == -EINTR);
    return r;
}

bool accept_refuse(int fd, uint64_t clients_now, uint64_t max_clients,
                   struct server_counters *counters)
{
    if (clients_now < max_clients) {
        counters->accepted++;
        return false;
    }
    close(fd);
    counters->refused++;
    log_limited(LINES_PER_S, "client refused: %" PRIu64 " are served",
                clients_now);
    return true;
}

void accept_rest(void)
{
    const struct timespec pause = {.tv_nsec = ACCEPT_PAUSE_NS};
    nanosleep(&pause, NULL);
}
