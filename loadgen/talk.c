/*
 * sockbench-talk: the client of the lessons. What is typed goes to the server;
 * what comes back is shown with its round trip.
 *
 *     keyboard --> line --> socket          One loop waits for both, so that a
 *     screen  <-- reply <-- socket          greeting shows before a question.
 */
#include "loadgen/talk.h"
#include "loadgen/measure/clock.h"
#include "servers/cli/log.h"
#include "servers/cli/options.h"
#include "servers/cli/units.h"

#include "build_facts.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLY_MAX 65536
#define TRIP_MAX 64 /* the round trip, or a remark in its place */

volatile sig_atomic_t talk_interrupted;
sigset_t talk_waiting_mask;

#define AT(member) offsetof(struct talk_options, member)

static const char *check_close_word(const char *text)
{
    const size_t length = strlen(text);
    if (length == 0)
        return "a word of a byte at least";
    return strchr(text, '\n') || strchr(" \t\v\f\r", text[length - 1])
               ? "no newline in it and no white space at its end"
               : NULL;
}

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
     .help = "after this line has been sent and answered, end",
     .check = check_close_word},
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
               "answered,\n2 bad words, 130 interrupted, 143 ended by SIGTERM.",
    .options = rows,
    .count = sizeof rows / sizeof *rows,
};

static void on_signal(int number)
{
    talk_interrupted = number;
}

int talk_interrupted_code(void)
{
    return 128 + talk_interrupted;
}

/* Blocked, so that one that comes just before a wait is not slept over. */
static void catch_signals(void)
{
    const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        sigaddset(&blocked, ends[i]);
        sigaction(ends[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &talk_waiting_mask);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigdelset(&talk_waiting_mask, ends[i]);
    signal(SIGPIPE, SIG_IGN);
}

void talk_tell(struct talk *talk, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (talk->lines)
        talk_lines_step_aside(talk->lines);
    log_line("%s", line);
    if (talk->lines)
        talk_lines_come_back(talk->lines);
}

/* Nothing more to send: the other side of a connection is told by FIN. */
static void end_sending(struct talk *talk)
{
    talk->sent_all = true;
    if (talk->stream) {
        shutdown(talk->fd, SHUT_WR);
        if (talk->heard_ns == 0 && talk->options.chat)
            talk->heard_ns = clock_now_ns(); /* no reply is waited for */
    } else if (talk->asked_ns == 0) {
        talk->over = true;
    }
}

static void on_send_error(struct talk *talk, int error)
{
    talk->exit_code = talk_give_up(talk, "cannot send to", error);
    talk->asked_ns = 0;
    /* What came before a reset is still to be read. */
    if (talk->stream)
        talk->sent_all = true;
    else
        talk->over = talk->one_answer;
}

/* Sends what the socket takes of `unsent`; the rest waits for POLLOUT, so that
 * a server that must be read from first can be. */
static void send_unsent(struct talk *talk)
{
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    int error = 0;
    do {
        const char *data = talk->unsent + talk->unsent_begin;
        size_t length = talk->unsent_end - talk->unsent_begin;
        ssize_t n = talk->addressed
                        ? sendto(talk->fd, data, length, flags,
                                 &talk->peer.u.any, talk->peer.length)
                        : send(talk->fd, data, length, flags);
        /* POLLOUT does not tell of the socket at the other end of sendto. */
        if (n < 0 && errno == EAGAIN && !talk->addressed)
            return;
        if (n < 0)
            error = errno;
        else
            talk->unsent_begin += (size_t)n;
    } while (error == 0 && talk->stream &&
             talk->unsent_begin < talk->unsent_end);
    free(talk->unsent);
    talk->unsent = NULL;
    if (error != 0)
        on_send_error(talk, error);
}

/* The word, whatever white space follows it: servers take it so too. */
static bool is_close_word(const struct talk *talk, const char *line,
                          size_t length)
{
    const char *word = talk->options.close_word;
    size_t used = word ? strlen(word) : 0;
    if (!word || length < used || memcmp(line, word, used) != 0)
        return false;
    while (used < length && strchr(" \t\r", line[used]) && line[used])
        used++;
    return used == length; /* a line may hold a NUL, so its end is no proof */
}

/* Takes line, which is on the heap. */
static void send_line(struct talk *talk, char *line, size_t length)
{
    talk->one_answer = talk->options.once || is_close_word(talk, line, length);
    if (talk->stream && !talk->options.no_newline)
        line[length++] = '\n'; /* over the NUL, which stands there */
    if (talk->stream && length == 0) {
        free(line); /* an empty line without its newline is nothing */
        return;
    }
    talk->overlapped |= talk->asked_ns != 0;
    talk->asked_ns = talk->options.chat ? 0 : clock_now_ns();
    talk->unsent = line;
    talk->unsent_begin = 0;
    talk->unsent_end = length;
    send_unsent(talk);
}

/* Control characters of the other side would be obeyed by the terminal: also
 * U+0080 to U+009F, in UTF-8. */
static void defuse(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        uint8_t next = i + 1 < length ? (uint8_t)text[i + 1] : 0;
        if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            text[i] = text[i + 1] = '?';
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            text[i] = '?';
    }
}

