/* The kernel edits the line: backspace, Ctrl-U and Ctrl-D, no history. */
#include "loadgen/talk/editor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TYPED_MAX 4096 /* what the kernel gives at once */

struct talk_editor {
    const char *prompt;
};

struct talk_editor *talk_editor_new(const char *prompt)
{
    struct talk_editor *editor = calloc(1, sizeof *editor);
    if (!editor)
        return NULL;
    editor->prompt = prompt;
    talk_editor_show(editor);
    return editor;
}

void talk_editor_free(struct talk_editor *editor)
{
    if (!editor)
        return;
    talk_editor_hide(editor);
    free(editor);
}

enum talk_typed talk_editor_read(struct talk_editor *editor, char **ret_text,
                                 size_t *ret_length)
{
    char *text = malloc(TYPED_MAX);
    ssize_t n = text ? read(STDIN_FILENO, text, TYPED_MAX) : 0;
    if (n > 0) {
        *ret_text = text;
        *ret_length = (size_t)n;
        talk_editor_show(editor); /* the line has taken the prompt's place */
        return TALK_TYPED_TEXT;
    }
    free(text);
    return n < 0 && (errno == EINTR || errno == EAGAIN) ? TALK_TYPED_NOTHING
                                                        : TALK_TYPED_END;
}

void talk_editor_hide(struct talk_editor *editor)
{
    (void)editor;
    fputs("\r\033[K", stdout);
    fflush(stdout);
}

void talk_editor_show(struct talk_editor *editor)
{
    fputs(editor->prompt, stdout);
    fflush(stdout);
}

void talk_editor_let_go(struct talk_editor *editor)
{
    (void)editor; /* it is not ours */
}

void talk_editor_take_back(struct talk_editor *editor)
{
    talk_editor_hide(editor);
    talk_editor_show(editor);
}

void talk_editor_resized(struct talk_editor *editor)
{
    (void)editor; /* nothing was drawn that depends on it */
}
