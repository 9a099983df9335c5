#include "servers/support/drain.h"

#include "servers/support/stop.h"

#include <time.h>

enum drain_phase drain_step(struct drain *drain, uint64_t now_ns,
                            uint64_t activity)
{
    if (drain->began_ns == 0) {
        const uint64_t asked_ns = stop_began_ns();
        /* From the signal on, however late this loop came to look. */
        drain->began_ns =
            asked_ns != 0 && asked_ns < now_ns ? asked_ns : now_ns;
        drain->quiet_since_ns = now_ns;
        drain->activity = activity;
    }
    if (activity != drain->activity) {
        drain->activity = activity;
        drain->quiet_since_ns = now_ns;
    }
    if (now_ns - drain->began_ns >= DRAIN_OVER_NS)
        return DRAIN_OVER;
    if (now_ns - drain->quiet_since_ns >= DRAIN_QUIET_NS ||
        now_ns - drain->began_ns >= DRAIN_SERVE_NS)
        drain->finishing = true;
    return drain->finishing ? DRAIN_FINISH : DRAIN_SERVE;
}

uint64_t drain_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

bool drain_serves(struct drain *drain, uint64_t activity)
{
    return drain_step(drain, drain_now_ns(), activity) == DRAIN_SERVE;
}
