/* The smaller pure parts of the bench: argv, figures, layout, /proc/net lines.
 */
#include "bench/argv.h"
#include "bench/report/figures.h"
#include "bench/scenario/layout.h"
#include "bench/trial/listening.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Test(argv, placeholders_are_filled_and_other_braces_stay)
{
    static const char *const names[] = {"port", "host", NULL};
    static const char *const values[] = {"7000", "::1"};
    struct argv argv = {0};
    argv_add_filled(&argv, "{port}", names, values);
    argv_add_filled(&argv, "[{host}]:{port}{port}", names, values);
    argv_add_filled(&argv, "{\"a\": {x} {por", names, values);
    argv_add_filled(&argv, "", names, values);
    argv_add_option(&argv, "size", "64");
    cr_assert_eq(argv.count, 6);
    cr_expect_str_eq(argv.words[0], "7000");
    cr_expect_str_eq(argv.words[1], "[::1]:70007000");
    cr_expect_str_eq(argv.words[2], "{\"a\": {x} {por");
    cr_expect_str_eq(argv.words[3], "");
    cr_expect_str_eq(argv.words[4], "--size");
    cr_expect_null(argv.words[6]);
    cr_expect_not(argv.failed);
    argv_done(&argv);
    cr_expect_eq(argv.count, 0);
}

Test(argv, too_many_words_are_noticed)
{
    struct argv argv = {0};
    for (int i = 0; i < ARGV_MAX; i++)
        argv_add(&argv, "x");
    cr_expect_not(argv.failed);
    argv_add(&argv, "x");
    cr_expect(argv.failed);
    argv_done(&argv);
}

static void expect_duration(double ns, const char *expected)
{
    char text[FIGURE_MAX];
    cr_expect_str_eq(figure_duration(ns, text), expected);
}

Test(figures, durations_are_rounded_once)
{
    expect_duration(4744.67, "4.74 us"); /* by way of 4745 ns: 4.75 */
    expect_duration(0, "0 ns");
    expect_duration(999.49, "999 ns");
    expect_duration(999.5, "1.00 us");
    expect_duration(9994.9, "9.99 us");
    expect_duration(9995, "10.0 us");
    expect_duration(99949, "99.9 us");
    expect_duration(99950, "100 us");
    expect_duration(999499, "999 us");
    expect_duration(999500, "1.00 ms");
    expect_duration(2125, "2.13 us");
    expect_duration(1.5e9, "1.50 s");
    expect_duration((double)NAN, "-");
}

Test(figures, a_percentile_says_what_is_wrong_with_it)
{
    char text[FIGURE_MAX];
    cr_expect_str_eq(figure_percentile(4740, NAN, false, text), "4.74 us");
    cr_expect_str_eq(figure_percentile(4740, NAN, true, text), "~4.74 us");
    cr_expect_str_eq(figure_percentile(INFINITY, 1e9, false, text), "> 1.00 s");
    cr_expect_str_eq(figure_percentile(NAN, NAN, true, text), "-");
}

Test(figures, counts_and_memory)
{
    char text[FIGURE_MAX];
    cr_expect_str_eq(figure_count(1234567.5, text), "1,234,568");
    cr_expect_str_eq(figure_count((double)NAN, text), "-");
    cr_expect_str_eq(figure_memory(330 * 1024, text), "330 KiB");
    cr_expect_str_eq(figure_memory(1023.6 * 1024, text), "1.00 MiB");
    cr_expect_str_eq(figure_memory(1.69 * 1024 * 1024, text), "1.69 MiB");
    cr_expect_str_eq(figure_memory(64. * 1024 * 1024 * 1024, text), "64.0 GiB");
    cr_expect_str_eq(figure_memory((double)NAN, text), "-");
}

static cpu_set_t cpus(int first, int second)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)first, &set);
    CPU_SET((size_t)second, &set);
    return set;
}

Test(layout, split_takes_the_first_two_that_are_allowed)
{
    struct layout layout = {.kind = LAYOUT_SPLIT};
    cpu_set_t allowed = cpus(3, 5);
    cr_expect_null(layout_settle(&layout, &allowed));
    cr_expect_str_eq(layout.server_cpus, "3");
    cr_expect_str_eq(layout.generator_cpus, "5");
    cr_expect(layout_is_apart(&layout));
    cr_expect_str_eq(layout_name(&layout), "split");
}

Test(layout, shared_takes_one_and_split_needs_two)
{
    struct layout layout = {.kind = LAYOUT_SHARED};
    cpu_set_t allowed = cpus(3, 3);
    cr_expect_null(layout_settle(&layout, &allowed));
    cr_expect_str_eq(layout.generator_cpus, "3");
    cr_expect_not(layout_is_apart(&layout));
    layout.kind = LAYOUT_SPLIT;
    cr_expect_not_null(layout_settle(&layout, &allowed));
}

