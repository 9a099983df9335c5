#include "loadgen/measure/host.h"

#include "loadgen/measure/random.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The first line of a file without its newline, on the heap; NULL and errno. */
static char *first_line(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *line = NULL;
    size_t size = 0;
    errno = 0;
    if (getline(&line, &size, file) < 0) {
        if (errno == 0)
            errno = ENODATA;
        int saved = errno;
        free(line);
        fclose(file);
        errno = saved;
        return NULL;
    }
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    for (char *at = line; *at; at++) {
        if (*at == '\t')
            *at = ' ';
    }
    return line;
}

/* The value of "name<spaces>: value" in a file of such lines, or NULL. */
static char *field_of(const char *path, const char *name)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *line = NULL;
    char *found = NULL;
    size_t size = 0;
    size_t length = strlen(name);
    while (!found && getline(&line, &size, file) >= 0) {
        if (strncmp(line, name, length) != 0)
            continue;
        const char *at = line + length + strspn(line + length, " \t");
        if (*at == ':') {
            at++;
            at += strspn(at, " \t");
            found = strndup(at, strcspn(at, "\n"));
        }
    }
    free(line);
    fclose(file);
    if (!found)
        errno = ENODATA;
    return found;
}

struct fact {
    const char *key;
    const char *path;
    bool must_match; /* part of the comparability key */
};

static const struct fact file_facts[] = {
    {"cpus_online", "/sys/devices/system/cpu/online", true},
    {"smt_active", "/sys/devices/system/cpu/smt/active", true},
    {"numa_nodes", "/sys/devices/system/node/online", true},
    {"cache_l2", "/sys/devices/system/cpu/cpu0/cache/index2/size", false},
    {"cache_l3", "/sys/devices/system/cpu/cpu0/cache/index3/size", false},
    {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", true},
    {"boost", "/sys/devices/system/cpu/cpufreq/boost", false},
    {"clocksource",
     "/sys/devices/system/clocksource/clocksource0/current_clocksource", true},
    {"product_name", "/sys/class/dmi/id/product_name", false},
    {"kernel_cmdline", "/proc/cmdline", false},
    {"cgroup_cpu_max", "/sys/fs/cgroup/cpu.max", true},
    {"cgroup_v1_cpu_quota", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", true},
    {"cgroup_memory_max", "/sys/fs/cgroup/memory.max", false},
    {"io_uring_disabled", "/proc/sys/kernel/io_uring_disabled", false},
    {"somaxconn", "/proc/sys/net/core/somaxconn", true},
    {"rmem_default", "/proc/sys/net/core/rmem_default", true},
    {"rmem_max", "/proc/sys/net/core/rmem_max", true},
    {"wmem_default", "/proc/sys/net/core/wmem_default", true},
    {"wmem_max", "/proc/sys/net/core/wmem_max", true},
    {"netdev_max_backlog", "/proc/sys/net/core/netdev_max_backlog", true},
    {"busy_poll", "/proc/sys/net/core/busy_poll", true},
    {"default_qdisc", "/proc/sys/net/core/default_qdisc", false},
    {"tcp_rmem", "/proc/sys/net/ipv4/tcp_rmem", true},
    {"tcp_wmem", "/proc/sys/net/ipv4/tcp_wmem", true},
    {"tcp_congestion_control", "/proc/sys/net/ipv4/tcp_congestion_control",
     true},
    {"tcp_tw_reuse", "/proc/sys/net/ipv4/tcp_tw_reuse", false},
    {"udp_mem", "/proc/sys/net/ipv4/udp_mem", false},
    {"ip_local_port_range", "/proc/sys/net/ipv4/ip_local_port_range", false},
};

static const char *const mitigations[] = {
    "gather_data_sampling",
    "itlb_multihit",
    "l1tf",
    "mds",
    "meltdown",
    "mmio_stale_data",
    "retbleed",
    "spec_rstack_overflow",
    "spec_store_bypass",
    "spectre_v1",
    "spectre_v2",
    "srbds",
    "tsx_async_abort",
};

static uint64_t key_add(uint64_t key, const char *name, const char *value)
{
    for (const char *at = name; *at; at++)
        key = random_mix(key ^ (unsigned char)*at);
    for (const char *at = value ? value : "-"; *at; at++)
        key = random_mix(key ^ (unsigned char)*at);
    return key;
}

static void put_or_absent(json_t *out, json_t *absent, const char *key,
                          char *value)
{
    int why = errno;
    put_text(out, key, value);
    if (!value)
        put_text(absent, key, why == ENOENT ? "no such file" : strerror(why));
    free(value);
}

/* Several sources, because each of them can lie. */
static void put_virtualisation(json_t *out)
{
    json_t *virtual = put_object(out, "virtualisation");
    char *flags = field_of("/proc/cpuinfo", "flags");
    put_flag(virtual, "cpu_flag_hypervisor",
             flags && strstr(flags, " hypervisor"));
    free(flags);
    char *vendor = first_line("/sys/class/dmi/id/sys_vendor");
    put_text(virtual, "dmi_vendor", vendor);
    free(vendor);
    char *type = first_line("/sys/hypervisor/type");
    put_text(virtual, "sys_hypervisor", type);
    free(type);
    put_flag(virtual, "container",
             access("/.dockerenv", F_OK) == 0 ||
                 access("/run/.containerenv", F_OK) == 0);
}

static void put_limits(json_t *out)
{
    static const struct {
        const char *key;
        int resource;
    } kinds[] = {{"nofile", RLIMIT_NOFILE},
                 {"memlock_bytes", RLIMIT_MEMLOCK},
                 {"nproc", RLIMIT_NPROC}};
    json_t *limits = put_object(out, "limits");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rlimit limit;
        if (getrlimit(kinds[i].resource, &limit) < 0 ||
            limit.rlim_cur == RLIM_INFINITY)
            put_null(limits, kinds[i].key);
        else
            put_count(limits, kinds[i].key, limit.rlim_cur);
    }
}

static void put_affinity(json_t *out)
{
    cpu_set_t set;
    json_t *list = put_array(out, "affinity");
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set))
            json_array_append_new(list, json_integer(cpu));
    }
}

