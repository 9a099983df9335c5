/*
 * A line while it is typed at a terminal: prompt, keys, history. With libedit
 * (talk_editor.c), or as the kernel edits lines where the build found none
 * (talk_editor_plain.c).
 */
#ifndef SOCKBENCH_LOADGEN_TALK_EDITOR_H
#define SOCKBENCH_LOADGEN_TALK_EDITOR_H

#include <stddef.h>

struct talk_editor;

/* Shows the prompt. There is one terminal, and one editor. NULL: out of
 * memory. */
struct talk_editor *talk_editor_new(const char *prompt);

/* The prompt goes, and the terminal is as it was. Takes NULL. */
void talk_editor_free(struct talk_editor *editor);

enum talk_typed {
    TALK_TYPED_NOTHING, /* that would be a line yet */
    TALK_TYPED_TEXT,    /* *ret_text is on the heap, with its newlines */
    TALK_TYPED_END,     /* Ctrl-D, or the terminal is gone */
};

/* Call when the terminal is readable. */
enum talk_typed talk_editor_read(struct talk_editor *editor, char **ret_text,
                                 size_t *ret_length);

/* Takes the prompt and what is typed off the screen, and shows them again. */
void talk_editor_hide(struct talk_editor *editor);
void talk_editor_show(struct talk_editor *editor);

/* Gives the terminal back as it was, and takes it again. */
void talk_editor_let_go(struct talk_editor *editor);
void talk_editor_take_back(struct talk_editor *editor);

/* The terminal has another size. */
void talk_editor_resized(struct talk_editor *editor);

#endif
