#include "loadgen/measure/host.h"

#include "loadgen/measure/cgroup.h"
#include "loadgen/measure/random.h"

#include <dirent.h>
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

#define CPU "/sys/devices/system/cpu/"
#define CORE "/proc/sys/net/core/"
#define IPV4 "/proc/sys/net/ipv4/"

static const struct fact file_facts[] = {
    {"cpus_online", CPU "online", true},
    {"cpus_isolated", CPU "isolated", true},
    {"cpus_nohz_full", CPU "nohz_full", true},
    {"smt_active", CPU "smt/active", true},
    {"numa_nodes", "/sys/devices/system/node/online", true},
    {"cache_l1d", CPU "cpu0/cache/index0/size", false},
    {"cache_l2", CPU "cpu0/cache/index2/size", false},
    {"cache_l3", CPU "cpu0/cache/index3/size", false},
    {"frequency_driver", CPU "cpu0/cpufreq/scaling_driver", false},
    {"frequency_max_khz", CPU "cpu0/cpufreq/scaling_max_freq", true},
    {"governor", CPU "cpu0/cpufreq/scaling_governor", true},
    {"boost", CPU "cpufreq/boost", true},
    {"no_turbo", CPU "intel_pstate/no_turbo", true},
    {"idle_driver", CPU "cpuidle/current_driver", false},
    {"clocksource",
     "/sys/devices/system/clocksource/clocksource0/current_clocksource", true},
    {"huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled", false},
    {"kernel_cmdline", "/proc/cmdline", false},
    {"io_uring_disabled", "/proc/sys/kernel/io_uring_disabled", false},
    {"lo_mtu", "/sys/class/net/lo/mtu", true},
    {"somaxconn", CORE "somaxconn", true},
    {"rmem_default", CORE "rmem_default", true},
    {"rmem_max", CORE "rmem_max", true},
    {"wmem_default", CORE "wmem_default", true},
    {"wmem_max", CORE "wmem_max", true},
    {"optmem_max", CORE "optmem_max", false},
    {"netdev_max_backlog", CORE "netdev_max_backlog", true},
    {"netdev_budget", CORE "netdev_budget", true},
    {"rps_sock_flow_entries", CORE "rps_sock_flow_entries", true},
    {"busy_poll", CORE "busy_poll", true},
    {"busy_read", CORE "busy_read", true},
    {"default_qdisc", CORE "default_qdisc", false},
    {"tcp_rmem", IPV4 "tcp_rmem", true},
    {"tcp_wmem", IPV4 "tcp_wmem", true},
    {"tcp_mem", IPV4 "tcp_mem", false},
    {"tcp_congestion_control", IPV4 "tcp_congestion_control", true},
    {"tcp_timestamps", IPV4 "tcp_timestamps", true},
    {"tcp_sack", IPV4 "tcp_sack", true},
    {"tcp_autocorking", IPV4 "tcp_autocorking", true},
    {"tcp_limit_output_bytes", IPV4 "tcp_limit_output_bytes", true},
    {"tcp_slow_start_after_idle", IPV4 "tcp_slow_start_after_idle", true},
    {"tcp_max_syn_backlog", IPV4 "tcp_max_syn_backlog", false},
    {"tcp_syncookies", IPV4 "tcp_syncookies", false},
    {"tcp_tw_reuse", IPV4 "tcp_tw_reuse", false},
    {"udp_mem", IPV4 "udp_mem", false},
    {"udp_rmem_min", IPV4 "udp_rmem_min", false},
    {"ip_local_port_range", IPV4 "ip_local_port_range", false},
};

/* Of what no single file tells, what must match as well. */
static const char *const other_facts[] = {
    "kernel", "machine",     "cpu_model",      "sockets",
    "cgroup", "mitigations", "virtualisation",
};

static const char *reason_of(int error)
{
    return error == ENOENT ? "no such file" : strerror(error);
}

static void put_or_absent(json_t *out, json_t *absent, const char *key,
                          char *value)
{
    int why = errno;
    put_text(out, key, value);
    if (!value)
        put_text(absent, key, reason_of(why));
    free(value);
}

/* The same for a value within an object: the reason is under "object.key". */
static void put_part_or_absent(json_t *out, json_t *absent, const char *object,
                               const char *key, char *value)
{
    int why = errno;
    char path[96];
    snprintf(path, sizeof path, "%s.%s", object, key);
    put_text(out, key, value);
    if (!value)
        put_text(absent, path, reason_of(why));
    free(value);
}

