#include "loadgen/sequence/receipts.h"

#include <errno.h>
#include <stdlib.h>

int receipts_init(struct receipts *receipts, size_t capacity)
{
    *receipts = (struct receipts){.capacity = capacity};
    receipts->all = calloc(capacity + 1, sizeof *receipts->all);
    return receipts->all ? 0 : -ENOMEM;
}

void receipts_done(struct receipts *receipts)
{
    free(receipts->all);
    receipts->all = NULL;
    receipts->capacity = 0;
}

void receipts_add(struct receipts *receipts, uint32_t flow, uint64_t sequence,
                  uint64_t received_ns)
{
    size_t index =
        atomic_fetch_add_explicit(&receipts->asked, 1, memory_order_relaxed);
    if (index < receipts->capacity)
        receipts->all[index] = (struct receipt){
            .sequence = sequence, .received_ns = received_ns, .flow = flow};
}

size_t receipts_count(const struct receipts *receipts)
{
    size_t asked = atomic_load(&receipts->asked);
    return asked < receipts->capacity ? asked : receipts->capacity;
}
