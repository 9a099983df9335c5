#include "bench/scenario/matrix.h"
#include "loadgen/options.h"
#include "servers/needs.h"
#include "servers/options.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct scenario_words words = {
    .server_table = &server_option_table,
    .load_table = &load_option_table,
};

static struct scenario parse(const char *text)
{
    struct scenario scenario;
    struct scenario_error error;
    int r = scenario_parse("x/mine.json", text, strlen(text), &words, &scenario,
                           &error);
    cr_assert_eq(r, 0, "%s", error.text);
    return scenario;
}

static const char *const text =
    "{\"seed\": 7, \"repetitions\": 3,"
    " \"servers\": [{\"model\": \"epoll\"},"
    "  {\"model\": \"epoll\", \"name\": \"two\", \"options\": {\"workers\": "
    "2}},"
    "  {\"model\": \"epoll\", \"transport\": \"udp\", \"family\": \"ipv6\"}],"
    " \"loads\": [{\"name\": \"a\", \"duration\": \"2s\", \"warmup\": "
    "\"500ms\"},"
    "  {\"name\": \"b\", \"reconnect-every\": 1, \"requests\": \"1k\"},"
    "  {\"name\": \"c\", \"transport\": \"udp\"}],"
    " \"sweep\": {\"connections\": [1, \"2k\"], \"pipeline\": [1, 4]}}";

static const struct cell *find(const struct matrix *matrix, const char *key)
{
    for (size_t i = 0; i < matrix->count; i++) {
        if (strcmp(matrix->cells[i].key, key) == 0)
            return &matrix->cells[i];
    }
    cr_assert(false, "no cell %s", key);
    return NULL;
}

Test(matrix, a_cell_for_each_server_load_and_point)
{
    struct scenario scenario = parse(text);
    struct matrix matrix;
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    cr_expect_str_eq(scenario.name, "mine");
    cr_expect_str_eq(scenario.directory, "x");
    cr_expect_eq(matrix.count, (3 + 3 + 1) * 4);
    for (size_t i = 0; i < matrix.count; i++) {
        for (size_t k = 0; k < i; k++)
            cr_expect_str_neq(matrix.cells[i].key, matrix.cells[k].key);
    }
    const struct cell *cell =
        find(&matrix, "tcp/two/echo/a/c=2000/s=64/pipeline=4");
    cr_expect_eq(cell->connections, 2000);
    cr_expect_eq(cell->size_bytes, 64);
    cr_expect_eq(cell->expected_ns, 2500000000u);
    cr_expect_str_eq(cell_option(&scenario, cell, "pipeline"), "4");
    cr_expect_str_eq(cell_option(&scenario, cell, "warmup"), "500ms");
    cr_expect_null(cell_option(&scenario, cell, "timeout"));
    cr_expect_eq(
        find(&matrix, "tcp/epoll/echo/b/c=1/s=64/pipeline=1")->expected_ns, 0);
    find(&matrix, "udp6/epoll/upper/c/c=1/s=64/pipeline=1");
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, reconnecting_does_not_apply_to_datagrams)
{
    struct scenario scenario = parse(text);
    struct matrix matrix;
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    for (size_t i = 0; i < matrix.count; i++) {
        const struct cell *cell = &matrix.cells[i];
        bool expected = cell->server->transport == TRANSPORT_UDP &&
                        strcmp(cell->load->name, "b") == 0;
        cr_expect_eq(cell->does_not_apply != NULL, expected, "%s", cell->key);
    }
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, a_cell_whose_load_would_refuse_an_option_does_not_apply)
{
    struct scenario scenario =
        parse("{\"servers\": [{\"model\": \"epoll\"},"
              "  {\"model\": \"epoll\", \"transport\": \"udp\"}],"
              " \"loads\": [{\"name\": \"late\", \"nodelay\": \"off\"},"
              "  {\"name\": \"lossy\", \"path\": \"link\"},"
              "  {\"name\": \"even\", \"arrival\": \"constant\"}],"
              " \"sweep\": {\"rate\": [0, 100]}}");
    static const char late[] = "--nodelay: only TCP holds small requests back";
    static const char lossy[] = "--path 'link': only datagrams can come twice";
    static const char even[] = "--arrival 'constant': a closed loop has no "
                               "schedule (--rate makes one)";
    static const struct {
        const char *key, *why;
    } expected[] = {
        {"tcp/epoll/echo/late/c=64/s=64/rate=0", NULL},
        {"udp/epoll/upper/late/c=64/s=64/rate=0", late},
        {"tcp/epoll/echo/lossy/c=64/s=64/rate=100", lossy},
        {"udp/epoll/upper/lossy/c=64/s=64/rate=100", NULL},
        {"tcp/epoll/echo/even/c=64/s=64/rate=0", even},
        {"udp/epoll/upper/even/c=64/s=64/rate=100", NULL},
    };
    struct matrix matrix;
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const char *why = find(&matrix, expected[i].key)->does_not_apply;
        cr_expect_str_eq(why ? why : "", expected[i].why ? expected[i].why : "",
                         "%s", expected[i].key);
    }
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, drawn_sizes_have_their_mean_and_stand_in_the_key)
{
    struct scenario scenario =
        parse("{\"servers\": [{\"model\": \"epoll\"}, {\"model\": "
              "\"epoll\", \"transport\": \"udp\"}],"
              " \"loads\": [{\"name\": \"a\", \"duration\": \"1s\"},"
              " {\"name\": \"b\", \"duration\": \"1s\","
              " \"idle-clients\": \"2:1s\"}],"
              " \"sweep\": {\"size\": [64, \"uniform:28,100\"]}}");
    struct matrix matrix;
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    const char *drawn = "tcp/epoll/echo/a/c=64/s=64/size=uniform:28,100";
    cr_expect_eq(find(&matrix, "tcp/epoll/echo/a/c=64/s=64")->size_bytes, 64);
    cr_expect_eq(find(&matrix, drawn)->size_bytes, 64);
    for (size_t i = 0; i < matrix.count; i++) {
        const struct cell *cell = &matrix.cells[i];
        bool silent = cell->server->transport == TRANSPORT_UDP &&
                      strcmp(cell->load->name, "b") == 0;
        cr_expect_eq(cell->does_not_apply != NULL, silent, "%s", cell->key);
    }
    matrix_done(&matrix);
    scenario_done(&scenario);
}

