/* What sockbench-talk knows of its conversation. */
#ifndef SOCKBENCH_LOADGEN_TALK_TALK_H
#define SOCKBENCH_LOADGEN_TALK_TALK_H

#include "loadgen/talk/lines.h"
#include "servers/wire/address.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct talk_options {
    const char *close_word;
    uint64_t timeout_ns;
    bool listen;
    bool chat;
    bool once;
    bool unconnected;
    bool broadcast;
    bool no_newline;
    bool help;
    bool version;
};

struct talk {
    struct talk_options options;
    const char *target_text;
    struct address target;
    struct address peer; /* datagrams: whom to write to; length 0: nobody yet */
    bool stream;
    bool addressed; /* datagrams go out with sendto(2), from anybody come in */
    bool made_file; /* the Unix socket's file is ours to remove */
    int fd;
    struct talk_lines *lines;
    char *unsent; /* what the socket did not take yet, or NULL */
    size_t unsent_begin, unsent_end;
    uint64_t asked_ns; /* when the unanswered line was sent; 0: none waits */
    uint64_t heard_ns; /* when the last reply came; 0: none yet */
    bool remarked;     /* the silence since then has been remarked on */
    bool overlapped;   /* a line was sent before the last was answered: from
                          here on no reply belongs to a line for sure */
    bool sent_all;     /* nothing more will be sent */
    bool one_answer;   /* and what was sent last is answered by one reply */
    bool over;
    int exit_code;
    unsigned lost;
    unsigned overdue; /* of these, such as may still be answered */
};

/* The number of the signal that ends the conversation, or 0. Such signals are
 * blocked but while something is waited for. */
extern volatile sig_atomic_t talk_interrupted;

/* Signals of the terminal that have come, to be looked at and cleared; caught
 * once talk_watch_terminal was called. */
extern volatile sig_atomic_t talk_stop_asked, talk_continued, talk_resized;
void talk_watch_terminal(void);

/* Stops as Ctrl-Z wants, until the shell goes on. */
void talk_stop(void);

/* The exit code that says which signal it was, as a shell does. */
int talk_interrupted_code(void);

/* The signal mask to wait with. */
extern sigset_t talk_waiting_mask;

/* One line on stderr, above the prompt. */
void talk_tell(struct talk *talk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Tells what failed, and what that most often means. Returns EXIT_FAILED. */
int talk_give_up(struct talk *talk, const char *what, int error);

/* Reads the address and judges the options by it: EXIT_PASS or EXIT_USAGE. */
int talk_check(struct talk *talk);

/* Calls the server, or waits for the other one: EXIT_PASS, or the exit code. */
int talk_open(struct talk *talk);

/* Until one side has ended, or a signal. What came of it stays in *talk. */
void talk_converse(struct talk *talk);

#define TALK_REPLY_MAX 65536 /* shown at once */

/* Shows what came, up to TALK_REPLY_MAX bytes, which may be changed. from: of
 * datagrams from anybody, else NULL. */
void talk_show(struct talk *talk, char *data, size_t length,
               const struct address *from);

/* Closes and removes what talk_open made. */
void talk_close(struct talk *talk);

#endif
