/* Counts of both ends and the kernel -> where each datagram died. */
#include "bench/trial/losses.h"

#include <criterion/criterion.h>
#include <string.h>

/* 1000 sends: 10 refused, 5 dropped by the device without a word, 300 at the
 * server's sockets; 685 read, 3 not answered; of 682 replies 40 are dropped at
 * the client's sockets, 7 come when it listens no more and 5 when it is gone:
 * 630 arrive. */
static struct losses_facts example(void)
{
    return (struct losses_facts){
        .replies = true,
        .client = {.sends = 1000,
                   .refused = 10,
                   .received = 630,
                   .drops = 40,
                   .after_end = 7},
        .server = {.counted = true,
                   .received = 685,
                   .replied = 682,
                   .drops_known = true,
                   .drops = 300},
        .is_private = true,
        .kernel = {.in = 685 + 630,
                   .out = 985 + 682,
                   .no_ports = 5,
                   .in_errors = 300 + 40 + 7,
                   .rcvbuf_errors = 340,
                   .sndbuf_errors = 10 + 5},
    };
}

static int64_t sum(const struct losses *l)
{
    return l->client_send.count + l->local_qdisc.count + l->link_forward.count +
           l->server_buffer.count + l->server.count + l->link_back.count +
           l->client_buffer.count + l->unknown.count;
}

static void expect_example(const struct losses *l)
{
    cr_expect_eq(l->by, LOSSES_BY_COUNTERS);
    cr_expect_eq(l->client_send.count, 10);
    cr_expect_eq(l->local_qdisc.count, 5);
    cr_expect_eq(l->server_buffer.count, 300);
    cr_expect_eq(l->server.count, 3 + 7 + 5);
    cr_expect_eq(l->client_buffer.count, 40);
    cr_expect_eq(l->unknown.count, 0);
    cr_expect(l->difference.known);
    cr_expect_eq(l->difference.count, 0);
    cr_expect_eq(sum(l), 1000 - 630);
}

Test(losses, every_stage_accounts_for_every_copy)
{
    struct losses_facts facts = example();
    struct losses l;
    losses_of(&facts, &l);
    expect_example(&l);
}

Test(losses, a_server_that_counts_nothing_is_known_by_the_kernel)
{
    struct losses_facts facts = example();
    struct losses l;
    memset(&facts.server, 0, sizeof facts.server);
    losses_of(&facts, &l);
    expect_example(&l);
}

Test(losses, what_the_ends_and_the_kernel_disagree_on_is_told)
{
    struct losses_facts facts = example();
    struct losses l;
    facts.server.drops -= 2; /* it overlooked two */
    losses_of(&facts, &l);
    cr_expect_eq(l.difference.count, 2);
    facts = example();
    facts.client.received += 1; /* out of thin air */
    losses_of(&facts, &l);
    cr_expect_eq(l.difference.count, -1);
}

Test(losses, a_filter_that_outlives_the_client_is_seen_by_the_kernel)
{
    struct losses_facts facts = example();
    struct losses l;
    facts.client.after_end = 4; /* three more came while it was closed */
    losses_of(&facts, &l);
    expect_example(&l);
}

Test(losses, blocks_that_were_never_read_are_the_servers)
{
    struct losses_facts facts = {
        .replies = true,
        .blocks = true,
        .client = {.sends = 128, .received = 64},
        .server = {.counted = true,
                   .received = 64,
                   .replied = 64,
                   .left_unread = true},
        .is_private = true,
        .kernel = {.in = 2, .out = 3},
    };
    struct losses l;
    losses_of(&facts, &l);
    cr_expect_eq(l.server.count, 64);
    cr_expect_eq(l.unknown.count, 0);
    cr_expect_eq(l.difference.count, 0);
}

Test(losses, nothing_lost_is_nothing_anywhere)
{
    struct losses_facts facts = {
        .replies = true,
        .client = {.sends = 50, .received = 50},
        .server = {.counted = true,
                   .received = 50,
                   .replied = 50,
                   .drops_known = true},
        .is_private = true,
        .kernel = {.in = 100, .out = 100},
    };
    struct losses l;
    losses_of(&facts, &l);
    cr_expect_eq(sum(&l), 0);
    cr_expect_eq(l.difference.count, 0);
    facts = (struct losses_facts){.replies = true, .is_private = true};
    losses_of(&facts, &l);
    cr_expect_eq(sum(&l), 0);
    cr_expect_eq(l.difference.count, 0);
}

