/*
 * An echo server on datagrams that loses, repeats and holds back, and knows
 * what it did: the truth that a report is held against.
 *
 *     lossy_server seed=1 drop=50 again=50 hold=50 late=20 late_below=100
 *                  late_ms=280 stray=100 truth=FILE
 *
 * drop, again, hold and late are parts in a thousand of the data numbers; the
 * fate of a number depends on (seed, flow, number) alone. `hold` answers a
 * number after one to sixteen later arrivals of its flow (or 50 ms), `late`
 * after late_ms (numbers below late_below only). Messages without a number are
 * dropped by their index among all arrivals. Every stray=N answers, a datagram
 * of an earlier run precedes. Anything of the warm-up is echoed.
 *
 * Prints its address when it is ready. On SIGTERM it writes the truth, a line
 * an event in the order in which they were: `received FLOW NUMBER AGE_NS`
 * (since the send, but for a constant), `sent FLOW NUMBER HELD_NS`, `stray`,
 * `dropped_bare`, and in the end `socket_drops N`.
 */
#include "loadgen/measure/random.h"
#include "servers/wire/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A flow that waits for its answers sends no more. */
#define HOLD_NS 50000000U

enum {
    HELD_MAX = 1 << 16,
    EVENTS_MAX = 1 << 21,
    MESSAGE_MAX = 65536,
    HOLD_ARRIVALS = 16,
    COPIES_MORE = 3,
    BUFFER_BYTES = 16 << 20
};

struct rules {
    uint64_t seed, drop, again, hold, late, late_below, late_ms, stray;
    const char *truth;
};

/* An answer that waits: for a time, or for arrivals of its flow. */
struct held {
    struct sockaddr_in to;
    uint8_t *data;
    size_t length_bytes;
    uint32_t flow;
    uint64_t number;
    uint64_t received_ns;
    uint64_t arrivals; /* still to come; 0: it waits for late_ms */
};

struct event {
    const char *what;
    uint32_t flow;
    uint64_t number;
    uint64_t held_ns;
};

static struct rules rules;
static int fd = -1;
static struct held held[HELD_MAX];
static size_t held_count;
static struct event *events;
static size_t events_count;
static struct held first; /* datagram of this run */
static struct held stray; /* one of an earlier run */
static uint32_t nonce;    /* of this one */
static uint64_t answers;
static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void note(const char *what, const struct held *answer, uint64_t held_ns)
{
    if (events_count < EVENTS_MAX)
        events[events_count++] =
            (struct event){what, answer->flow, answer->number, held_ns};
}

static void put(const struct held *answer, const struct sockaddr_in *to)
{
    /* A full device queue is waited for: nothing may be lost by chance. */
    while (sendto(fd, answer->data, answer->length_bytes, 0,
                  (const struct sockaddr *)to, sizeof *to) < 0 &&
           (errno == ENOBUFS || errno == EAGAIN || errno == EINTR))
        sched_yield();
}

static void answer_now(const struct held *answer)
{
    if (rules.stray > 0 && stray.data && ++answers % rules.stray == 0) {
        put(&stray, &answer->to);
        note("stray", answer, 0);
    }
    put(answer, &answer->to);
    note("sent", answer, now_ns() - answer->received_ns);
}

static struct held copy_of(const struct held *answer)
{
    struct held copy = *answer;
    copy.data = malloc(answer->length_bytes + 1);
    if (!copy.data)
        abort();
    memcpy(copy.data, answer->data, answer->length_bytes);
    return copy;
}

static void keep(const struct held *answer, uint64_t arrivals)
{
    if (held_count == HELD_MAX)
        return;
    struct held *at = &held[held_count];
    *at = copy_of(answer);
    at->arrivals = arrivals;
    held_count++;
}

/* Lets go what is due: by time, and, where something of a flow has arrived, by
 * count. In the order in which they came. */
static void release(bool arrived, uint32_t flow)
{
    uint64_t now = now_ns();
    size_t left = 0;
    for (size_t i = 0; i < held_count; i++) {
        struct held *at = &held[i];
        uint64_t limit_ns =
            at->arrivals == 0 ? rules.late_ms * 1000000 : HOLD_NS;
        bool due = now - at->received_ns >= limit_ns;
        if (at->arrivals > 0 && arrived && at->flow == flow)
            due |= --at->arrivals == 0;
        if (due) {
            answer_now(at);
            free(at->data);
        } else {
            held[left++] = *at;
        }
    }
    held_count = left;
}

/* A draw in [0, 1000) for this number. */
static uint64_t draw(const struct held *request, uint64_t which)
{
    return random_below(rules.seed << 32 ^ request->flow,
                        request->number * 8 + which, 1000);
}