Test(layout, sharded_takes_all_that_are_allowed_and_two_at_least)
{
    struct layout layout = {.kind = LAYOUT_SHARDED};
    cpu_set_t allowed = cpus(3, 5);
    cr_expect_null(layout_settle(&layout, &allowed));
    cr_expect_str_eq(layout.server_cpus, "3,5");
    cr_expect_str_eq(layout.generator_cpus, "3,5");
    cr_expect_eq(layout.shards, 2);
    cr_expect_not(layout_is_apart(&layout));
    layout = (struct layout){.kind = LAYOUT_SHARDED};
    allowed = cpus(3, 3);
    cr_expect_not_null(layout_settle(&layout, &allowed));
    layout = (struct layout){.kind = LAYOUT_SHARDED};
    for (size_t cpu = 0; cpu < 200; cpu += 2) /* a list too long */
        CPU_SET(cpu, &allowed);
    cr_expect_not_null(layout_settle(&layout, &allowed));
    layout = (struct layout){.kind = LAYOUT_SHARDED};
    for (size_t cpu = 0; cpu < 256; cpu++)
        CPU_SET(cpu, &allowed);
    cr_expect_null(layout_settle(&layout, &allowed));
    cr_expect_str_eq(layout.server_cpus, "0-255");
    CPU_SET(256, &allowed);
    cr_expect_not_null(layout_settle(&layout, &allowed));
}

Test(layout, free_pins_nobody)
{
    struct layout layout = {.kind = LAYOUT_FREE};
    cpu_set_t allowed = cpus(3, 5);
    cr_expect_null(layout_settle(&layout, &allowed));
    cr_expect_str_eq(layout.server_cpus, "");
    cr_expect_str_eq(layout.generator_cpus, "");
    cr_expect_not(layout_is_apart(&layout));
    cr_expect(layout_may_share(&layout));
}

Test(layout, kinds_are_named)
{
    static const char *const known[] = {"split", "shared", "sharded", "free"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct layout layout = {.kind = LAYOUT_EXPLICIT};
        cr_expect_eq(layout_kind_of(known[i], &layout.kind), 0);
        cr_expect_str_eq(layout_name(&layout), known[i]);
    }
    enum layout_kind kind = LAYOUT_SPLIT;
    cr_expect_eq(layout_kind_of("explicit", &kind), -EINVAL);
    cr_expect_eq(layout_kind_of("slpit", &kind), -EINVAL);
    cr_expect_eq(kind, LAYOUT_SPLIT);
}

Test(layout, explicit_cpus_must_be_allowed)
{
    struct layout layout = {
        .kind = LAYOUT_EXPLICIT, .server_cpus = "0-1", .generator_cpus = "1"};
    cpu_set_t both = cpus(0, 1);
    cpu_set_t other = cpus(0, 2);
    cr_expect_null(layout_settle(&layout, &both));
    cr_expect_str_eq(layout.server_cpus, "0-1");
    cr_expect_not(layout_is_apart(&layout));
    cr_expect(layout_may_share(&layout));
    cr_expect_not_null(layout_settle(&layout, &other));
    layout.server_cpus[0] = '\0'; /* of a server that runs already */
    cr_expect_not(layout_may_share(&layout));
}

#define TCP_LINE                                                               \
    "   0: 0100007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 "      \
    "00000000     0        0 123 1 0000000000000000 100 0 0 10 0\n"
#define TCP6_LINE                                                              \
    "  11: 00000000000000000000000001000000:1B58 "                             \
    "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000\n"
#define UDP_LINE                                                               \
    " 1234: 0100007F:1B58 00000000:0000 07 00000000:00000000 00:00000000\n"
#define ESTABLISHED_LINE                                                       \
    "   1: 0100007F:1B58 0100007F:C350 01 00000000:00000000 00:00000000\n"

Test(listening, lines_of_the_tables_are_understood)
{
    cr_expect(listening_line(TCP_LINE, SOCK_STREAM, 7000));
    cr_expect(listening_line(TCP6_LINE, SOCK_STREAM, 7000));
    cr_expect(listening_line(UDP_LINE, SOCK_DGRAM, 7000));
    cr_expect_not(listening_line(TCP_LINE, SOCK_STREAM, 7001));
    cr_expect_not(listening_line(ESTABLISHED_LINE, SOCK_STREAM, 7000));
    cr_expect_not(listening_line(ESTABLISHED_LINE, SOCK_STREAM, 50000));
    cr_expect_not(listening_line("  sl  local_address rem_address   st\n",
                                 SOCK_STREAM, 7000));
    cr_expect_not(listening_line("", SOCK_DGRAM, 0));
}

Test(listening, those_who_listen_come_before_those_who_are_connected)
{
    cr_expect(listening_line_is_last(ESTABLISHED_LINE, SOCK_STREAM));
    cr_expect_not(listening_line_is_last(TCP_LINE, SOCK_STREAM));
    cr_expect_not(listening_line_is_last(TCP6_LINE, SOCK_STREAM));
    cr_expect_not(listening_line_is_last(UDP_LINE, SOCK_DGRAM));
    cr_expect_not(listening_line_is_last(ESTABLISHED_LINE, SOCK_DGRAM));
    cr_expect_not(listening_line_is_last(
        "  sl  local_address rem_address   st\n", SOCK_STREAM));
}

Test(listening, a_free_port_is_one_that_nobody_listens_on)
{
    uint16_t port = 0;
    cr_assert_eq(listening_free_port(SOCK_STREAM, false, &port), 0);
    cr_expect_neq(port, 0);
    cr_expect_not(listening_on(getpid(), SOCK_STREAM, port));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    cr_expect(listening_on(getpid(), SOCK_STREAM, ntohs(address.sin_port)));
    cr_expect_not(listening_on(getpid(), SOCK_DGRAM, ntohs(address.sin_port)));
    close(fd);
}
