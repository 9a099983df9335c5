/*
 * Lines that a person or a pipe types, taken one by one from an event loop: a
 * terminal is edited with libedit where the build found it, with history and a
 * prompt; a pipe is split at newlines.
 */
#ifndef SOCKBENCH_LOADGEN_TALK_LINES_H
#define SOCKBENCH_LOADGEN_TALK_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct talk_lines;

/* Reads fd 0. prompt is shown on a terminal only. NULL: out of memory. */
struct talk_lines *talk_lines_new(const char *prompt);
void talk_lines_free(struct talk_lines *lines);

bool talk_lines_on_terminal(const struct talk_lines *lines);

/* Call when fd 0 is readable. */
void talk_lines_read(struct talk_lines *lines);

/* More input is of use: always on a terminal, which wants its keys handled; of
 * a pipe only when no whole line is held. */
bool talk_lines_hungry(const struct talk_lines *lines);

/* The next whole line without its newline, on the heap, or NULL. A last line
 * without newline counts once the input has ended. */
char *talk_lines_next(struct talk_lines *lines, size_t *ret_length);

/* The input has ended and every line was taken. */
bool talk_lines_ended(const struct talk_lines *lines);

/* Something was read and not taken yet. */
bool talk_lines_wait(const struct talk_lines *lines);

/* Why reading ended before its time, or NULL. Static text. */
const char *talk_lines_failure(const struct talk_lines *lines);

/* Takes the prompt and what is being typed off the screen, and shows them
 * again: around what others print. */
void talk_lines_step_aside(struct talk_lines *lines);
void talk_lines_come_back(struct talk_lines *lines);

/* No more lines are wanted: the prompt goes, and a terminal is as it was. */
void talk_lines_end(struct talk_lines *lines);

/* Gives the terminal back as it was, and takes it again with what was being
 * typed: around a stop (Ctrl-Z). */
void talk_lines_let_go(struct talk_lines *lines);
void talk_lines_take_back(struct talk_lines *lines);

/* The terminal has another size. */
void talk_lines_resized(struct talk_lines *lines);

/* Prints above the prompt, which is shown again below. */
void talk_lines_print(struct talk_lines *lines, const char *text,
                      size_t length);

#endif
