/*
 * A child process: its descriptors, its last words, its end.
 *
 * Each child leads a process group of its own, so that a Ctrl-C at the
 * terminal reaches the bench alone, and dies with the bench (PDEATHSIG; what
 * it started itself is the keeper's business, see keeper.h).
 */
#ifndef SOCKBENCH_BENCH_TRIAL_PROCESS_H
#define SOCKBENCH_BENCH_TRIAL_PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* The descriptor on which a child writes a newline when it is ready. */
#define PROCESS_READY_FD 3
/* The one on which it writes what it has counted, at its end. */
#define PROCESS_COUNTERS_FD 4
#define PROCESS_TAIL_BYTES 32768
#define PROCESS_WORDS_MAX 400

/* The last bytes that came through a pipe. */
struct tail {
    size_t length;
    char bytes[PROCESS_TAIL_BYTES];
};

struct namespace;

struct process {
    pid_t pid; /* and process group; -1: never started */
    int pidfd; /* -1 once it has been reaped */
    int out_fd, error_fd, ready_fd, counters_fd;
    bool ready; /* it wrote on the ready descriptor */
    bool ended;
    int status;          /* as wait(2) gives it; when ended */
    struct rusage usage; /* its own and its waited-for children's; when ended */
    struct tail out, error, counters;
};

struct process_plan {
    char *const *argv;     /* argv[0] is looked for in PATH, as a shell does */
    const cpu_set_t *cpus; /* NULL: the caller's */
    bool wants_ready;      /* open PROCESS_READY_FD in the child */
    bool wants_counters;   /* and PROCESS_COUNTERS_FD */
    const struct namespace *space; /* to live in; NULL: the caller's */
};

/* Makes a struct that process_done accepts. */
void process_init(struct process *process);

/* 0, or -errno of fork or of exec in the child: nothing runs then. */
int process_start(struct process *process, const struct process_plan *plan);

/*
 * Waits until something happens to one of the processes (it wrote, was ready
 * or ended), and takes note of it. 0; -ETIMEDOUT at until_ns (clock_now_ns);
 * -EINTR while interrupt_fd (or -1) is readable; or -errno.
 */
int process_wait(struct process *const *list, size_t count, int interrupt_fd,
                 uint64_t until_ns);

/*
 * SIGTERM to the process, grace_ns to end, then SIGKILL to its whole group,
 * which is swept in any case. True when it ended by itself in time.
 */
bool process_stop(struct process *process, uint64_t grace_ns, int interrupt_fd);

/* Kills the group, reaps, closes. */
void process_done(struct process *process);

/* Whether it ended by exit(code). */
bool process_exited(const struct process *process, int code);

/* "exit code 1" or "signal 9 (Killed)". Returns text. */
const char *process_end_text(const struct process *process, char *text,
                             size_t size);

/* The last lines it wrote on stderr, in one; "" for none. Returns text. */
const char *process_last_words(const struct process *process,
                               char text[static PROCESS_WORDS_MAX]);

#endif
