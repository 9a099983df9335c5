#include "loadgen/loop/agenda.h"

#include <errno.h>
#include <stdlib.h>

int agenda_init(struct agenda *agenda, uint32_t capacity)
{
    *agenda = (struct agenda){0};
    agenda->entries = calloc((size_t)capacity + 1, sizeof *agenda->entries);
    return agenda->entries ? 0 : -ENOMEM;
}

void agenda_done(struct agenda *agenda)
{
    free(agenda->entries);
    *agenda = (struct agenda){0};
}

void agenda_add(struct agenda *agenda, uint32_t flow, double due_ns)
{
    struct agenda_entry *entries = agenda->entries;
    uint32_t at = agenda->count++;
    while (at > 0 && entries[(at - 1) / 2].due_ns > due_ns) {
        entries[at] = entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    entries[at] = (struct agenda_entry){due_ns, flow};
}

void agenda_postpone_first(struct agenda *agenda, double due_ns)
{
    struct agenda_entry *entries = agenda->entries;
    const uint32_t flow = entries[0].flow;
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < agenda->count &&
            entries[child + 1].due_ns < entries[child].due_ns)
            child++;
        if (child >= agenda->count || entries[child].due_ns >= due_ns)
            break;
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = (struct agenda_entry){due_ns, flow};
}
