/* What the calling thread has used so far, and how long it was kept waiting. */
#ifndef SOCKBENCH_LOADGEN_MEASURE_THREAD_H
#define SOCKBENCH_LOADGEN_MEASURE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct thread_usage {
    uint64_t cpu_ns;
    uint64_t waited_ns; /* ready to run, while another had the CPU */
    bool waited_known;  /* the kernel keeps it */
    uint64_t voluntary_switches;
    uint64_t involuntary_switches;
};

/* A descriptor for thread_usage_read by this very thread, or -errno, which
 * that takes as well. The caller closes it. */
int thread_usage_open(void);

void thread_usage_read(int fd, struct thread_usage *ret);

/* later - earlier. */
struct thread_usage thread_usage_since(const struct thread_usage *later,
                                       const struct thread_usage *earlier);

#endif
