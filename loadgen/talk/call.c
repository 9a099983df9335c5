/* How a conversation comes about: by calling, or by waiting to be called. */
#include "loadgen/measure/clock.h"
#include "loadgen/talk/talk.h"
#include "servers/cli/log.h"
#include "servers/cli/units.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* How often connect(2) comes back, to look for Ctrl-C and at the clock. */
#define CONNECT_SLICE_US 50000

static const char *hint(const struct talk *talk, int error)
{
    bool is_unix = talk->target.u.any.sa_family == AF_UNIX;
    if (error == ECONNREFUSED && is_unix)
        return " (the file is there, but no server listens at it)";
    if (error == ECONNREFUSED)
        return talk->stream ? " (no server listens there: start it first, and "
                              "look at the port)"
                            : " (the host answered that nobody has that port)";
    if (error == ENOENT && is_unix)
        return " (no socket of this name: start the server first)";
    if (error == EPROTOTYPE && is_unix)
        return talk->stream ? " (it takes datagrams: unix-dgram:)"
                            : " (it is for streams: unix:)";
    if (error == EADDRINUSE)
        return is_unix ? " (another program has this name, or its file was "
                         "left behind)"
                       : " (another program has this address)";
    if (error == EACCES && !is_unix && talk->options.listen)
        return " (ports below 1024 want privileges)";
    if (error == EACCES && !is_unix && !talk->stream)
        return " (a network's broadcast address wants --broadcast)";
    if (error == EMSGSIZE && talk->target.u.any.sa_family == AF_INET)
        return " (a datagram of UDP holds 65,507 bytes at most)";
    if (error == EPIPE || error == ECONNRESET)
        return " (the other side had closed)";
    return "";
}

int talk_give_up(struct talk *talk, const char *what, int error)
{
    char number[ADDRESS_TEXT_MAX];
    const bool is_name =
        strcmp(address_format(&talk->target, number), talk->target_text) != 0;
    talk_tell(talk, "%s %s%s%s: %s%s", what, talk->target_text,
              is_name ? ", which is " : "", is_name ? number : "",
              strerror(error), hint(talk, error));
    return EXIT_FAILED;
}

/* ADDRESS is the broadcast address of a network that this host is in. */
static bool is_own_broadcast(const struct address *address)
{
    struct ifaddrs *list = NULL;
    bool found = false;
    if (address->u.any.sa_family != AF_INET || getifaddrs(&list) < 0)
        return false;
    for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET ||
            !(at->ifa_flags & IFF_BROADCAST) || !at->ifa_broadaddr)
            continue;
        struct sockaddr_in broadcast;
        memcpy(&broadcast, at->ifa_broadaddr, sizeof broadcast);
        found = broadcast.sin_addr.s_addr == address->u.in.sin_addr.s_addr;
    }
    freeifaddrs(list);
    return found;
}

/* An option that says nothing about this address, or NULL. */
static const char *misplaced(const struct talk *talk)
{
    const struct talk_options *o = &talk->options;
    if (talk->stream && o->unconnected)
        return "--unconnected: only for datagrams";
    if (talk->stream && o->broadcast)
        return "--broadcast: only for datagrams";
    if (!talk->stream && o->no_newline)
        return "--no-newline: only for streams (datagrams hold none)";
    if (o->listen && (o->unconnected || o->broadcast))
        return "--listen: waits to be called, so neither --unconnected nor "
               "--broadcast";
    if (o->broadcast && o->unconnected)
        return "--broadcast: is --unconnected already";
    return NULL;
}

int talk_check(struct talk *talk)
{
    const struct talk_options *o = &talk->options;
    const char *why = NULL;
    if (address_parse(talk->target_text, &talk->target, &why) < 0) {
        log_line("cannot talk to '%s': %s", talk->target_text, why);
        return EXIT_USAGE;
    }
    talk->stream = talk->target.socket_type == SOCK_STREAM;
    talk->addressed =
        !talk->stream && (o->unconnected || o->broadcast || o->listen);
    why = misplaced(talk);
    if (why) {
        log_line("%s", why);
        return EXIT_USAGE;
    }
    if (address_is_multicast_or_broadcast(&talk->target)) {
        log_line("cannot talk to '%s': multicast, and broadcast to everybody, "
                 "are refused (a network's own broadcast address is not)",
                 talk->target_text);
        return EXIT_USAGE;
    }
    if (o->broadcast && !is_own_broadcast(&talk->target)) {
        log_line("--broadcast '%s': not the broadcast address of a network "
                 "that this host is in",
                 talk->target_text);
        return EXIT_USAGE;
    }
    if (!o->listen && talk->target.u.any.sa_family != AF_UNIX &&
        address_port(&talk->target) == 0) {
        log_line("cannot talk to '%s': port 0 is nobody's", talk->target_text);
        return EXIT_USAGE;
    }
    talk->options.chat |= o->listen;
    return EXIT_PASS;
}

/* A Unix datagram socket without a name gets no replies: autobind. */
static int name_unix_datagram(int fd)
{
    struct sockaddr_un none = {.sun_family = AF_UNIX};
    return bind(fd, (const struct sockaddr *)&none, sizeof none.sun_family);
}

