#include "servers/wire/trace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 4096u
#define SPINS_MAX 100000 /* then the holder is taken for dead */

static const char magic[8] = {'s', 'k', 'b', 't', 'r', 'a', 'c', 'e'};

static_assert(sizeof(struct trace_header) == 96, "a layout for others to read");
static_assert(sizeof(struct trace_flow) == 256, "a layout for others to read");
static_assert(sizeof(struct trace_record) == 40, "a layout for others to read");

/* NULL, with errno, when it cannot be. */
static struct trace_header *map(const struct trace *trace)
{
    void *memory = mmap(NULL, trace->bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, trace->fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void place(struct trace *trace, struct trace_header *header)
{
    uint8_t *begin = (uint8_t *)header;
    void *flows = begin + header->flows_offset;
    void *records = begin + header->records_offset;
    trace->header = header;
    trace->flows = flows;
    trace->records = records;
}

/* 0 when there is nothing at path that anybody would miss, or -errno. */
static int clear_way(const char *path)
{
    char found[sizeof magic];
    struct stat status;
    int r = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno == ELOOP ? -EEXIST : -errno;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        read(fd, found, sizeof found) != (ssize_t)sizeof found ||
        memcmp(found, magic, sizeof magic) != 0)
        r = -EEXIST;
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        r = errno == EWOULDBLOCK ? -EBUSY : -errno;
    else if (unlink(path) < 0)
        r = -errno;
    close(fd);
    return r;
}

static int allocate(struct trace *trace)
{
    /* All of it now: a file system that fills up later is a SIGBUS. */
    int error = posix_fallocate(trace->fd, 0, (off_t)trace->bytes);
    if (error != 0)
        return -error;
    return flock(trace->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int trace_create(struct trace *trace, const char *path,
                 uint64_t records_capacity)
{
    const uint64_t records_offset =
        HEADER_BYTES + TRACE_FLOWS * sizeof(struct trace_flow);
    struct trace made = TRACE_NONE;
    int r = clear_way(path);
    if (r < 0)
        return r;
    made.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made.fd < 0)
        return -errno;
    made.bytes =
        records_offset + records_capacity * sizeof(struct trace_record);
    r = allocate(&made);
    struct trace_header *header = r == 0 ? map(&made) : NULL;
    if (!header) {
        r = r < 0 ? r : -errno;
        unlink(path);
        trace_close(&made);
        return r;
    }
    header->version = TRACE_VERSION;
    header->flows_capacity = TRACE_FLOWS;
    header->records_capacity = records_capacity;
    header->flows_offset = HEADER_BYTES;
    header->records_offset = records_offset;
    atomic_init(&header->nonce, TRACE_UNCLAIMED);
    memcpy(header->magic, magic, sizeof magic);
    place(&made, header);
    *trace = made;
    return 0;
}

/* Whether everything that the header speaks of is in the file. */
static bool is_whole(const struct trace_header *h, size_t bytes)
{
    return memcmp(h->magic, magic, sizeof magic) == 0 &&
           h->version == TRACE_VERSION && h->flows_offset == HEADER_BYTES &&
           h->records_offset == HEADER_BYTES + (uint64_t)h->flows_capacity *
                                                   sizeof(struct trace_flow) &&
           h->records_capacity <= TRACE_RECORDS_MAX &&
           h->records_offset +
                   h->records_capacity * sizeof(struct trace_record) <=
               bytes;
}

int trace_open(struct trace *trace, const char *path)
{
    struct trace found = TRACE_NONE;
    struct stat status;
    int r = 0;
    found.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (found.fd < 0)
        return -errno;
    if (fstat(found.fd, &status) < 0)
        r = -errno;
    else if (!S_ISREG(status.st_mode) || status.st_size < (off_t)HEADER_BYTES)
        r = -EPROTO;
    if (r < 0) {
        close(found.fd);
        return r;
    }
    found.bytes = (size_t)status.st_size;
    struct trace_header *header = map(&found);
    if (!header) {
        r = -errno;
        goto out;
    }
    found.header = header;
    if (!is_whole(header, found.bytes)) {
        r = -EPROTO;
        goto out;
    }
    place(&found, header);
    *trace = found;
    found = TRACE_NONE;
out:
    trace_close(&found);
    return r;
}

void trace_close(struct trace *trace)
{
    if (trace->header)
        munmap(trace->header, trace->bytes);
    if (trace->fd >= 0 && trace->bytes > 0)
        close(trace->fd);
    *trace = TRACE_NONE;
}

void trace_claim(struct trace *trace, uint32_t nonce)
{
    struct trace_header *header = trace->header;
    atomic_store(&header->nonce, TRACE_UNCLAIMED);
    for (uint32_t i = 0; i < header->flows_capacity; i++) {
        struct trace_flow *flow = &trace->flows[i];
        const size_t rest = offsetof(struct trace_flow, unique);
        trace_lock(&flow->lock);
        memset((uint8_t *)flow + rest, 0, sizeof *flow - rest);
        trace_unlock(&flow->lock);
    }
    uint64_t used = atomic_load(&header->records_count);
    if (used > header->records_capacity)
        used = header->records_capacity;
    memset(trace->records, 0, used * sizeof *trace->records);
    atomic_store(&header->records_count, 0);
    atomic_store(&header->foreign, 0);
    atomic_store(&header->damaged, 0);
    atomic_store(&header->unnumbered, 0);
    atomic_store(&header->beyond, 0);
    atomic_store(&header->nonce, nonce);
}

void trace_lock(atomic_uint_least32_t *lock)
{
    /* A child that was killed within would hold it for ever. */
    for (int spins = 0;
         atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0 &&
         spins < SPINS_MAX;
         spins++)
        sched_yield();
}
