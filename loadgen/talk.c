/*
 * sockbench-talk: the client of the lessons. What is typed goes to the server;
 * what comes back is shown with its round trip.
 *
 *     keyboard --> line --> socket          One loop waits for both, so that a
 *     screen  <-- reply <-- socket          greeting shows before a question.
 */
#include "loadgen/measure/clock.h"
#include "loadgen/talk_lines.h"
#include "servers/cli/log.h"
#include "servers/cli/options.h"
#include "servers/cli/units.h"
#include "servers/wire/address.h"

#include "build_facts.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_MAX 65536

struct talk_options {
    const char *close_word;
    uint64_t timeout_ns;
    bool listen;
    bool chat;
    bool once;
    bool unconnected;
    bool broadcast;
    bool no_newline;
    bool help;
    bool version;
};

#define AT(member) offsetof(struct talk_options, member)

static const struct option_spec rows[] = {
    {.name = "once",
     .letter = '1',
     .type = OPTION_FLAG,
     .offset = AT(once),
     .help = "send one line, show the reply, end"},
    {.name = "close-word",
     .type = OPTION_TEXT,
     .offset = AT(close_word),
     .argument = "WORD",
     .help = "after this line has been sent and answered, end"},
    {.name = "listen",
     .letter = 'l',
     .type = OPTION_FLAG,
     .offset = AT(listen),
     .help = "wait for the other one at ADDRESS instead of calling"},
    {.name = "chat",
     .type = OPTION_FLAG,
     .offset = AT(chat),
     .help = "two people writing: no reply is expected to a line"},
    {.name = "timeout",
     .letter = 't',
     .type = OPTION_DURATION,
     .offset = AT(timeout_ns),
     .argument = "TIME",
     .fallback = "1s",
     .help = "a line unanswered this long is remarked on",
     .min = 1000000},
    {.name = "unconnected",
     .type = OPTION_FLAG,
     .offset = AT(unconnected),
     .help = "datagrams: address each one; take replies from anybody"},
    {.name = "broadcast",
     .type = OPTION_FLAG,
     .offset = AT(broadcast),
     .help = "datagrams: ADDRESS is this host's own network's broadcast"},
    {.name = "no-newline",
     .letter = 'n',
     .type = OPTION_FLAG,
     .offset = AT(no_newline),
     .help = "streams: send lines without their newline"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = AT(help),
     .help = "print this"},
    {.name = "version",
     .letter = 'V',
     .type = OPTION_FLAG,
     .offset = AT(version),
     .help = "print the version"},
};

