#include "bench/scenario/matrix.h"

#include "bench/scenario/load_fit.h"

#include "loadgen/measure/random.h"
#include "loadgen/sizes.h"
#include "servers/needs.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_STRUCT_MAX 1024

const char *cell_option(const struct scenario *scenario,
                        const struct cell *cell, const char *name)
{
    for (size_t i = 0; i < scenario->sweep_count; i++) {
        if (strcmp(scenario->sweeps[i].name, name) == 0)
            return cell->values[i];
    }
    return settings_get(&cell->load->options, name);
}

/* What an option of the cell, or its default, stands for: size bytes of
 * *ret_value, which stays as it is when there is no such value. */
static void value_of(const struct scenario *scenario,
                     const struct option_table *table, const struct cell *cell,
                     const char *name, void *ret_value, size_t size)
{
    _Alignas(16) char config[OPTION_STRUCT_MAX] = {0};
    struct option_error error;
    const struct option_spec *option = options_find(table, name);
    const char *text = cell_option(scenario, cell, name);
    if (!text && option)
        text = option->fallback;
    if (option && text && options_set(table, name, text, config, &error) == 0)
        memcpy(ret_value, config + option->offset, size);
}

static uint64_t number_of(const struct scenario *scenario,
                          const struct option_table *table,
                          const struct cell *cell, const char *name)
{
    uint64_t number = 0;
    value_of(scenario, table, cell, name, &number, sizeof number);
    return number;
}

static double rate_of(const struct scenario *scenario,
                      const struct option_table *table, const struct cell *cell)
{
    double all = 0;
    double each = 0;
    value_of(scenario, table, cell, "rate", &all, sizeof all);
    value_of(scenario, table, cell, "rate-per-conn", &each, sizeof each);
    return all > 0 ? all : each * (double)cell->connections;
}

/* Bytes of a request; of drawn sizes the mean. */
static uint64_t size_of(const struct scenario *scenario,
                        const struct option_table *table,
                        const struct cell *cell)
{
    const char *text = NULL;
    struct sizes sizes = {0};
    value_of(scenario, table, cell, "size", &text, sizeof text);
    if (text)
        (void)sizes_parse(text, &sizes); /* checked when it was read */
    return (uint64_t)(sizes_mean(&sizes) + 0.5);
}

static bool is_drawn(const char *size)
{
    return strchr(size, ':') != NULL;
}

/* Adds "/name=value", as far as there is room. */
static void add_swept(char swept[static CELL_SWEPT_MAX], const char *name,
                      const char *value)
{
    size_t used = strlen(swept);
    snprintf(swept + used, CELL_SWEPT_MAX - used, "/%s=%s", name, value);
}

static void make_key(const struct scenario *scenario, struct cell *cell)
{
    for (size_t i = 0; i < scenario->sweep_count; i++) {
        const char *name = scenario->sweeps[i].name;
        if (strcmp(name, "connections") == 0 ||
            (strcmp(name, "size") == 0 && !is_drawn(cell->values[i])))
            continue;
        add_swept(cell->swept, name, cell->values[i]);
        if (strcmp(name, "rate") != 0 && strcmp(name, "rate-per-conn") != 0)
            add_swept(cell->swept_else, name, cell->values[i]);
    }
    snprintf(cell->key, sizeof cell->key, "%s%s/%s/%s/%s/c=%llu/s=%llu%s",
             transport_name(cell->server->transport),
             cell->server->ipv6 ? "6" : "", cell->server->name,
             cell->server->service, cell->load->name,
             (unsigned long long)cell->connections,
             (unsigned long long)cell->size_bytes, cell->swept);
}

/* One way, nobody answers, and a trace tells what arrived. */
static void fit_one_way(const struct scenario *scenario,
                        const struct option_table *table, struct cell *cell)
{
    const bool discards = strcmp(cell->server->service, "discard") == 0;
    const bool datagrams = cell->server->transport == TRANSPORT_UDP;
    bool one_way = false;
    value_of(scenario, table, cell, "one-way", &one_way, sizeof one_way);
    cell->one_way = one_way;
    if (one_way && !datagrams)
        cell->does_not_apply = "one way is for datagrams";
    else if (one_way && !discards)
        cell->does_not_apply = "one way is for service discard";
    else if (!one_way && discards)
        cell->does_not_apply = "service discard answers nothing";
    cell->is_traced =
        datagrams && cell->server->model && (one_way || cell->load->trace);
}

