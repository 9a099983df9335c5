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

/* The next whole line without its newline, on the heap, or NULL. A last line
 * without newline counts once the input has ended. */
char *talk_lines_next(struct talk_lines *lines, size_t *ret_length);

/* The input has ended and every line was taken. */
bool talk_lines_ended(const struct talk_lines *lines);

/* Prints above the prompt, which is shown again below. */
void talk_lines_print(struct talk_lines *lines, const char *text,
                      size_t length);

#endif
