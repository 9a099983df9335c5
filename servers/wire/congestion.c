#include "servers/wire/congestion.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What Linux has brought so far, in the kernel or as modules. */
static const char *const algorithms[] = {
    "bbr",    "bic",   "cdg",      "cubic",    "dctcp", "highspeed",
    "htcp",   "hybla", "illinois", "lp",       "nv",    "reno",
    "prague", "vegas", "veno",     "scalable", "yeah",  "westwood",
};

int congestion_set(int fd, const char *name)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
                      (socklen_t)strlen(name)) < 0
               ? -errno
               : 0;
}

const char *congestion_of(int fd, char name[static CONGESTION_NAME_MAX])
{
    socklen_t length = CONGESTION_NAME_MAX - 1;
    memset(name, 0, CONGESTION_NAME_MAX);
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) < 0)
        name[0] = '\0';
    return name;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (strcmp(algorithms[i], name) == 0)
            return true;
    }
    return false;
}

/* The line of a file of /proc/sys/net/ipv4, or "". */
static const char *read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    line[0] = '\0';
    if (!file)
        return line;
    if (fgets(line, size, file))
        line[strcspn(line, "\n")] = '\0';
    fclose(file);
    return line;
}

int congestion_try(const char *name, char *why, size_t size)
{
    char list[256];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r =
        strlen(name) < CONGESTION_NAME_MAX ? congestion_set(fd, name) : -ENOENT;
    close(fd);
    if (r == -EPERM)
        snprintf(why, size, "not for this user (allowed: %s)",
                 read_line("/proc/sys/net/ipv4/tcp_allowed_congestion_control",
                           list, sizeof list));
    else if (r < 0)
        snprintf(
            why, size, "%s (available: %s)",
            is_known(name) ? "not in this kernel"
                           : "no such congestion control",
            read_line("/proc/sys/net/ipv4/tcp_available_congestion_control",
                      list, sizeof list));
    return r == -ENOENT && !is_known(name) ? -EINVAL : r;
}
