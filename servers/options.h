/*
 * The words of sockbench-serve's command line, as one table: --help, the keys
 * of a scenario and the check of the man page come from it too.
 */
#ifndef SOCKBENCH_SERVERS_OPTIONS_H
#define SOCKBENCH_SERVERS_OPTIONS_H

#include "servers/cli/options.h"

#include <stdbool.h>
#include <stdint.h>

/* Zero stands for "not given" wherever a number has no fallback. */
struct server_options {
    const char *model;
    const char *listen;
    const char *service; /* NULL: the transport's default */
    uint64_t workers;
    uint64_t max_clients;
    uint64_t backlog;
    uint64_t buffer_bytes;
    uint64_t rcvbuf_bytes;
    uint64_t sndbuf_bytes;
    bool nodelay;
    const char *tcp_cc; /* NULL: the kernel's */
    const char *work;   /* NULL: none; else good for work_parse */
    const char *cpus;   /* NULL: where it was started */
    const char *steer;
    uint64_t idle_timeout_ns;
    uint64_t io_timeout_ns;
    uint64_t ready_fd;
    uint64_t counters_fd;
    const char *trace; /* NULL: none */
    uint64_t trace_records;
    bool one_request;
    uint64_t exit_after;
    const char *close_word; /* NULL: none */
    bool verbose;
    bool list;
    bool json;
    bool help;
    bool version;
    uint64_t ring_entries;
    uint64_t cq_entries;
    uint64_t ring_buffers;
};

extern const struct option_table server_option_table;

enum work_kind {
    WORK_NONE,
    WORK_SLEEP,
    WORK_SPIN
};

/* What a request costs the server beside its bytes. */
struct work {
    enum work_kind kind;
    uint64_t duration_ns;
};

#define CLOSE_WORD_MAX 64

/* "sleep:10ms" or "spin:20us". NULL, or why text is not such work. */
const char *work_parse(const char *text, struct work *ret_work);

#endif
