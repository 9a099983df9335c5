#include "loadgen/measure/cgroup.h"
#include "loadgen/measure/host.h"
#include "loadgen/measure/machine.h"
#include "loadgen/measure/thread.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *environment(void)
{
    json_t *report = json_object();
    host_put_environment(report, "environment");
    json_t *out = json_incref(json_object_get(report, "environment"));
    json_decref(report);
    return out;
}

static bool changes_key(const char *name, json_t *value)
{
    char before[HOST_KEY_MAX];
    char after[HOST_KEY_MAX];
    json_t *facts = environment();
    cr_assert(json_object_get(facts, name) != NULL, "%s", name);
    host_key(facts, before);
    cr_assert_eq(json_object_set_new(facts, name, value), 0);
    host_key(facts, after);
    json_decref(facts);
    return strcmp(before, after) != 0;
}

Test(host, the_key_is_the_same_at_every_look)
{
    json_t *one = environment();
    json_t *other = environment();
    const char *key = json_string_value(json_object_get(one, "key"));
    cr_assert_not_null(key);
    cr_expect_eq(strlen(key), 16);
    cr_expect_str_eq(key, json_string_value(json_object_get(other, "key")));
    json_decref(one);
    json_decref(other);
}

Test(host, what_makes_numbers_incomparable_changes_the_key)
{
    static const char *const names[] = {
        "kernel",      "cpu_model",
        "sockets",     "cpus_online",
        "smt_active",  "governor",
        "boost",       "clocksource",
        "mitigations", "virtualisation",
        "cgroup",      "rmem_max",
        "tcp_rmem",    "tcp_congestion_control"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect(changes_key(names[i], json_string("another")), "%s",
                  names[i]);
}

Test(host, what_is_worth_a_warning_at_most_does_not)
{
    static const char *const names[] = {
        "microcode",      "build_id", "affinity",    "limits",
        "kernel_cmdline", "absent",   "kernel_build"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect_not(changes_key(names[i], json_string("another")), "%s",
                      names[i]);
}

/* Every null of object has a reason in absent, under prefix and its key. */
static void expect_reasons(const json_t *object, const json_t *absent,
                           const char *prefix)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        char path[160];
        const json_t *value = json_object_iter_value(at);
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "",
                 json_object_iter_key(at));
        if (json_is_null(value))
            cr_expect(json_is_string(json_object_get(absent, path)),
                      "%s is null, and nobody says why", path);
        if (json_is_object(value) && value != absent)
            expect_reasons(value, absent, path);
    }
}

