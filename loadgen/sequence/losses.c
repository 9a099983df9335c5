#include "loadgen/sequence/losses.h"

static void end_run(struct losses *losses, struct loss_patterns *patterns)
{
    if (losses->run == 0)
        return;
    losses->runs++;
    if (losses->run > losses->longest_run)
        losses->longest_run = losses->run;
    lengths_record(&patterns->runs, losses->run, 1);
    losses->run = 0;
}

static void end_burst(struct losses *losses, struct loss_patterns *patterns)
{
    if (losses->burst_lost == 1) {
        patterns->alone++;
    } else if (losses->burst_lost > 1) {
        losses->bursts++;
        patterns->burst_lost += losses->burst_lost;
        lengths_record(&patterns->bursts,
                       losses->last - losses->burst_first + 1, 1);
    }
    losses->burst_lost = 0;
}

void losses_add(struct losses *losses, struct loss_patterns *patterns,
                uint64_t number, uint64_t count)
{
    if (count == 0)
        return;
    if (losses->lost > 0) {
        uint64_t distance = number - losses->last;
        lengths_record(&patterns->distances, distance, 1);
        if (distance > 1)
            end_run(losses, patterns);
        if (distance > LOSSES_GMIN) /* so many received between the two */
            end_burst(losses, patterns);
    }
    lengths_record(&patterns->distances, 1, count - 1);
    if (losses->burst_lost == 0)
        losses->burst_first = number;
    losses->burst_lost += count;
    losses->run += count;
    losses->lost += count;
    losses->last = number + count - 1;
}

void losses_end(struct losses *losses, struct loss_patterns *patterns)
{
    end_run(losses, patterns);
    end_burst(losses, patterns);
}

void loss_patterns_add(struct loss_patterns *into,
                       const struct loss_patterns *from)
{
    lengths_add(&into->runs, &from->runs);
    lengths_add(&into->distances, &from->distances);
    lengths_add(&into->bursts, &from->bursts);
    into->burst_lost += from->burst_lost;
    into->alone += from->alone;
}
