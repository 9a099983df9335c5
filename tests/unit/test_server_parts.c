#include "servers/options.h"
#include "servers/support/drain.h"
#include "servers/support/ring_loop.h"
#include "servers/support/steer.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000ULL

Test(work, is_a_kind_and_a_duration)
{
    struct work work = {0};
    cr_expect_null(work_parse("sleep:10ms", &work));
    cr_expect_eq(work.kind, WORK_SLEEP);
    cr_expect_eq(work.duration_ns, 10 * MS);
    cr_expect_null(work_parse("spin:20us", &work));
    cr_expect_eq(work.kind, WORK_SPIN);
    cr_expect_eq(work.duration_ns, 20000);
    static const char *const bad[] = {"",       "sleep",     "sleep:", "10ms",
                                      "spin:1", "sleep:-1s", "nap:1s", NULL};
    for (const char *const *at = bad; *at; at++) {
        cr_expect_not_null(work_parse(*at, &work), "'%s'", *at);
        cr_expect_eq(work.duration_ns, 20000, "touched by '%s'", *at);
    }
    cr_expect_str_eq(work_parse("sleep:2h", &work), "the most is 1h");
}

/* What the kernel does with the few instructions that steering uses. */
static uint32_t chosen(const struct sock_filter *program, unsigned short length,
                       uint32_t cpu)
{
    uint32_t a = 0;
    for (unsigned short i = 0; i < length; i++) {
        const struct sock_filter *at = &program[i];
        switch (at->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            cr_assert_eq(at->k, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU));
            a = cpu;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            i = (unsigned short)(i + (a == at->k ? at->jt : at->jf));
            break;
        case BPF_ALU | BPF_MOD | BPF_K:
            a %= at->k;
            break;
        case BPF_RET | BPF_K:
            return at->k;
        case BPF_RET | BPF_A:
            return a;
        default:
            cr_assert_fail("instruction %x", at->code);
        }
    }
    cr_assert_fail("the program does not end");
    return 0;
}

Test(steering, gives_each_cpu_its_worker_and_strangers_some_worker)
{
    static const int lists[][4] = {
        {0, 1, 2, 3}, {4, 5, 6, 7}, {3, 7, 8, 1023}, {1, 2, 3, 0}};
    struct sock_filter program[STEER_PROGRAM_MAX];
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
        for (unsigned count = 1; count <= 4; count++) {
            unsigned short length = steer_program(lists[l], count, program);
            cr_assert_leq(length, STEER_PROGRAM_MAX);
            for (uint32_t cpu = 0; cpu < 1024; cpu++)
                cr_assert_lt(chosen(program, length, cpu), count);
            for (unsigned i = 0; i < count; i++)
                cr_expect_eq(chosen(program, length, (uint32_t)lists[l][i]), i,
                             "CPU %d of list %zu", lists[l][i], l);
        }
    }
}

Test(server_options, have_defaults_that_parse)
{
    struct server_options options = {0};
    options_defaults(&server_option_table, &options);
    cr_expect_eq(options.backlog, 4096);
    cr_expect_eq(options.buffer_bytes, 65536);
    cr_expect(options.nodelay);
    cr_expect_eq(options.idle_timeout_ns, 60000 * MS);
    cr_expect_eq(options.io_timeout_ns, 60000 * MS);
    cr_expect_eq(options.max_clients, 0);
    cr_expect_null(options.work);
}

Test(drain, ends_when_it_is_quiet)
{
    struct drain drain = {0};
    const uint64_t begin = 5000 * MS;
    cr_expect_eq(drain_step(&drain, begin, 7), DRAIN_SERVE);
    cr_expect_eq(drain_step(&drain, begin + 199 * MS, 7), DRAIN_SERVE);
    cr_expect_eq(drain_step(&drain, begin + 200 * MS, 7), DRAIN_FINISH);
}

