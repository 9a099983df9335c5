#include "servers/support/datagram.h"

#include "servers/support/drain.h"
#include "servers/support/tell.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#define NETWORK(offset) ((uint32_t)SKF_NET_OFF + (offset))
#define DROP 0
#define KEEP 0xffffffff

/*
 * Runs in the kernel for every datagram. Loads are from the IP header; a jump
 * counts the instructions it skips, if true and if false.
 */
static struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 14),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NETWORK(0)),
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 4),
    /* IPv4: the destination, then the type of service */
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NETWORK(16)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0xe0000000, 9, 0),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NETWORK(1)),
    BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
    /* IPv6: the destination, then the traffic class across two bytes */
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NETWORK(24)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xff, 5, 0),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NETWORK(0)),
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
    /* either: all but the two bits of congestion notification */
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfc),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DATAGRAM_REPLY_CLASS, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, KEEP),
    BPF_STMT(BPF_RET | BPF_K, DROP),
};

int datagram_break_loops(int fd, int family)
{
    const struct sock_fprog program = {
        .len = sizeof filter / sizeof *filter,
        .filter = filter,
    };
    const int reply_class = DATAGRAM_REPLY_CLASS;
    const int ordinary = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) <
        0)
        return -errno;
    if (setsockopt(fd, IPPROTO_IP, IP_TOS, &reply_class, sizeof reply_class) <
        0)
        return -errno;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS,
                                         &reply_class, sizeof reply_class) < 0)
        return -errno;
    /* IP_TOS also chose a queueing priority; the mark shall change no order. */
    if (setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &ordinary, sizeof ordinary) < 0)
        return -errno;
    return 0;
}

/* True for a source that gets no answer. */
static bool is_refused(const struct server *server,
                       const struct sockaddr_storage *source,
                       socklen_t source_length)
{
    /* A Unix client without a name cannot be answered. */
    if (source_length <= sizeof(sa_family_t))
        return true;
    in_port_t port;
    if (source->ss_family == AF_INET)
        port = ((const struct sockaddr_in *)source)->sin_port;
    else if (source->ss_family == AF_INET6)
        port = ((const struct sockaddr_in6 *)source)->sin6_port;
    else
        return false;
    return ntohs(port) < 1024 || ntohs(port) == address_port(&server->address);
}

/* The prefix goes before the data; datagrams are short enough to be moved. */
static size_t put_prefix(const char *prefix, uint8_t *data, size_t length)
{
    const size_t prefix_bytes = strlen(prefix);
    memmove(data + prefix_bytes, data, length);
    for (size_t i = 0; i < prefix_bytes; i++)
        data[i] = (uint8_t)prefix[i];
    return prefix_bytes + length;
}

/* What more there is to it when the server is not plain. */
static ssize_t reply_apart(const struct server *server, uint8_t *data,
                           size_t length, size_t capacity,
                           const struct sockaddr_storage *source,
                           socklen_t source_length,
                           struct server_counters *counters)
{
    const char *prefix = server->service->prefix;
    const bool verbose = server->options->verbose;
    if (prefix && (length > DATAGRAM_PREFIXED_MAX ||
                   length + SERVICE_PREFIX_MAX > capacity)) {
        counters->datagrams_refused++;
        return -1;
    }
    if (!server_one_more(server))
        return -1;
    if (verbose)
        tell_datagram(server, source, source_length, "received", data, length);
    server_answer(server, data, length);
    if (!server->service->replies)
        return -1;
    if (prefix)
        length = put_prefix(prefix, data, length);
    if (verbose)
        tell_datagram(server, source, source_length, "sent", data, length);
    return (ssize_t)length;
}

static ssize_t reply(const struct server *server, uint8_t *data, size_t length,
                     size_t capacity, const struct sockaddr_storage *source,
                     socklen_t source_length, struct server_counters *counters)
{
    counters->reads++;
    counters->bytes_in += length;
    if (length > capacity || is_refused(server, source, source_length)) {
        counters->datagrams_refused++;
        return -1;
    }
    if (server->unread && server->service->replies &&
        !unread_may_send_on(server->unread, server->listen_fd, source,
                            source_length, (uint32_t)length)) {
        counters->send_errors++;
        return -1;
    }
    if (!server->is_plain) {
        ssize_t n = reply_apart(server, data, length, capacity, source,
                                source_length, counters);
        if (n < 0 && server->service->replies)
            datagram_settled(server, 1);
        return n;
    }
    server_answer(server, data, length);
    return (ssize_t)length;
}

ssize_t datagram_reply(const struct server *server, uint8_t *data,
                       size_t length, size_t capacity,
                       const struct sockaddr_storage *source,
                       socklen_t source_length,
                       struct server_counters *counters)
{
    if (!server->trace)
        return reply(server, data, length, capacity, source, source_length,
                     counters);
    const uint64_t refused = counters->datagrams_refused;
    server_trace_received(server->trace, data,
                          length < capacity ? length : capacity);
    ssize_t n =
        reply(server, data, length, capacity, source, source_length, counters);
    server_trace_decided(server->trace, n >= 0,
                         counters->datagrams_refused > refused);
    return n;
}

void datagram_answer(const struct server *server, int fd, uint8_t *data,
                     size_t length, const struct sockaddr_storage *source,
                     socklen_t source_length, struct server_counters *counters)
{
    datagram_arrived(server);
    datagram_answer_later(server, fd, data, length, source, source_length,
                          counters);
}

void datagram_answer_later(const struct server *server, int fd, uint8_t *data,
                           size_t length, const struct sockaddr_storage *source,
                           socklen_t source_length,
                           struct server_counters *counters)
{
    ssize_t n = datagram_reply(server, data, length, DATAGRAM_BYTES_MAX, source,
                               source_length, counters);
    if (n < 0)
        return;
    datagram_sending(server, 1);
    datagram_sent(server, counters,
                  sendto(fd, data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
                         (const struct sockaddr *)source, source_length));
    datagram_settled(server, 1);
}

void datagram_drain(const struct server *server, int fd, uint8_t *buffer,
                    struct server_counters *counters)
{
    struct drain drain = {0};
    while (!server_served_all(server) &&
           drain_step(&drain, drain_now_ns(), counters->reads) == DRAIN_SERVE) {
        struct sockaddr_storage source;
        socklen_t length = sizeof source;
        source.ss_family = AF_UNSPEC; /* nobody, unless it is filled in */
        ssize_t n =
            recvfrom(fd, buffer, DATAGRAM_BYTES_MAX, MSG_DONTWAIT | MSG_TRUNC,
                     (struct sockaddr *)&source, &length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || datagram_is_end(n, length))
            return;
        datagram_answer(server, fd, buffer, (size_t)n, &source, length,
                        counters);
    }
}

uint64_t datagram_socket_drops(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0)
        return 0;
    return info[SK_MEMINFO_DROPS];
}
