#include "servers/cli/nearest.h"
#include "servers/cli/units.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(units, durations_need_a_unit)
{
    uint64_t ns = 7;
    cr_assert_eq(units_parse_duration("1.5ms", &ns), 0);
    cr_expect_eq(ns, 1500000);
    cr_assert_eq(units_parse_duration("10s", &ns), 0);
    cr_expect_eq(ns, 10000000000u);
    cr_assert_eq(units_parse_duration("0", &ns), 0);
    cr_expect_eq(ns, 0);
    ns = 7;
    static const char *const bad[] = {"10",  "",      "s",   "-1s", "1e3s",
                                      "1 s", "0x1s",  "inf", "nan", "1.s.",
                                      "1ss", "0.5ns", NULL};
    for (const char *const *at = bad; *at; at++) {
        cr_expect_eq(units_parse_duration(*at, &ns), -EINVAL, "'%s'", *at);
        cr_expect_eq(ns, 7, "touched by '%s'", *at);
    }
}

Test(units, sizes_are_powers_of_1024_and_counts_of_1000)
{
    uint64_t value;
    cr_assert_eq(units_parse_bytes("64k", &value), 0);
    cr_expect_eq(value, 65536);
    cr_assert_eq(units_parse_count("50k", &value), 0);
    cr_expect_eq(value, 50000);
    cr_expect_eq(units_parse_count("1.5", &value), -EINVAL);
    cr_expect_eq(units_parse_count("99999999999999999999", &value), -ERANGE);
}

Test(units, numbers_are_printed_for_people)
{
    char text[UNITS_TEXT_MAX];
    cr_expect_str_eq(units_format_duration(0, text), "0 ns");
    cr_expect_str_eq(units_format_duration(999, text), "999 ns");
    cr_expect_str_eq(units_format_duration(12340, text), "12.3 us");
    cr_expect_str_eq(units_format_duration(999499, text), "999 us");
    cr_expect_str_eq(units_format_duration(999600, text), "1.00 ms");
    cr_expect_str_eq(units_format_duration(1500000000, text), "1.50 s");
    cr_expect_str_eq(units_format_count(0, text), "0");
    cr_expect_str_eq(units_format_count(1234567, text), "1,234,567");
    cr_expect_str_eq(units_format_count(UINT64_MAX, text),
                     "18,446,744,073,709,551,615");
    char things[UNITS_THINGS_MAX];
    cr_expect_str_eq(units_format_things(1, "reply", "replies", things),
                     "1 reply");
    cr_expect_str_eq(units_format_things(1000, "reply", "replies", things),
                     "1,000 replies");
    cr_expect_str_eq(units_format_bytes(64, text), "64 B");
    cr_expect_str_eq(units_format_bytes(65536, text), "64 KiB");
    cr_expect_str_eq(units_format_bytes(65507, text), "65,507 B");
    cr_expect_str_eq(units_format_bytes(1024, text), "1 KiB");
    cr_expect_str_eq(units_format_bytes(3 << 19, text), "1.50 MiB");
}

Test(nearest, a_typing_error_finds_its_name)
{
    static const char *const names[] = {"iterative", "thread", "epoll",
                                        "uring-multishot", NULL};
    cr_expect_str_eq(nearest_name("epol", names), "epoll");
    cr_expect_str_eq(nearest_name("pelol", names), "epoll");
    cr_expect_str_eq(nearest_name("uring", names), "uring-multishot");
    cr_expect_str_eq(nearest_name("threads", names), "thread");
    cr_expect_str_eq(nearest_name("EPOLL", names), "epoll");
    cr_expect_null(nearest_name("zzzzzzzz", names));
    cr_expect_null(nearest_name("", names));
}
