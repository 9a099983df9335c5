#include "servers/support/segments.h"

#include "servers/support/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int segments_probe(char why[static MODEL_REASON_MAX])
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int segment_bytes = 64;
    int r = fd < 0 ? -errno : segments_receive(fd);
    if (r == 0 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes,
                             sizeof segment_bytes) < 0)
        r = -errno;
    if (r < 0)
        snprintf(why, MODEL_REASON_MAX,
                 "UDP_GRO is not granted (%s); it came with Linux 5.0",
                 strerrordesc_np(-r));
    if (fd >= 0)
        close(fd);
    return r;
}

int segments_receive(int fd)
{
    const int on = 1;
    return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0 ? -errno
                                                                    : 0;
}

size_t segments_size(struct msghdr *message, size_t length_bytes)
{
    int size = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(c), sizeof size);
    }
    return size > 0 ? (size_t)size : length_bytes;
}

/* Whether the reply may go out with the run; then it does. */
static bool extend(struct run *run, const struct msghdr *to, uint8_t *reply,
                   size_t length_bytes)
{
    const bool all_full = run->bytes == run->count * run->segment_bytes;
    if (run->to.msg_name != to->msg_name || run->data + run->bytes != reply ||
        !all_full || length_bytes == 0 || length_bytes > run->segment_bytes ||
        run->count == SEGMENTS_A_SEND ||
        run->bytes + length_bytes > SEGMENTS_BYTES_MAX)
        return false;
    run->bytes += length_bytes;
    run->count++;
    return true;
}

/* A block that was not taken whole: it may be an address without offload, or
 * segments that the prefix made larger than the path's MTU. */
static void send_singly(const struct server *server, int fd,
                        const struct run *run, struct server_counters *counters)
{
    size_t offset = 0;
    for (unsigned i = 0; i < run->count; i++) {
        size_t part = run->bytes - offset;
        if (part > run->segment_bytes)
            part = run->segment_bytes;
        datagram_sent(server, counters,
                      sendto(fd, run->data + offset, part,
                             MSG_DONTWAIT | MSG_NOSIGNAL, run->to.msg_name,
                             run->to.msg_namelen));
        offset += part;
    }
}

static void put_size(struct msghdr *message, union segments_control *control,
                     size_t segment_bytes)
{
    const uint16_t size = (uint16_t)segment_bytes;
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof size);
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(c), &size, sizeof size);
}

/* The kernel took the whole run. */
static void count_run(const struct server *server, const struct run *run,
                      struct server_counters *counters)
{
    counters->writes += run->count;
    counters->bytes_out += run->bytes;
    if (server->trace)
        server_trace_sent(server->trace, run->count, true);
}

void runs_send(struct runs *runs, int fd, struct server_counters *counters)
{
    const struct server *server = runs->server;
    const struct run *run = runs->all;
    const unsigned count = runs->count;
    struct mmsghdr messages[RUNS_MAX];
    struct iovec at[RUNS_MAX];
    union segments_control controls[RUNS_MAX];
    for (unsigned i = 0; i < count; i++) {
        datagram_sending(server, run[i].count);
        at[i] = (struct iovec){run[i].data, run[i].bytes};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = run[i].to.msg_name,
            .msg_namelen = run[i].to.msg_namelen,
            .msg_iov = &at[i],
            .msg_iovlen = 1,
        };
        if (run[i].count > 1)
            put_size(&messages[i].msg_hdr, &controls[i], run[i].segment_bytes);
    }
    for (unsigned done = 0; done < count;) {
        int n = sendmmsg(fd, &messages[done], count - done,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        for (int i = 0; i < n; i++)
            count_run(server, &run[done++], counters);
        if (n < 0)
            send_singly(server, fd, &run[done++], counters);
    }
    runs->count = 0;
}

void runs_add(struct runs *runs, int fd, const struct msghdr *to,
              uint8_t *reply, size_t length_bytes,
              struct server_counters *counters)
{
    if (runs->count > 0 &&
        extend(&runs->all[runs->count - 1], to, reply, length_bytes))
        return;
    if (runs->count == RUNS_MAX)
        runs_send(runs, fd, counters);
    runs->all[runs->count++] = (struct run){
        .to = *to,
        .data = reply,
        .bytes = length_bytes,
        .segment_bytes = length_bytes,
        .count = 1,
    };
}