Test(drain, activity_prolongs_serving_but_not_for_ever)
{
    struct drain drain = {0};
    const uint64_t begin = 5000 * MS;
    for (uint64_t at = 0; at < 1500 * MS; at += 100 * MS)
        cr_expect_eq(drain_step(&drain, begin + at, at), DRAIN_SERVE);
    cr_expect_eq(drain_step(&drain, begin + 1500 * MS, 1), DRAIN_FINISH);
    cr_expect_eq(drain_step(&drain, begin + 1799 * MS, 2), DRAIN_FINISH);
    cr_expect_eq(drain_step(&drain, begin + 1800 * MS, 3), DRAIN_OVER);
}

Test(drain, finishing_does_not_go_back)
{
    struct drain drain = {0};
    cr_expect_eq(drain_step(&drain, 1, 0), DRAIN_SERVE);
    cr_expect_eq(drain_step(&drain, 1 + DRAIN_QUIET_NS, 0), DRAIN_FINISH);
    cr_expect_eq(drain_step(&drain, 2 + DRAIN_QUIET_NS, 9), DRAIN_FINISH);
}

/* A ring that has only its buffers: their memory is ours to watch. */
struct bench {
    struct server_options options;
    struct server server;
    struct ring ring;
    struct ring_buffer buffers[2];
    struct server_counters counters;
    struct ring_clients clients;
    uint8_t memory[2][64];
};

static void bench_init(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    bench->server.options = &bench->options;
    bench->ring.is_open = true;
    bench->ring.buffers = bench->buffers;
    bench->ring.buffer_count = 2;
    bench->ring.buffer_bytes = 64;
    bench->buffers[0].holds =
        100; /* never back to a kernel that is not there */
    bench->buffers[1].holds = 100;
    cr_assert_eq(ring_clients_init(&bench->clients, &bench->server,
                                   &bench->ring, &bench->counters, 3),
                 0);
}

static struct ring_client *add(struct bench *bench)
{
    int fd = dup(STDERR_FILENO);
    cr_assert_geq(fd, 0);
    return ring_clients_add(&bench->clients, fd);
}

static void queue(struct bench *bench, struct ring_client *client,
                  const char *text, uint16_t buffer)
{
    uint8_t *data = bench->memory[buffer];
    memcpy(data, text, strlen(text));
    bench->buffers[buffer].holds++;
    cr_assert(ring_client_queue(&bench->clients, client, data,
                                (uint32_t)strlen(text), buffer));
}

Test(ring_clients, slots_are_reused_under_a_new_generation)
{
    struct bench bench;
    bench_init(&bench);
    struct ring_client *first = add(&bench);
    struct ring_client *second = add(&bench);
    const uint32_t generation = first->generation;
    cr_expect_eq(bench.clients.count, 2);
    ring_clients_remove(&bench.clients, first);
    struct ring_client *third = add(&bench);
    cr_expect_eq(third, first);
    cr_expect_eq(third->generation, generation + 1);
    cr_expect_neq(second, third);
    ring_clients_done(&bench.clients);
    cr_expect_eq(bench.counters.closed, 3);
}

Test(ring_clients, those_who_wait_are_taken_in_order_and_once)
{
    struct bench bench;
    bench_init(&bench);
    struct ring_client *clients[3] = {add(&bench), add(&bench), add(&bench)};
    for (int i = 2; i >= 0; i--)
        ring_clients_wait(&bench.clients, clients[i], RING_WANT_BUFFER);
    ring_clients_wait(&bench.clients, clients[1], RING_WANT_BUFFER);
    ring_clients_wait(&bench.clients, clients[1], RING_WANT_ENTRY);
    cr_expect_eq(bench.clients.waiting[RING_WANT_BUFFER].count, 3);
    cr_expect_eq(ring_clients_take_waiting(&bench.clients, RING_WANT_ENTRY),
                 clients[1]);
    for (int i = 2; i >= 0; i--)
        cr_expect_eq(
            ring_clients_take_waiting(&bench.clients, RING_WANT_BUFFER),
            clients[i]);
    for (enum ring_want want = 0; want < RING_WANTS; want++)
        cr_expect_null(ring_clients_take_waiting(&bench.clients, want));
    ring_clients_done(&bench.clients);
}

