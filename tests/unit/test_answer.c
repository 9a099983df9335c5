#include "servers/support/answer.h"
#include "servers/support/tell.h"
#include "servers/support/unread.h"

#include <criterion/criterion.h>
#include <string.h>

struct bench {
    struct server_options options;
    struct server server;
    struct answer answer;
    struct answer_reply reply;
    uint8_t memory[1024];
};

static void bench_init(struct bench *bench, const char *service)
{
    static const struct server_model model = {.name = "none"};
    memset(bench, 0, sizeof *bench);
    bench->server.model = &model;
    bench->options.buffer_bytes = sizeof bench->memory;
    bench->server.options = &bench->options;
    bench->server.service = service_find(service);
    bench->server.address.socket_type = SOCK_STREAM;
    cr_assert_eq(server_prepare(&bench->server), 0);
}

/* As the pages do it: into the end of the buffer, out from its beginning. */
static void receive(struct bench *bench, const char *text)
{
    const size_t length = strlen(text);
    uint8_t *data =
        bench->memory + sizeof bench->memory - bench->server.read_bytes;
    cr_assert_leq(length, bench->server.read_bytes);
    memcpy(data, text, length);
    answer_received(&bench->server, &bench->answer, -1, data, length,
                    bench->memory, &bench->reply);
}

static void expect(const struct bench *bench, const char *text, bool finish)
{
    cr_expect_eq(bench->reply.length, strlen(text), "%zu bytes, not '%s'",
                 bench->reply.length, text);
    cr_expect_eq(memcmp(bench->reply.data, text, strlen(text)), 0, "'%s'",
                 text);
    cr_expect_eq(bench->reply.finish, finish, "'%s'", text);
}

Test(answer, echo_and_upper_are_plain_until_something_is_asked_for)
{
    struct bench bench;
    bench_init(&bench, "upper");
    cr_expect(bench.server.is_plain);
    cr_expect_eq(bench.server.read_bytes, sizeof bench.memory);
    bench.options.one_request = true;
    cr_expect_eq(server_prepare(&bench.server), 0);
    cr_expect_not(bench.server.is_plain);
    receive(&bench, "now");
    expect(&bench, "NOW", true);
    bench_init(&bench, "ok");
    cr_expect_not(bench.server.is_plain);
}

Test(answer, ok_goes_before_each_line_also_one_in_pieces)
{
    struct bench bench;
    bench_init(&bench, "ok");
    receive(&bench, "he");
    expect(&bench, "OK...he", false);
    receive(&bench, "llo\n\nx");
    expect(&bench, "llo\nOK...\nOK...x", false);
    receive(&bench, "\n");
    expect(&bench, "\n", false);
    receive(&bench, "y");
    expect(&bench, "OK...y", false);
}

Test(answer, the_longest_reply_fits_the_buffer_it_came_in)
{
    struct bench bench;
    char lines[sizeof bench.memory] = "";
    bench_init(&bench, "ok");
    memset(lines, '\n', bench.server.read_bytes);
    receive(&bench, lines);
    cr_expect_eq(bench.reply.length, 6 * bench.server.read_bytes);
    for (size_t i = 0; i < bench.reply.length; i++)
        cr_expect_eq(bench.reply.data[i], "OK...\n"[i % 6], "at %zu", i);
    cr_expect_eq(answer_room(&bench.server, (const uint8_t *)lines, 10), 65,
                 "ten lines, and one that may begin");
}

Test(answer, a_greeting_is_all_there_is)
{
    struct bench bench;
    bench_init(&bench, "greeting");
    answer_connected(&bench.server, -1, &bench.reply);
    expect(&bench, "Thank you for connecting", true);
    bench_init(&bench, "echo");
    answer_connected(&bench.server, -1, &bench.reply);
    cr_expect_eq(bench.reply.length, 0);
    cr_expect_not(bench.reply.finish);
}

Test(answer, discard_counts_until_the_fin)
{
    struct bench bench;
    bench_init(&bench, "discard");
    receive(&bench, "12345");
    cr_expect_eq(bench.reply.length, 0);
    receive(&bench, "6789012");
    cr_expect_eq(bench.reply.length, 0);
    answer_ended(&bench.server, &bench.answer, -1, &bench.reply);
    expect(&bench, "12\n", false);
}

Test(answer, the_close_word_ends_what_is_answered)
{
    struct bench bench;
    bench_init(&bench, "echo");
    bench.options.close_word = "close";
    receive(&bench, "hello");
    expect(&bench, "hello", false);
    receive(&bench, "one\nclose \r\ntwo\n");
    expect(&bench, "one\nclose \r\n", true);
}

Test(answer, a_word_is_a_line_in_pieces_or_what_came_at_once)
{
    static const struct {
        const char *pieces[4];
        size_t end; /* in the last piece */
    } cases[] = {
        {{"close"}, 5},          {{"close\t \r\n"}, 9},
        {{"clo", "se\n"}, 3},    {{"c", "l", "ose"}, 3},
        {{"hello", "close"}, 5}, {{"x\nclose"}, 7},
        {{"closet"}, 0},         {{"close the door\n"}, 0},
        {{" close\n"}, 0},       {{"CLOSE\n"}, 0},
        {{"xclo", "se\n"}, 0},   {{"clo\n", "se\n"}, 0},
        {{"\n\n\n"}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = {0};
        size_t end = 0;
        for (const char *const *at = cases[i].pieces;
             at < cases[i].pieces + 4 && *at; at++) {
            cr_expect_eq(end, 0, "too early in case %zu", i);
            end = answer_find_word(&answer, "close", (const uint8_t *)*at,
                                   strlen(*at));
        }
        cr_expect_eq(end, cases[i].end, "case %zu: %zu", i, end);
    }
}

Test(tell, quotes_as_c_does_and_cuts)
{
    char text[TELL_TEXT_MAX];
    uint8_t long_data[TELL_BYTES_MAX + 1];
    cr_expect_str_eq(tell_quote((const uint8_t *)"a\"\\\n\0\xff", 6, text),
                     "\"a\\\"\\\\\\n\\x00\\xff\"");
    memset(long_data, 0x80, sizeof long_data);
    tell_quote(long_data, sizeof long_data, text);
    cr_expect_eq(strlen(text), 4 * TELL_BYTES_MAX + 5);
    cr_expect_str_eq(text + strlen(text) - 4, "\"...");
}

Test(unread, who_does_not_read_gets_a_share_and_who_reads_goes_on)
{
    static struct unread unread;
    const uint32_t buffer = 160000;
    uint32_t stuck = 0;
    int denied = 0;
    for (int i = 0; i < 10000; i++) {
        if (unread_may_send(&unread, buffer, stuck, "mute", 4, 100))
            stuck += 868;
        denied += !unread_may_send(&unread, buffer, stuck, "reads", 5, 100);
    }
    /* Turn by turn the two look alike at first. */
    cr_expect_leq(denied, 40, "%d", denied);
    cr_expect_lt(stuck, buffer / 2 + 4 * buffer / UNREAD_SHARES);
    /* It has read after all. */
    cr_expect(unread_may_send(&unread, buffer, 0, "mute", 4, 100));
}

Test(unread, a_long_reply_is_nobodys_fault)
{
    static struct unread unread;
    for (int i = 0; i < 100; i++)
        cr_expect(unread_may_send(&unread, 160000, 90000, "reads", 5, 60000));
}
