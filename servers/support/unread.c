#include "servers/support/unread.h"

#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

/* FNV-1a. */
static uint32_t hash(const uint8_t *bytes, socklen_t length)
{
    uint32_t value = 2166136261u;
    for (socklen_t i = 0; i < length; i++)
        value = (value ^ bytes[i]) * 16777619u;
    return value ^ value >> 16;
}

static void clear(struct unread *unread)
{
    for (unsigned i = 0; i < UNREAD_SLOTS; i++) {
        atomic_store(&unread->clients[i].given_bytes, 0);
        atomic_store(&unread->clients[i].denied, 0);
        atomic_store(&unread->clients[i].try_bytes, 0);
    }
}

/* For one that is suspected. */
static bool may_try(struct unread_client *client, uint32_t unread_bytes)
{
    const uint_fast32_t before = atomic_exchange(&client->try_bytes, 0);
    if (before != 0 && unread_bytes <= before) {
        atomic_store(&client->denied, 0);
        atomic_store(&client->given_bytes, 0);
        return true;
    }
    const uint_fast32_t denied = atomic_fetch_add(&client->denied, 1);
    if ((denied & (denied - 1)) != 0)
        return false;
    atomic_store(&client->try_bytes, unread_bytes);
    return true;
}

bool unread_may_send(struct unread *unread, uint32_t buffer_bytes,
                     uint32_t unread_bytes, const void *name, socklen_t length,
                     uint32_t reply_bytes)
{
    if (unread_bytes < buffer_bytes / 2) {
        atomic_store(&unread->pressed, false);
        return true;
    }
    if (!atomic_exchange(&unread->pressed, true)) {
        atomic_store(&unread->stuck_bytes, unread_bytes);
        clear(unread);
    }
    struct unread_client *client =
        &unread->clients[hash(name, length) % UNREAD_SLOTS];
    if (atomic_load(&client->denied) != 0)
        return may_try(client, unread_bytes);
    const uint32_t stuck = (uint32_t)atomic_load(&unread->stuck_bytes);
    const uint32_t fresh = unread_bytes > stuck ? unread_bytes - stuck : 0;
    uint32_t given = (uint32_t)atomic_load(&client->given_bytes);
    if (given > fresh)
        given = fresh; /* the rest was read */
    if (given > buffer_bytes / UNREAD_SHARES) {
        atomic_store(&unread->stuck_bytes, unread_bytes);
        atomic_store(&client->denied, 1);
        return false;
    }
    atomic_store(&client->given_bytes,
                 given + reply_bytes + UNREAD_OVERHEAD_BYTES);
    return true;
}

bool unread_may_send_on(struct unread *unread, int fd, const void *name,
                        socklen_t length, uint32_t reply_bytes)
{
    int unread_bytes = 0;
    int buffer_bytes = INT_MAX; /* nothing known is no pressure */
    socklen_t size = sizeof buffer_bytes;
    if (ioctl(fd, SIOCOUTQ, &unread_bytes) == 0)
        getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, &size);
    if (!unread_may_send(unread, (uint32_t)buffer_bytes,
                         (uint32_t)unread_bytes +
                             (uint32_t)atomic_load(&unread->pending_bytes),
                         name, length, reply_bytes))
        return false;
    atomic_fetch_add(&unread->pending, 1);
    atomic_fetch_add(&unread->pending_bytes,
                     reply_bytes + UNREAD_OVERHEAD_BYTES);
    return true;
}

void unread_settled(struct unread *unread, unsigned replies)
{
    if (replies > 0 && atomic_fetch_sub(&unread->pending, replies) == replies)
        atomic_store(&unread->pending_bytes, 0);
}
