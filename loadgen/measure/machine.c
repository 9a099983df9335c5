#include "loadgen/measure/machine.h"

#include "loadgen/measure/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The columns of /proc/stat. */
enum kind {
    KIND_USER,
    KIND_NICE,
    KIND_SYSTEM,
    KIND_IDLE,
    KIND_IOWAIT,
    KIND_IRQ,
    KIND_SOFTIRQ,
    KIND_STEAL,
    KINDS,
};

/* "cpu12 1 2 3 ...": false for other lines, also for the sum of all CPUs. */
static bool read_line(const char *line, uint64_t tick_ns,
                      struct machine_cpu *cpus)
{
    char *at;
    if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9')
        return false;
    unsigned long cpu = strtoul(line + 3, &at, 10);
    uint64_t ns[KINDS];
    for (int i = 0; i < KINDS; i++)
        ns[i] = strtoull(at, &at, 10) * tick_ns;
    if (cpu >= CPU_SETSIZE)
        return true;
    cpus[cpu] = (struct machine_cpu){
        .online = true,
        .idle_ns = ns[KIND_IDLE] + ns[KIND_IOWAIT],
        .steal_ns = ns[KIND_STEAL],
        /* A kernel that does not time interrupts charges them to the task that
         * they hit, and never sees a tick within a hard one. */
        .interrupt_ns = ns[KIND_IRQ] ? ns[KIND_IRQ] + ns[KIND_SOFTIRQ] : 0};
    return true;
}

static int read_cpus(struct machine_cpu *cpus)
{
    FILE *file = fopen("/proc/stat", "re");
    long ticks = sysconf(_SC_CLK_TCK);
    char *line = NULL;
    size_t size = 0;
    if (!file)
        return -errno;
    bool more = true; /* the CPUs come first; what follows is long */
    for (int i = 0; more && getline(&line, &size, file) >= 0; i++)
        more = read_line(line, NS_PER_S / (uint64_t)(ticks > 0 ? ticks : 100),
                         cpus) ||
               i == 0;
    free(line);
    fclose(file);
    return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123" in us. */
static bool read_pressure(uint64_t *ret_ns)
{
    FILE *file = fopen("/proc/pressure/cpu", "re");
    char *line = NULL;
    size_t size = 0;
    const char *total = file && getline(&line, &size, file) >= 0
                            ? strstr(line, "total=")
                            : NULL;
    if (total)
        *ret_ns = strtoull(total + strlen("total="), NULL, 10) * 1000;
    free(line);
    if (file)
        fclose(file);
    return total != NULL;
}

int machine_read(const struct cgroup *cgroup, struct machine_sample *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->pressure_known = read_pressure(&ret->pressure_ns);
    ret->throttling_known =
        cgroup && cgroup_throttling(cgroup, &ret->throttling) == 0;
    int r = read_cpus(ret->cpus);
    ret->at_ns = clock_now_ns();
    ret->own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    return r;
}

static bool counts(const struct machine_sample *before,
                   const struct machine_sample *after, const cpu_set_t *set,
                   size_t cpu)
{
    return CPU_ISSET(cpu, set) && before->cpus[cpu].online &&
           after->cpus[cpu].online;
}

unsigned machine_count(const struct machine_sample *before,
                       const struct machine_sample *after, const cpu_set_t *set)
{
    unsigned n = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        n += counts(before, after, set, cpu);
    return n;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t machine_busy_ns(const struct machine_sample *before,
                         const struct machine_sample *after,
                         const cpu_set_t *set)
{
    uint64_t span_ns = less(after->at_ns, before->at_ns);
    uint64_t busy_ns = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        const struct machine_cpu *then = &before->cpus[cpu];
        const struct machine_cpu *now = &after->cpus[cpu];
        if (!counts(before, after, set, cpu))
            continue;
        uint64_t not_tasks = less(now->idle_ns, then->idle_ns) +
                             less(now->steal_ns, then->steal_ns) +
                             less(now->interrupt_ns, then->interrupt_ns);
        busy_ns += less(span_ns, not_tasks);
    }
    return busy_ns;
}

uint64_t machine_steal_ns(const struct machine_sample *before,
                          const struct machine_sample *after,
                          const cpu_set_t *set)
{
    uint64_t steal_ns = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (counts(before, after, set, cpu))
            steal_ns +=
                less(after->cpus[cpu].steal_ns, before->cpus[cpu].steal_ns);
    }
    return steal_ns;
}

uint64_t machine_foreign_ns(uint64_t busy_ns, uint64_t own_ns)
{
    return less(busy_ns, own_ns);
}

bool machine_is_disturbed(uint64_t foreign_ns, uint64_t observed_ns,
                          unsigned cpus)
{
    double all_ns = (double)observed_ns * cpus;
    return foreign_ns >= MACHINE_FOREIGN_LEAST_NS &&
           (double)foreign_ns > MACHINE_FOREIGN_LIMIT * all_ns;
}
