#include "loadgen/loop/agenda.h"
#include "loadgen/measure/random.h"

#include <criterion/criterion.h>

Test(agenda, gives_flows_in_order_of_their_time)
{
    struct agenda agenda;
    double due[100];
    cr_assert_eq(agenda_init(&agenda, 100), 0);
    for (uint32_t i = 0; i < 100; i++) {
        due[i] = (double)random_below(1, i, 1000);
        agenda_add(&agenda, i, due[i]);
    }
    double last = 0;
    for (uint64_t step = 0; step < 10000; step++) {
        uint32_t flow = agenda_first(&agenda);
        double now = agenda_due_ns(&agenda);
        cr_assert_geq(now, last);
        cr_assert_eq(now, due[flow]);
        last = now;
        due[flow] = now + (double)random_below(2, step, 500);
        agenda_postpone_first(&agenda, due[flow]);
    }
    agenda_done(&agenda);
}

Test(agenda, one_flow_is_enough)
{
    struct agenda agenda;
    cr_assert_eq(agenda_init(&agenda, 1), 0);
    agenda_add(&agenda, 0, 5);
    agenda_postpone_first(&agenda, 9);
    cr_expect_eq(agenda_due_ns(&agenda), 9.0);
    agenda_done(&agenda);
    agenda_done(&agenda);
}