/* Where the linker put the running program's ELF header. */
extern const char program_begin[] __asm__("__ehdr_start")
    __attribute__((visibility("hidden")));

/* The build-id among one segment of notes, as hexadecimal text; or "". */
static void find_build_id(const char *notes, size_t size, char text[static 80])
{
    size_t at = 0;
    text[0] = '\0';
    while (at + sizeof(ElfW(Nhdr)) <= size) {
        ElfW(Nhdr) note;
        memcpy(&note, notes + at, sizeof note);
        size_t name = at + sizeof note;
        size_t bytes = name + ((note.n_namesz + (size_t)3) & ~(size_t)3);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz <= 32 &&
            memcmp(notes + name, "GNU", 4) == 0) {
            for (size_t k = 0; k < note.n_descsz; k++)
                snprintf(text + 2 * k, 3, "%02x",
                         (unsigned char)notes[bytes + k]);
            return;
        }
        at = bytes + ((note.n_descsz + (size_t)3) & ~(size_t)3);
    }
}

static void put_build_id(json_t *out)
{
    char text[80] = "";
    ElfW(Ehdr) header;
    memcpy(&header, program_begin, sizeof header);
    for (size_t i = 0; i < header.e_phnum && text[0] == '\0'; i++) {
        ElfW(Phdr) segment;
        memcpy(&segment, program_begin + header.e_phoff + i * sizeof segment,
               sizeof segment);
        if (segment.p_type == PT_NOTE)
            find_build_id(program_begin + segment.p_vaddr, segment.p_memsz,
                          text);
    }
    put_text(out, "build_id", text[0] ? text : NULL);
}

static uint64_t put_mitigations(json_t *out, uint64_t key)
{
    json_t *list = put_object(out, "mitigations");
    for (size_t i = 0; i < sizeof mitigations / sizeof *mitigations; i++) {
        char path[128];
        snprintf(path, sizeof path,
                 "/sys/devices/system/cpu/vulnerabilities/%s", mitigations[i]);
        char *value = first_line(path);
        key = key_add(key, mitigations[i], value);
        put_text(list, mitigations[i], value);
        free(value);
    }
    return key;
}