static const struct option_table table = {
    .usage = "ADDRESS [OPTIONS]",
    .summary = "Sends what you type to a server and shows what comes back, "
               "with the round trip.\nThe end of input (Ctrl-D) ends your side "
               "of a connection; what is still to come\nis shown.",
    .closing = "Examples:\n"
               "  sockbench talk tcp://127.0.0.1:9999 --close-word close\n"
               "  echo hello | sockbench talk udp://127.0.0.1:8888 --once\n"
               "  sockbench talk --listen udp://127.0.0.1:7000     and, "
               "elsewhere,\n"
               "  sockbench talk --chat udp://127.0.0.1:7000\n\n"
               "Exit codes: 0 ended well, 1 no connection, or a line was never "
               "answered,\n2 bad words, 130 interrupted.",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

struct talk {
    struct talk_options options;
    const char *target_text;
    struct address target;
    struct address peer; /* datagrams: whom to write to; length 0: nobody yet */
    bool stream;
    int fd;
    struct talk_lines *lines;
    uint64_t asked_ns; /* when the unanswered line was sent; 0: none waits */
    bool remarked;     /* its silence has been remarked on */
    bool sent_all;     /* nothing more will be sent */
    bool closing;      /* the close word was sent */
    bool over;
    int exit_code;
    unsigned lost;
};

static int give_up(const struct talk *talk, const char *what, int error)
{
    const char *hint = "";
    if (error == ECONNREFUSED)
        hint = talk->stream ? " (no server listens there: start it first, and "
                              "look at the port)"
                            : " (the host answered that nobody has that port)";
    else if (error == ENOENT)
        hint = " (no socket of this name: start the server first)";
    else if (error == EADDRINUSE)
        hint = " (another program has this address)";
    else if (error == EACCES)
        hint = " (ports below 1024 want privileges; broadcast wants "
               "--broadcast)";
    log_line("%s %s: %s%s", what, talk->target_text, strerror(error), hint);
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

static int check_words(struct talk *talk)
{
    const struct talk_options *o = &talk->options;
    const char *why = NULL;
    if (address_parse(talk->target_text, &talk->target, &why) < 0) {
        log_line("cannot talk to '%s': %s", talk->target_text, why);
        return EXIT_USAGE;
    }
    talk->stream = talk->target.socket_type == SOCK_STREAM;
    if (talk->stream && (o->unconnected || o->broadcast)) {
        log_line("--%s: only for datagrams",
                 o->unconnected ? "unconnected" : "broadcast");
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
    talk->options.chat |= o->listen;
    return EXIT_PASS;
}

/* A Unix datagram socket without a name gets no replies: autobind. */
static int name_unix_datagram(int fd)
{
    struct sockaddr_un none = {.sun_family = AF_UNIX};
    return bind(fd, (const struct sockaddr *)&none, sizeof none.sun_family);
}

static int call(struct talk *talk)
{
    const struct address *target = &talk->target;
    bool connected =
        talk->stream || !(talk->options.unconnected || talk->options.broadcast);
    int one = 1;
    talk->peer = *target;
    if (target->u.any.sa_family == AF_UNIX && !talk->stream &&
        name_unix_datagram(talk->fd) < 0)
        return give_up(talk, "cannot bind for", errno);
    if (talk->options.broadcast &&
        setsockopt(talk->fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) < 0)
        return give_up(talk, "cannot broadcast to", errno);
    if (connected && connect(talk->fd, &target->u.any, target->length) < 0)
        return give_up(talk, "cannot connect to", errno);
    return EXIT_PASS;
}

static int await_call(struct talk *talk)
{
    const struct address *target = &talk->target;
    char text[ADDRESS_TEXT_MAX];
    struct address bound;
    int one = 1;
    if (talk->stream)
        setsockopt(talk->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(talk->fd, &target->u.any, target->length) < 0 ||
        (talk->stream && listen(talk->fd, 1) < 0))
        return give_up(talk, "cannot listen on", errno);
    if (address_of_socket(talk->fd, target->socket_type, &bound) == 0)
        log_line("waiting at %s", address_format(&bound, text));
    if (!talk->stream)
        return EXIT_PASS;
    struct address from = {.socket_type = SOCK_STREAM, .length = sizeof from.u};
    int fd = accept4(talk->fd, &from.u.any, &from.length, SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EINTR ? EXIT_INTERRUPTED
                              : give_up(talk, "cannot accept on", errno);
    close(talk->fd); /* one conversation: a second caller is refused */
    if (target->u.any.sa_family == AF_UNIX && target->u.un.sun_path[0])
        unlink(target->u.un.sun_path);
    talk->fd = fd;
    log_line("%s has called", address_format(&from, text));
    return EXIT_PASS;
}

static int open_socket(struct talk *talk)
{
    talk->fd = socket(talk->target.u.any.sa_family,
                      talk->target.socket_type | SOCK_CLOEXEC, 0);
    if (talk->fd < 0)
        return give_up(talk, "cannot open a socket for", errno);
    return talk->options.listen ? await_call(talk) : call(talk);
}

/* Nothing more to send: the other side is told by FIN. */
static void end_sending(struct talk *talk)
{
    talk->sent_all = true;
    if (talk->stream)
        shutdown(talk->fd, SHUT_WR);
    else if (talk->asked_ns == 0)
        talk->over = true;
}

static int send_bytes(struct talk *talk, const char *data, size_t length)
{
    bool addressed =
        !talk->stream && (talk->options.unconnected ||
                          talk->options.broadcast || talk->options.listen);
    do {
        ssize_t n = addressed ? sendto(talk->fd, data, length, MSG_NOSIGNAL,
                                       &talk->peer.u.any, talk->peer.length)
                              : send(talk->fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        data += n;
        length -= (size_t)n;
    } while (length > 0 && talk->stream);
    return 0;
}

static void send_line(struct talk *talk, char *line, size_t length)
{
    if (talk->peer.length == 0 && !talk->stream) {
        log_line("nobody has written yet: whom to answer is not known");
        return;
    }
    bool closing =
        talk->options.close_word && strcmp(line, talk->options.close_word) == 0;
    if (talk->stream && !talk->options.no_newline)
        line[length++] = '\n'; /* over the NUL, which stands there */
    talk->asked_ns = talk->options.chat ? 0 : clock_now_ns();
    talk->remarked = false;
    int error = send_bytes(talk, line, length);
    if (error != 0) {
        talk->exit_code = give_up(talk, "cannot send to", error);
        talk->asked_ns = 0;
        talk->over = talk->stream || talk->options.once || closing;
        return;
    }
    talk->closing = closing;
    if (talk->options.once || closing)
        end_sending(talk);
}

static void show(struct talk *talk, const char *data, size_t length,
                 const struct address *from)
{
    char line[REPLY_MAX + 512];
    char trip[UNITS_TEXT_MAX];
    char who[ADDRESS_TEXT_MAX];
    bool decorated = talk_lines_on_terminal(talk->lines);
    bool has_newline = length > 0 && data[length - 1] == '\n';
    int used = 0;
    if (from)
        used = snprintf(line, sizeof line, "[%s] ", address_format(from, who));
    size_t shown = length - has_newline;
    memcpy(line + used, data, shown);
    used += (int)shown;
    if (decorated && talk->asked_ns != 0)
        used += snprintf(
            line + used, sizeof line - (size_t)used, "   (%s)",
            units_format_duration(clock_now_ns() - talk->asked_ns, trip));
    line[used++] = '\n';
    /* A stream into a pipe is passed on byte for byte. */
    if (!decorated && talk->stream)
        talk_lines_print(talk->lines, data, length);
    else
        talk_lines_print(talk->lines, line, (size_t)used);
}

static void on_end_of_stream(struct talk *talk)
{
    talk->over = true;
    if (!talk->sent_all && talk_lines_on_terminal(talk->lines))
        log_line("%s has closed the connection", talk->target_text);
}

static void on_error(struct talk *talk, int error)
{
    if (talk->stream) {
        talk->over = true;
        talk->exit_code = EXIT_FAILED;
        log_line("%s: %s%s", talk->target_text, strerror(error),
                 error == ECONNRESET
                     ? " (the server closed with bytes unread, or with "
                       "SO_LINGER 0, or was killed)"
                     : "");
        return;
    }
    talk->exit_code = give_up(talk, "no answer from", error);
    talk->asked_ns = 0;
    talk->over = talk->sent_all;
}

static void on_socket(struct talk *talk)
{
    char data[REPLY_MAX];
    struct address from = {.socket_type = talk->target.socket_type,
                           .length = sizeof from.u};
    ssize_t n = recvfrom(talk->fd, data, sizeof data, MSG_DONTWAIT,
                         talk->stream ? NULL : &from.u.any,
                         talk->stream ? NULL : &from.length);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            on_error(talk, errno);
        return;
    }
    if (n == 0 && talk->stream) {
        on_end_of_stream(talk);
        return;
    }
    bool tell_who =
        !talk->stream && (talk->options.unconnected ||
                          talk->options.broadcast || talk->options.listen);
    show(talk, data, (size_t)n, tell_who ? &from : NULL);
    if (talk->options.listen && !talk->stream)
        talk->peer = from;
    talk->asked_ns = 0;
    if (!talk->stream && talk->sent_all)
        talk->over = true;
}

static void on_silence(struct talk *talk)
{
    char time[UNITS_TEXT_MAX];
    units_format_duration(talk->options.timeout_ns, time);
    talk->remarked = true;
    if (talk->stream) {
        log_line("no reply within %s: the connection stands, so the server may "
                 "be busy with somebody else; still waiting",
                 time);
        return;
    }
    log_line("no reply within %s: the datagram or its reply was lost, or "
             "nobody serves %s; UDP does not tell which, and sends nothing "
             "again",
             time, talk->target_text);
    talk->lost++;
    talk->asked_ns = 0;
    talk->over = talk->sent_all;
}

static void take_lines(struct talk *talk)
{
    /* One question at a time, or its round trip means nothing. */
    while (!talk->sent_all && !talk->over && talk->asked_ns == 0) {
        size_t length;
        char *line = talk_lines_next(talk->lines, &length);
        if (!line)
            break;
        send_line(talk, line, length);
        free(line);
    }
    if (!talk->sent_all && !talk->over && talk->asked_ns == 0 &&
        talk_lines_ended(talk->lines))
        end_sending(talk);
}

static int patience_ms(const struct talk *talk)
{
    if (talk->asked_ns == 0 || talk->remarked)
        return -1;
    uint64_t waited = clock_now_ns() - talk->asked_ns;
    if (waited >= talk->options.timeout_ns)
        return 0;
    return (int)((talk->options.timeout_ns - waited) / NS_PER_MS) + 1;
}

static void converse(struct talk *talk)
{
    while (!talk->over) {
        bool reading = !talk->sent_all && !talk_lines_ended(talk->lines);
        struct pollfd fds[2] = {
            {.fd = talk->fd, .events = POLLIN},
            {.fd = reading ? STDIN_FILENO : -1, .events = POLLIN}};
        if (poll(fds, 2, patience_ms(talk)) < 0) {
            if (errno == EINTR)
                continue;
            talk->exit_code = EXIT_FAILED;
            log_line("cannot wait: %s", strerror(errno));
            return;
        }
        if (fds[0].revents)
            on_socket(talk);
        if (fds[1].revents)
            talk_lines_read(talk->lines);
        if (!talk->over && patience_ms(talk) == 0)
            on_silence(talk);
        take_lines(talk);
    }
}

static int talk_to(struct talk *talk)
{
    int code = check_words(talk);
    if (code == EXIT_PASS)
        code = open_socket(talk);
    if (code != EXIT_PASS)
        return code;
    talk->lines = talk_lines_new("> ");
    if (!talk->lines)
        return EXIT_FAILED;
    take_lines(talk);
    converse(talk);
    talk_lines_free(talk->lines);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_line("cannot write to stdout: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return talk->exit_code != EXIT_PASS ? talk->exit_code
           : talk->lost > 0             ? EXIT_FAILED
                                        : EXIT_PASS;
}

int main(int argc, char **argv)
{
    struct talk talk = {.fd = -1};
    struct option_error error;
    int operands;
    int code = EXIT_USAGE;
    log_open(argv[0]);
    signal(SIGPIPE, SIG_IGN);
    options_defaults(&table, &talk.options);
    if (options_parse(&table, argc, argv, &talk.options, &operands, &error) <
        0) {
        log_line("%s", error.text);
    } else if (talk.options.help) {
        options_help(&table, log_program(), stdout);
        code = fflush(stdout) == 0 ? EXIT_PASS : EXIT_FAILED;
    } else if (talk.options.version) {
        printf("sockbench-talk %s\n", BUILD_VERSION);
        code = fflush(stdout) == 0 ? EXIT_PASS : EXIT_FAILED;
    } else if (argc - operands != 1) {
        log_line("talk to whom? One address, such as tcp://127.0.0.1:9999 (see "
                 "--help)");
    } else {
        talk.target_text = argv[operands];
        code = talk_to(&talk);
    }
    if (talk.fd >= 0)
        close(talk.fd);
    return code;
}
