#include "bench/vocabulary.h"

#include "loadgen/options.h"
#include "servers/options.h"

#include <string.h>

/* To the list, which ends with NULL. */
static void add(const char **names, const char *name)
{
    size_t count = 0;
    while (names[count])
        count++;
    if (count < SCENARIO_ROWS_MAX)
        names[count] = name;
}

int vocabulary_open(struct vocabulary *vocabulary,
                    const struct programs *programs)
{
    size_t i;
    json_t *row;
    *vocabulary =
        (struct vocabulary){.words = {.server_table = &server_option_table,
                                      .load_table = &load_option_table}};
    int r = programs_list_models(programs, &vocabulary->models);
    if (r < 0)
        return r;
    json_array_foreach(vocabulary->models, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *transport =
            json_string_value(json_object_get(row, "transport"));
        if (!name || !transport)
            continue;
        const bool is_stream = strcmp(transport, "stream") == 0;
        add(is_stream ? vocabulary->stream_models : vocabulary->datagram_models,
            name);
        if (json_is_true(json_object_get(row, "takes_steering")))
            add(is_stream ? vocabulary->steered_streams
                          : vocabulary->steered_datagrams,
                name);
    }
    vocabulary->words.stream_models = vocabulary->stream_models;
    vocabulary->words.datagram_models = vocabulary->datagram_models;
    vocabulary->words.steered_streams = vocabulary->steered_streams;
    vocabulary->words.steered_datagrams = vocabulary->steered_datagrams;
    return 0;
}

void vocabulary_close(struct vocabulary *vocabulary)
{
    json_decref(vocabulary->models);
    vocabulary->models = NULL;
}
