/*
 * Where the datagrams of one trial died: reads the kernel's counters around it,
 * asks both ends what they counted, and writes udp.loss_where of the load's
 * report. The arithmetic is in losses.h.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_ATTRIBUTION_H
#define SOCKBENCH_BENCH_TRIAL_ATTRIBUTION_H

#include "bench/trial/counters.h"

#include <jansson.h>
#include <stdbool.h>

struct attribution {
    bool is_private;
    uint16_t port; /* 0: not begun */
    struct counters_source source;
    struct counters before;
    struct counters_port at_load_end;
    bool port_known;
};

/* A struct that attribution_done accepts. */
void attribution_init(struct attribution *attribution);

/* The server is ready at address; nothing was sent yet. is_private: it has a
 * network namespace that only the load will share. 0 or -errno. */
int attribution_begin(struct attribution *attribution, pid_t server,
                      const char *address, bool is_private);

/* The load is over, the server still there. */
void attribution_load_ended(struct attribution *attribution);

/*
 * Both are over: completes udp.loss_where of the report, which holds what the
 * load knows. counters: the server's own, or NULL; blocks: the server sends or
 * receives in blocks.
 */
void attribution_put(const struct attribution *attribution,
                     const json_t *counters, bool blocks, json_t *report);

/*
 * The sum of udp.loss_where over load reports, a new object of the same keys: a
 * cause is null where one of them does not know it. json_null() where no report
 * says where datagrams died.
 */
json_t *attribution_sum(const json_t *reports);

void attribution_done(struct attribution *attribution);

#endif
