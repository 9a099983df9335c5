/*
 * A trial while it goes on, as its rooms see it: `trial` starts, watches and
 * ends the two, `words` says what is typed for them, `report` adds
 * to the load's report what only the one who started the server knows.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_PARTS_H
#define SOCKBENCH_BENCH_TRIAL_PARTS_H

#include "bench/argv.h"
#include "bench/trial/attribution.h"
#include "bench/trial/foreign.h"
#include "bench/trial/namespace.h"
#include "bench/trial/process.h"
#include "bench/trial/trial.h"
#include "bench/trial/usage.h"

#define TRACE_PATH_MAX 4096

struct trial {
    const struct trial_plan *plan;
    struct trial_result *result;
    struct process server, generator;
    char address[256];
    char trace_path[TRACE_PATH_MAX]; /* ""; or beside the report */
    json_t *ready; /* what the ready line said beside the address */
    struct usage before, after;
    uint64_t pss_bytes, rss_bytes; /* greatest seen; 0: unknown */
    struct namespace space;
    bool is_private;        /* space is one */
    char space_reason[120]; /* why it is not */
    struct attribution attribution;
    struct foreign foreign;
};

/* False for a server that was there already. */
static inline bool trial_is_ours(const struct trial *trial)
{
    return trial->plan->address == NULL;
}

/* "udp://[::1]:7000", as the server listens there. */
void trial_format_address(const struct scenario_server *server, uint16_t port,
                          char *text, size_t size);

/* The words of a model of ours, of a server that is a command, of the load. */
void trial_model_argv(const struct trial *trial, struct argv *argv);
void trial_command_argv(const struct trial *trial, uint16_t port,
                        struct argv *argv);
void trial_generator_argv(const struct trial *trial, struct argv *argv);

/* After both have ended: the report's server{}, the foreign CPU on its CPUs,
 * and where datagrams died. */
void trial_describe(struct trial *trial);

#endif
