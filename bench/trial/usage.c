#include "bench/trial/usage.h"

#include "loadgen/measure/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROC_TEXT_MAX 8192

/* The file's beginning as a string. Its length, or -errno. */
static ssize_t read_text(const char *path, char text[static PROC_TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t used = 0;
    ssize_t n;
    while (used < PROC_TEXT_MAX - 1 &&
           (n = read(fd, text + used, PROC_TEXT_MAX - 1 - used)) > 0)
        used += (size_t)n;
    close(fd);
    text[used] = '\0';
    return (ssize_t)used;
}

static void add_children_of_task(const char *path, pid_t *children, size_t max,
                                 size_t *count)
{
    char text[PROC_TEXT_MAX];
    if (read_text(path, text) <= 0)
        return;
    char *end;
    for (char *at = text; *count < max; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            return;
        children[(*count)++] = (pid_t)pid;
    }
}

/* Calls for each thread of pid: visit(path of /proc/PID/task/TID/NAME). */
static DIR *open_tasks(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    return opendir(path);
}

static bool next_task(DIR *tasks, pid_t pid, const char *name, char *path,
                      size_t size)
{
    struct dirent *entry;
    while ((entry = readdir(tasks))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, size, "/proc/%d/task/%s/%s", (int)pid, entry->d_name,
                 name);
        return true;
    }
    return false;
}

size_t usage_children(pid_t pid, pid_t *ret_children, size_t max)
{
    size_t count = 0;
    char path[320];
    DIR *tasks = open_tasks(pid);
    if (!tasks)
        return 0;
    while (next_task(tasks, pid, "children", path, sizeof path))
        add_children_of_task(path, ret_children, max, &count);
    closedir(tasks);
    return count;
}

static bool contains(const pid_t *list, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == pid)
            return true;
    }
    return false;
}

size_t usage_tree(pid_t server, const pid_t *others, size_t other_count,
                  pid_t *ret_tree, size_t max)
{
    size_t count = 0;
    pid_t own[64];
    size_t own_count = usage_children(getpid(), own, 64);
    if (max == 0)
        return 0;
    ret_tree[count++] = server;
    for (size_t i = 0; i < own_count && count < max; i++) {
        if (own[i] != server && !contains(others, other_count, own[i]))
            ret_tree[count++] = own[i];
    }
    for (size_t i = 0; i < count && count < max; i++)
        count += usage_children(ret_tree[i], ret_tree + count, max - count);
    return count;
}

/* ns on the process's CPU clock; 0 when it is gone. */
static uint64_t process_clock_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &used) < 0)
        return 0;
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* utime, stime, cutime, cstime: fields 14 to 17 of /proc/PID/stat (proc(5)). */
static void add_stat(pid_t pid, struct usage *usage)
{
    char path[64];
    char text[PROC_TEXT_MAX];
    uint64_t ticks[4] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_text(path, text) <= 0)
        return;
    char *at = strrchr(text, ')'); /* field 2, the name, may hold anything */
    for (int field = 2; at && field < 14; field++)
        at = strchr(at + 1, ' ');
    for (size_t i = 0; at && i < 4; i++)
        ticks[i] = strtoull(at, &at, 10);
    uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    usage->user_ns += (ticks[0] + ticks[2]) * tick_ns;
    usage->system_ns += (ticks[1] + ticks[3]) * tick_ns;
    usage->gone_ns += (ticks[2] + ticks[3]) * tick_ns;
}

/* The number after "name:" in text; 0 for none. */
static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void add_switches(pid_t pid, struct usage *usage)
{
    char path[320];
    char text[PROC_TEXT_MAX];
    DIR *tasks = open_tasks(pid);
    if (!tasks)
        return;
    while (next_task(tasks, pid, "status", path, sizeof path)) {
        if (read_text(path, text) <= 0)
            continue;
        usage->voluntary += number_after(text, "\nvoluntary_ctxt_switches:");
        usage->involuntary +=
            number_after(text, "\nnonvoluntary_ctxt_switches:");
    }
    closedir(tasks);
}

void usage_read(const pid_t *tree, size_t count, struct usage *ret_usage)
{
    struct usage usage = {0};
    /* The clocks first and close together; the rest may take its time. */
    for (size_t i = 0; i < count; i++)
        usage.cpu_ns += process_clock_ns(tree[i]);
    for (size_t i = 0; i < count; i++) {
        add_stat(tree[i], &usage);
        add_switches(tree[i], &usage);
    }
    *ret_usage = usage;
}

int usage_pss(const pid_t *tree, size_t count, uint64_t *ret_bytes)
{
    uint64_t sum = 0;
    int r = -ESRCH;
    for (size_t i = 0; i < count; i++) {
        char path[64];
        char text[PROC_TEXT_MAX];
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)tree[i]);
        ssize_t n = read_text(path, text);
        if (n > 0) {
            sum += number_after(text, "\nPss:") * 1024;
            r = 0;
        } else if (r != 0 && n < 0) {
            r = (int)n;
        }
    }
    if (r == 0)
        *ret_bytes = sum;
    return r;
}

int usage_peak_rss(pid_t pid, uint64_t *ret_bytes)
{
    char path[64];
    char text[PROC_TEXT_MAX];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    ssize_t n = read_text(path, text);
    if (n < 0)
        return (int)n;
    uint64_t kib = number_after(text, "\nVmHWM:");
    if (kib == 0)
        return -ENODATA;
    *ret_bytes = kib * 1024;
    return 0;
}
