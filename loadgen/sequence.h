/*
 * What became of the numbers of one flow, seen by the one who gets the replies:
 * pure logic, no sockets, memory O(window).
 *
 * Reordered is RFC 4737 section 3.3 with duplicates removed: a first copy whose
 * number is below one that arrived before. A duplicate is never a reordering
 * and never repairs a loss (RFC 5560).
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_H
#define SOCKBENCH_LOADGEN_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#define SEQUENCE_WINDOW 1024u /* numbers remembered behind the newest */

struct sequence {
    uint64_t next_expected; /* one above the greatest number seen */
    uint64_t received[SEQUENCE_WINDOW / 64];
    uint64_t unique;    /* first copies, on time or late */
    uint64_t late;      /* first copies after the timeout */
    uint64_t duplicate; /* further copies */
    uint64_t reordered;
    uint64_t ancient; /* too old to say whether first or further */
};

/* A reply with this number arrived. late: after the timeout. Returns true for
 * a first copy. */
bool sequence_received(struct sequence *sequence, uint64_t number, bool late);

/* lost = sent - unique; copies that are too old to place stay in `ancient`. */
static inline uint64_t sequence_lost(const struct sequence *sequence,
                                     uint64_t sent)
{
    return sent - sequence->unique;
}

#endif
