/* What is typed for the server and the load of a trial. */
#include "bench/trial/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add_settings(struct argv *argv, const struct option_table *table,
                         const struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->list[i];
        const struct option_spec *option = options_find(table, setting->name);
        char flag[80];
        if (!option || option->type != OPTION_FLAG) {
            argv_add_option(argv, setting->name, setting->text);
        } else if (strcmp(setting->text, "on") == 0 ||
                   strcmp(setting->text, "true") == 0) {
            snprintf(flag, sizeof flag, "--%s", setting->name);
            argv_add(argv, flag);
        }
    }
}

static const char *host_of(const struct scenario_server *server)
{
    return server->ipv6 ? "::1" : "127.0.0.1";
}

void trial_format_address(const struct scenario_server *server, uint16_t port,
                          char *text, size_t size)
{
    snprintf(text, size, "%s://%s%s%s:%u", transport_name(server->transport),
             server->ipv6 ? "[" : "", host_of(server), server->ipv6 ? "]" : "",
             (unsigned)port);
}

void trial_model_argv(const struct trial *trial, struct argv *argv)
{
    const struct trial_plan *plan = trial->plan;
    const struct scenario_server *server = plan->cell->server;
    char address[64];
    char ready[16];
    char counters[16];
    trial_format_address(server, 0, address, sizeof address);
    snprintf(ready, sizeof ready, "%d", PROCESS_READY_FD);
    snprintf(counters, sizeof counters, "%d", PROCESS_COUNTERS_FD);
    argv_add(argv, plan->programs->serve);
    argv_add_option(argv, "model", server->model);
    argv_add_option(argv, "listen", address);
    argv_add_option(argv, "service", server->service);
    if (*plan->layout->server_cpus)
        argv_add_option(argv, "cpus", plan->layout->server_cpus);
    if (plan->layout->shards > 0)
        argv_add_option(argv, "steer", "cpu");
    argv_add_option(argv, "ready-fd", ready);
    argv_add_option(argv, "counters-fd", counters);
    if (*trial->trace_path)
        argv_add_option(argv, "trace", trial->trace_path);
    add_settings(argv, plan->server_table, &server->options);
    add_settings(argv, plan->server_table, &plan->cell->load->server_options);
}

void trial_command_argv(const struct trial *trial, uint16_t port,
                        struct argv *argv)
{
    const struct scenario_server *server = trial->plan->cell->server;
    static const char *const names[] = {"address", "host", "port", "here",
                                        NULL};
    char port_text[8];
    snprintf(port_text, sizeof port_text, "%u", (unsigned)port);
    const char *const values[] = {trial->address, host_of(server), port_text,
                                  trial->plan->scenario->directory};
    for (size_t i = 0; server->command[i]; i++)
        argv_add_filled(argv, server->command[i], names, values);
}

void trial_generator_argv(const struct trial *trial, struct argv *argv)
{
    const struct trial_plan *plan = trial->plan;
    const struct scenario *scenario = plan->scenario;
    char seed[24];
    char threads[16];
    snprintf(seed, sizeof seed, "%" PRIu64, plan->seed);
    snprintf(threads, sizeof threads, "%u", plan->layout->shards);
    argv_add(argv, plan->programs->load);
    argv_add(argv, trial->address);
    argv_add_option(argv, "service", plan->cell->server->service);
    argv_add_option(argv, "seed", seed);
    if (*plan->layout->generator_cpus)
        argv_add_option(argv, "cpus", plan->layout->generator_cpus);
    if (*plan->layout->server_cpus)
        argv_add_option(argv, "server-cpus", plan->layout->server_cpus);
    if (plan->layout->shards > 0)
        argv_add_option(argv, "threads", threads);
    argv_add_option(argv, "output", plan->report_path);
    if (*trial->trace_path)
        argv_add_option(argv, "server-trace", trial->trace_path);
    argv_add(argv, "--quiet");
    add_settings(argv, plan->load_table, &plan->cell->load->options);
    for (size_t i = 0; i < scenario->sweep_count; i++) {
        struct setting point = {scenario->sweeps[i].name,
                                scenario->sweeps[i].texts[0]};
        for (size_t k = 0; k < scenario->sweeps[i].count; k++) {
            if (scenario->sweeps[i].texts[k] == plan->cell->values[i])
                point.text = scenario->sweeps[i].texts[k];
        }
        add_settings(argv, plan->load_table, &(struct settings){&point, 1});
    }
    /* To spin for the next request on the server's CPU is to take it away. The
     * last word counts, also against the scenario's. */
    if (plan->cell->rate_per_s > 0 && layout_may_share(plan->layout))
        argv_add_option(argv, "pacing", "block");
}
