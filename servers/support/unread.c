#include "servers/support/unread.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#define MUTE UINT32_MAX

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
    for (unsigned i = 0; i < UNREAD_SLOTS; i++)
        atomic_store_explicit(&unread->given_bytes[i], 0, memory_order_relaxed);
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
    atomic_uint_fast32_t *slot =
        &unread->given_bytes[hash(name, length) % UNREAD_SLOTS];
    const uint32_t stuck = (uint32_t)atomic_load(&unread->stuck_bytes);
    const uint32_t fresh = unread_bytes > stuck ? unread_bytes - stuck : 0;
    uint32_t given = (uint32_t)atomic_load(slot);
    if (given == MUTE)
        return false;
    if (given > fresh)
        given = fresh;
    if (given > buffer_bytes / UNREAD_SHARES) {
        atomic_fetch_add(&unread->stuck_bytes, given);
        atomic_store(slot, MUTE);
        return false;
    }
    atomic_store(slot, given + reply_bytes + UNREAD_OVERHEAD_BYTES);
    return true;
}

bool unread_may_send_on(struct unread *unread, int fd, const void *name,
                        socklen_t length, uint32_t reply_bytes)
{
    int unread_bytes = 0;
    int buffer_bytes = 0;
    socklen_t size = sizeof buffer_bytes;
    if (ioctl(fd, SIOCOUTQ, &unread_bytes) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, &size) < 0)
        return true;
    return unread_may_send(unread, (uint32_t)buffer_bytes,
                           (uint32_t)unread_bytes, name, length, reply_bytes);
}
