#include "loadgen/sequence/passage.h"

#include "loadgen/measure/clock.h"
#include "servers/wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS (2 * NS_PER_MS)

int passage_open(struct passage *passage, const char *path, uint32_t nonce,
                 uint32_t flows)
{
    passage->trace = TRACE_NONE;
    passage->flows = flows;
    int r = trace_open(&passage->trace, path);
    if (r < 0)
        return r;
    if (flows > passage->trace.header->flows_capacity)
        return -E2BIG;
    r = receipts_init(&passage->receipts,
                      passage->trace.header->records_capacity);
    if (r == 0)
        trace_claim(&passage->trace, nonce);
    return r;
}

void passage_done(struct passage *passage)
{
    receipts_done(&passage->receipts);
    trace_close(&passage->trace);
}

static void add_flow(struct passage_counts *sum, struct trace_flow *flow)
{
    trace_lock(&flow->lock);
    sum->unique += flow->unique;
    sum->duplicate += flow->duplicate;
    sum->ancient += flow->ancient;
    sum->reordered += flow->reordered;
    sum->bytes += flow->bytes;
    sum->warmup += flow->warmup;
    sum->refused += flow->refused;
    sum->replied += flow->replied;
    sum->send_errors += flow->send_errors;
    sum->flows += flow->unique > 0;
    if (flow->first_ns > 0 &&
        (sum->first_ns == 0 || flow->first_ns < sum->first_ns))
        sum->first_ns = flow->first_ns;
    if (flow->last_ns > sum->last_ns)
        sum->last_ns = flow->last_ns;
    trace_unlock(&flow->lock);
}

void passage_count(const struct passage *passage, struct passage_counts *ret)
{
    const struct trace_header *header = passage->trace.header;
    struct passage_counts sum = {0};
    for (uint32_t i = 0; i < passage->flows; i++)
        add_flow(&sum, &passage->trace.flows[i]);
    sum.foreign = atomic_load(&header->foreign);
    sum.damaged = atomic_load(&header->damaged);
    sum.unnumbered = atomic_load(&header->unnumbered);
    const uint64_t asked = atomic_load(&header->records_count);
    sum.records =
        asked < header->records_capacity ? asked : header->records_capacity;
    /* What asks for a record when all are taken is not always counted. */
    const uint64_t received = passage_received(&sum);
    sum.records_missed = received > sum.records ? received - sum.records : 0;
    *ret = sum;
}

/* What the server does not see within the patience was lost on the way. */
static void await(struct passage *passage, uint64_t received, uint64_t replied,
                  uint64_t patience_ns)
{
    const struct timespec look = {.tv_nsec = (long)LOOK_NS};
    const uint64_t end_ns = clock_now_ns() + patience_ns;
    passage_count(passage, &passage->counts);
    while ((passage_received(&passage->counts) < received ||
            passage->counts.replied < replied) &&
           clock_now_ns() < end_ns) {
        nanosleep(&look, NULL);
        passage_count(passage, &passage->counts);
    }
}

/* A record as it is sorted; the trace itself is not ours to change. */
struct seen {
    uint64_t sequence;
    uint64_t received_ns;
    uint64_t sent_ns; /* 0: no reply */
    uint64_t rank;    /* in the order in which the flow's were received */
    uint32_t flow;
    uint32_t index;
};

static int compare(uint64_t x, uint64_t y)
{
    return x < y ? -1 : x > y;
}

static int by_reception(const void *a, const void *b)
{
    const struct seen *x = a;
    const struct seen *y = b;
    int r = compare(x->flow, y->flow);
    r = r ? r : compare(x->received_ns, y->received_ns);
    return r ? r : compare(x->index, y->index);
}

static int by_sending(const void *a, const void *b)
{
    const struct seen *x = a;
    const struct seen *y = b;
    int r = compare(x->flow, y->flow);
    r = r ? r : compare(x->sent_ns, y->sent_ns);
    return r ? r : compare(x->rank, y->rank);
}

static int by_number(const void *a, const void *b)
{
    const struct seen *x = a;
    const struct seen *y = b;
    int r = compare(x->flow, y->flow);
    r = r ? r : compare(x->sequence, y->sequence);
    return r ? r : compare(x->sent_ns, y->sent_ns);
}

