#include "loadgen/talk_lines.h"

#include "talk_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if HAVE_LIBEDIT
#include <editline/readline.h>
#endif

struct talk_lines {
    const char *prompt;
    bool on_terminal;
    bool at_end;
    char *text; /* what has been read and not been taken */
    size_t used;
    size_t size;
};

static bool append(struct talk_lines *lines, const char *text, size_t length)
{
    if (lines->used + length > lines->size) {
        size_t size = 2 * (lines->used + length) + 256;
        char *grown = realloc(lines->text, size);
        if (!grown)
            return false;
        lines->text = grown;
        lines->size = size;
    }
    memcpy(lines->text + lines->used, text, length);
    lines->used += length;
    return true;
}

#if HAVE_LIBEDIT
/* libedit calls back without an argument: there is one terminal. */
static struct talk_lines *terminal;

static void on_line(char *line)
{
    if (!line) {
        terminal->at_end = true;
        rl_callback_handler_remove();
        return;
    }
    if (*line)
        add_history(line);
    if (!append(terminal, line, strlen(line)) || !append(terminal, "\n", 1))
        terminal->at_end = true;
    free(line);
}
#endif

static void show_prompt(const struct talk_lines *lines)
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
        rl_callback_handler_install(prompt, on_line);
    }
#else
    show_prompt(lines);
#endif
    return lines;
}

void talk_lines_free(struct talk_lines *lines)
{
    if (!lines)
        return;
#if HAVE_LIBEDIT
    if (lines->on_terminal && !lines->at_end)
        rl_callback_handler_remove();
#endif
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
        rl_callback_read_char();
        return;
    }
#endif
    char part[65536];
    ssize_t n = read(STDIN_FILENO, part, sizeof part);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0 || !append(lines, part, (size_t)n))
        lines->at_end = true;
}

char *talk_lines_next(struct talk_lines *lines, size_t *ret_length)
{
    char *newline = lines->used ? memchr(lines->text, '\n', lines->used) : NULL;
    size_t length = newline ? (size_t)(newline - lines->text) : lines->used;
    if (!newline && (!lines->at_end || lines->used == 0))
        return NULL;
    char *line = malloc(length + 1);
    if (!line)
        return NULL;
    memcpy(line, lines->text, length);
    line[length] = '\0';
    size_t taken = length + (newline != NULL);
    lines->used -= taken;
    memmove(lines->text, lines->text + taken, lines->used);
    *ret_length = length;
    return line;
}

bool talk_lines_ended(const struct talk_lines *lines)
{
    return lines->at_end && lines->used == 0;
}

void talk_lines_print(struct talk_lines *lines, const char *text, size_t length)
{
    if (lines->on_terminal && !lines->at_end)
        fputs("\r\033[K", stdout); /* the prompt, which stands on this line */
    fwrite(text, 1, length, stdout);
    fflush(stdout);
    show_prompt(lines);
}