/* A load's options are for the servers of all models, and not all take them. */
static void fit_server(struct cell *cell)
{
    if (!cell->does_not_apply &&
        (!server_fit(cell->server, &cell->server->options, cell->is_traced,
                     cell->reason) ||
         !server_fit(cell->server, &cell->load->server_options, cell->is_traced,
                     cell->reason)))
        cell->does_not_apply = cell->reason;
}

static void fill(const struct scenario *scenario,
                 const struct option_table *table, struct cell *cell)
{
    cell->connections = number_of(scenario, table, cell, "connections");
    cell->size_bytes = size_of(scenario, table, cell);
    cell->rate_per_s = rate_of(scenario, table, cell);
    if (number_of(scenario, table, cell, "requests") == 0) {
        uint64_t window_ns = number_of(scenario, table, cell, "duration");
        cell->expected_ns = (window_ns ? window_ns : 10000000000u) +
                            number_of(scenario, table, cell, "warmup");
    }
    make_key(scenario, cell);
    fit_one_way(scenario, table, cell);
    if (!cell->does_not_apply && !load_fit(scenario, cell, cell->reason))
        cell->does_not_apply = cell->reason;
    fit_server(cell);
}

static bool is_wanted(const char *only, const char *key)
{
    return !only || strcmp(only, key) == 0 || fnmatch(only, key, 0) == 0;
}

static void add_points(const struct scenario *scenario,
                       const struct option_table *table, const char *only,
                       const struct cell *base, struct matrix *matrix)
{
    size_t points = 1;
    for (size_t i = 0; i < scenario->sweep_count; i++)
        points *= scenario->sweeps[i].count;
    for (size_t point = 0; point < points; point++) {
        struct cell *cell = &matrix->cells[matrix->count];
        size_t rest = point;
        *cell = *base;
        for (size_t i = scenario->sweep_count; i-- > 0;) {
            const struct sweep *sweep = &scenario->sweeps[i];
            cell->values[i] = sweep->texts[rest % sweep->count];
            rest /= sweep->count;
        }
        fill(scenario, table, cell);
        if (is_wanted(only, cell->key))
            matrix->count++;
    }
}

int matrix_expand(const struct scenario *scenario,
                  const struct option_table *load_table, const char *only,
                  struct matrix *ret_matrix)
{
    struct matrix matrix = {0};
    size_t most = scenario->server_count * scenario->load_count;
    for (size_t i = 0; i < scenario->sweep_count; i++)
        most *= scenario->sweeps[i].count;
    /* One more: a cell is filled before it is known to be wanted. */
    matrix.cells = calloc(most + 1, sizeof *matrix.cells);
    if (!matrix.cells)
        return -ENOMEM;
    for (size_t l = 0; l < scenario->load_count; l++) {
        for (size_t s = 0; s < scenario->server_count; s++) {
            struct cell base = {.server = &scenario->servers[s],
                                .load = &scenario->loads[l]};
            if (base.load->transport == TRANSPORT_ANY ||
                base.load->transport == base.server->transport)
                add_points(scenario, load_table, only, &base, &matrix);
        }
    }
    *ret_matrix = matrix;
    return 0;
}

void matrix_fit(struct matrix *matrix, const struct layout *layout)
{
    for (size_t i = 0; layout->shards > 0 && i < matrix->count; i++) {
        struct cell *cell = &matrix->cells[i];
        if (cell->does_not_apply)
            continue;
        if (!(cell->server->meets & NEEDS_SOCKETS))
            cell->does_not_apply = "its clients are not dealt out among "
                                   "workers by CPU, as the sharded layout asks";
        else if (cell->connections < layout->shards)
            cell->does_not_apply =
                "the sharded layout has more CPUs than there are connections";
    }
}

void matrix_done(struct matrix *matrix)
{
    free(matrix->cells);
    *matrix = (struct matrix){0};
}

size_t matrix_order(const struct matrix *matrix, unsigned repetitions,
                    uint64_t seed, struct slot *slots)
{
    size_t count = 0;
    uint64_t drawn = 0;
    for (unsigned r = 0; r < repetitions; r++) {
        struct slot *round = &slots[count];
        size_t n = 0;
        for (size_t c = 0; c < matrix->count; c++) {
            if (!matrix->cells[c].does_not_apply)
                round[n++] = (struct slot){c, r};
        }
        for (size_t i = n; i > 1; i--) { /* Fisher and Yates */
            size_t k = (size_t)random_below(seed, drawn++, i);
            struct slot swapped = round[i - 1];
            round[i - 1] = round[k];
            round[k] = swapped;
        }
        count += n;
    }
    return count;
}
