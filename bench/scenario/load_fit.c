#include "bench/scenario/load_fit.h"

#include <assert.h>

bool load_fit(const struct scenario *scenario, const struct cell *cell,
              char why[static VAIN_TEXT_MAX])
{
    struct load_options options = {0};
    struct option_error error;
    const struct settings *settings = &cell->load->options;
    const struct load_kind kind = {
        .options = &options,
        .service = service_find(cell->server->service),
        .stream = cell->server->transport == TRANSPORT_TCP};
    assert(kind.service);
    options_defaults(&load_option_table, &options);
    /* All of them were checked when they were read. */
    for (size_t i = 0; i < settings->count; i++)
        (void)options_set(&load_option_table, settings->list[i].name,
                          settings->list[i].text, &options, &error);
    for (size_t i = 0; i < scenario->sweep_count; i++)
        (void)options_set(&load_option_table, scenario->sweeps[i].name,
                          cell->values[i], &options, &error);
    if (cell->is_traced)
        options.server_trace = "";
    return !load_is_vain(&kind, why);
}
