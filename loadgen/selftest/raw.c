/*
 * The raw loop: one thread, a connected pair, send, recv, send, recv. No
 * readiness, no batch, nothing to check: what a round trip costs in the kernel,
 * and so the limit of what one thread can do with one request at a time.
 */
#include "loadgen/selftest/selftest.h"

#include "loadgen/measure/clock.h"
#include "loadgen/measure/report.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32 /* round trips between two looks at the clock */
#define WINDOWS_MAX 32u

static struct sockaddr_in loopback(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Binds to a port of the kernel's choice and tells it. 0 or -errno. */
static int bind_anywhere(int fd, struct sockaddr_in *ret)
{
    *ret = loopback();
    socklen_t length = sizeof *ret;
    if (bind(fd, (const struct sockaddr *)ret, length) < 0 ||
        getsockname(fd, (struct sockaddr *)ret, &length) < 0)
        return -errno;
    return 0;
}

static int connect_to(int fd, const struct sockaddr_in *address)
{
    return connect(fd, (const struct sockaddr *)address, sizeof *address) < 0
               ? -errno
               : 0;
}

static int set_nodelay(int fd)
{
    const int on = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ? -errno
                                                                        : 0;
}

static int pair_tcp(int pair[2])
{
    struct sockaddr_in address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = listener < 0 ? -errno : bind_anywhere(listener, &address);
    if (r == 0 && listen(listener, 1) < 0)
        r = -errno;
    if (r == 0)
        pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r == 0)
        r = pair[0] < 0 ? -errno : connect_to(pair[0], &address);
    if (r == 0) {
        pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        r = pair[1] < 0 ? -errno : 0;
    }
    if (r == 0)
        r = set_nodelay(pair[0]);
    if (r == 0)
        r = set_nodelay(pair[1]);
    if (listener >= 0)
        close(listener);
    return r;
}

static int pair_udp(int pair[2])
{
    struct sockaddr_in address[2];
    int r = 0;
    for (int i = 0; i < 2 && r == 0; i++) {
        pair[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        r = pair[i] < 0 ? -errno : bind_anywhere(pair[i], &address[i]);
    }
    for (int i = 0; i < 2 && r == 0; i++)
        r = connect_to(pair[i], &address[1 - i]);
    return r;
}

static int pair_unix(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno
                                                                        : 0;
}

static int pair_unix_dgram(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno
                                                                       : 0;
}

/* From one end to the other. 0 or -errno. */
static int pass(int from, int to, uint8_t *bytes)
{
    const ssize_t size = SELFTEST_MESSAGE_BYTES;
    if (send(from, bytes, (size_t)size, MSG_NOSIGNAL) != size)
        return errno ? -errno : -EIO;
    if (recv(to, bytes, (size_t)size, MSG_WAITALL) != size)
        return errno ? -errno : -EIO;
    return 0;
}

/* Round trips per second over about so long. 0 or -errno. */
static int window(const int pair[2], uint64_t length_ns, double *ret_per_s)
{
    uint8_t bytes[SELFTEST_MESSAGE_BYTES] = {0};
    uint64_t count = 0;
    const uint64_t begin = clock_now_ns();
    uint64_t now = begin;
    while (now - begin < length_ns) {
        for (int i = 0; i < BATCH; i++) {
            int r = pass(pair[0], pair[1], bytes);
            if (r == 0)
                r = pass(pair[1], pair[0], bytes);
            if (r < 0)
                return r;
        }
        count += BATCH;
        now = clock_now_ns();
    }
    *ret_per_s = (double)count * 1e9 / (double)(now - begin);
    return 0;
}

static int by_rate(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure(int (*make)(int pair[2]), const struct selftest_pace *pace,
                   double *rates)
{
    /* A datagram can be lost; none is worth waiting for longer. */
    const struct timeval patience = {.tv_sec = 1};
    int pair[2] = {-1, -1};
    errno = 0;
    int r = make(pair);
    for (int i = 0; i < 2 && r == 0; i++) {
        if (setsockopt(pair[i], SOL_SOCKET, SO_RCVTIMEO, &patience,
                       sizeof patience) < 0)
            r = -errno;
    }
    if (r == 0) /* warms up, and is forgotten */
        r = window(pair, pace->raw_window_ns / 2, &rates[0]);
    for (unsigned i = 0; i < pace->windows && r == 0; i++)
        r = window(pair, pace->raw_window_ns, &rates[i]);
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
    }
    if (r == 0)
        qsort(rates, pace->windows, sizeof *rates, by_rate);
    return r;
}

void selftest_raw_loop(json_t *report, const struct selftest_pace *pace)
{
    static const struct {
        const char *key;
        int (*make)(int pair[2]);
    } kinds[] = {{"tcp", pair_tcp},
                 {"udp", pair_udp},
                 {"unix", pair_unix},
                 {"unix_dgram", pair_unix_dgram}};
    json_t *out = put_object(report, "raw_loop");
    json_t *absent = json_object();
    put_count(out, "size_bytes", SELFTEST_MESSAGE_BYTES);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double rates[WINDOWS_MAX] = {0};
        const int r = measure(kinds[i].make, pace, rates);
        if (r < 0) {
            put_null(out, kinds[i].key);
            put_text(absent, kinds[i].key, strerror(-r));
            continue;
        }
        const unsigned n = pace->windows;
        const double best = rates[n - 1];
        json_t *kind = put_object(out, kinds[i].key);
        put_real(kind, "round_trips_per_s", best);
        put_real(kind, "median_per_s", (rates[(n - 1) / 2] + rates[n / 2]) / 2);
        put_real(kind, "least_per_s", rates[0]);
        put_real(kind, "ns_per_round_trip", 1e9 / best);
    }
    put_json(out, "absent", absent);
}