static size_t count_of(const struct scenario *scenario, const char *only)
{
    struct matrix matrix;
    cr_assert_eq(matrix_expand(scenario, &load_option_table, only, &matrix), 0);
    size_t count = matrix.count;
    matrix_done(&matrix);
    return count;
}

Test(matrix, only_takes_a_key_or_a_glob)
{
    struct scenario scenario = parse(text);
    cr_expect_eq(count_of(&scenario, "tcp/two/echo/a/c=1/s=64/pipeline=4"), 1);
    cr_expect_eq(count_of(&scenario, "tcp/*"), 16);
    cr_expect_eq(count_of(&scenario, "*/c=1/*pipeline=4"), 7);
    cr_expect_eq(count_of(&scenario, "tcp/two"), 0);
    scenario_done(&scenario);
}

Test(matrix, each_round_holds_every_cell_once)
{
    struct scenario scenario = parse(text);
    struct matrix matrix;
    struct slot slots[28 * 3];
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    size_t count = matrix_order(&matrix, 3, scenario.seed, slots);
    cr_assert_eq(count, 24 * 3); /* four do not apply */
    for (unsigned r = 0; r < 3; r++) {
        unsigned seen[28] = {0};
        for (size_t i = 0; i < 24; i++) {
            cr_expect_eq(slots[r * 24 + i].repetition, r);
            seen[slots[r * 24 + i].cell]++;
        }
        for (size_t c = 0; c < matrix.count; c++)
            cr_expect_eq(seen[c], matrix.cells[c].does_not_apply ? 0u : 1u);
    }
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, the_order_is_the_seeds)
{
    struct scenario scenario = parse(text);
    struct matrix matrix;
    struct slot slots[3][28 * 3];
    memset(slots, 0, sizeof slots);
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    matrix_order(&matrix, 3, 1, slots[0]);
    matrix_order(&matrix, 3, 1, slots[1]);
    matrix_order(&matrix, 3, 2, slots[2]);
    size_t other = 0;
    size_t rounds_differ = 0;
    for (size_t i = 0; i < 72; i++) {
        cr_expect_eq(slots[0][i].cell, slots[1][i].cell);
        other += slots[0][i].cell != slots[2][i].cell;
        rounds_differ += i >= 24 && slots[0][i].cell != slots[0][i - 24].cell;
    }
    cr_expect_gt(other, 36);
    cr_expect_gt(rounds_differ, 24);
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, a_cell_whose_server_would_refuse_an_option_does_not_apply)
{
    static const char *const streams[] = {"epoll", "pool", "uring", NULL};
    static const unsigned streams_meet[] = {NEEDS_LIMIT, NEEDS_WORKERS,
                                            NEEDS_RING};
    static const char *const datagrams[] = {"batch", NULL};
    static const unsigned datagrams_meet[] = {NEEDS_WORKERS};
    struct scenario_words with_models = words;
    with_models.stream_models = streams;
    with_models.streams_meet = streams_meet;
    with_models.datagram_models = datagrams;
    with_models.datagrams_meet = datagrams_meet;
    static const char scenario_text[] =
        "{\"servers\": [{\"model\": \"epoll\"}, {\"model\": \"pool\"},"
        " {\"model\": \"uring\", \"options\": {\"ring-entries\": 8}},"
        " {\"model\": \"epoll\", \"service\": \"greeting\"},"
        " {\"model\": \"batch\", \"transport\": \"udp\"},"
        " {\"name\": \"own\", \"command\": [\"{port}\"]}],"
        " \"loads\": ["
        "{\"name\": \"a\", \"server_options\": {\"workers\": 2}},"
        "{\"name\": \"b\", \"server_options\": {\"backlog\": 2, "
        "\"one-request\": false}},"
        "{\"name\": \"c\", \"server_options\": {\"one-request\": true}}]}";
    static const char *const expected[] = {
        "no --workers for model epoll: it takes no number of "
        "workers",
        NULL,
        "no --workers for model uring: it takes no number of "
        "workers",
        "no --workers for model epoll: it takes no number of "
        "workers",
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
        "no --backlog for datagrams: they have no connection",
        NULL,
        NULL,
        NULL,
        NULL,
        "no --one-request for service greeting: it reads no "
        "request",
        "no --one-request for datagrams: they have no connection",
        NULL,
    };
    struct scenario scenario;
    struct scenario_error error;
    struct matrix matrix;
    cr_assert_eq(scenario_parse("x.json", scenario_text, strlen(scenario_text),
                                &with_models, &scenario, &error),
                 0, "%s", error.text);
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    cr_assert_eq(matrix.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < matrix.count; i++) {
        const struct cell *cell = &matrix.cells[i];
        if (expected[i])
            cr_expect_str_eq(cell->does_not_apply, expected[i], "%s",
                             cell->key);
        else
            cr_expect_null(cell->does_not_apply, "%s", cell->key);
    }
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, a_sharded_layout_wants_steering_and_a_connection_for_each_cpu)
{
    static const char *const models[] = {"epoll", "epoll-workers", NULL};
    static const unsigned meet[] = {0, NEEDS_SOCKETS};
    struct scenario_words with_steering = words;
    with_steering.stream_models = models;
    with_steering.streams_meet = meet;
    static const char sharded[] =
        "{\"layout\": \"sharded\","
        " \"servers\": [{\"model\": \"epoll\"}, {\"model\": "
        "\"epoll-workers\"}],"
        " \"loads\": [{\"name\": \"a\"}], \"sweep\": {\"connections\": "
        "[1, 2]}}";
    struct scenario scenario;
    struct scenario_error error;
    struct matrix matrix;
    cr_assert_eq(scenario_parse("x.json", sharded, strlen(sharded),
                                &with_steering, &scenario, &error),
                 0, "%s", error.text);
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    struct layout layout = scenario.layout;
    cr_expect_eq(layout.kind, LAYOUT_SHARDED);
    layout.shards = 2;
    matrix_fit(&matrix, &layout);
    cr_assert_eq(matrix.count, 4);
    for (size_t i = 0; i < matrix.count; i++) {
        const struct cell *cell = &matrix.cells[i];
        bool expected =
            cell->server->meets == NEEDS_SOCKETS && cell->connections == 2;
        cr_expect_eq(cell->does_not_apply == NULL, expected, "%s", cell->key);
    }
    matrix_done(&matrix);
    scenario_done(&scenario);
}

