/* What a user may ask of sockbench-load: data and parsing, no sockets. The
 * bench includes this to check the keys of a scenario. */
#ifndef SOCKBENCH_LOADGEN_OPTIONS_H
#define SOCKBENCH_LOADGEN_OPTIONS_H

#include "servers/cli/options.h"

struct load_options {
    uint64_t connections;
    uint64_t threads;
    uint64_t duration_ns; /* 0: not asked for */
    uint64_t requests;    /* 0: not asked for */
    uint64_t pipeline;
    uint64_t warmup_ns;
    uint64_t reconnect_every; /* 0: connections persist */
    uint64_t timeout_ns;
    uint64_t seed;
    uint64_t rcvbuf_bytes; /* 0: the kernel's default */
    uint64_t sndbuf_bytes;
    uint64_t interval_ns;
    uint64_t max_inflight;
    bool one_way;
    double rate_per_s;          /* 0: closed loop */
    double rate_per_conn_per_s; /* 0: not asked for */
    uint64_t remote_max_connections;
    double remote_max_rate_per_s;
    double remote_max_bits_per_s;
    double connect_rate_per_s; /* 0: as fast as can be */
    const char *idle_clients;  /* NULL: none */
    const char *source;        /* NULL: the kernel chooses */
    const char *size;          /* as sizes_parse reads it */
    const char *service;       /* NULL: the transport's default */
    const char *engine;        /* NULL: uring where granted, else epoll */
    const char *cpus;          /* NULL: the caller's affinity */
    const char *server_cpus;   /* NULL: not known */
    const char *output;
    const char *hlog;
    const char *hgrm;
    const char *label;
    const char *arrival;
    const char *pacing;
    const char *udp_offload;
    const char *path;
    double max_loss_ratio;
    bool per_flow;
    const char *server_trace; /* NULL: none */
    bool nodelay;
    bool unconnected;
    const char *tcp_cc; /* NULL: the kernel's */
    bool no_verify;
    bool json;
    bool json_stream;
    bool allow_remote;
    bool quiet;
    bool help;
    bool version;
};

extern const struct option_table load_option_table;

/* Defaults that depend on one another: the duration. */
void load_options_resolve(struct load_options *options);

#endif