Test(ring_loop, as_many_ask_for_a_buffer_as_there_are)
{
    struct bench bench;
    struct ring_loop loop = {0};
    bench_init(&bench);
    struct ring_client *clients[3] = {add(&bench), add(&bench), add(&bench)};
    loop.clients = bench.clients;
    for (int i = 0; i < 2; i++)
        cr_expect_not(ring_loop_may_receive(&loop, clients[i]));
    ring_loop_begin(&loop);
    cr_expect_null(ring_loop_next_waiting(&loop), "no buffer is there");

    loop.ring.with_kernel = 1;
    cr_expect_not(ring_loop_may_receive(&loop, clients[2]),
                  "others have waited for longer");
    for (int i = 0; i < 3; i++) {
        ring_loop_begin(&loop);
        cr_expect_eq(ring_loop_next_waiting(&loop), clients[i]);
        cr_expect(ring_loop_may_receive(&loop, clients[i]));
        cr_expect_null(ring_loop_next_waiting(&loop), "one buffer, one turn");
    }
    cr_expect(ring_loop_may_receive(&loop, clients[0]), "nobody waits");
    ring_clients_done(&loop.clients);
}

Test(ring_loop, an_entry_is_not_waited_for_behind_buffers)
{
    struct bench bench;
    struct ring_loop loop = {0};
    bench_init(&bench);
    struct ring_client *first = add(&bench);
    struct ring_client *second = add(&bench);
    loop.clients = bench.clients;
    cr_expect_not(ring_loop_may_receive(&loop, first));
    cr_expect_not(ring_loop_may_receive(&loop, second));
    ring_clients_wait(&loop.clients, second, RING_WANT_ENTRY);
    ring_loop_begin(&loop);
    cr_expect_eq(ring_loop_next_waiting(&loop), second);
    cr_expect(second->waiting[RING_WANT_BUFFER]);
    cr_expect_null(ring_loop_next_waiting(&loop));
    ring_clients_done(&loop.clients);
}

Test(ring_clients, a_stalled_client_holds_no_shared_buffer)
{
    struct bench bench;
    bench_init(&bench);
    struct ring_client *client = add(&bench);
    queue(&bench, client, "first", 0);
    queue(&bench, client, "second", 1);
    cr_expect_eq(client->queued_bytes, 11);
    ring_client_sent(&bench.clients, client, 2);
    cr_expect_eq(bench.buffers[0].holds, 101, "still in use");
    cr_expect(ring_client_stall(&bench.clients, client));
    cr_expect_eq(bench.buffers[0].holds, 100);
    cr_expect_eq(bench.buffers[1].holds, 100);
    memset(bench.memory, '#', sizeof bench.memory);
    queue(&bench, client, "third", 0); /* what comes later is copied at once */
    cr_expect_eq(bench.buffers[0].holds, 100);

    static const char *const expected[] = {"rst", "second", "third"};
    for (int i = 0; i < 3; i++) {
        const struct piece *piece = client->first;
        cr_assert_not_null(piece);
        cr_expect_eq(piece->length, strlen(expected[i]));
        cr_expect_eq(memcmp(piece->data, expected[i], piece->length), 0);
        ring_client_sent(&bench.clients, client, piece->length);
    }
    cr_expect_null(client->first);
    cr_expect_not(client->stalled, "it took everything");
    cr_expect_eq(client->queued_bytes, 0);
    ring_clients_done(&bench.clients);
}

Test(ring_clients, forgetting_keeps_what_the_kernel_is_sending)
{
    struct bench bench;
    bench_init(&bench);
    struct ring_client *client = add(&bench);
    queue(&bench, client, "in flight", 0);
    queue(&bench, client, "not yet", 1);
    client->sending = true;
    ring_client_forget(&bench.clients, client);
    cr_expect_eq(client->queued_bytes, 9);
    cr_expect_eq(bench.buffers[0].holds, 101);
    cr_expect_eq(bench.buffers[1].holds, 100);
    client->sending = false;
    ring_clients_remove(&bench.clients, client);
    cr_expect_eq(bench.buffers[0].holds, 100);
    ring_clients_done(&bench.clients);
}
