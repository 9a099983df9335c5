#include "servers/support/children.h"

#include "servers/support/stop.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNTERS (sizeof(struct server_counters) / sizeof(uint64_t))

static struct children *the_children; /* for the handler */

/* Only with SIGCHLD held off, or in its handler. */
static void reap(struct children *children)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (uint64_t i = 0; i < children->used; i++) {
            if (children->pids[i] != pid)
                continue;
            children->pids[i] = 0;
            children->count--;
            break;
        }
    }
}

static void on_child(int number)
{
    const int kept_errno = errno;
    (void)number;
    reap(the_children);
    errno = kept_errno;
}

/* Holds off what could come between two steps that belong together. */
static void hold(sigset_t *ret_before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, STOP_ASK_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &set, ret_before);
}

static void let(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int children_open(struct children *children, struct server *server,
                  uint64_t capacity)
{
    *children = (struct children){.server = server, .capacity = capacity};
    void *shared =
        mmap(NULL, sizeof *children->counters, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -errno;
    children->counters = shared;
    children->pids = calloc(capacity, sizeof(pid_t));
    if (!children->pids)
        return -ENOMEM;
    the_children = children;
    /* No SA_RESTART: whoever waits for a child is to notice. */
    struct sigaction action = {.sa_handler = on_child,
                               .sa_flags = SA_NOCLDSTOP};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGCHLD, &action, NULL) < 0 ? -errno : 0;
}

static void become_child(struct children *children, uint64_t place,
                         pid_t parent)
{
    children->place = (unsigned)place;
    signal(SIGCHLD, SIG_DFL);
    stop_open_child();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before that */
        _exit(1);
    if (workers_pin(children->server, children->place) < 0)
        _exit(1);
}

/* There is one. */
static uint64_t free_place(const struct children *children)
{
    uint64_t place = 0;
    while (place < children->used && children->pids[place] != 0)
        place++;
    return place;
}

pid_t children_fork(struct children *children)
{
    const pid_t parent = getpid();
    sigset_t before;
    if (children->count >= children->capacity)
        return -EAGAIN;
    hold(&before);
    const uint64_t place = free_place(children);
    pid_t pid = fork();
    if (pid < 0)
        pid = -errno;
    else if (pid == 0)
        become_child(children, place, parent);
    else {
        children->pids[place] = pid;
        children->count++;
        children->used += place == children->used;
    }
    let(&before);
    return pid;
}

/* To counters that several children share. */
static void add(struct server_counters *sum,
                const struct server_counters *counters)
{
    uint64_t from[COUNTERS];
    uint64_t *to = (uint64_t *)sum;
    memcpy(from, counters, sizeof from);
    for (size_t i = 0; i < COUNTERS; i++)
        __atomic_fetch_add(&to[i], from[i], __ATOMIC_RELAXED);
}

noreturn void children_exit(const struct children *children,
                            const struct server_counters *counters)
{
    add(children->counters, counters);
    if (children->server->per_worker)
        add(&children->server->per_worker[children->place], counters);
    _exit(0);
}

void children_wait(struct children *children, uint64_t count)
{
    sigset_t before;
    hold(&before);
    while (!stop_requested() && children->count >= count)
        sigsuspend(&before);
    let(&before);
}

/* Again and again: a signal could come just before a child blocks. */
static void stop_all(struct children *children)
{
    const struct timespec until_next = {.tv_nsec = STOP_POKE_NS};
    sigset_t before;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, &before);
    for (;;) {
        reap(children);
        if (children->count == 0)
            break;
        for (uint64_t i = 0; i < children->used; i++) {
            if (children->pids[i] != 0)
                kill(children->pids[i], SIGTERM);
        }
        sigtimedwait(&child, NULL, &until_next);
    }
    signal(SIGCHLD, SIG_DFL);
    let(&before);
}

void children_close(struct children *children)
{
    if (children->pids)
        stop_all(children);
    if (children->counters) {
        server_count(children->server, children->counters);
        munmap(children->counters, sizeof *children->counters);
    }
    free(children->pids);
    children->pids = NULL;
    children->counters = NULL;
    the_children = NULL;
}
