#include "loadgen/sequence.h"

#include <string.h>

/* The numbers from next_expected up to and with `number` enter the window. */
static void advance(struct sequence *sequence, uint64_t number)
{
    if (number - sequence->next_expected >= SEQUENCE_WINDOW)
        memset(sequence->received, 0, sizeof sequence->received);
    else
        for (uint64_t n = sequence->next_expected; n <= number; n++) {
            uint64_t slot = n % SEQUENCE_WINDOW;
            sequence->received[slot / 64] &= ~(1ULL << slot % 64);
        }
    sequence->next_expected = number + 1;
}

bool sequence_received(struct sequence *sequence, uint64_t number, bool late)
{
    bool in_order = number >= sequence->next_expected;
    if (in_order)
        advance(sequence, number);
    if (sequence->next_expected - number > SEQUENCE_WINDOW) {
        sequence->ancient++;
        return false;
    }
    uint64_t slot = number % SEQUENCE_WINDOW;
    uint64_t bit = 1ULL << slot % 64;
    if (sequence->received[slot / 64] & bit) {
        sequence->duplicate++;
        return false;
    }
    sequence->received[slot / 64] |= bit;
    sequence->unique++;
    sequence->late += late;
    sequence->reordered += !in_order;
    return true;
}