Test(losses, a_queue_that_was_never_read_is_the_servers)
{
    struct losses_facts facts = {
        .replies = true,
        .client = {.sends = 50, .received = 20},
        .server = {.counted = true,
                   .received = 20,
                   .replied = 20,
                   .drops_known = true,
                   .left_unread = true},
        .is_private = true,
        .kernel = {.in = 40, .out = 70},
    };
    struct losses l;
    losses_of(&facts, &l);
    cr_expect_eq(l.server.count, 30);
    cr_expect_eq(l.difference.count, 0);
    facts.server.left_unread = false; /* then they cannot have been there */
    losses_of(&facts, &l);
    cr_expect_eq(l.server.count, 0);
    cr_expect_eq(l.difference.count, 30);
}

Test(losses, a_server_that_answers_twice_is_below_zero)
{
    struct losses_facts facts = {
        .replies = true,
        .client = {.sends = 10, .received = 20},
        .server = {.counted = true, .received = 10, .replied = 20},
        .is_private = true,
        .kernel = {.in = 30, .out = 30},
    };
    struct losses l;
    losses_of(&facts, &l);
    cr_expect_eq(l.server.count, -10);
    cr_expect_eq(l.difference.count, 0);
}

Test(losses, without_replies_the_way_ends_at_the_server)
{
    struct losses_facts facts = {
        .replies = false,
        .client = {.sends = 100},
        .server = {.counted = true,
                   .received = 70,
                   .drops_known = true,
                   .drops = 30},
        .is_private = true,
        .kernel = {.in = 70, .out = 100, .in_errors = 30, .rcvbuf_errors = 30},
    };
    struct losses l;
    losses_of(&facts, &l);
    cr_expect_eq(l.arrived, 70);
    cr_expect_eq(l.server_buffer.count, 30);
    cr_expect_eq(l.server.count, 0);
    cr_expect_eq(l.difference.count, 0);
    facts.is_private = false;
    losses_of(&facts, &l);
    cr_expect_eq(l.arrived, 70);
    cr_expect_eq(l.unknown.count, 0);
}

Test(losses, on_the_host_the_rest_is_unknown_and_nothing_contradicts)
{
    struct losses_facts facts = example();
    struct losses l;
    facts.is_private = false;
    memset(&facts.kernel, 0xff, sizeof facts.kernel); /* strangers' */
    losses_of(&facts, &l);
    cr_expect_eq(l.by, LOSSES_BY_SOCKETS);
    cr_expect_eq(l.server_buffer.count, 300);
    cr_expect_eq(l.client_buffer.count, 40);
    cr_expect_eq(l.server.count, 3 + 7);
    cr_expect_not(l.local_qdisc.known);
    cr_expect_not(l.difference.known);
    cr_expect_eq(l.unknown.count, 5 + 5); /* the device's, and those too late */
    cr_expect_eq(sum(&l), 1000 - 630);
}

Test(losses, on_the_host_a_strange_server_is_known_by_its_drops_alone)
{
    struct losses_facts facts = example();
    struct losses l;
    facts.is_private = false;
    facts.server.counted = false;
    losses_of(&facts, &l);
    cr_expect_eq(l.server_buffer.count, 300);
    cr_expect_not(l.server.known);
    cr_expect_eq(l.unknown.count, 1000 - 630 - 10 - 300 - 40);
    facts.server.drops_known = false;
    losses_of(&facts, &l);
    cr_expect_not(l.server_buffer.known);
}

/* 640 datagrams in blocks of 64; the kernel counts the two blocks it drops. */
static struct losses_facts blocks(void)
{
    return (struct losses_facts){
        .replies = true,
        .blocks = true,
        .client = {.sends = 640, .received = 512},
        .server = {.counted = true,
                   .received = 512,
                   .replied = 512,
                   .drops_known = true,
                   .drops = 2},
        .is_private = true,
        .kernel = {.in = 16, .out = 18, .in_errors = 2, .rcvbuf_errors = 2},
    };
}

Test(losses, blocks_are_taken_apart_by_the_ends)
{
    struct losses_facts facts = blocks();
    struct losses l;
    losses_of(&facts, &l);
    cr_expect_eq(l.by, LOSSES_BY_SEQUENCE);
    cr_expect_eq(l.server_buffer.count, 128);
    cr_expect_eq(l.unknown.count, 0);
    cr_expect_eq(l.difference.count, 0);
}

