/*
 * sockbench-talk: the client of the lessons. What is typed goes to the server;
 * what comes back is shown with its round trip.
 *
 *     words --> call or be called --> converse --> how it ended
 *     here      talk_call             talk_converse, talk_lines, talk_show
 */
#include "loadgen/talk/talk.h"
#include "servers/cli/log.h"
#include "servers/cli/options.h"

#include "build_facts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t talk_interrupted;
volatile sig_atomic_t talk_stop_asked, talk_continued, talk_resized;
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

static void on_terminal_signal(int number)
{
    talk_stop_asked |= number == SIGTSTP;
    talk_continued |= number == SIGCONT;
    talk_resized |= number == SIGWINCH;
}

/* As the signals that end it; they come in while something is waited for. */
void talk_watch_terminal(void)
{
    const int watched[] = {SIGTSTP, SIGCONT, SIGWINCH};
    const struct sigaction action = {.sa_handler = on_terminal_signal};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        sigaddset(&blocked, watched[i]);
        sigaction(watched[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

void talk_stop(void)
{
    const struct sigaction action = {.sa_handler = SIG_DFL};
    struct sigaction ours;
    sigset_t stop;
    sigset_t mask;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigaction(SIGTSTP, &action, &ours);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, &mask); /* here it stops */
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGTSTP, &ours, NULL);
}

/* Blocked, so that one that comes just before a wait is not slept over. */
static void catch_signals(void)
{
    const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
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
    if (talk_lines_on_terminal(talk->lines))
        talk_watch_terminal();
    talk_converse(talk);
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
