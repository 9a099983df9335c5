#include "servers/support/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 10000000L

bool socket_file_is_used(const struct address *address)
{
    return address->u.any.sa_family == AF_UNIX &&
           address->u.un.sun_path[0] != '\0';
}

int socket_file_lock(const struct address *address)
{
    char folder[sizeof address->u.un.sun_path + 1];
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    const char *path = address->u.un.sun_path;
    const char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(folder, ".");
    else if (slash == path)
        strcpy(folder, "/");
    else
        *(char *)mempcpy(folder, path, (size_t)(slash - path)) = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Ours hold it for microseconds, others perhaps for ever. */
    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            break;
        nanosleep(&pause, NULL);
    }
    return fd;
}

/* 0 when nobody has the socket at this address open. */
static int probe(const struct address *address)
{
    /* Without waiting: the backlog of a live one may be full. */
    int fd =
        socket(AF_UNIX, address->socket_type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, &address->u.any, address->length) < 0 ? -errno : 0;
    close(fd);
    if (r == -ECONNREFUSED || r == -ENOENT)
        return 0;
    return r == -EACCES ? r : -EADDRINUSE;
}

int socket_file_clear(const struct address *address)
{
    const char *path = address->u.un.sun_path;
    struct stat file;
    if (lstat(path, &file) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(file.st_mode))
        return -EEXIST;
    int r = probe(address);
    if (r == 0 && unlink(path) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}

void socket_file_made(const struct address *address,
                      struct socket_file *ret_file)
{
    struct stat file;
    if (lstat(address->u.un.sun_path, &file) == 0)
        *ret_file = (struct socket_file){file.st_dev, file.st_ino};
}

void socket_file_remove(const struct address *address,
                        const struct socket_file *made)
{
    const char *path = address->u.un.sun_path;
    struct stat file;
    if (made->inode == 0)
        return;
    int lock = socket_file_lock(address);
    if (lstat(path, &file) == 0 && file.st_dev == made->device &&
        file.st_ino == made->inode)
        unlink(path);
    if (lock >= 0)
        close(lock);
}
