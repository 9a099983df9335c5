#include "bench/trial/keeper.h"

#include "bench/trial/usage.h"
#include "loadgen/measure/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUPS_MAX 64
#define SWEEPS_MAX 64
#define MARK_NAME "SOCKBENCH_RUN_MARK"

/* One keeper a process, like the signal dispositions it stands beside. */
static int keeper_fd = -1;
static pid_t keeper = -1;
/* As it stands in the environment of what this bench has started. */
static char mark[sizeof MARK_NAME + 48];

static void note(pid_t *groups, pid_t message)
{
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        if (message < 0 && groups[i] == -message) {
            groups[i] = 0;
            return;
        }
        if (message > 0 && groups[i] == 0) {
            groups[i] = message;
            return;
        }
    }
}

/* The bench itself, and the keeper, began before there was a mark. */
static int make_mark(void)
{
    snprintf(mark, sizeof mark, MARK_NAME "=%d-%" PRIu64, getpid(),
             clock_now_ns());
    return setenv(MARK_NAME, mark + sizeof MARK_NAME, 1) < 0 ? -errno : 0;
}

static bool is_marked(pid_t pid)
{
    char path[64];
    char *entry = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    while (!found && getdelim(&entry, &size, '\0', in) > 0)
        found = strcmp(entry, mark) == 0;
    free(entry);
    fclose(in);
    return found;
}

/* Looked at and killed through one descriptor: a number may find a new owner
 * in between. */
static bool kill_if_marked(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return false;
    bool killed = is_marked(pid) &&
                  syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    close(fd);
    return killed;
}

/* Until a pass finds nobody: while one looks, another may be forked. */
static void kill_marked(void)
{
    int killed = 1;
    for (int i = 0; i < SWEEPS_MAX && killed > 0; i++) {
        DIR *processes = opendir("/proc");
        if (!processes)
            return;
        killed = 0;
        struct dirent *entry;
        while ((entry = readdir(processes))) {
            const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
            if (pid > 0) /* a name that is no number gives 0 */
                killed += kill_if_marked(pid);
        }
        closedir(processes);
    }
}

/* Reads groups (negative: forget it) until the bench closes its end. */
static void keep(int fd)
{
    pid_t groups[GROUPS_MAX] = {0};
    pid_t message;
    ssize_t n;
    setpgid(0, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    while ((n = read(fd, &message, sizeof message)) != 0) {
        if (n == (ssize_t)sizeof message)
            note(groups, message);
        else if (n > 0 || errno != EINTR)
            break;
    }
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        if (groups[i] > 0)
            kill(-groups[i], SIGKILL);
    }
    kill_marked();
    _exit(0);
}

int keeper_open(void)
{
    int ends[2];
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -errno;
    int made = make_mark();
    if (made < 0)
        return made;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int r = -errno;
        close(ends[0]);
        close(ends[1]);
        return r;
    }
    if (pid == 0) {
        close(ends[1]);
        /* Nobody who reads the bench's output shall wait for the keeper. */
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
            dup2(null, fd);
        keep(ends[0]);
    }
    setpgid(pid, pid);
    close(ends[0]);
    keeper_fd = ends[1];
    keeper = pid;
    return 0;
}

void keeper_close(void)
{
    if (keeper_fd >= 0)
        close(keeper_fd);
    keeper_fd = -1;
    while (keeper > 0 && waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
        continue;
    keeper = -1;
}

pid_t keeper_pid(void)
{
    return keeper;
}

static void tell(pid_t message)
{
    if (keeper_fd < 0)
        return;
    ssize_t n = write(keeper_fd, &message, sizeof message);
    (void)n; /* a dead keeper leaves PDEATHSIG, which needs no help */
}

void keeper_add(pid_t group)
{
    tell(group);
}

void keeper_remove(pid_t group)
{
    tell(-group);
}

void keeper_sweep(void)
{
    for (int i = 0; i < SWEEPS_MAX; i++) {
        pid_t orphans[USAGE_TREE_MAX];
        size_t count = usage_children(getpid(), orphans, USAGE_TREE_MAX);
        size_t others = 0;
        for (size_t k = 0; k < count; k++) {
            if (orphans[k] == keeper)
                continue;
            others++;
            kill(orphans[k], SIGKILL);
            waitpid(orphans[k], NULL, 0);
        }
        if (others == 0)
            return;
    }
}