Test(host, whatever_is_null_has_a_reason)
{
    json_t *facts = environment();
    expect_reasons(facts, json_object_get(facts, "absent"), "");
    json_decref(facts);
    json_t *state = host_state();
    expect_reasons(state, json_object_get(state, "absent"), "");
    json_decref(state);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_group(char folder[static 64], int version,
                       struct cgroup *ret_group)
{
    strcpy(folder, "/tmp/sockbench-cgroup-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    *ret_group = (struct cgroup){.version = version, .top = strlen(folder)};
    snprintf(ret_group->folder, sizeof ret_group->folder, "%s/a", folder);
    cr_assert_eq(mkdir(ret_group->folder, 0700), 0);
}

static void remove_group(const char *folder)
{
    static const char *const names[] = {
        "cpu.max",  "cpu.cfs_quota_us", "cpu.cfs_period_us",
        "cpu.stat", "memory.max",       "memory.limit_in_bytes"};
    for (int below = 1; below >= 0; below--) {
        char path[256];
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            snprintf(path, sizeof path, "%s%s/%s", folder, below ? "/a" : "",
                     names[i]);
            unlink(path);
        }
        snprintf(path, sizeof path, "%s%s", folder, below ? "/a" : "");
        cr_expect_eq(rmdir(path), 0);
    }
}

Test(cgroup, the_tightest_limit_from_the_own_group_up_holds)
{
    char folder[64];
    struct cgroup group;
    double cpus = 0;
    uint64_t bytes = 0;
    struct cgroup_throttling throttling;
    make_group(folder, 2, &group);
    cr_expect_eq(cgroup_cpu_limit(&group, &cpus), -ENODATA);
    cr_expect_eq(cgroup_throttling(&group, &throttling), -ENODATA);
    write_file(group.folder, "cpu.max", "max 100000\n");
    write_file(group.folder, "memory.max", "max\n");
    cr_expect_eq(cgroup_cpu_limit(&group, &cpus), -ENODATA);
    cr_expect_eq(cgroup_memory_limit(&group, &bytes), -ENODATA);
    write_file(folder, "cpu.max", "150000 100000\n");
    write_file(folder, "memory.max", "4096\n");
    write_file(folder, "cpu.stat",
               "usage_usec 5\nnr_periods 9\nnr_throttled 3\n"
               "throttled_usec 70\n");
    cr_assert_eq(cgroup_cpu_limit(&group, &cpus), 0);
    cr_expect_float_eq(cpus, 1.5, 1e-9);
    cr_assert_eq(cgroup_memory_limit(&group, &bytes), 0);
    cr_expect_eq(bytes, 4096);
    write_file(group.folder, "cpu.stat", "nr_throttled 4\nthrottled_usec 1\n");
    cr_assert_eq(cgroup_throttling(&group, &throttling), 0);
    cr_expect_eq(throttling.periods, 7);
    cr_expect_eq(throttling.held_ns, 71000);
    remove_group(folder);
}

Test(cgroup, version_1_says_the_same_in_other_files)
{
    char folder[64];
    struct cgroup group;
    double cpus = 0;
    uint64_t bytes = 0;
    struct cgroup_throttling throttling;
    make_group(folder, 1, &group);
    write_file(group.folder, "cpu.cfs_quota_us", "-1\n");
    write_file(group.folder, "cpu.cfs_period_us", "100000\n");
    write_file(group.folder, "memory.limit_in_bytes", "9223372036854771712\n");
    cr_expect_eq(cgroup_cpu_limit(&group, &cpus), -ENODATA);
    cr_expect_eq(cgroup_memory_limit(&group, &bytes), -ENODATA);
    write_file(group.folder, "cpu.cfs_quota_us", "5000\n");
    write_file(group.folder, "cpu.cfs_period_us", "20000\n");
    write_file(group.folder, "cpu.stat",
               "nr_periods 9\nnr_throttled 3\nthrottled_time 70\n");
    cr_assert_eq(cgroup_cpu_limit(&group, &cpus), 0);
    cr_expect_float_eq(cpus, 0.25, 1e-9);
    cr_assert_eq(cgroup_throttling(&group, &throttling), 0);
    cr_expect_eq(throttling.held_ns, 70);
    remove_group(folder);
}

Test(machine, busy_is_what_was_not_idle_stolen_or_in_interrupts)
{
    static struct machine_sample before;
    static struct machine_sample after;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(1, &set);
    CPU_SET(7, &set); /* which is not there */
    before.cpus[1] = (struct machine_cpu){true, 100, 10, 5};
    after.cpus[1] = (struct machine_cpu){true, 400, 30, 25};
    before.cpus[2] = after.cpus[2] = (struct machine_cpu){.online = true};
    before.at_ns = 1000;
    after.at_ns = 2000;
    cr_expect_eq(machine_count(&before, &after, &set), 1);
    cr_expect_eq(machine_busy_ns(&before, &after, &set), 660);
    cr_expect_eq(machine_steal_ns(&before, &after, &set), 20);
    cr_expect_eq(machine_foreign_ns(660, 600), 60);
    cr_expect_eq(machine_foreign_ns(600, 660), 0, "ticks are coarse");
}

Test(machine, little_and_short_disturbances_are_borne)
{
    cr_expect_not(machine_is_disturbed(49000000, 100000000, 1));
    cr_expect(machine_is_disturbed(51000000, 1000000000, 1));
    cr_expect_not(machine_is_disturbed(51000000, 1000000000, 2));
}

Test(machine, this_one_can_be_read)
{
    static struct machine_sample sample;
    cpu_set_t all;
    CPU_ZERO(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        CPU_SET(cpu, &all);
    cr_assert_eq(machine_read(NULL, &sample), 0);
    cr_expect_eq(machine_count(&sample, &sample, &all),
                 (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    cr_expect_gt(sample.own_cpu_ns, 0);
    cr_expect_not(sample.throttling_known);
}

Test(thread, usage_grows_and_differences_are_differences)
{
    struct thread_usage one;
    struct thread_usage two;
    int fd = thread_usage_open();
    thread_usage_read(fd, &one);
    cr_assert_eq(usleep(1000), 0); /* a switch that it asks for itself */
    thread_usage_read(fd, &two);
    struct thread_usage used = thread_usage_since(&two, &one);
    cr_expect_gt(used.cpu_ns, 0);
    cr_expect_geq(used.voluntary_switches, 1);
    cr_expect_eq(used.waited_known, fd >= 0);
    if (fd >= 0)
        close(fd);
    thread_usage_read(-ENOENT, &one);
    cr_expect_not(one.waited_known);
}
