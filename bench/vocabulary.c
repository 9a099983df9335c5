#include "bench/vocabulary.h"

#include "loadgen/options.h"
#include "servers/options.h"

#include <string.h>

int vocabulary_open(struct vocabulary *vocabulary,
                    const struct programs *programs)
{
    size_t streams = 0;
    size_t datagrams = 0;
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
        if (strcmp(transport, "stream") == 0 && streams < SCENARIO_ROWS_MAX)
            vocabulary->stream_models[streams++] = name;
        else if (datagrams < SCENARIO_ROWS_MAX)
            vocabulary->datagram_models[datagrams++] = name;
    }
    vocabulary->words.stream_models = vocabulary->stream_models;
    vocabulary->words.datagram_models = vocabulary->datagram_models;
    return 0;
}

void vocabulary_close(struct vocabulary *vocabulary)
{
    json_decref(vocabulary->models);
    vocabulary->models = NULL;
}