static void show(struct talk *talk, char *data, size_t length,
                 const struct address *from)
{
    char line[REPLY_MAX + ADDRESS_TEXT_MAX + TRIP_MAX + 8];
    char trip[UNITS_TEXT_MAX];
    char who[ADDRESS_TEXT_MAX];
    bool decorated = talk_lines_on_terminal(talk->lines);
    const bool on_screen = isatty(STDOUT_FILENO);
    if (on_screen)
        defuse(data, length);
    /* A stream into a pipe is passed on byte for byte. */
    if (!decorated && talk->stream) {
        talk_lines_print(talk->lines, data, length);
        return;
    }
    bool has_newline = length > 0 && data[length - 1] == '\n';
    size_t shown = length - has_newline;
    int used = 0;
    if (from)
        used = snprintf(line, sizeof line, "[%s] ", address_format(from, who));
    if (on_screen) /* the name of a Unix socket is the other side's, too */
        defuse(line, (size_t)used);
    memcpy(line + used, data, shown);
    used += (int)shown;
    if (decorated && talk->overdue > 0)
        used += snprintf(line + used, sizeof line - (size_t)used, "   (%s)",
                         talk->asked_ns != 0
                             ? "perhaps to an earlier line: one is overdue"
                             : "late");
    else if (decorated && talk->asked_ns != 0 && !talk->overlapped)
        used += snprintf(
            line + used, sizeof line - (size_t)used, "   (%s)",
            units_format_duration(clock_now_ns() - talk->asked_ns, trip));
    line[used++] = '\n';
    talk_lines_print(talk->lines, line, (size_t)used);
}

static void on_end_of_stream(struct talk *talk)
{
    const char *who = talk->options.listen ? "the caller" : talk->target_text;
    talk->over = true;
    if (talk->unsent || (!talk->sent_all && talk_lines_wait(talk->lines))) {
        talk_tell(talk, "%s has closed before everything was sent", who);
        talk->exit_code = EXIT_FAILED;
    } else if (talk->asked_ns != 0) {
        talk_tell(talk, "%s has closed without an answer to the last line",
                  who);
        talk->exit_code = EXIT_FAILED;
    } else if (!talk->sent_all && talk_lines_on_terminal(talk->lines)) {
        talk_tell(talk, "%s has closed the connection", who);
    }
}

static void on_error(struct talk *talk, int error)
{
    if (!talk->stream) {
        talk->exit_code = talk_give_up(talk, "no answer from", error);
        talk->asked_ns = 0;
        talk->over = talk->sent_all;
        return;
    }
    talk->over = true;
    talk->exit_code = EXIT_FAILED;
    talk_tell(talk, "%s: %s%s", talk->target_text, strerror(error),
              error == ECONNRESET
                  ? " (the other side closed with bytes unread or with "
                    "SO_LINGER 0, or was killed)"
                  : "");
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
    show(talk, data, (size_t)n, talk->addressed ? &from : NULL);
    talk->overdue -= talk->overdue > 0 && talk->asked_ns == 0;
    if (talk->options.listen && !talk->stream)
        talk->peer = from;
    talk->asked_ns = 0;
    talk->heard_ns = clock_now_ns();
    talk->remarked = false;
    if (!talk->stream && talk->sent_all)
        talk->over = true;
}

static void on_silence(struct talk *talk)
{
    char time[UNITS_TEXT_MAX];
    units_format_duration(talk->options.timeout_ns, time);
    talk->remarked = true;
    if (talk->stream && talk->asked_ns == 0) {
        talk_tell(talk, "%s keeps the connection; leaving after %s of silence",
                  talk->target_text, time);
        talk->over = true;
    } else if (talk->stream) {
        talk_tell(talk,
                  "no reply within %s: the connection stands, so the server "
                  "may be busy with somebody else, or not answer lines "
                  "(--chat); still waiting",
                  time);
    } else {
        talk_tell(talk,
                  "no reply within %s: the datagram or its reply was lost, or "
                  "nobody serves %s; UDP does not tell which, and sends "
                  "nothing again",
                  time, talk->target_text);
        talk->lost++;
        talk->overdue++;
        talk->asked_ns = 0;
        talk->remarked = false;
        talk->over = talk->sent_all;
    }
}

/* When the silence is to be remarked on, or 0. */
static uint64_t patience_ends_ns(const struct talk *talk)
{
    uint64_t timeout_ns = talk->options.timeout_ns;
    if (talk->remarked)
        return 0;
    if (talk->asked_ns != 0)
        return talk->asked_ns + timeout_ns;
    /* One answer was wanted and came, but the server does not close. */
    if (talk->stream && talk->one_answer && talk->sent_all &&
        talk->heard_ns != 0)
        return talk->heard_ns + timeout_ns;
    return 0;
}

