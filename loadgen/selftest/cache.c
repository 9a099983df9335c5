#include "loadgen/selftest/cache.h"

#include "loadgen/measure/random.h"
#include "loadgen/measure/report.h"

#include "build_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint64_t mix_in(uint64_t key, const char *text)
{
    for (const char *at = text ? text : "-"; *at; at++)
        key = random_mix(key ^ (unsigned char)*at);
    return random_mix(key);
}

void selftest_key(const json_t *environment, char key[static SELFTEST_KEY_MAX])
{
    static const char *const facts[] = {"key", "cpu_model", "kernel"};
    static const char *const build[] = {BUILD_VERSION, BUILD_COMMIT,
                                        BUILD_COMPILER, BUILD_FLAGS,
                                        BUILD_LIBURING};
    uint64_t mixed = 0;
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        mixed = mix_in(
            mixed, json_string_value(json_object_get(environment, facts[i])));
    for (size_t i = 0; i < sizeof build / sizeof *build; i++)
        mixed = mix_in(mixed, build[i]);
    snprintf(key, SELFTEST_KEY_MAX, "%016llx", (unsigned long long)mixed);
}

int selftest_cache_path(const char *key, char path[static PATH_MAX])
{
    const char *folder = getenv("XDG_CACHE_HOME"); /* NOLINT: one thread */
    const char *below = "";
    if (!folder || *folder != '/') { /* relative ones are to be ignored */
        folder = getenv("HOME");     /* NOLINT: one thread */
        below = "/.cache";
    }
    if (!folder || *folder != '/')
        return -ENOENT;
    int n = snprintf(path, PATH_MAX, "%s%s/sockbench/selftest-%s.json", folder,
                     below, key);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

json_t *selftest_cache_read(const char *key)
{
    char path[PATH_MAX];
    if (selftest_cache_path(key, path) < 0)
        return NULL;
    json_t *report = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const json_t *schema = json_object_get(report, "schema");
    const char *name = json_string_value(json_object_get(schema, "name"));
    const char *its = json_string_value(
        json_object_get(json_object_get(report, "machine"), "selftest_key"));
    if (name && strcmp(name, SELFTEST_SCHEMA_NAME) == 0 &&
        json_integer_value(json_object_get(schema, "version")) ==
            SELFTEST_SCHEMA_VERSION &&
        its && strcmp(its, key) == 0)
        return report;
    json_decref(report);
    return NULL;
}

/* Every folder above the file. 0 or -errno. */
static int make_folders(char *path)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
        *at = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

int selftest_cache_write(const char *key, const json_t *report)
{
    char path[PATH_MAX];
    int r = selftest_cache_path(key, path);
    if (r == 0)
        r = make_folders(path);
    return r < 0 ? r : report_write_file(report, path);
}