static void serve_numbered(const struct held *request, uint64_t age_ns)
{
    note("received", request, age_ns);
    bool dropped = draw(request, 0) < rules.drop;
    bool is_late =
        draw(request, 1) < rules.late && request->number < rules.late_below;
    bool is_held = draw(request, 2) < rules.hold;
    bool again = draw(request, 3) < rules.again;
    release(true, request->flow);
    if (dropped)
        return;
    if (is_late)
        keep(request, 0);
    else if (is_held)
        keep(request, 1 + draw(request, 4) % HOLD_ARRIVALS);
    else
        answer_now(request);
    for (uint64_t i = again ? 1 + draw(request, 5) % COPIES_MORE : 0; i > 0;
         i--) {
        if (draw(request, 6) < 500) /* together, or further apart */
            keep(request, 1 + draw(request, 7) % HOLD_ARRIVALS);
        else
            answer_now(request);
    }
}

static void serve(struct held *request)
{
    static uint64_t arrivals;
    struct frame frame;
    enum frame_result r =
        frame_decode(request->data, request->length_bytes, 0, &frame);
    if (r != FRAME_OK && r != FRAME_FOREIGN) {
        request->number = arrivals++;
        if (draw(request, 0) < rules.drop)
            note("dropped_bare", request, 0);
        else
            put(request, &request->to);
        return;
    }
    request->flow = frame.flow;
    request->number = frame.sequence;
    if (frame.nonce != nonce) { /* a new run begins */
        while (held_count > 0)
            free(held[--held_count].data);
        nonce = frame.nonce;
        free(stray.data);
        stray = first;
        first = copy_of(request);
    }
    if (frame.type == 'D')
        serve_numbered(request, frame.length_bytes < FRAME_HEADER_BYTES
                                    ? 0
                                    : request->received_ns - frame.time_ns);
    else
        put(request, &request->to);
}

static uint64_t socket_drops(void)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof memory;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0)
        return 0;
    return memory[SK_MEMINFO_DROPS];
}

static int write_truth(void)
{
    FILE *file = fopen(rules.truth, "we");
    if (!file)
        return 1;
    for (size_t i = 0; i < events_count; i++)
        fprintf(file, "%s %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
                events[i].what, events[i].flow, events[i].number,
                events[i].held_ns);
    fprintf(file, "socket_drops %" PRIu64 " 0 0\n", socket_drops());
    return fclose(file) == 0 && events_count < EVENTS_MAX ? 0 : 1;
}

static int parse(int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {
        {"seed=", &rules.seed},       {"drop=", &rules.drop},
        {"again=", &rules.again},     {"hold=", &rules.hold},
        {"late=", &rules.late},       {"late_below=", &rules.late_below},
        {"late_ms=", &rules.late_ms}, {"stray=", &rules.stray},
    };
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        for (; k < sizeof numbers / sizeof *numbers; k++) {
            size_t length = strlen(numbers[k].name);
            if (strncmp(argv[i], numbers[k].name, length) == 0) {
                *numbers[k].value = strtoull(argv[i] + length, NULL, 10);
                break;
            }
        }
        if (k < sizeof numbers / sizeof *numbers)
            continue;
        if (strncmp(argv[i], "truth=", 6) != 0)
            return -1;
        rules.truth = argv[i] + 6;
    }
    return rules.truth ? 0 : -1;
}

/* One CPU: on two, the kernel itself may reorder what a thread sends. */
static void stay_on_one_cpu(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_ZERO(&allowed);
            CPU_SET(cpu, &allowed);
            sched_setaffinity(0, sizeof allowed, &allowed);
            return;
        }
    }
}

static int open_socket(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    const int bytes = BUFFER_BYTES;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &size) < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    printf("udp://127.0.0.1:%d\n", ntohs(own.sin_port));
    return fflush(stdout);
}

int main(int argc, char **argv)
{
    static uint8_t data[MESSAGE_MAX];
    const struct sigaction stop = {.sa_handler = on_signal};
    events = calloc(EVENTS_MAX, sizeof *events);
    if (!events || parse(argc, argv) < 0 || open_socket() < 0) {
        fprintf(stderr, "lossy_server: bad words, or no socket\n");
        return 1;
    }
    sigaction(SIGTERM, &stop, NULL);
    stay_on_one_cpu();
    while (!stopped) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        struct held request = {.data = data};
        socklen_t size = sizeof request.to;
        int n = poll(&ready, 1, held_count > 0 ? 1 : 100);
        release(false, 0);
        if (n <= 0)
            continue;
        ssize_t length = recvfrom(fd, data, sizeof data, MSG_DONTWAIT,
                                  (struct sockaddr *)&request.to, &size);
        if (length < 0)
            continue;
        request.length_bytes = (size_t)length;
        request.received_ns = now_ns();
        serve(&request);
    }
    return write_truth();
}
