#include "loadgen/sequence/replay.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define T 1000u
#define EPOCH 5000u

static struct trace_record records[64];
static struct passage passage;
static struct tally total;

/* The log says: number `sequence` of `flow`, sent and received then. */
static void log_arrival(uint32_t flow, uint64_t sequence, uint64_t sent_ns,
                        uint64_t received_ns)
{
    struct trace_record *record = &records[passage.counts.records++];
    record->flow = flow;
    record->sequence = sequence;
    record->time_ns = sent_ns;
    record->received_ns = EPOCH + received_ns;
    atomic_store(&record->state, TRACE_RECEIVED);
    passage.counts.unique++; /* which is which is not looked at */
}

static void begin(uint32_t flows, uint64_t sent_each)
{
    memset(records, 0, sizeof records);
    memset(&passage, 0, sizeof passage);
    memset(&total, 0, sizeof total);
    passage.trace.records = records;
    passage.flows = flows;
    total.udp.flows = calloc(flows, sizeof *total.udp.flows);
    total.udp.flows_count = flows;
    for (uint32_t i = 0; i < flows; i++)
        total.udp.flows[i] = (struct tally_flow){.flow = i, .sent = sent_each};
    total.udp.sums.sent = flows * sent_each;
    cr_assert_not_null(total.udp.flows);
}

Test(replay, the_server_s_log_says_what_replies_would_say)
{
    begin(2, 5);
    log_arrival(0, 0, 10, 20);
    log_arrival(1, 1, 10, 25);
    log_arrival(0, 2, 30, 35);
    log_arrival(0, 1, 20, 40);         /* reordered */
    log_arrival(0, 1, 20, 45);         /* duplicate */
    log_arrival(0, 4, 50, 50 + T + 1); /* late; 3 is lost */
    log_arrival(1, 0, 5, 26);          /* reordered */
    cr_assert_eq(replay(&passage, EPOCH, T, &total), 0);
    cr_assert(total.udp.replayed);
    const struct sequence_sums *sums = &total.udp.sums;
    cr_expect_eq(sums->sent, 10);
    cr_expect_eq(sums->unique, 6);
    cr_expect_eq(sums->duplicate, 1);
    cr_expect_eq(sums->reordered, 2);
    cr_expect_eq(sums->late, 1);
    cr_expect_eq(sums->losses.runs.count, 2); /* 3 and 4; 2 to 4 */
    cr_expect_eq(total.udp.flows[0].sequence.unique, 4);
    cr_expect_eq(total.udp.flows[0].sequence.losses.longest_run, 2);
    cr_expect_eq(total.udp.flows[1].sequence.losses.longest_run, 3);
    free(total.udp.flows);
}

Test(replay, workers_write_side_by_side)
{
    begin(1, 3);
    log_arrival(0, 2, 30, 42);
    log_arrival(0, 0, 10, 40);
    log_arrival(0, 1, 20, 41);
    cr_assert_eq(replay(&passage, EPOCH, T, &total), 0);
    cr_expect_eq(total.udp.sums.reordered, 0);
    cr_expect_eq(total.udp.sums.unique, 3);
    free(total.udp.flows);
}

Test(replay, of_a_log_that_is_not_whole_nothing_is_made)
{
    begin(1, 3);
    log_arrival(0, 0, 10, 20);
    passage.counts.unique++; /* one more came, and was not logged */
    cr_assert_eq(replay(&passage, EPOCH, T, &total), 0);
    cr_expect_not(total.udp.replayed);
    cr_expect_eq(total.udp.sums.unique, 0);
    cr_expect_eq(total.udp.sums.sent, 3);
    free(total.udp.flows);
}

Test(replay, frames_without_a_time_tell_nothing)
{
    begin(1, 1);
    log_arrival(0, 0, 0, 20);
    cr_assert_eq(replay(&passage, EPOCH, T, &total), 0);
    cr_expect_not(total.udp.replayed);
    free(total.udp.flows);
}

Test(replay, nothing_came_and_that_is_known)
{
    begin(1, 4);
    cr_assert_eq(replay(&passage, EPOCH, T, &total), 0);
    cr_expect(total.udp.replayed);
    cr_expect_eq(total.udp.sums.losses.runs.max, 4);
    free(total.udp.flows);
}