/* Several sources, because each of them can lie. */
static void put_virtualisation(json_t *out, json_t *absent)
{
    static const struct {
        const char *key, *path;
    } sources[] = {{"dmi_vendor", "/sys/class/dmi/id/sys_vendor"},
                   {"dmi_product", "/sys/class/dmi/id/product_name"},
                   {"sys_hypervisor", "/sys/hypervisor/type"},
                   {"container_manager", "/run/systemd/container"}};
    json_t *virtual = put_object(out, "virtualisation");
    char *flags = field_of("/proc/cpuinfo", "flags");
    put_flag(virtual, "cpu_flag_hypervisor",
             flags && strstr(flags, " hypervisor"));
    free(flags);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        put_part_or_absent(virtual, absent, "virtualisation", sources[i].key,
                           first_line(sources[i].path));
    put_flag(virtual, "container",
             access("/.dockerenv", F_OK) == 0 ||
                 access("/run/.containerenv", F_OK) == 0 ||
                 access("/run/systemd/container", F_OK) == 0);
}

/* What holds for this process, from its own group up. */
static void put_cgroup(json_t *out, json_t *absent)
{
    json_t *object = put_object(out, "cgroup");
    struct cgroup cgroup;
    double cpus;
    uint64_t bytes;
    int r = cgroup_find("cpu", &cgroup);
    if (r == 0) {
        put_count(object, "version", (uint64_t)cgroup.version);
    } else {
        put_null(object, "version");
        put_text(absent, "cgroup.version", "in no control group");
    }
    if (r == 0)
        r = cgroup_cpu_limit(&cgroup, &cpus);
    put_real(object, "cpus", r == 0 ? cpus : 0.0 / 0.0);
    if (r < 0)
        put_text(absent, "cgroup.cpus",
                 r == -ENODATA ? "no limit" : "in no control group");
    r = cgroup_find("memory", &cgroup);
    if (r == 0)
        r = cgroup_memory_limit(&cgroup, &bytes);
    if (r == 0) {
        put_count(object, "memory_bytes", bytes);
    } else {
        put_null(object, "memory_bytes");
        put_text(absent, "cgroup.memory_bytes",
                 r == -ENODATA ? "no limit" : "in no control group");
    }
}

static void put_limits(json_t *out, json_t *absent)
{
    static const struct {
        const char *key;
        int resource;
    } kinds[] = {{"nofile", RLIMIT_NOFILE},
                 {"memlock_bytes", RLIMIT_MEMLOCK},
                 {"nproc", RLIMIT_NPROC},
                 {"rtprio", RLIMIT_RTPRIO}};
    json_t *limits = put_object(out, "limits");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rlimit limit;
        char path[64];
        snprintf(path, sizeof path, "limits.%s", kinds[i].key);
        bool known =
            getrlimit((__rlimit_resource_t)kinds[i].resource, &limit) == 0;
        if (known && limit.rlim_cur != RLIM_INFINITY) {
            put_count(limits, kinds[i].key, limit.rlim_cur);
            continue;
        }
        put_null(limits, kinds[i].key);
        put_text(absent, path, known ? "unlimited" : strerror(errno));
    }
}

/* Sockets: how many different packages the CPUs belong to. */
static void put_sockets(json_t *out, json_t *absent)
{
    uint64_t seen = 0;
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    for (long cpu = 0; cpu < cpus; cpu++) {
        char path[96];
        snprintf(path, sizeof path, CPU "cpu%ld/topology/physical_package_id",
                 cpu);
        char *text = first_line(path);
        long package = text ? strtol(text, NULL, 10) : -1;
        if (package >= 0 && package < 64)
            seen |= 1ULL << package;
        free(text);
    }
    if (seen) {
        put_count(out, "sockets", (uint64_t)__builtin_popcountll(seen));
        return;
    }
    put_null(out, "sockets");
    put_text(absent, "sockets", "the kernel does not say");
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

/* All that this kernel knows of, by name. */
static void put_mitigations(json_t *out, json_t *absent)
{
    json_t *list = put_object(out, "mitigations");
    DIR *folder = opendir(CPU "vulnerabilities");
    if (!folder) {
        put_text(absent, "mitigations", reason_of(errno));
        return;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's. */
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[sizeof CPU "vulnerabilities/" + sizeof entry->d_name];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, CPU "vulnerabilities/%s", entry->d_name);
        put_part_or_absent(list, absent, "mitigations", entry->d_name,
                           first_line(path));
    }
    closedir(folder);
}

