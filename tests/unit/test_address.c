#include "servers/wire/address.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(address, numeric_addresses_round_trip)
{
    static const char *const good[] = {
        "tcp://127.0.0.1:7000", "udp://127.0.0.1:0",
        "tcp://[::1]:65535",    "udp://[2001:db8::1]:53",
        "unix:/tmp/x.sock",     "unix:@name",
        "unix-dgram:/tmp/y",    "unix-dgram:@n",
        "tcp://[fe80::1%lo]:7", NULL};
    for (const char *const *at = good; *at; at++) {
        struct address address;
        const char *why = "";
        char text[ADDRESS_TEXT_MAX];
        cr_assert_eq(address_parse(*at, &address, &why), 0, "%s: %s", *at, why);
        cr_expect_str_eq(address_format(&address, text), *at);
    }
}

Test(address, what_is_no_address_is_refused_with_a_reason)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1:7000",
                                      "tcp://",
                                      "tcp://:80",
                                      "tcp://127.0.0.1",
                                      "tcp://127.0.0.1:",
                                      "tcp://::1:7",
                                      "tcp://127.0.0.1:65536",
                                      "tcp://127.0.0.1:99999999999",
                                      "tcp://[::1",
                                      "unix:",
                                      "unix:@",
                                      "sctp://127.0.0.1:1",
                                      "tcp://127.0.0.1:nosuchservice",
                                      NULL};
    for (const char *const *at = bad; *at; at++) {
        struct address address;
        const char *why = NULL;
        cr_expect_eq(address_parse(*at, &address, &why), -EINVAL, "'%s'", *at);
        cr_expect_not_null(why, "'%s'", *at);
    }
}

Test(address, a_path_longer_than_the_kernel_takes_is_refused)
{
    char text[200] = "unix:/";
    memset(text + 6, 'x', 120);
    struct address address;
    const char *why;
    cr_expect_eq(address_parse(text, &address, &why), -EINVAL);
}

Test(address, loopback_and_multicast_are_told)
{
    struct {
        const char *text;
        bool loopback, multicast;
    } cases[] = {
        {"tcp://127.9.9.9:1", true, false},
        {"tcp://[::1]:1", true, false},
        {"tcp://[::ffff:127.0.0.1]:1", true, false},
        {"unix:@x", true, false},
        {"tcp://0.0.0.0:1", false, false},
        {"udp://10.1.2.3:1", false, false},
        {"udp://224.0.0.1:1", false, true},
        {"udp://255.255.255.255:1", false, true},
        {"udp://[ff02::1]:1", false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address;
        const char *why;
        cr_assert_eq(address_parse(cases[i].text, &address, &why), 0);
        cr_expect_eq(address_is_loopback(&address), cases[i].loopback, "%s",
                     cases[i].text);
        cr_expect_eq(address_is_multicast_or_broadcast(&address),
                     cases[i].multicast, "%s", cases[i].text);
    }
}