void host_put_environment(json_t *object, const char *key_name)
{
    json_t *out = put_object(object, key_name);
    json_t *absent = json_object();
    uint64_t key = 0;

    struct utsname system;
    bool known = uname(&system) == 0;
    put_text(out, "kernel", known ? system.release : NULL);
    put_text(out, "machine", known ? system.machine : NULL);
    key = key_add(key, "kernel", known ? system.release : NULL);
    char *model = field_of("/proc/cpuinfo", "model name");
    key = key_add(key, "cpu_model", model);
    put_or_absent(out, absent, "cpu_model", model);
    char *microcode = field_of("/proc/cpuinfo", "microcode");
    put_or_absent(out, absent, "microcode", microcode);
    for (size_t i = 0; i < sizeof file_facts / sizeof *file_facts; i++) {
        const struct fact *fact = &file_facts[i];
        char *value = first_line(fact->path);
        if (fact->must_match)
            key = key_add(key, fact->key, value);
        put_or_absent(out, absent, fact->key, value);
    }
    key = put_mitigations(out, key);
    put_virtualisation(out);
    put_limits(out);
    put_affinity(out);
    put_build_id(out);
    put_json(out, "absent", absent);
    char text[20];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)key);
    put_text(out, "key", text);
}

/* "Udp: InDatagrams ..." above "Udp: 12 ..." in /proc/net/snmp and netstat. */
static void put_counters(json_t *out, const char *key, const char *path,
                         const char *prefix)
{
    FILE *file = fopen(path, "re");
    json_t *counters = put_object(out, key);
    char *names = NULL;
    char *values = NULL;
    size_t names_size = 0;
    size_t values_size = 0;
    size_t length = strlen(prefix);
    while (file && getline(&names, &names_size, file) >= 0 &&
           getline(&values, &values_size, file) >= 0) {
        if (strncmp(names, prefix, length) != 0 || names[length] != ':')
            continue;
        char *name_at = NULL;
        char *value_at = NULL;
        strtok_r(names, " \n", &name_at);
        strtok_r(values, " \n", &value_at);
        char *name;
        char *value;
        while ((name = strtok_r(NULL, " \n", &name_at)) &&
               (value = strtok_r(NULL, " \n", &value_at)))
            put_json(counters, name,
                     json_integer((json_int_t)strtoll(value, NULL, 10)));
    }
    free(names);
    free(values);
    if (file)
        fclose(file);
}

/* Ticks since boot by kind, summed over the CPUs. */
static void put_ticks(json_t *out)
{
    static const char *const kinds[] = {"user",   "nice", "system",  "idle",
                                        "iowait", "irq",  "softirq", "steal"};
    json_t *ticks = put_object(out, "cpu_ticks");
    char *line = first_line("/proc/stat");
    char *at = line ? line + strcspn(line, " ") : NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (at)
            put_count(ticks, kinds[i], strtoull(at, &at, 10));
        else
            put_null(ticks, kinds[i]);
    }
    free(line);
}

static void put_first_line(json_t *out, const char *key, const char *path)
{
    char *line = first_line(path);
    put_text(out, key, line);
    free(line);
}

json_t *host_state(void)
{
    json_t *out = json_object();
    put_first_line(out, "load_average", "/proc/loadavg");
    put_first_line(out, "pressure_cpu", "/proc/pressure/cpu");
    put_first_line(out, "pressure_memory", "/proc/pressure/memory");
    char *frequency = field_of("/proc/cpuinfo", "cpu MHz");
    put_real(out, "cpu_mhz", frequency ? strtod(frequency, NULL) : 0.0 / 0.0);
    free(frequency);
    put_ticks(out);
    put_counters(out, "kernel_udp", "/proc/net/snmp", "Udp");
    put_counters(out, "kernel_tcp", "/proc/net/snmp", "Tcp");
    return out;
}
