/*
 * A scenario: which servers meet which loads, how often, and where. JSON:
 *
 *   {
 *     "title": "...", "description": "...", "reading": "...",
 *     "seed": 1, "repetitions": 1, "layout": "split", "namespace": "auto",
 *     "servers": [
 *       {"model": "epoll", "transport": "tcp", "service": "echo",
 *        "options": {"workers": 2}},
 *       {"name": "python", "transport": "tcp",
 *        "command": ["python3", "{here}/echo.py", "{port}"]}
 *     ],
 *     "loads": [{"name": "short", "duration": "1s", "reconnect-every": 1,
 *                "server_options": {"work": "sleep:1ms"}}],
 *     "sweep": {"connections": [1, 64], "size": [64, 1024]}
 *   }
 *
 * The keys of a load and of a sweep are options of sockbench-load, those of
 * "options" and "server_options" of sockbench-serve, with the values that the
 * command line takes; a plain number may stand for its text. "trace": true in a
 * load lets servers of datagrams note what becomes of each (--trace), which
 * loads that go one way have anyhow.
 */
#ifndef SOCKBENCH_BENCH_SCENARIO_SCENARIO_H
#define SOCKBENCH_BENCH_SCENARIO_SCENARIO_H

#include "bench/scenario/layout.h"
#include "bench/scenario/settings.h"
#include "bench/scenario/space.h"
#include "servers/cli/options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_BYTES_MAX ((size_t)1024 * 1024)
#define SCENARIO_ROWS_MAX 64  /* servers, loads, values of a sweep */
#define SCENARIO_SWEEPS_MAX 4 /* options swept */
#define SCENARIO_CELLS_MAX 10000
#define SCENARIO_REPETITIONS_MAX 1000

enum transport {
    TRANSPORT_ANY, /* of a load that applies to either */
    TRANSPORT_TCP,
    TRANSPORT_UDP,
};

struct scenario_server {
    const char *name;
    const char *model; /* NULL: an external command */
    const char *service;
    enum transport transport;
    bool ipv6;
    unsigned meets;       /* of servers/needs.h, but for the model alone */
    const char **command; /* NULL-terminated; NULL for a model */
    struct settings options;
};

struct scenario_load {
    const char *name;
    const char *title;        /* of the table, or NULL */
    bool trace;               /* datagrams are traced by the server */
    enum transport transport; /* which servers it is for */
    struct settings options;
    struct settings server_options;
};

struct sweep {
    const char *name; /* an option of sockbench-load */
    char **texts;
    size_t count;
};

struct scenario {
    char *name;      /* the file's, without folder and .json */
    char *directory; /* what {here} stands for */
    const char *title, *description, *reading; /* or NULL */
    uint64_t seed;
    unsigned repetitions;
    struct layout layout;
    enum space space;
    struct scenario_server *servers;
    size_t server_count;
    struct scenario_load *loads;
    size_t load_count;
    struct sweep *sweeps;
    size_t sweep_count;
    json_t *json; /* the file; the strings above live in it */
};

/* What a scenario is checked against. */
struct scenario_words {
    const struct option_table *server_table, *load_table;
    /* Names of models on streams and on datagrams, NULL-terminated; NULL when
     * they are not known, and then any name passes. */
    const char *const *stream_models, *const *datagram_models;
    /* What each of those meets, in their order. */
    const unsigned *streams_meet, *datagrams_meet;
};

struct scenario_error {
    char text[640]; /* file:line:col: reason */
};

/* Reads a file. 0, or -errno or -EINVAL with *error filled. */
int scenario_read(const char *file, const struct scenario_words *words,
                  struct scenario *ret_scenario, struct scenario_error *error);

/* The same from text; file is what messages and the scenario's name use. */
int scenario_parse(const char *file, const char *text, size_t length,
                   const struct scenario_words *words,
                   struct scenario *ret_scenario, struct scenario_error *error);

void scenario_done(struct scenario *scenario);

/* "tcp" or "udp". */
const char *transport_name(enum transport transport);

#endif
