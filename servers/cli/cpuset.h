/* Lists of CPUs as people write them ("0,2-3"), and pinning. */
#ifndef SOCKBENCH_SERVERS_CLI_CPUSET_H
#define SOCKBENCH_SERVERS_CLI_CPUSET_H

#include <sched.h>
#include <stddef.h>

/* 0, or -EINVAL (not a list of CPUs). ret keeps no order. */
int cpuset_parse(const char *text, cpu_set_t *ret);

/* "0,2-3"; "" for none. Returns text. */
char *cpuset_format(const cpu_set_t *set, char *text, size_t size);

/*
 * The k-th CPU of the set, counted from 0 and wrapping around; -1 for an empty
 * set.
 */
int cpuset_nth(const cpu_set_t *set, unsigned k);

/* The CPUs that the calling thread may use. 0 or -errno. */
int cpuset_allowed(cpu_set_t *ret);

/* The CPUs of the machine that are in use, whoever may use them. 0, or -errno
 * where the kernel does not tell. */
int cpuset_online(cpu_set_t *ret);

/* Pins the calling thread (and what it starts later). 0 or -errno. */
int cpuset_pin(const cpu_set_t *set);
int cpuset_pin_one(int cpu);

#endif
