#include "servers/cli/cpuset.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_cpu(const char **text, long *ret)
{
    if (!isdigit((unsigned char)**text))
        return -EINVAL;
    char *end;
    long cpu = strtol(*text, &end, 10);
    if (cpu >= CPU_SETSIZE)
        return -EINVAL;
    *text = end;
    *ret = cpu;
    return 0;
}

int cpuset_parse(const char *text, cpu_set_t *ret)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (;;) {
        long first;
        long last;
        if (parse_cpu(&text, &first) < 0)
            return -EINVAL;
        last = first;
        if (*text == '-') {
            text++;
            if (parse_cpu(&text, &last) < 0 || last < first)
                return -EINVAL;
        }
        for (long cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, &set);
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return -EINVAL;
    }
    *ret = set;
    return 0;
}

char *cpuset_format(const cpu_set_t *set, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, set))
            continue;
        int last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET((size_t)(last + 1), set))
            last++;
        int n = last > cpu ? snprintf(text + used, size - used, "%s%d-%d",
                                      used ? "," : "", cpu, last)
                           : snprintf(text + used, size - used, "%s%d",
                                      used ? "," : "", cpu);
        if (n < 0 || (size_t)n >= size - used)
            break;
        used += (size_t)n;
        cpu = last;
    }
    return text;
}

int cpuset_nth(const cpu_set_t *set, unsigned k)
{
    int count = CPU_COUNT(set);
    if (count == 0)
        return -1;
    unsigned left = k % (unsigned)count;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, set) && left-- == 0)
            return cpu;
    }
    return -1;
}

int cpuset_allowed(cpu_set_t *ret)
{
    return sched_getaffinity(0, sizeof *ret, ret) < 0 ? -errno : 0;
}

int cpuset_online(cpu_set_t *ret)
{
    char line[1024] = "";
    FILE *file = fopen("/sys/devices/system/cpu/online", "re");
    if (!file)
        return -errno;
    char *read = fgets(line, sizeof line, file);
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return read ? cpuset_parse(line, ret) : -EIO;
}

int cpuset_pin(const cpu_set_t *set)
{
    return sched_setaffinity(0, sizeof *set, set) < 0 ? -errno : 0;
}

int cpuset_pin_one(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return cpuset_pin(&set);
}
