#include "bench/trial/process.h"

#include "bench/trial/keeper.h"
#include "bench/trial/namespace.h"
#include "loadgen/measure/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITED_MAX 4 /* processes in one wait */
#define WATCHED 5    /* descriptors of each */

void process_init(struct process *process)
{
    memset(process, 0, sizeof *process);
    process->pid = -1;
    process->pidfd = -1;
    process->out_fd = -1;
    process->error_fd = -1;
    process->ready_fd = -1;
    process->counters_fd = -1;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The child's ends of the pipes; -1: none. */
struct ends {
    int out, error, ready, counters;
    int failed; /* for -errno of what goes wrong before exec */
};

/* Above all that the child is promised, so that nothing sits in the way. */
static int raise_above(int fd)
{
    return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, PROCESS_COUNTERS_FD + 1);
}

/* 0 or -1 with errno. */
static int take_ends(struct ends *ends)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(ends->out, STDOUT_FILENO) < 0 ||
        dup2(ends->error, STDERR_FILENO) < 0)
        return -1;
    ends->ready = raise_above(ends->ready);
    ends->counters = raise_above(ends->counters);
    if (ends->ready >= 0 && dup2(ends->ready, PROCESS_READY_FD) < 0)
        return -1;
    return ends->counters >= 0 && dup2(ends->counters, PROCESS_COUNTERS_FD) < 0
               ? -1
               : 0;
}

/* Everything between fork and exec; only async-signal-safe calls. */
static void child(const struct process_plan *plan, pid_t parent,
                  struct ends *ends)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    setpgid(0, 0);
    /* First: a user namespace makes the kernel forget the death signal. */
    int entered = plan->space ? namespace_enter(plan->space) : 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* died before the line above */
        _exit(127);
    ends->failed = raise_above(ends->failed);
    if (ends->failed < 0)
        _exit(127);
    if (take_ends(ends) < 0)
        goto out;
    if (entered < 0) {
        errno = -entered;
        goto out;
    }
    if (plan->cpus && sched_setaffinity(0, sizeof *plan->cpus, plan->cpus) < 0)
        goto out;
    execvp(plan->argv[0], plan->argv);
out:;
    int why = errno;
    ssize_t written = write(ends->failed, &why, sizeof why);
    (void)written;
    _exit(127);
}

static int open_pipe(int *ret_read, int *ret_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ret_read = ends[0];
    *ret_write = ends[1];
    return 0;
}

static void set_nonblocking(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Waits for exec: 0, or -errno of what went wrong before it. */
static int exec_result(int failed_fd)
{
    int why;
    ssize_t n;
    do
        n = read(failed_fd, &why, sizeof why);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof why ? -why : 0;
}

static void reap(struct process *process)
{
    pid_t got;
    do
        got = wait4(process->pid, &process->status, 0, &process->usage);
    while (got < 0 && errno == EINTR);
    process->ended = true;
    close_fd(&process->pidfd);
}

int process_start(struct process *process, const struct process_plan *plan)
{
    struct ends ends = {-1, -1, -1, -1, -1};
    int failed_fd = -1;
    process_init(process);
    int r = open_pipe(&process->out_fd, &ends.out);
    if (r == 0)
        r = open_pipe(&process->error_fd, &ends.error);
    if (r == 0 && plan->wants_ready)
        r = open_pipe(&process->ready_fd, &ends.ready);
    if (r == 0 && plan->wants_counters)
        r = open_pipe(&process->counters_fd, &ends.counters);
    if (r == 0)
        r = open_pipe(&failed_fd, &ends.failed);
    if (r < 0)
        goto out;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        r = -errno;
        goto out;
    }
    if (pid == 0)
        child(plan, parent, &ends);
    setpgid(pid, pid); /* both sides: neither waits for the other */
    keeper_add(pid);
    process->pid = pid;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    close_fd(&ends.failed);
    r = process->pidfd < 0 ? -errno : exec_result(failed_fd);
    set_nonblocking(process->out_fd);
    set_nonblocking(process->error_fd);
    set_nonblocking(process->ready_fd);
    set_nonblocking(process->counters_fd);
out:
    close_fd(&ends.out);
    close_fd(&ends.error);
    close_fd(&ends.ready);
    close_fd(&ends.counters);
    close_fd(&ends.failed);
    close_fd(&failed_fd);
    if (r < 0)
        process_done(process);
    return r;
}

static void tail_add(struct tail *tail, const char *bytes, size_t length)
{
    if (length > sizeof tail->bytes) {
        bytes += length - sizeof tail->bytes;
        length = sizeof tail->bytes;
    }
    size_t over = tail->length + length > sizeof tail->bytes
                      ? tail->length + length - sizeof tail->bytes
                      : 0;
    memmove(tail->bytes, tail->bytes + over, tail->length - over);
    tail->length -= over;
    memcpy(tail->bytes + tail->length, bytes, length);
    tail->length += length;
}

