#include "loadgen/talk/lines.h"

#include "loadgen/talk/editor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than anybody types; what a pipe holds without newlines is bounded. */
#define LINE_MAX_BYTES ((size_t)16 << 20)

struct talk_lines {
    struct talk_editor *editor; /* NULL when nobody types */
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

struct talk_lines *talk_lines_new(const char *prompt)
{
    struct talk_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return NULL;
    lines->on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!lines->on_terminal)
        return lines;
    lines->editor = talk_editor_new(prompt);
    if (!lines->editor) {
        free(lines);
        return NULL;
    }
    return lines;
}

void talk_lines_end(struct talk_lines *lines)
{
    if (!lines->editor)
        return;
    talk_editor_free(lines->editor);
    lines->editor = NULL;
    lines->at_end = true;
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

static void read_typed(struct talk_lines *lines)
{
    char *text = NULL;
    size_t length = 0;
    switch (talk_editor_read(lines->editor, &text, &length)) {
    case TALK_TYPED_TEXT:
        append(lines, text, length);
        free(text);
        break;
    case TALK_TYPED_END:
        fputc('\n', stdout); /* behind the prompt, or the ^D there */
        talk_lines_end(lines);
        break;
    case TALK_TYPED_NOTHING:
        break;
    }
}

void talk_lines_read(struct talk_lines *lines)
{
    char part[65536];
    if (lines->editor) {
        read_typed(lines);
        return;
    }
    ssize_t n = read(STDIN_FILENO, part, sizeof part);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        fail(lines, strerror(errno));
    else if (n == 0)
        lines->at_end = true;
    if (n > 0)
        append(lines, part, (size_t)n);
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
    if (lines->editor)
        talk_editor_hide(lines->editor);
}

void talk_lines_come_back(struct talk_lines *lines)
{
    if (lines->editor)
        talk_editor_show(lines->editor);
}

void talk_lines_let_go(struct talk_lines *lines)
{
    if (lines->editor)
        talk_editor_let_go(lines->editor);
}

void talk_lines_take_back(struct talk_lines *lines)
{
    if (lines->editor)
        talk_editor_take_back(lines->editor);
}

void talk_lines_resized(struct talk_lines *lines)
{
    if (lines->editor)
        talk_editor_resized(lines->editor);
}

void talk_lines_print(struct talk_lines *lines, const char *text, size_t length)
{
    talk_lines_step_aside(lines);
    fwrite(text, 1, length, stdout);
    fflush(stdout);
    talk_lines_come_back(lines);
}
