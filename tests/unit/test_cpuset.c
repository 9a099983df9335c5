#include "servers/cli/cpuset.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(cpuset, list_and_ranges_round_trip)
{
    cpu_set_t set;
    char text[64];
    cr_assert_eq(cpuset_parse("3,0-1,5-6", &set), 0);
    cr_assert_eq(CPU_COUNT(&set), 5);
    cr_assert_str_eq(cpuset_format(&set, text, sizeof text), "0-1,3,5-6");
}

Test(cpuset, what_is_no_list_is_refused)
{
    static const char *const bad[] = {
        "",   ",",    "1,",  "a",   "3-1",  "1-",
        "-1", "1,,2", "0x1", "1 2", "4096", "1-99999999999999999999",
        NULL};
    for (const char *const *at = bad; *at; at++) {
        cpu_set_t set;
        cr_expect_eq(cpuset_parse(*at, &set), -EINVAL, "'%s' passed", *at);
    }
}

Test(cpuset, nth_counts_from_zero_and_wraps)
{
    cpu_set_t set;
    cr_assert_eq(cpuset_parse("2,5,7", &set), 0);
    cr_expect_eq(cpuset_nth(&set, 0), 2);
    cr_expect_eq(cpuset_nth(&set, 2), 7);
    cr_expect_eq(cpuset_nth(&set, 3), 2);
    CPU_ZERO(&set);
    cr_expect_eq(cpuset_nth(&set, 0), -1);
}
