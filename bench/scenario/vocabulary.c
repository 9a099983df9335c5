#include "bench/scenario/vocabulary.h"

#include "loadgen/options.h"
#include "servers/needs.h"
#include "servers/options.h"

#include <string.h>

/* To the lists; that of names ends with NULL. */
static void add(const char **names, unsigned *meet, const char *name,
                unsigned meets)
{
    size_t count = 0;
    while (names[count])
        count++;
    if (count == SCENARIO_ROWS_MAX)
        return;
    names[count] = name;
    meet[count] = meets;
}

static unsigned met_by(const json_t *row)
{
    static const struct {
        const char *key;
        enum need need;
    } keys[] = {
        {"takes_workers", NEEDS_WORKERS},
        {"takes_steering", NEEDS_SOCKETS},
        {"takes_max_clients", NEEDS_LIMIT},
        {"takes_ring_options", NEEDS_RING},
    };
    unsigned met = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (json_is_true(json_object_get(row, keys[i].key)))
            met |= keys[i].need;
    }
    return met;
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
        if (strcmp(transport, "stream") == 0)
            add(vocabulary->stream_models, vocabulary->streams_meet, name,
                met_by(row));
        else
            add(vocabulary->datagram_models, vocabulary->datagrams_meet, name,
                met_by(row));
    }
    vocabulary->words.stream_models = vocabulary->stream_models;
    vocabulary->words.datagram_models = vocabulary->datagram_models;
    vocabulary->words.streams_meet = vocabulary->streams_meet;
    vocabulary->words.datagrams_meet = vocabulary->datagrams_meet;
    return 0;
}

void vocabulary_close(struct vocabulary *vocabulary)
{
    json_decref(vocabulary->models);
    vocabulary->models = NULL;
}