static int receipts_by_number(const void *a, const void *b)
{
    const struct receipt *x = a;
    const struct receipt *y = b;
    int r = compare(x->flow, y->flow);
    r = r ? r : compare(x->sequence, y->sequence);
    return r ? r : compare(x->received_ns, y->received_ns);
}

/* The client's view of the clock may be ahead by a few tens of ns. */
static uint64_t since(uint64_t begin_ns, uint64_t end_ns)
{
    return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

/* The whole records of this run, copied to all; how many they are. */
static size_t copy_records(struct passage *passage, uint64_t epoch_ns,
                           struct seen *all)
{
    size_t count = 0;
    for (uint64_t i = 0; i < passage->counts.records; i++) {
        struct trace_record *record = &passage->trace.records[i];
        const uint32_t state =
            atomic_load_explicit(&record->state, memory_order_acquire);
        if (state == TRACE_EMPTY || record->flow >= passage->flows)
            continue;
        if (record->time_ns > 0)
            hist_record(&passage->forward,
                        since(epoch_ns + record->time_ns, record->received_ns));
        all[count++] = (struct seen){
            .sequence = record->sequence,
            .received_ns = record->received_ns,
            .sent_ns = state == TRACE_REPLIED ? record->sent_ns : 0,
            .flow = record->flow,
            .index = (uint32_t)i,
        };
    }
    return count;
}

/* RFC 4737 with the order of reception for the order of sending: a reply that
 * leaves behind one to what was received after its own request. Where that
 * order is not known, after one with a greater number. */
static uint64_t count_overtaken(struct seen *all, size_t count,
                                bool order_known)
{
    uint64_t overtaken = 0;
    uint64_t next_rank = 0;
    qsort(all, count, sizeof *all, by_reception);
    for (size_t i = 0; i < count; i++)
        all[i].rank = order_known ? i : all[i].sequence;
    qsort(all, count, sizeof *all, by_sending);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || all[i].flow != all[i - 1].flow)
            next_rank = 0;
        if (all[i].sent_ns == 0)
            continue;
        overtaken += all[i].rank < next_rank;
        if (all[i].rank >= next_rank)
            next_rank = all[i].rank + 1;
    }
    return overtaken;
}

/* Each first receipt with the last reply to its number that had been sent. */
static void time_way_back(struct passage *passage, struct seen *all,
                          size_t count)
{
    struct receipt *receipts = passage->receipts.all;
    const size_t receipts_kept = receipts_count(&passage->receipts);
    size_t k = 0;
    qsort(all, count, sizeof *all, by_number);
    qsort(receipts, receipts_kept, sizeof *receipts, receipts_by_number);
    for (size_t i = 0; i < receipts_kept; i++) {
        const struct receipt *receipt = &receipts[i];
        uint64_t sent_ns = 0;
        if (i > 0 && receipt->flow == receipt[-1].flow &&
            receipt->sequence == receipt[-1].sequence)
            continue;
        while (k < count && (all[k].flow < receipt->flow ||
                             (all[k].flow == receipt->flow &&
                              all[k].sequence < receipt->sequence)))
            k++;
        for (size_t j = k;
             j < count && all[j].flow == receipt->flow &&
             all[j].sequence == receipt->sequence &&
             (sent_ns == 0 || all[j].sent_ns <= receipt->received_ns);
             j++)
            sent_ns = all[j].sent_ns;
        if (sent_ns > 0)
            hist_record(&passage->back, since(sent_ns, receipt->received_ns));
    }
}

int passage_read(struct passage *passage, uint64_t epoch_ns, uint64_t received,
                 uint64_t replied, uint64_t patience_ns)
{
    await(passage, received, replied, patience_ns);
    passage->order_known = passage->trace.header->is_shared == 0;
    hist_reset(&passage->forward);
    hist_reset(&passage->back);
    struct seen *all = calloc(passage->counts.records + 1, sizeof *all);
    if (!all)
        return -ENOMEM;
    const size_t count = copy_records(passage, epoch_ns, all);
    passage->reordered_by_server =
        count_overtaken(all, count, passage->order_known);
    time_way_back(passage, all, count);
    free(all);
    passage->known = true;
    return 0;
}
