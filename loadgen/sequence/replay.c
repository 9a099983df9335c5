#include "loadgen/sequence/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct arrival_record {
    uint64_t received_ns;
    uint64_t sent_ns;
    uint64_t sequence;
    uint32_t flow;
    uint32_t index; /* in the log */
};

static int compare(uint64_t x, uint64_t y)
{
    return x < y ? -1 : x > y;
}

/* Workers write the log side by side: what one of them received first may
 * stand behind. */
static int by_time(const void *a, const void *b)
{
    const struct arrival_record *x = a;
    const struct arrival_record *y = b;
    int r = compare(x->received_ns, y->received_ns);
    return r ? r : compare(x->index, y->index);
}

/* The arrivals of the log in order, on the heap; NULL where it is not whole. */
static struct arrival_record *arrivals_of(const struct passage *passage,
                                          uint64_t epoch_ns)
{
    const struct passage_counts *counts = &passage->counts;
    const uint64_t expected = passage_received(counts);
    struct arrival_record *all = calloc(counts->records + 1, sizeof *all);
    uint64_t count = 0;
    for (uint64_t i = 0; all && i < counts->records; i++) {
        struct trace_record *record = &passage->trace.records[i];
        if (atomic_load_explicit(&record->state, memory_order_acquire) ==
                TRACE_EMPTY ||
            record->flow >= passage->flows || record->time_ns == 0)
            continue;
        all[count++] = (struct arrival_record){
            .received_ns = record->received_ns,
            .sent_ns = epoch_ns + record->time_ns,
            .sequence = record->sequence,
            .flow = record->flow,
            .index = (uint32_t)i,
        };
    }
    if (all && count == expected) {
        qsort(all, count, sizeof *all, by_time);
        return all;
    }
    free(all);
    return NULL;
}

/* What each flow sent is the client's to say. */
static void end_flows(struct sequences *sequences, struct sequence_sums *sums,
                      struct tally *total)
{
    for (uint64_t i = 0; i < total->udp.flows_count; i++) {
        struct tally_flow *row = &total->udp.flows[i];
        sequence_end(&sequences->flows[row->flow], sums, row->sent);
        row->sequence = sequences->flows[row->flow];
    }
}

int replay(const struct passage *passage, uint64_t epoch_ns,
           uint64_t timeout_ns, struct tally *total)
{
    const uint64_t sent = total->udp.sums.sent;
    struct sequences sequences = {0};
    struct sequence_sums *sums = calloc(1, sizeof *sums);
    struct arrival_record *all = arrivals_of(passage, epoch_ns);
    int r = sums ? 0 : -ENOMEM;
    if (r < 0 || !all || total->udp.flows_count != passage->flows)
        goto out;
    r = sequences_init(&sequences, passage->flows, passage->flows, timeout_ns);
    if (r < 0)
        goto out;
    for (uint64_t i = 0; i < passage_received(&passage->counts); i++) {
        const struct arrival_record *arrival = &all[i];
        uint64_t delay_ns = arrival->received_ns > arrival->sent_ns
                                ? arrival->received_ns - arrival->sent_ns
                                : 0; /* the clock's views differ by some ns */
        sequence_arrived(&sequences.flows[arrival->flow], sums,
                         arrival->sequence, delay_ns, arrival->received_ns);
    }
    end_flows(&sequences, sums, total);
    total->udp.sums = *sums;
    total->udp.sums.sent = sent;
    total->udp.foreign = passage->counts.foreign + passage->counts.unnumbered;
    total->udp.corrupt = passage->counts.damaged;
    total->udp.replayed = true;
out:
    sequences_done(&sequences);
    free(all);
    free(sums);
    return r;
}
