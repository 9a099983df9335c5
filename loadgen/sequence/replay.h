/*
 * One way: the server's log of arrivals, told to the trackers in their order,
 * so that a run without replies knows as much of its datagrams as one with.
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_REPLAY_H
#define SOCKBENCH_LOADGEN_SEQUENCE_REPLAY_H

#include "loadgen/sequence/passage.h"
#include "loadgen/tally.h"

/*
 * After passage_read. Fills the sums and the rows of total->udp, of which
 * `flows` say what was sent, and marks them as replayed. Does nothing where the
 * log is not whole, or frames hold no time. 0 or -ENOMEM.
 */
int replay(const struct passage *passage, uint64_t epoch_ns,
           uint64_t timeout_ns, struct tally *total);

#endif
