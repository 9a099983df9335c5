/*
 * In which patterns numbers of one flow were lost: runs and the distances
 * between losses (RFC 3357), bursts with Gmin = 16 (RFC 3611 section 4.7.2).
 * Pure logic, O(1) a call; numbers come in ascending order.
 *
 * A burst begins and ends with a loss, holds two at least, and nowhere 16
 * received in a row; a loss that belongs to none stands alone, in a gap.
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_LOSSES_H
#define SOCKBENCH_LOADGEN_SEQUENCE_LOSSES_H

#include "loadgen/measure/lengths.h"

#include <stdint.h>

#define LOSSES_GMIN 16u

/* Of several flows together. */
struct loss_patterns {
    struct lengths runs;
    struct lengths distances; /* from one lost number to the next one lost */
    struct lengths bursts;    /* in numbers, from its first loss to its last */
    uint64_t burst_lost;      /* losses inside bursts */
    uint64_t alone;           /* losses inside gaps */
};

/* Of one flow. */
struct losses {
    uint64_t lost;
    uint64_t runs;
    uint64_t longest_run;
    uint64_t bursts;
    uint64_t run;         /* length of the run that ends with `last` */
    uint64_t last;        /* lost; meaningless while `lost` is 0 */
    uint64_t burst_first; /* what may become a burst */
    uint64_t burst_lost;
};

/* `count` numbers from `number` on are lost; all are above the last ones. */
void losses_add(struct losses *losses, struct loss_patterns *patterns,
                uint64_t number, uint64_t count);

/* After the last number. */
void losses_end(struct losses *losses, struct loss_patterns *patterns);

void loss_patterns_add(struct loss_patterns *into,
                       const struct loss_patterns *from);

#endif
