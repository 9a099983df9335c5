/*
 * libedit by its own interface, a key at a time. (The one that looks like GNU
 * readline's writes to freed memory when a line is longer than 1,000 bytes,
 * as of version 3.1-20221030.)
 */
#include "loadgen/talk/editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_LINES 500
#define CTRL_D L'\004' /* libedit's line at the end of input */

struct talk_editor {
    EditLine *edit;
    HistoryW *history;
    char prompt[16];
};

/* libedit drops what is no character of the locale: of "C", all but ASCII. */
static void know_letters(void)
{
    if (!setlocale(LC_CTYPE, "") ||
        strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static char *prompt_of(EditLine *edit)
{
    void *data = NULL;
    el_get(edit, EL_CLIENTDATA, &data);
    return ((struct talk_editor *)data)->prompt;
}

/* What keys send that are no letters, on the usual terminals. */
static void bind_keys(EditLine *edit)
{
    static const char *const keys[][2] = {
        {"\\e[H", "ed-move-to-beg"},       {"\\e[F", "ed-move-to-end"},
        {"\\e[1~", "ed-move-to-beg"},      {"\\e[4~", "ed-move-to-end"},
        {"\\e[7~", "ed-move-to-beg"},      {"\\e[8~", "ed-move-to-end"},
        {"\\e[3~", "ed-delete-next-char"}, {"\\e[1;5C", "em-next-word"},
        {"\\e[1;5D", "ed-prev-word"},      {"^R", "em-inc-search-prev"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        el_set(edit, EL_BIND, keys[i][0], keys[i][1], NULL);
}

struct talk_editor *talk_editor_new(const char *prompt)
{
    HistEventW event;
    struct talk_editor *editor = calloc(1, sizeof *editor);
    if (!editor)
        return NULL;
    know_letters();
    snprintf(editor->prompt, sizeof editor->prompt, "%s", prompt);
    editor->edit = el_init("sockbench-talk", stdin, stdout, stderr);
    editor->history = history_winit();
    if (!editor->edit || !editor->history) {
        talk_editor_free(editor);
        return NULL;
    }
    EditLine *edit = editor->edit;
    history_w(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    el_set(edit, EL_CLIENTDATA, editor);
    el_set(edit, EL_PROMPT, prompt_of);
    el_set(edit, EL_SIGNAL, 0); /* they are the loop's */
    el_set(edit, EL_EDITOR, "emacs");
    el_wset(edit, EL_HIST, history_w, editor->history);
    bind_keys(edit);
    el_source(edit, NULL); /* ~/.editrc, where there is one */
    el_set(edit, EL_UNBUFFERED, 1);
    return editor;
}

/* Columns that what is typed takes, up to the cursor or all of it. */
static size_t width_of(const struct talk_editor *editor, bool to_cursor)
{
    const LineInfoW *line = el_wline(editor->edit);
    const wchar_t *end = to_cursor ? line->cursor : line->lastchar;
    size_t width = 0;
    for (const wchar_t *at = line->buffer; at < end; at++) {
        int columns = wcwidth(*at);
        width += columns > 0 ? (size_t)columns : 0;
    }
    return width;
}

void talk_editor_free(struct talk_editor *editor)
{
    if (!editor)
        return;
    if (editor->edit) {
        if (width_of(editor, false) > 0)
            fputc('\n', stdout);
        else
            talk_editor_hide(editor);
        fflush(stdout);
        el_set(editor->edit, EL_UNBUFFERED, 0);
        el_end(editor->edit);
    }
    if (editor->history)
        history_wend(editor->history);
    free(editor);
}

/* As it would have come through a pipe. */
static char *bytes_of(const wchar_t *text, size_t count, size_t *ret_length)
{
    mbstate_t state = {0};
    size_t length = 0;
    char *bytes = malloc(count * MB_LEN_MAX + 1);
    for (size_t i = 0; bytes && i < count; i++) {
        size_t n = wcrtomb(bytes + length, text[i], &state);
        length += n == (size_t)-1 ? 0 : n;
    }
    *ret_length = length;
    return bytes;
}

enum talk_typed talk_editor_read(struct talk_editor *editor, char **ret_text,
                                 size_t *ret_length)
{
    HistEventW event;
    int held = 0;
    int count = 0;
    /* Readable and nothing there: a Ctrl-D that the kernel took, or the
     * terminal is gone. libedit would not tell. */
    if (ioctl(STDIN_FILENO, FIONREAD, &held) < 0 || held == 0)
        return TALK_TYPED_END;
    const wchar_t *line = el_wgets(editor->edit, &count);
    if (!line || count <= 0)
        return TALK_TYPED_NOTHING;
    if (count == 1 && line[0] == CTRL_D)
        return TALK_TYPED_END;
    if (line[count - 1] != L'\n' && line[count - 1] != L'\r')
        return TALK_TYPED_NOTHING;
    *ret_text = bytes_of(line, (size_t)count, ret_length);
    if (*ret_text && *ret_length > 0)
        (*ret_text)[*ret_length - 1] = '\n';
    if (count > 1)
        history_w(editor->history, &event, H_ENTER, line);
    el_set(editor->edit, EL_UNBUFFERED, 0);
    el_set(editor->edit, EL_UNBUFFERED, 1);
    return *ret_text ? TALK_TYPED_TEXT : TALK_TYPED_END;
}

void talk_editor_hide(struct talk_editor *editor)
{
    struct winsize size = {0};
    size_t above = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        above = (strlen(editor->prompt) + width_of(editor, true)) / size.ws_col;
    if (above >= size.ws_row)
        above = size.ws_row > 0 ? size.ws_row - 1u : 0;
    if (above > 0)
        printf("\033[%zuA", above);
    fputs("\r\033[J", stdout);
    fflush(stdout);
}

void talk_editor_show(struct talk_editor *editor)
{
    el_set(editor->edit, EL_REFRESH);
}

void talk_editor_let_go(struct talk_editor *editor)
{
    el_set(editor->edit, EL_PREP_TERM, 0);
}

void talk_editor_take_back(struct talk_editor *editor)
{
    el_set(editor->edit, EL_PREP_TERM, 1);
    fputs("\r\033[J", stdout);
    talk_editor_show(editor);
}

void talk_editor_resized(struct talk_editor *editor)
{
    talk_editor_hide(editor);
    el_resize(editor->edit);
    talk_editor_show(editor);
}
