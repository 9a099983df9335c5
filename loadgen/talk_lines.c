#include "loadgen/talk_lines.h"

#include "talk_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#if HAVE_LIBEDIT
#include <editline/readline.h>
#include <langinfo.h>
#include <locale.h>
#endif

/* More than anybody types; what a pipe holds without newlines is bounded. */
#define LINE_MAX_BYTES ((size_t)16 << 20)

struct talk_lines {
    const char *prompt;
    const char *failure;
    bool on_terminal;
    bool at_end;
    char *text; /* what has been read and not been taken */
    size_t begin, end;
    size_t size;
};

static void fail(struct talk_lines *lines, const char *why)
{
    lines->failure = why;
    lines->at_end = true;
    lines->begin = lines->end = 0; /* half a line is no line */
}

static void append(struct talk_lines *lines, const char *text, size_t length)
{
    size_t held = lines->end - lines->begin;
    if (held + length > LINE_MAX_BYTES) {
        fail(lines, "a line is longer than 16 MiB");
        return;
    }
    if (length == 0)
        return;
    if (lines->end + length > lines->size) {
        /* Room is made at the front first, then by growing. */
        if (held > 0)
            memmove(lines->text, lines->text + lines->begin, held);
        lines->begin = 0;
        lines->end = held;
    }
    if (held + length > lines->size) {
        size_t size = 2 * (held + length) + 256;
        char *grown = realloc(lines->text, size);
        if (!grown) {
            fail(lines, "out of memory");
            return;
        }
        lines->text = grown;
        lines->size = size;
    }
    memcpy(lines->text + lines->end, text, length);
    lines->end += length;
}

#if HAVE_LIBEDIT
/* libedit drops what is no character of the locale: of "C", all but ASCII. */
static void know_letters(void)
{
    if (!setlocale(LC_CTYPE, "") ||
        strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* libedit calls back without an argument: there is one terminal. */
static struct talk_lines *terminal;

/* Leaves what is on the screen to whoever writes next. */
static void end_of_terminal(void)
{
    terminal->at_end = true;
    rl_callback_handler_remove();
    fputc('\n', stdout);
    fflush(stdout);
}

static void on_line(char *line)
{
    if (!line) {
        end_of_terminal();
        return;
    }
    if (*line)
        add_history(line);
    append(terminal, line, strlen(line));
    append(terminal, "\n", 1);
    free(line);
    /* libedit has given the terminal back to the kernel's own line editing,
     * which would keep a Ctrl-D to itself. */
    rl_callback_handler_install(terminal->prompt, on_line);
}
#endif

struct talk_lines *talk_lines_new(const char *prompt)
{
    struct talk_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return NULL;
    lines->prompt = prompt;
    lines->on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
#if HAVE_LIBEDIT
    if (lines->on_terminal) {
        terminal = lines;
        know_letters();
        rl_catch_signals = 0; /* they are the loop's */
        rl_callback_handler_install(prompt, on_line);
    }
#else
    talk_lines_come_back(lines);
#endif
    return lines;
}

/* Something stands behind the prompt. */
static bool is_typing(void)
{
#if HAVE_LIBEDIT
    return rl_end > 0;
#else
    return false; /* it is the kernel's */
#endif
}

void talk_lines_end(struct talk_lines *lines)
{
    if (!lines->on_terminal || lines->at_end)
        return;
    fputs(is_typing() ? "\n" : "\r\033[K", stdout);
    fflush(stdout);
    lines->at_end = true;
#if HAVE_LIBEDIT
    rl_callback_handler_remove();
#endif
}

void talk_lines_free(struct talk_lines *lines)
{
    if (!lines)
        return;
    talk_lines_end(lines);
    free(lines->text);
    free(lines);
}

bool talk_lines_on_terminal(const struct talk_lines *lines)
{
    return lines->on_terminal;
}

void talk_lines_read(struct talk_lines *lines)
{
#if HAVE_LIBEDIT
    if (lines->on_terminal) {
        int held = 0;
        /* Readable and nothing there: a Ctrl-D that the kernel took, or the
         * terminal is gone. libedit would not tell. */
        if (ioctl(STDIN_FILENO, FIONREAD, &held) < 0 || held == 0)
            end_of_terminal();
        else
            rl_callback_read_char();
        return;
    }
#endif
    char part[65536];
    ssize_t n = read(STDIN_FILENO, part, sizeof part);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        fail(lines, strerror(errno));
    else if (n == 0)
        lines->at_end = true;
    if (n > 0) {
        append(lines, part, (size_t)n);
        talk_lines_come_back(lines); /* the line has taken the prompt's place */
    }
}

static const char *next_newline(const struct talk_lines *lines)
{
    if (lines->begin == lines->end)
        return NULL;
    return memchr(lines->text + lines->begin, '\n', lines->end - lines->begin);
}

char *talk_lines_next(struct talk_lines *lines, size_t *ret_length)
{
    const char *newline = next_newline(lines);
    if (!newline && !(lines->at_end && lines->begin < lines->end))
        return NULL;
    const char *begin = lines->text + lines->begin;
    size_t length =
        newline ? (size_t)(newline - begin) : lines->end - lines->begin;
    char *line = malloc(length + 1);
    if (!line) {
        fail(lines, "out of memory");
        return NULL;
    }
    memcpy(line, begin, length);
    line[length] = '\0';
    lines->begin += length + (newline != NULL);
    *ret_length = length;
    return line;
}

bool talk_lines_wait(const struct talk_lines *lines)
{
    return lines->begin < lines->end;
}

bool talk_lines_ended(const struct talk_lines *lines)
{
    return lines->at_end && lines->begin == lines->end;
}

bool talk_lines_hungry(const struct talk_lines *lines)
{
    return !lines->at_end && (lines->on_terminal || !next_newline(lines));
}

const char *talk_lines_failure(const struct talk_lines *lines)
{
    return lines->failure;
}

void talk_lines_step_aside(struct talk_lines *lines)
{
    if (!lines->on_terminal || lines->at_end)
        return;
    fputs("\r\033[K", stdout);
    fflush(stdout);
}

void talk_lines_come_back(struct talk_lines *lines)
{
    if (!lines->on_terminal || lines->at_end)
        return;
#if HAVE_LIBEDIT
    rl_forced_update_display();
#else
    fputs(lines->prompt, stdout);
    fflush(stdout);
#endif
}

void talk_lines_let_go(struct talk_lines *lines)
{
    if (!lines->on_terminal || lines->at_end)
        return;
#if HAVE_LIBEDIT
    rl_deprep_terminal();
#endif
}

void talk_lines_take_back(struct talk_lines *lines)
{
    if (!lines->on_terminal || lines->at_end)
        return;
#if HAVE_LIBEDIT
    rl_prep_terminal(1);
#endif
    talk_lines_step_aside(lines);
    talk_lines_come_back(lines);
}

void talk_lines_resized(struct talk_lines *lines)
{
    if (!lines->on_terminal || lines->at_end)
        return;
#if HAVE_LIBEDIT
    rl_resize_terminal();
    rl_forced_update_display();
#endif
}

void talk_lines_print(struct talk_lines *lines, const char *text, size_t length)
{
    talk_lines_step_aside(lines);
    fwrite(text, 1, length, stdout);
    fflush(stdout);
    talk_lines_come_back(lines);
}