/* Reads what is there. Closes *fd at its end. Bounded, so that a child that
 * never stops writing does not hold the bench. */
static void drain(int *fd, struct tail *tail)
{
    char bytes[4096];
    for (int i = 0; i < 64 && *fd >= 0; i++) {
        ssize_t n = read(*fd, bytes, sizeof bytes);
        if (n > 0)
            tail_add(tail, bytes, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            close_fd(fd);
        else
            return;
    }
}

static void take_ready(struct process *process)
{
    char byte;
    ssize_t n = read(process->ready_fd, &byte, 1);
    if (n == 1)
        process->ready = true;
    if (n >= 0 || errno != EAGAIN)
        close_fd(&process->ready_fd);
}

static void take_note(struct process *process, const struct pollfd *polled)
{
    if (polled[0].revents)
        drain(&process->out_fd, &process->out);
    if (polled[1].revents)
        drain(&process->error_fd, &process->error);
    if (polled[2].revents)
        take_ready(process);
    if (polled[3].revents)
        drain(&process->counters_fd, &process->counters);
    if (polled[4].revents && !process->ended) {
        reap(process);
        drain(&process->out_fd, &process->out);
        drain(&process->error_fd, &process->error);
        drain(&process->counters_fd, &process->counters);
    }
}

int process_wait(struct process *const *list, size_t count, int interrupt_fd,
                 uint64_t until_ns)
{
    struct pollfd polled[1 + WATCHED * WAITED_MAX];
    if (count > WAITED_MAX)
        return -EINVAL;
    polled[0] = (struct pollfd){.fd = interrupt_fd, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        const int fds[WATCHED] = {list[i]->out_fd, list[i]->error_fd,
                                  list[i]->ready_fd, list[i]->counters_fd,
                                  list[i]->pidfd};
        for (size_t k = 0; k < WATCHED; k++)
            polled[1 + WATCHED * i + k] =
                (struct pollfd){.fd = fds[k], .events = POLLIN};
    }
    uint64_t now = clock_now_ns();
    uint64_t left = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000000u),
                               (long)(left % 1000000000u)};
    int n = ppoll(polled, 1 + WATCHED * count, &timeout, NULL);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (size_t i = 0; i < count; i++)
        take_note(list[i], &polled[1 + WATCHED * i]);
    if (polled[0].revents)
        return -EINTR;
    return n == 0 ? -ETIMEDOUT : 0;
}

bool process_stop(struct process *process, uint64_t grace_ns, int interrupt_fd)
{
    struct process *list[] = {process};
    bool in_time = true;
    if (process->pid < 0)
        return true;
    if (!process->ended)
        kill(process->pid, SIGTERM);
    uint64_t until = clock_now_ns() + grace_ns;
    while (!process->ended && in_time)
        in_time = process_wait(list, 1, interrupt_fd, until) == 0;
    kill(-process->pid, SIGKILL);
    if (!process->ended)
        reap(process);
    return in_time;
}

void process_done(struct process *process)
{
    if (process->pid > 0) {
        kill(-process->pid, SIGKILL);
        if (!process->ended)
            reap(process);
        keeper_remove(process->pid);
        process->pid = -1;
    }
    close_fd(&process->pidfd);
    close_fd(&process->out_fd);
    close_fd(&process->error_fd);
    close_fd(&process->ready_fd);
    close_fd(&process->counters_fd);
}

bool process_exited(const struct process *process, int code)
{
    return process->ended && WIFEXITED(process->status) &&
           WEXITSTATUS(process->status) == code;
}

const char *process_end_text(const struct process *process, char *text,
                             size_t size)
{
    if (!process->ended)
        snprintf(text, size, "still running");
    else if (WIFSIGNALED(process->status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(process->status),
                 sigdescr_np(WTERMSIG(process->status)));
    else
        snprintf(text, size, "exit code %d", WEXITSTATUS(process->status));
    return text;
}

/* The start of the last `lines` lines of text. */
static size_t last_lines(const char *text, size_t length, int lines)
{
    size_t at = length;
    while (at > 0) {
        if (text[at - 1] == '\n' && --lines == 0)
            break;
        at--;
    }
    return at;
}

const char *process_last_words(const struct process *process,
                               char text[static PROCESS_WORDS_MAX])
{
    const char *bytes = process->error.bytes;
    size_t length = process->error.length;
    while (length > 0 &&
           (bytes[length - 1] == '\n' || bytes[length - 1] == ' '))
        length--;
    size_t from = last_lines(bytes, length, 3);
    if (length - from > PROCESS_WORDS_MAX - 1)
        from = length - (PROCESS_WORDS_MAX - 1);
    size_t used = 0;
    for (size_t i = from; i < length; i++) {
        char c = bytes[i];
        if (c == '\n')
            c = ' ';
        if (c < 0x20 || c > 0x7e) /* also where char is signed: not ASCII */
            c = '?';
        text[used++] = c;
    }
    text[used] = '\0';
    return text;
}
