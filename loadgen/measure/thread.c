#include "loadgen/measure/thread.h"

#include "loadgen/measure/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int thread_usage_open(void)
{
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* "running_ns waiting_ns timeslices" */
static bool read_waited(int fd, uint64_t *ret_ns)
{
    char text[96];
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *second = strchr(text, ' ');
    if (!second)
        return false;
    *ret_ns = strtoull(second, NULL, 10);
    return true;
}

void thread_usage_read(int fd, struct thread_usage *ret)
{
    struct rusage usage = {0};
    *ret = (struct thread_usage){.cpu_ns = clock_thread_cpu_ns()};
    ret->waited_known = read_waited(fd, &ret->waited_ns);
    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        ret->voluntary_switches = (uint64_t)usage.ru_nvcsw;
        ret->involuntary_switches = (uint64_t)usage.ru_nivcsw;
    }
}

struct thread_usage thread_usage_since(const struct thread_usage *later,
                                       const struct thread_usage *earlier)
{
    return (struct thread_usage){
        .cpu_ns = later->cpu_ns - earlier->cpu_ns,
        .waited_ns = later->waited_ns - earlier->waited_ns,
        .waited_known = later->waited_known && earlier->waited_known,
        .voluntary_switches =
            later->voluntary_switches - earlier->voluntary_switches,
        .involuntary_switches =
            later->involuntary_switches - earlier->involuntary_switches};
}