Test(matrix, rates_are_of_all_connections_together)
{
    struct scenario scenario = parse(
        "{\"servers\": [{\"model\": \"epoll\"}],"
        " \"loads\": [{\"name\": \"all\", \"connections\": 4},"
        "  {\"name\": \"each\", \"rate-per-conn\": 25, \"connections\": 4}],"
        " \"sweep\": {\"pipeline\": [2], \"rate\": [0, \"1.5k\"]}}");
    struct matrix matrix;
    cr_assert_eq(matrix_expand(&scenario, &load_option_table, NULL, &matrix),
                 0);
    const struct cell *cell =
        find(&matrix, "tcp/epoll/echo/all/c=4/s=64/pipeline=2/rate=1.5k");
    cr_expect_float_eq(cell->rate_per_s, 1500, 1e-9);
    cr_expect_str_eq(cell->swept, "/pipeline=2/rate=1.5k");
    cr_expect_str_eq(cell->swept_else, "/pipeline=2");
    cell = find(&matrix, "tcp/epoll/echo/all/c=4/s=64/pipeline=2/rate=0");
    cr_expect_float_eq(cell->rate_per_s, 0, 1e-9);
    cell = find(&matrix, "tcp/epoll/echo/each/c=4/s=64/pipeline=2/rate=0");
    cr_expect_float_eq(cell->rate_per_s, 100, 1e-9);
    matrix_done(&matrix);
    scenario_done(&scenario);
}