Test(losses, a_block_that_several_may_have_dropped_is_unknown)
{
    struct losses_facts facts = blocks();
    struct losses l;
    facts.kernel.lo_dropped = 1;
    losses_of(&facts, &l);
    cr_expect_eq(l.server_buffer.count, 0);
    cr_expect_eq(l.unknown.count, 128);
    cr_expect_eq(l.difference.count, 0);
    facts.server.drops = 128; /* of single datagrams: they are all there is */
    losses_of(&facts, &l);
    cr_expect_eq(l.server_buffer.count, 128);
    cr_expect_eq(l.unknown.count, 0);
}

Test(losses, blocks_that_nobody_dropped_contradict)
{
    struct losses_facts facts = blocks();
    struct losses l;
    facts.server.drops = 0;
    losses_of(&facts, &l);
    cr_expect_eq(l.difference.count, 128);
}

Test(losses, blocks_to_a_client_that_is_gone_are_the_servers)
{
    struct losses_facts facts = blocks();
    struct losses l;
    facts.client.received = 448;
    facts.kernel.no_ports = 1;
    losses_of(&facts, &l);
    cr_expect_eq(l.server.count, 64);
    cr_expect_eq(l.server_buffer.count, 128);
    cr_expect_eq(l.unknown.count, 0);
    cr_expect_eq(l.difference.count, 0);
}

static const char snmp[] =
    "Ip: Forwarding DefaultTTL\nIp: 1 64\n"
    "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors "
    "InCsumErrors IgnoredMulti MemErrors\n"
    "Udp: 19 2 981 1000 980 4 0 0 1\n"
    "UdpLite: InDatagrams NoPorts\nUdpLite: 7 7\n";

Test(counters, columns_are_found_by_name)
{
    struct counters c = {.in = 1};
    cr_expect(counters_add_snmp(snmp, &c));
    cr_expect_eq(c.in, 20); /* added */
    cr_expect_eq(c.no_ports, 2);
    cr_expect_eq(c.in_errors, 981);
    cr_expect_eq(c.out, 1000);
    cr_expect_eq(c.rcvbuf_errors, 980);
    cr_expect_eq(c.sndbuf_errors, 4);
    cr_expect_not(counters_add_snmp("Tcp: A\nTcp: 1\n", &c));
    cr_expect_not(counters_add_snmp("Udp: InDatagrams\n", &c));
    cr_expect_not(counters_add_snmp("", &c));
}

Test(counters, ipv6_has_a_line_a_counter)
{
    struct counters c = {0};
    cr_expect(counters_add_snmp6("Ip6InReceives\t9\nUdp6InDatagrams \t3\n"
                                 "Udp6InErrors\t5\nUdp6OutDatagrams\t8\n",
                                 &c));
    cr_expect_eq(c.in, 3);
    cr_expect_eq(c.in_errors, 5);
    cr_expect_eq(c.out, 8);
    cr_expect_not(counters_add_snmp6("Ip6InReceives\t9\n", &c));
}

Test(counters, the_loopbacks_drops_are_of_either_direction)
{
    struct counters c = {0};
    cr_expect(counters_add_dev(
        "Inter-|   Receive  |  Transmit\n face |bytes\n"
        "    lo:   92000    1000    0    3    0     0          0         0    "
        "92000    1000    0    4    0     0       0          0\n",
        &c));
    cr_expect_eq(c.lo_dropped, 7);
    cr_expect_not(counters_add_dev("eth0: 1 2 3\n", &c));
    cr_expect_not(counters_add_dev("    lo: 1 2 3\n", &c));
}

Test(counters, sockets_of_one_port_are_summed)
{
    static const char table[] =
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
        "retrnsmt   uid  timeout inode ref pointer drops\n"
        " 1882: 0100007F:8487 00000000:0000 07 00000000:00003DC0 00:00000000 "
        "00000000     0        0 195997967 2 0000000023d040da 981   \n"
        " 1882: 0100007F:8487 00000000:0000 07 00000000:00000000 00:00000000 "
        "00000000     0        0 195997968 2 0000000023d040db 19   \n"
        "11563: 0100007F:EA58 0100007F:8487 01 00000000:00000000 00:00000000 "
        "00000000     0        0 195997969 2 0000000011e7c907 5     \n";
    struct counters_port found = {0};
    cr_expect(counters_add_udp(table, 0x8487, &found));
    cr_expect_eq(found.sockets, 2);
    cr_expect_eq(found.drops, 1000);
    cr_expect_eq(found.queued_bytes, 0x3dc0);
    cr_expect_not(counters_add_udp("nothing\n", 1, &found));
}
