#include "loadgen/plan/placement.h"

#include <criterion/criterion.h>

static const char *name(const int *cpus, uint32_t threads,
                        const char *server_cpus)
{
    struct placement placement;
    placement_judge(&placement, cpus, threads, server_cpus);
    return placement_name(&placement);
}

Test(placement, is_split_where_no_cpu_serves_both)
{
    cr_expect_str_eq(name((int[]){1}, 1, "0"), "split");
    cr_expect_str_eq(name((int[]){2, 3}, 2, "0-1"), "split");
    cr_expect_str_eq(name((int[]){2, 2}, 2, "0-1"), "split");
}

Test(placement, is_shared_where_some_do)
{
    cr_expect_str_eq(name((int[]){0}, 1, "0"), "shared");
    cr_expect_str_eq(name((int[]){1, 2}, 2, "0-1"), "shared");
    cr_expect_str_eq(name((int[]){0}, 1, "0-1"), "shared");
    cr_expect_str_eq(name((int[]){0, 0}, 2, "0"), "shared");
}

Test(placement, is_sharded_with_a_thread_on_each_of_the_servers_cpus)
{
    cr_expect_str_eq(name((int[]){0, 1}, 2, "0-1"), "sharded");
    cr_expect_str_eq(name((int[]){3, 5, 9}, 3, "3,5,9"), "sharded");
    cr_expect_str_eq(name((int[]){0, 1}, 2, "0-2"), "shared");
    cr_expect_str_eq(name((int[]){0, 1, 0}, 3, "0-1"), "shared");
}

Test(placement, is_free_where_a_side_is_not_known)
{
    cr_expect_str_eq(name((int[]){0, 1}, 2, NULL), "free");
    cr_expect_str_eq(name((int[]){-1, -1}, 2, "0-1"), "free");
}

Test(placement, says_which_cpus_are_shared)
{
    struct placement placement;
    placement_judge(&placement, (int[]){1, 2, 3}, 3, "0,2-4");
    cr_expect_eq(CPU_COUNT(&placement.shared), 2);
    cr_expect(CPU_ISSET(2, &placement.shared));
    cr_expect(CPU_ISSET(3, &placement.shared));
    placement_judge(&placement, (int[]){1}, 1, "0");
    cr_expect_eq(CPU_COUNT(&placement.shared), 0);
}

Test(placement, does_not_let_spin_where_the_server_may_run)
{
    struct placement placement;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    CPU_SET(0, &allowed);
    CPU_SET(1, &allowed);
    placement_judge(&placement, (int[]){0}, 1, "0");
    cr_expect(placement_spins_on_server(&placement, &allowed));
    placement_judge(&placement, (int[]){1}, 1, "0");
    cr_expect_not(placement_spins_on_server(&placement, &allowed));
    placement_judge(&placement, (int[]){0, 1}, 2, "0-1");
    cr_expect(placement_spins_on_server(&placement, &allowed));
    placement_judge(&placement, (int[]){-1}, 1, "0");
    cr_expect(placement_spins_on_server(&placement, &allowed));
    placement_judge(&placement, (int[]){-1}, 1, "2");
    cr_expect_not(placement_spins_on_server(&placement, &allowed));
    placement_judge(&placement, (int[]){-1}, 1, NULL);
    cr_expect_not(placement_spins_on_server(&placement, &allowed));
}
