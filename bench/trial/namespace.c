#include "bench/trial/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void namespace_init(struct namespace *space)
{
    space->user_fd = -1;
    space->net_fd = -1;
}

void namespace_done(struct namespace *space)
{
    if (space->user_fd >= 0)
        close(space->user_fd);
    if (space->net_fd >= 0)
        close(space->net_fd);
    namespace_init(space);
}

int namespace_enter(const struct namespace *space)
{
    if (space->user_fd >= 0 && setns(space->user_fd, CLONE_NEWUSER) < 0)
        return -errno;
    if (space->net_fd >= 0 && setns(space->net_fd, CLONE_NEWNET) < 0)
        return -errno;
    return 0;
}

static int write_text(const char *path, const char *text)
{
    size_t length = strlen(text);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, length);
    int r = n < 0 ? -errno : (n == (ssize_t)length ? 0 : -EIO);
    close(fd);
    return r;
}

/* Everybody stays who they were: one identity, mapped onto itself. */
static int map_identity(uid_t uid, gid_t gid)
{
    char line[64];
    snprintf(line, sizeof line, "%u %u 1\n", (unsigned)uid, (unsigned)uid);
    int r = write_text("/proc/self/uid_map", line);
    if (r == 0)
        r = write_text("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "%u %u 1\n", (unsigned)gid, (unsigned)gid);
    return r < 0 ? r : write_text("/proc/self/gid_map", line);
}

static int raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* In a child, which leaves its own for good. 0: a network namespace; 1: inside
 * a user namespace; or -errno. */
static int make(void)
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    bool inside = false;
    if (unshare(CLONE_NEWNET) < 0) {
        if (errno != EPERM)
            return -errno;
        inside = true;
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
            return -errno;
    }
    int r = inside ? map_identity(uid, gid) : 0;
    if (r == 0)
        r = raise_loopback();
    return r < 0 ? r : inside;
}

/* Makes it, says how that went, and keeps it until the parent holds it. */
static void keep(pid_t parent, int result_fd, int held_fd)
{
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* died before the line above */
        _exit(1);
    int result = make();
    ssize_t n = write(result_fd, &result, sizeof result);
    bool told = n == (ssize_t)sizeof result;
    while (told && read(held_fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    _exit(0);
}

static int open_of(pid_t pid, const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What the child tells, and a hold on what it made. 0 or -errno. */
static int take(struct namespace *space, pid_t pid, int result_fd)
{
    int result;
    ssize_t n;
    do
        n = read(result_fd, &result, sizeof result);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof result)
        return -EIO;
    if (result < 0)
        return result;
    int fd = open_of(pid, "net");
    if (fd < 0)
        return fd;
    space->net_fd = fd;
    if (result == 0)
        return 0;
    fd = open_of(pid, "user");
    if (fd < 0) {
        namespace_done(space);
        return fd;
    }
    space->user_fd = fd;
    return 0;
}

static void close_pair(const int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
    }
}

const char *namespace_words(int error)
{
    /* The kernel's word for it speaks of a full disk. */
    return error == -ENOSPC ? "the limit on namespaces is reached "
                              "(user.max_net_namespaces)"
                            : strerror(-error);
}

int namespace_open(struct namespace *space)
{
    int result[2] = {-1, -1};
    int held[2] = {-1, -1};
    pid_t parent = getpid();
    pid_t pid = -1;
    namespace_init(space);
    int r =
        pipe2(result, O_CLOEXEC) < 0 || pipe2(held, O_CLOEXEC) < 0 ? -errno : 0;
    if (r < 0)
        goto out;
    pid = fork();
    if (pid < 0) {
        r = -errno;
        goto out;
    }
    if (pid == 0) {
        close(result[0]);
        close(held[1]); /* its end is the word to leave */
        keep(parent, result[1], held[0]);
    }
    close(result[1]);
    result[1] = -1;
    r = take(space, pid, result[0]);
out:
    close_pair(result);
    close_pair(held);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return r;
}
