/*
 * The conversation.
 *
 *     keyboard --> line --> socket          One loop waits for both, so that a
 *     screen  <-- reply <-- socket          greeting shows before a question.
 */
#include "loadgen/measure/clock.h"
#include "loadgen/talk/talk.h"
#include "servers/cli/log.h"
#include "servers/cli/units.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing more to send: the other side of a connection is told by FIN. */
static void end_sending(struct talk *talk)
{
    talk->sent_all = true;
    talk_lines_end(talk->lines);
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
    char data[TALK_REPLY_MAX];
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
    talk_show(talk, data, (size_t)n, talk->addressed ? &from : NULL);
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

/* Between two waits: what the person did to the terminal. */
static void on_terminal(struct talk *talk)
{
    if (talk_stop_asked) {
        talk_stop_asked = 0;
        talk_lines_let_go(talk->lines);
        talk_stop();
        talk_continued = 1;
    }
    if (talk_continued) {
        talk_continued = 0;
        talk_lines_take_back(talk->lines);
    }
    if (talk_resized) {
        talk_resized = 0;
        talk_lines_resized(talk->lines);
    }
}

void talk_converse(struct talk *talk)
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
        on_terminal(talk);
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
