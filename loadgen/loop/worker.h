/*
 * One thread of the generator: its share of the flows, its engine, and the loop
 * that makes requests, takes completions and gives up what waits too long.
 */
#ifndef SOCKBENCH_LOADGEN_LOOP_WORKER_H
#define SOCKBENCH_LOADGEN_LOOP_WORKER_H

#include "loadgen/arrival.h"
#include "loadgen/engine/engine.h"
#include "loadgen/idlers.h"
#include "loadgen/payload.h"
#include "loadgen/remote.h"
#include "loadgen/sequence/receipts.h"
#include "loadgen/tally.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Workers come to it when they are connected, and start together when it
 * opens. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t arrived;
    bool open;
};

/* What every worker of a run shares; written before they start, but for the
 * atomics. */
struct course {
    struct address target;
    const struct engine_ops *engine;
    struct payload payload;
    uint32_t connections;
    uint32_t threads;
    uint32_t depth;    /* requests in flight per flow */
    uint64_t requests; /* -n, or 0 */
    uint64_t warmup_ns;
    uint64_t duration_ns; /* 0 with -n */
    uint64_t timeout_ns;
    uint64_t interval_ns;
    uint64_t reconnect_every;
    uint64_t rcvbuf_bytes, sndbuf_bytes;
    double connect_rate_per_s;
    double rate_per_s; /* open loop: all flows together; 0: closed loop */
    struct arrival arrival;
    uint32_t max_inflight; /* open loop: per thread; beyond it: skipped */
    /* Open loop: so long before a request is due the thread no longer sleeps;
     * UINT64_MAX: it never does. */
    uint64_t spin_ns;
    bool nodelay;
    bool stream;
    bool udp_offload;   /* datagrams of one size in blocks */
    bool per_flow;      /* datagrams: what became of each flow */
    bool link;          /* datagrams pass what may duplicate them */
    bool one_way;       /* datagrams: nothing comes back */
    bool unconnected;   /* datagrams: sockets that name the server every time */
    bool remote;        /* not on loopback */
    double max_loss;    /* datagrams: the limit of the loss ratio */
    const char *tcp_cc; /* congestion control; NULL: the kernel's */
    struct receipts *receipts; /* NULL without a trace of the server */
    struct sources sources;
    struct idlers_words idlers;
    struct remote_caps caps;         /* of a closed loop, where remote */
    struct stream_json *stream_json; /* NULL: nobody watches */

    uint64_t epoch_ns; /* when the run's clock began: the zero of frames */
    struct gate gate;
    uint64_t begin_ns;         /* of the warm-up; set before the gate opens */
    atomic_bool stop;          /* end now, as after Ctrl-C */
    _Atomic uint64_t answered; /* for the live line and the watchdog */
    _Atomic uint64_t last_answer_ns;
};

/* Why a worker ended before its time; texts for people. */
struct worker_end {
    bool early;
    const char *reason; /* static, or NULL */
};

struct worker {
    struct course *course;
    uint32_t index;
    int cpu; /* to pin to, or -1 */
    struct tally *tally;
    struct worker_end end;
    int error; /* -errno when it could not run */
};

/* A thread's start routine; the argument is a struct worker. */
void *worker_run(void *worker);

#endif