/* Lines go out one at a time, or the round trips would mean nothing; after a
 * remark on the silence, a stream's go out as they come. */
static bool may_send(const struct talk *talk)
{
    return !talk->sent_all && !talk->over && !talk->unsent &&
           !talk->one_answer && (talk->asked_ns == 0 || talk->remarked);
}

static void take_lines(struct talk *talk)
{
    size_t length;
    char *line;
    /* Whom to write to is known when the first datagram has come. */
    bool nobody = !talk->stream && talk->peer.length == 0;
    while (may_send(talk) && !nobody &&
           (line = talk_lines_next(talk->lines, &length)) != NULL)
        send_line(talk, line, length);
    if (nobody && talk_lines_wait(talk->lines) && !talk->remarked) {
        talk->remarked = true;
        talk_tell(talk, "nobody has written yet, so whom to write to is not "
                        "known: kept until somebody does");
    }
    if (talk->sent_all || talk->over || talk->unsent)
        return;
    if (talk->one_answer || talk_lines_ended(talk->lines))
        end_sending(talk);
}

static int wait_for_change(struct talk *talk, struct pollfd fds[2])
{
    uint64_t until_ns = patience_ends_ns(talk);
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec left = {.tv_sec = (time_t)(left_ns / NS_PER_S),
                            .tv_nsec = (long)(left_ns % NS_PER_S)};
    bool reading = !talk->sent_all && talk_lines_hungry(talk->lines);
    fds[0] = (struct pollfd){
        .fd = talk->fd,
        .events = (short)(POLLIN | (talk->unsent ? POLLOUT : 0))};
    fds[1] =
        (struct pollfd){.fd = reading ? STDIN_FILENO : -1, .events = POLLIN};
    if (ppoll(fds, 2, until_ns ? &left : NULL, &talk_waiting_mask) < 0)
        return -errno;
    return 0;
}

static void converse(struct talk *talk)
{
    struct pollfd fds[2];
    take_lines(talk);
    while (!talk->over) {
        int r = wait_for_change(talk, fds);
        if (r < 0 && r != -EINTR) {
            talk->exit_code = EXIT_FAILED;
            talk_tell(talk, "cannot wait: %s", strerror(-r));
            return;
        }
        if (talk_interrupted) {
            talk->exit_code = talk_interrupted_code();
            return;
        }
        if (r < 0)
            continue;
        if (talk->unsent && (fds[0].revents & POLLOUT))
            send_unsent(talk);
        if (fds[0].revents & ~POLLOUT)
            on_socket(talk);
        if (fds[1].revents)
            talk_lines_read(talk->lines);
        uint64_t until_ns = patience_ends_ns(talk);
        if (!talk->over && until_ns != 0 && clock_now_ns() >= until_ns)
            on_silence(talk);
        take_lines(talk);
        talk->over |= ferror(stdout) != 0;
    }
}

static int talk_to(struct talk *talk)
{
    int code = talk_check(talk);
    if (code == EXIT_PASS)
        code = talk_open(talk);
    if (code != EXIT_PASS)
        return code;
    talk->lines = talk_lines_new("> ");
    if (!talk->lines) {
        log_line("cannot read lines: %s", strerror(ENOMEM));
        return EXIT_FAILED;
    }
    converse(talk);
    const char *why = talk_lines_failure(talk->lines);
    talk_lines_free(talk->lines);
    talk->lines = NULL;
    free(talk->unsent);
    if (log_stdout_code() != EXIT_PASS)
        return EXIT_FAILED;
    if (why) {
        log_line("cannot read standard input: %s", why);
        return EXIT_FAILED;
    }
    if (talk->exit_code != EXIT_PASS)
        return talk->exit_code;
    return talk->lost > 0 ? EXIT_FAILED : EXIT_PASS;
}

int main(int argc, char **argv)
{
    struct talk talk = {.fd = -1};
    struct option_error error;
    int operands;
    int code = EXIT_USAGE;
    log_open(argv[0]);
    catch_signals();
    options_defaults(&table, &talk.options);
    if (options_parse(&table, argc, argv, &talk.options, &operands, &error) <
        0) {
        log_line("%s", error.text);
    } else if (talk.options.help) {
        options_help(&table, log_program(), stdout);
        code = log_stdout_code();
    } else if (talk.options.version) {
        printf("sockbench-talk %s\n", BUILD_VERSION);
        code = log_stdout_code();
    } else if (argc - operands != 1) {
        log_line("talk to whom? One address, such as tcp://127.0.0.1:9999 (see "
                 "--help)");
    } else {
        talk.target_text = argv[operands];
        code = talk_to(&talk);
    }
    talk_close(&talk);
    return code;
}
