/*
 * Where the findings of sockbench-selftest are kept: one file a machine and
 * program, ${XDG_CACHE_HOME:-~/.cache}/sockbench/selftest-KEY.json. KEY is a
 * hash over the environment's key (CPU, kernel, settings), its CPU model and
 * kernel, and what the program was built from.
 */
#ifndef SOCKBENCH_LOADGEN_SELFTEST_CACHE_H
#define SOCKBENCH_LOADGEN_SELFTEST_CACHE_H

#include <jansson.h>
#include <limits.h>

#define SELFTEST_SCHEMA_NAME "sockbench-selftest"
#define SELFTEST_SCHEMA_VERSION 1
#define SELFTEST_KEY_MAX 17

/* environment: as host_put_environment makes it. */
void selftest_key(const json_t *environment, char key[static SELFTEST_KEY_MAX]);

/* 0, or -ENOENT where neither XDG_CACHE_HOME nor HOME is an absolute path, or
 * -ENAMETOOLONG. */
int selftest_cache_path(const char *key, char path[static PATH_MAX]);

/* What is kept under the key, a new reference; NULL where there is none, or
 * where it is of another version or damaged. */
json_t *selftest_cache_read(const char *key);

/* Makes the folder where it is missing. 0 or -errno. */
int selftest_cache_write(const char *key, const json_t *report);

#endif
