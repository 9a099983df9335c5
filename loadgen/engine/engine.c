#include "loadgen/engine/engine.h"

#include "servers/wire/congestion.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_option(int fd, int level, int name, uint64_t value)
{
    int number = (int)value;
    return setsockopt(fd, level, name, &number, sizeof number) < 0 ? -errno : 0;
}

int engine_socket(const struct engine_config *config, uint32_t channel,
                  int extra_type_flags)
{
    int family = config->target.u.any.sa_family;
    int type = config->target.socket_type;
    int fd = socket(family, type | SOCK_CLOEXEC | extra_type_flags, 0);
    if (fd < 0)
        return -errno;
    int r = 0;
    if (config->rcvbuf_bytes > 0)
        r = set_option(fd, SOL_SOCKET, SO_RCVBUF, config->rcvbuf_bytes);
    if (r == 0 && config->sndbuf_bytes > 0)
        r = set_option(fd, SOL_SOCKET, SO_SNDBUF, config->sndbuf_bytes);
    if (r == 0 && config->nodelay && type == SOCK_STREAM && family != AF_UNIX)
        r = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r == 0 && config->tcp_cc)
        r = congestion_set(fd, config->tcp_cc);
    /* A Unix datagram client without a name gets no replies: autobind. */
    if (r == 0 && family == AF_UNIX && type == SOCK_DGRAM) {
        struct sockaddr_un none = {.sun_family = AF_UNIX};
        if (bind(fd, (const struct sockaddr *)&none, sizeof none.sun_family) <
            0)
            r = -errno;
    }
    if (r == 0 && config->sources)
        r = sources_bind(config->sources,
                         config->first_flow + channel * config->flow_step, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}