static uint64_t key_add(uint64_t key, const char *text)
{
    for (const char *at = text; *at; at++)
        key = random_mix(key ^ (unsigned char)*at);
    return random_mix(key);
}

static uint64_t key_add_fact(uint64_t key, const json_t *environment,
                             const char *name)
{
    char *value = json_dumps(json_object_get(environment, name),
                             JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    key = key_add(key_add(key, name), value ? value : "null");
    free(value);
    return key;
}

void host_key(const json_t *environment, char text[static HOST_KEY_MAX])
{
    uint64_t key = 0;
    for (size_t i = 0; i < sizeof other_facts / sizeof *other_facts; i++)
        key = key_add_fact(key, environment, other_facts[i]);
    for (size_t i = 0; i < sizeof file_facts / sizeof *file_facts; i++) {
        if (file_facts[i].must_match)
            key = key_add_fact(key, environment, file_facts[i].key);
    }
    snprintf(text, HOST_KEY_MAX, "%016llx", (unsigned long long)key);
}

void host_put_environment(json_t *object, const char *key_name)
{
    json_t *out = put_object(object, key_name);
    json_t *absent = json_object();
    struct utsname system;
    bool known = uname(&system) == 0;
    put_text(out, "kernel", known ? system.release : NULL);
    put_text(out, "kernel_build", known ? system.version : NULL);
    put_text(out, "machine", known ? system.machine : NULL);
    put_or_absent(out, absent, "cpu_model",
                  field_of("/proc/cpuinfo", "model name"));
    put_or_absent(out, absent, "microcode",
                  field_of("/proc/cpuinfo", "microcode"));
    put_sockets(out, absent);
    for (size_t i = 0; i < sizeof file_facts / sizeof *file_facts; i++)
        put_or_absent(out, absent, file_facts[i].key,
                      first_line(file_facts[i].path));
    put_mitigations(out, absent);
    put_virtualisation(out, absent);
    put_cgroup(out, absent);
    put_limits(out, absent);
    put_affinity(out);
    put_build_id(out);
    put_json(out, "absent", absent);
    char text[HOST_KEY_MAX];
    host_key(out, text);
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

/* The current frequency of the CPUs: the first's, the least, the greatest. */
static void put_frequencies(json_t *out, json_t *absent)
{
    static const char *const keys[] = {"cpu_mhz", "cpu_mhz_least",
                                       "cpu_mhz_most"};
    double mhz[3] = {0};
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) >= 0) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "cpu MHz", 7) != 0)
            continue;
        double value = strtod(colon + 1, NULL);
        if (mhz[0] <= 0)
            mhz[0] = mhz[1] = mhz[2] = value;
        mhz[1] = value < mhz[1] ? value : mhz[1];
        mhz[2] = value > mhz[2] ? value : mhz[2];
    }
    free(line);
    if (file)
        fclose(file);
    for (int i = 0; i < 3; i++) {
        put_real(out, keys[i], mhz[i] > 0 ? mhz[i] : 0.0 / 0.0);
        if (mhz[i] <= 0)
            put_text(absent, keys[i], "/proc/cpuinfo does not say");
    }
}

json_t *host_state(void)
{
    json_t *out = json_object();
    json_t *absent = json_object();
    put_or_absent(out, absent, "load_average", first_line("/proc/loadavg"));
    put_or_absent(out, absent, "pressure_cpu",
                  first_line("/proc/pressure/cpu"));
    put_or_absent(out, absent, "pressure_memory",
                  first_line("/proc/pressure/memory"));
    put_or_absent(out, absent, "pressure_io", first_line("/proc/pressure/io"));
    put_frequencies(out, absent);
    put_ticks(out);
    put_counters(out, "kernel_udp", "/proc/net/snmp", "Udp");
    put_counters(out, "kernel_tcp", "/proc/net/snmp", "Tcp");
    put_counters(out, "kernel_tcp_ext", "/proc/net/netstat", "TcpExt");
    put_json(out, "absent", absent);
    return out;
}
