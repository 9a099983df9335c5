#include "bench/program_row.h"

#include "loadgen/measure/report.h"

void put_program(json_t *server, const struct scenario_server *row)
{
    put_text(server, "model", row->model);
    if (!row->command) {
        put_null(server, "command");
        return;
    }
    json_t *list = put_array(server, "command");
    for (size_t i = 0; row->command[i]; i++)
        json_array_append_new(list, json_string(row->command[i]));
}