static int limit_connect(int fd, suseconds_t limit_us)
{
    const struct timeval limit = {.tv_usec = limit_us};
    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void let_signals_in(void)
{
    const struct timespec none = {0};
    ppoll(NULL, 0, &none, &talk_waiting_mask);
}

/*
 * A connect(2) that takes long: the server's queue (listen's backlog) is full,
 * or the host drops what it gets. It is waited for, in slices: called again,
 * connect goes on with the same attempt.
 */
static int connect_patiently(struct talk *talk)
{
    const struct address *target = &talk->target;
    uint64_t began_ns = clock_now_ns();
    char time[UNITS_TEXT_MAX];
    bool remarked = false;
    if (limit_connect(talk->fd, CONNECT_SLICE_US) < 0)
        return talk_give_up(talk, "cannot set a time limit for", errno);
    while (connect(talk->fd, &target->u.any, target->length) < 0) {
        if (errno == EISCONN)
            break;
        if (errno != EINPROGRESS && errno != EALREADY && errno != EAGAIN &&
            errno != EINTR)
            return talk_give_up(talk, "cannot connect to", errno);
        let_signals_in();
        if (talk_interrupted)
            return talk_interrupted_code();
        if (!remarked &&
            clock_now_ns() - began_ns >= talk->options.timeout_ns) {
            remarked = true;
            talk_tell(talk,
                      "not connected to %s within %s: its queue of waiting "
                      "clients (the backlog) may be full, or the host does not "
                      "answer; still trying",
                      talk->target_text,
                      units_format_duration(talk->options.timeout_ns, time));
        }
    }
    if (limit_connect(talk->fd, 0) < 0)
        return talk_give_up(talk, "cannot lift the time limit for", errno);
    if (remarked)
        talk_tell(talk, "connected after %s",
                  units_format_duration(clock_now_ns() - began_ns, time));
    return EXIT_PASS;
}

static int call(struct talk *talk)
{
    const struct address *target = &talk->target;
    int one = 1;
    talk->peer = *target;
    if (talk->stream)
        return connect_patiently(talk);
    if (target->u.any.sa_family == AF_UNIX && name_unix_datagram(talk->fd) < 0)
        return talk_give_up(talk, "cannot bind for", errno);
    if (talk->options.broadcast &&
        setsockopt(talk->fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) < 0)
        return talk_give_up(talk, "cannot broadcast to", errno);
    if (!talk->addressed &&
        connect(talk->fd, &target->u.any, target->length) < 0)
        return talk_give_up(talk, "cannot connect to", errno);
    return EXIT_PASS;
}

/* Takes the one caller, whose socket replaces the listening one. */
static int await_caller(struct talk *talk)
{
    struct address from = {.socket_type = SOCK_STREAM, .length = sizeof from.u};
    char text[ADDRESS_TEXT_MAX];
    struct pollfd waiting = {.fd = talk->fd, .events = POLLIN};
    int fd = -1;
    while (fd < 0) {
        if (talk_interrupted)
            return talk_interrupted_code();
        if (ppoll(&waiting, 1, NULL, &talk_waiting_mask) < 0) {
            if (errno == EINTR)
                continue;
            return talk_give_up(talk, "cannot wait at", errno);
        }
        fd = accept4(talk->fd, &from.u.any, &from.length, SOCK_CLOEXEC);
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            return talk_give_up(talk, "cannot accept on", errno);
    }
    talk_close(talk); /* one conversation: a second caller is refused */
    talk->fd = fd;
    if (from.u.any.sa_family == AF_UNIX)
        log_line("somebody has called");
    else
        log_line("%s has called", address_format(&from, text));
    return EXIT_PASS;
}

static int await_call(struct talk *talk)
{
    const struct address *target = &talk->target;
    bool is_unix = target->u.any.sa_family == AF_UNIX;
    char text[ADDRESS_TEXT_MAX];
    struct address bound;
    int one = 1;
    if (talk->stream && !is_unix)
        setsockopt(talk->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(talk->fd, &target->u.any, target->length) < 0)
        return talk_give_up(talk, "cannot listen on", errno);
    talk->made_file = is_unix && target->u.un.sun_path[0];
    if (talk->stream && listen(talk->fd, 1) < 0)
        return talk_give_up(talk, "cannot listen on", errno);
    if (address_of_socket(talk->fd, target->socket_type, &bound) == 0)
        log_line("waiting at %s", address_format(&bound, text));
    return talk->stream ? await_caller(talk) : EXIT_PASS;
}

int talk_open(struct talk *talk)
{
    talk->fd = socket(talk->target.u.any.sa_family,
                      talk->target.socket_type | SOCK_CLOEXEC, 0);
    if (talk->fd < 0)
        return talk_give_up(talk, "cannot open a socket for", errno);
    return talk->options.listen ? await_call(talk) : call(talk);
}

void talk_close(struct talk *talk)
{
    if (talk->fd >= 0)
        close(talk->fd);
    talk->fd = -1;
    if (talk->made_file)
        unlink(talk->target.u.un.sun_path);
    talk->made_file = false;
}
