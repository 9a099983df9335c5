#include "loadgen/measure/cgroup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether word is one of a comma-separated list. */
static bool lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (list && *list) {
        size_t item = strcspn(list, ", \n");
        if (item == length && strncmp(list, word, length) == 0)
            return true;
        list += item;
        list += *list != '\0';
    }
    return false;
}

/* The path of /proc/self/cgroup for a controller; version 2 has no names. */
static int path_of(const char *controller, int *ret_version,
                   char path[static PATH_MAX])
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char *line = NULL;
    size_t size = 0;
    int version = 0;
    while (version != 1 && file && getline(&line, &size, file) >= 0) {
        char *names = strchr(line, ':');
        char *at = names ? strchr(names + 1, ':') : NULL;
        if (!at)
            continue;
        *names++ = '\0';
        *at++ = '\0';
        bool second = strcmp(line, "0") == 0 && *names == '\0';
        if (!second && !lists(names, controller))
            continue;
        version = second ? 2 : 1;
        snprintf(path, PATH_MAX, "%.*s", (int)strcspn(at, "\n"), at);
    }
    free(line);
    if (file)
        fclose(file);
    *ret_version = version;
    return version ? 0 : -ENOENT;
}

/* One line of mountinfo: does it mount what is looked for, and where? */
static bool is_mount(char *line, int version, const char *controller,
                     char **ret_root, char **ret_point)
{
    char *rest = strstr(line, " - ");
    if (!rest)
        return false;
    *rest = '\0';
    char *at = NULL;
    const char *type = strtok_r(rest + 3, " \n", &at);
    (void)strtok_r(NULL, " \n", &at);
    const char *options = strtok_r(NULL, " \n", &at);
    if (!type || strcmp(type, version == 2 ? "cgroup2" : "cgroup") != 0 ||
        (version == 1 && !lists(options, controller)))
        return false;
    at = NULL;
    (void)strtok_r(line, " ", &at); /* mount, parent and device */
    (void)strtok_r(NULL, " ", &at);
    (void)strtok_r(NULL, " ", &at);
    *ret_root = strtok_r(NULL, " ", &at);
    *ret_point = strtok_r(NULL, " ", &at);
    return *ret_root && *ret_point;
}

static int mount_of(int version, const char *controller, const char *path,
                    struct cgroup *ret)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    int r = -ENOENT;
    while (r < 0 && file && getline(&line, &size, file) >= 0) {
        char *root;
        char *point;
        if (!is_mount(line, version, controller, &root, &point))
            continue;
        /* What is mounted may begin below the hierarchy's own root. */
        size_t shared = strcmp(root, "/") == 0 ? 0 : strlen(root);
        const char *below = strncmp(path, root, shared) == 0 &&
                                    (path[shared] == '/' || !path[shared])
                                ? path + shared
                                : "";
        ret->version = version;
        ret->top = strlen(point);
        snprintf(ret->folder, sizeof ret->folder, "%s%s", point,
                 strcmp(below, "/") == 0 ? "" : below);
        r = 0;
    }
    free(line);
    if (file)
        fclose(file);
    return r;
}

int cgroup_find(const char *controller, struct cgroup *ret)
{
    char path[PATH_MAX];
    struct cgroup found = {0};
    int version;
    int r = path_of(controller, &version, path);
    if (r == 0)
        r = mount_of(version, controller, path, &found);
    if (r == 0)
        *ret = found;
    return r;
}

/* Calls look for the folder of the process's own group and of each above. */
static void walk(const struct cgroup *cgroup,
                 void (*look)(const char *folder, int version, void *sum),
                 void *sum)
{
    char folder[PATH_MAX];
    memcpy(folder, cgroup->folder, sizeof folder);
    for (;;) {
        look(folder, cgroup->version, sum);
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= cgroup->top || !slash)
            return;
        *slash = '\0';
    }
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "re");
}

/* How many of the first two numbers of a file there are. */
static int numbers_in(const char *folder, const char *name, double *a,
                      double *b)
{
    FILE *file = open_in(folder, name);
    char *line = NULL;
    size_t size = 0;
    int n = 0;
    if (file && getline(&line, &size, file) >= 0) {
        char *end;
        *a = strtod(line, &end);
        n = end != line;
        char *rest = end;
        *b = n ? strtod(rest, &end) : 0;
        n += n && end != rest;
    }
    free(line);
    if (file)
        fclose(file);
    return n;
}

static void keep_least(double value, double *least)
{
    if (value > 0 && (*least <= 0 || value < *least))
        *least = value;
}

static void look_at_quota(const char *folder, int version, void *least)
{
    double quota;
    double period;
    double none;
    bool known =
        version == 2
            ? numbers_in(folder, "cpu.max", &quota, &period) == 2
            : numbers_in(folder, "cpu.cfs_quota_us", &quota, &none) == 1 &&
                  numbers_in(folder, "cpu.cfs_period_us", &period, &none) == 1;
    if (known && period > 0) /* "max" is no number, and -1 no quota */
        keep_least(quota / period, least);
}

int cgroup_cpu_limit(const struct cgroup *cgroup, double *ret_cpus)
{
    double cpus = 0;
    walk(cgroup, look_at_quota, &cpus);
    if (cpus <= 0)
        return -ENODATA;
    *ret_cpus = cpus;
    return 0;
}

static void look_at_memory(const char *folder, int version, void *least)
{
    double bytes;
    double none;
    const char *name = version == 2 ? "memory.max" : "memory.limit_in_bytes";
    /* Version 1 has no word for no limit, but a number near 2^63. */
    if (numbers_in(folder, name, &bytes, &none) == 1 && bytes < 0x1p62)
        keep_least(bytes, least);
}

int cgroup_memory_limit(const struct cgroup *cgroup, uint64_t *ret_bytes)
{
    double bytes = 0;
    walk(cgroup, look_at_memory, &bytes);
    if (bytes <= 0)
        return -ENODATA;
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

struct throttling_sum {
    struct cgroup_throttling total;
    bool any;
};

static void look_at_stat(const char *folder, int version, void *sum)
{
    struct throttling_sum *into = sum;
    const char *held = version == 2 ? "throttled_usec" : "throttled_time";
    FILE *file = open_in(folder, "cpu.stat");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) >= 0) {
        char *at = strchr(line, ' ');
        if (!at)
            continue;
        *at = '\0';
        uint64_t value = strtoull(at + 1, NULL, 10);
        if (strcmp(line, "nr_throttled") == 0) {
            into->total.periods += value;
            into->any = true;
        } else if (strcmp(line, held) == 0) {
            into->total.held_ns += version == 2 ? value * 1000 : value;
        }
    }
    free(line);
    if (file)
        fclose(file);
}

int cgroup_throttling(const struct cgroup *cgroup,
                      struct cgroup_throttling *ret)
{
    struct throttling_sum sum = {0};
    walk(cgroup, look_at_stat, &sum);
    if (!sum.any)
        return -ENODATA;
    *ret = sum.total;
    return 0;
}
