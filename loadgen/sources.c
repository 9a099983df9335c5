#include "loadgen/sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static int parse_one(const char *text, size_t length, struct address *ret)
{
    char copy[INET6_ADDRSTRLEN];
    struct address made = {0};
    if (length >= sizeof copy)
        return -EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET, copy, &made.u.in.sin_addr) == 1) {
        made.u.in.sin_family = AF_INET;
        made.length = sizeof made.u.in;
    } else if (inet_pton(AF_INET6, copy, &made.u.in6.sin6_addr) == 1) {
        made.u.in6.sin6_family = AF_INET6;
        made.length = sizeof made.u.in6;
    } else {
        return -EINVAL;
    }
    *ret = made;
    return 0;
}

int sources_parse(const char *text, struct sources *ret, const char **ret_why)
{
    struct sources made = {.list = calloc(SOURCES_MAX, sizeof *made.list)};
    *ret_why = NULL;
    if (!made.list)
        return -ENOMEM;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (made.count == SOURCES_MAX)
            *ret_why = "more than 256 addresses";
        else if (parse_one(at, length, &made.list[made.count]) < 0)
            *ret_why = "addresses such as 127.0.0.2,127.0.0.3";
        else
            made.count++;
        at += length;
        if (*ret_why || *at == '\0')
            break;
    }
    if (*ret_why) {
        sources_done(&made);
        return -EINVAL;
    }
    *ret = made;
    return 0;
}

void sources_done(struct sources *sources)
{
    free(sources->list);
    *sources = (struct sources){0};
}

int sources_bind(const struct sources *sources, uint32_t index, int fd)
{
    if (sources->count == 0)
        return 0;
    const struct address *source = &sources->list[index % sources->count];
    const int on = 1;
    /* An older kernel takes a port at once: fewer connections, no others. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, &source->u.any, source->length) < 0 ? -errno : 0;
}

const struct address *sources_find_bad(const struct sources *sources,
                                       int socket_type, int *ret_error)
{
    for (uint32_t i = 0; i < sources->count; i++) {
        int family = sources->list[i].u.any.sa_family;
        int fd = socket(family, socket_type | SOCK_CLOEXEC, 0);
        int r = fd < 0 ? -errno : sources_bind(sources, i, fd);
        if (fd >= 0)
            close(fd);
        if (r < 0) {
            *ret_error = r;
            return &sources->list[i];
        }
    }
    return NULL;
}
