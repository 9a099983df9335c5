#include "bench/trial/parts.h"

#include "bench/trial/keeper.h"
#include "bench/trial/listening.h"
#include "loadgen/measure/clock.h"
#include "loadgen/measure/report.h"
#include "servers/cli/cpuset.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_NS (3 * NS_PER_S)
#define READY_LOOK_NS (5 * NS_PER_MS) /* between looks for a foreign port */
#define STOP_NS (3 * NS_PER_S)        /* two of draining, one to spare */
#define SAMPLE_NS (200 * NS_PER_MS)
#define FALL_NS (500 * NS_PER_MS)   /* for a dying server to be dead */
#define LATE_NS (30 * NS_PER_S)     /* beyond what a load said it takes */
#define COUNTED_NS (600 * NS_PER_S) /* for a load of so many requests */

const char *trial_status_name(enum trial_status status)
{
    static const char *const names[] = {"ok", "failed", "skipped",
                                        "interrupted"};
    return names[status];
}

/* The first failure is the one that is told. Returns -1. */
static int end(struct trial *trial, enum trial_status status,
               const char *format, ...) __attribute__((format(printf, 3, 4)));

static int end(struct trial *trial, enum trial_status status,
               const char *format, ...)
{
    va_list arguments;
    if (trial->result->status != TRIAL_OK)
        return -1;
    trial->result->status = status;
    va_start(arguments, format);
    vsnprintf(trial->result->reason, sizeof trial->result->reason, format,
              arguments);
    va_end(arguments);
    return -1;
}

/* "how it ended: its last words". */
static const char *obituary(const struct process *process, char *text,
                            size_t size)
{
    char how[64];
    char words[PROCESS_WORDS_MAX];
    process_end_text(process, how, sizeof how);
    process_last_words(process, words);
    snprintf(text, size, "%s%s%s", how, *words ? ": " : "", words);
    return text;
}

/* "ready ADDRESS [key=value ...]" in what the server wrote. 0 or -EAGAIN. */
static int take_ready_line(struct trial *trial)
{
    char line[1024];
    char *rest = NULL;
    const struct tail *out = &trial->server.out;
    const char *newline = memchr(out->bytes, '\n', out->length);
    size_t length = newline ? (size_t)(newline - out->bytes) : 0;
    if (!newline || length >= sizeof line)
        return -EAGAIN;
    memcpy(line, out->bytes, length);
    line[length] = '\0';
    const char *word = strtok_r(line, " ", &rest);
    const char *address = strtok_r(NULL, " ", &rest);
    if (!word || strcmp(word, "ready") != 0 || !address)
        return -EAGAIN;
    snprintf(trial->address, sizeof trial->address, "%s", address);
    for (char *pair; (pair = strtok_r(NULL, " ", &rest));) {
        char *equals = strchr(pair, '=');
        if (!equals)
            continue;
        *equals = '\0';
        put_text(trial->ready, pair, equals + 1);
    }
    return 0;
}

static bool is_ready(struct trial *trial, uint16_t port)
{
    const struct scenario_server *server = trial->plan->cell->server;
    if (server->model)
        return trial->server.ready && take_ready_line(trial) == 0;
    return listening_on(
        trial->server.pid,
        server->transport == TRANSPORT_TCP ? SOCK_STREAM : SOCK_DGRAM, port);
}

static int await_ready(struct trial *trial, uint16_t port)
{
    struct process *const waited[] = {&trial->server};
    bool foreign = !trial->plan->cell->server->model;
    uint64_t deadline = clock_now_ns() + READY_NS;
    char text[PROCESS_WORDS_MAX + 80];
    while (!is_ready(trial, port)) {
        uint64_t now = clock_now_ns();
        if (trial->server.ended)
            return end(trial,
                       process_exited(&trial->server, 77) ? TRIAL_SKIPPED
                                                          : TRIAL_FAILED,
                       "the server ended before it was ready: %s",
                       obituary(&trial->server, text, sizeof text));
        if (now >= deadline) {
            process_last_words(&trial->server, text);
            return end(trial, TRIAL_FAILED,
                       "the server was not ready within 3 s%s%s",
                       *text ? ": " : "", text);
        }
        uint64_t until = foreign ? now + READY_LOOK_NS : deadline;
        int r = process_wait(waited, 1, trial->plan->interrupt_fd, until);
        if (r == -EINTR)
            return end(trial, TRIAL_INTERRUPTED, "interrupted");
        if (r < 0 && r != -ETIMEDOUT)
            return end(trial, TRIAL_FAILED, "cannot wait for the server: %s",
                       strerror(-r));
    }
    return 0;
}

/* Where it is to live: a fresh namespace a trial, so that its counters begin
 * at zero and no socket of an earlier one is left. 0 or -1. */
static int choose_space(struct trial *trial)
{
    const enum space wanted = trial->plan->space;
    bool datagrams = trial->plan->cell->server->transport == TRANSPORT_UDP;
    const char *why = NULL;
    int r = 0;
    if (wanted == SPACE_HOST)
        why = "asked for";
    else if (wanted == SPACE_AUTO && !datagrams)
        why = "streams lose nothing that would have to be looked for";
    if (!why) {
        r = namespace_open(&trial->space);
        trial->is_private = r == 0;
        why = r < 0 ? namespace_words(r) : "";
    }
    snprintf(trial->space_reason, sizeof trial->space_reason, "%s%s",
             r < 0 ? "cannot make one: " : "", why);
    if (r < 0 && wanted == SPACE_PRIVATE)
        return end(trial, TRIAL_SKIPPED, "no private network namespace: %s",
                   namespace_words(r));
    return 0;
}

static const struct namespace *space_of(const struct trial *trial)
{
    return trial->is_private ? &trial->space : NULL;
}

static int start_server(struct trial *trial)
{
    const struct scenario_server *server = trial->plan->cell->server;
    const char *list = trial->plan->layout->server_cpus;
    struct argv argv = {0};
    uint16_t port = 0;
    cpu_set_t cpus;
    int r = 0;
    if (!server->model) {
        r = listening_free_port(server->transport == TRANSPORT_TCP ? SOCK_STREAM
                                                                   : SOCK_DGRAM,
                                server->ipv6, &port);
        trial_format_address(server, port, trial->address,
                             sizeof trial->address);
        trial_command_argv(trial, port, &argv);
    } else {
        trial_model_argv(trial, &argv);
    }
    if (r == 0 && argv.failed)
        r = -E2BIG;
    if (r == 0 && *list)
        r = cpuset_parse(list, &cpus);
    if (r == 0)
        r = process_start(
            &trial->server,
            &(struct process_plan){.argv = argv.words,
                                   .cpus = *list ? &cpus : NULL,
                                   .wants_ready = server->model != NULL,
                                   .wants_counters = server->model != NULL,
                                   .space = space_of(trial)});
    if (r < 0)
        end(trial, TRIAL_FAILED, "cannot start %s: %s",
            argv.count ? argv.words[0] : "the server", strerror(-r));
    argv_done(&argv);
    return r < 0 ? -1 : await_ready(trial, port);
}

static int start_generator(struct trial *trial)
{
    const char *list = trial->plan->layout->generator_cpus;
    struct argv argv = {0};
    cpu_set_t cpus;
    int r = *list ? cpuset_parse(list, &cpus) : 0;
    trial_generator_argv(trial, &argv);
    unlink(trial->plan->report_path);
    if (argv.failed)
        r = -E2BIG;
    /* --cpus pins the threads that make load; this keeps the others away from
     * the server too. */
    if (r == 0)
        r = process_start(&trial->generator,
                          &(struct process_plan){.argv = argv.words,
                                                 .cpus = *list ? &cpus : NULL,
                                                 .space = space_of(trial)});
    if (r < 0)
        end(trial, TRIAL_FAILED, "cannot start %s: %s",
            trial->plan->programs->load, strerror(-r));
    argv_done(&argv);
    return r < 0 ? -1 : 0;
}

/* A server that ran before is none of ours: nobody waits for it or stops it. */
static size_t server_tree(const struct trial *trial, pid_t *tree)
{
    const pid_t others[] = {keeper_pid(), trial->generator.pid};
    return usage_tree(trial->server.pid, others, 2, tree, USAGE_TREE_MAX);
}

static void sample_memory(struct trial *trial)
{
    pid_t tree[USAGE_TREE_MAX];
    uint64_t bytes;
    if (!trial_is_ours(trial) || trial->server.ended)
        return;
    size_t count = server_tree(trial, tree);
    if (usage_pss(tree, count, &bytes) == 0 && bytes > trial->pss_bytes)
        trial->pss_bytes = bytes;
    if (usage_peak_rss(trial->server.pid, &bytes) == 0)
        trial->rss_bytes = bytes;
}

static void read_usage(const struct trial *trial, struct usage *ret_usage)
{
    pid_t tree[USAGE_TREE_MAX];
    usage_read(tree, server_tree(trial, tree), ret_usage);
}

/* Lets the generator work until it ends. */
static int await_generator(struct trial *trial)
{
    struct process *const waited[] = {&trial->generator, &trial->server};
    uint64_t now = clock_now_ns();
    uint64_t expected = trial->plan->cell->expected_ns;
    uint64_t deadline = now + (expected ? expected + LATE_NS : COUNTED_NS);
    uint64_t sample_at = now + SAMPLE_NS;
    while (!trial->generator.ended) {
        int r = process_wait(waited, trial_is_ours(trial) ? 2 : 1,
                             trial->plan->interrupt_fd, sample_at);
        if (r == -EINTR)
            return end(trial, TRIAL_INTERRUPTED, "interrupted");
        if (r < 0 && r != -ETIMEDOUT)
            return end(trial, TRIAL_FAILED, "cannot wait for the load: %s",
                       strerror(-r));
        now = clock_now_ns();
        if (now >= deadline)
            return end(trial, TRIAL_FAILED, "the load did not come to its end");
        if (now >= sample_at) {
            sample_memory(trial);
            sample_at = now + SAMPLE_NS;
        }
    }
    return 0;
}

/* Takes the generator's report, whole or not. */
static void take_report(struct trial *trial)
{
    json_t *report =
        json_load_file(trial->plan->report_path, JSON_REJECT_DUPLICATES, NULL);
    unlink(trial->plan->report_path);
    if (json_is_object(report))
        trial->result->report = report;
    else
        json_decref(report);
}

/* "; "-joined verdict.reasons of the report, but for those that the load said
 * itself; "" for none. */
static void verdict_text(const json_t *report, const char *said, char *text,
                         size_t size)
{
    json_t *verdict = json_object_get(report, "verdict");
    size_t i;
    size_t used = 0;
    json_t *reason;
    text[0] = '\0';
    json_array_foreach(json_object_get(verdict, "reasons"), i, reason)
    {
        if (!json_is_string(reason) || used >= size ||
            strstr(said, json_string_value(reason)))
            continue;
        int n = snprintf(text + used, size - used, "%s%s", used ? "; " : "",
                         json_string_value(reason));
        used += n > 0 ? (size_t)n : 0;
    }
}

static void judge_generator(struct trial *trial)
{
    char text[PROCESS_WORDS_MAX + 80];
    char why[400];
    const json_t *report = trial->result->report;
    /* A generator that lost its server may see it before wait(2) does. */
    struct process *const waited[] = {&trial->server};
    bool good = process_exited(&trial->generator, 0);
    uint64_t until = clock_now_ns() + (good ? 0 : FALL_NS);
    while (trial_is_ours(trial) && !trial->server.ended &&
           process_wait(waited, 1, -1, until) == 0)
        continue;
    if (trial->server.ended) {
        end(trial, TRIAL_FAILED, "the server ended under load: %s",
            obituary(&trial->server, text, sizeof text));
        return;
    }
    if (good) {
        if (!report)
            end(trial, TRIAL_FAILED, "the load left no report");
        return;
    }
    trial->result->refused = process_exited(&trial->generator, 2);
    obituary(&trial->generator, text, sizeof text);
    verdict_text(report, text, why, sizeof why);
    end(trial,
        process_exited(&trial->generator, 77) ? TRIAL_SKIPPED : TRIAL_FAILED,
        "the load: %s%s%s", text, *why ? "; " : "", why);
}

/* A server of ours must end well when asked; of others, only that they end is
 * wanted. */
static void stop_server(struct trial *trial)
{
    bool was_alive = trial->server.pid > 0 && !trial->server.ended;
    bool in_time =
        process_stop(&trial->server, STOP_NS, trial->plan->interrupt_fd);
    char text[PROCESS_WORDS_MAX + 80];
    if (!was_alive || trial->result->status != TRIAL_OK ||
        !trial->plan->cell->server->model)
        return;
    if (!in_time)
        end(trial, TRIAL_FAILED, "the server did not stop within 3 s");
    else if (!process_exited(&trial->server, 0))
        end(trial, TRIAL_FAILED, "the server did not stop well: %s",
            obituary(&trial->server, text, sizeof text));
}

void trial_run(const struct trial_plan *plan, struct trial_result *ret_result)
{
    struct trial trial = {.plan = plan, .result = ret_result};
    *ret_result = (struct trial_result){.status = TRIAL_OK};
    process_init(&trial.server);
    process_init(&trial.generator);
    namespace_init(&trial.space);
    attribution_init(&trial.attribution);
    trial.ready = json_object();
    if (plan->cell->is_traced && trial_is_ours(&trial))
        snprintf(trial.trace_path, sizeof trial.trace_path, "%s.trace",
                 plan->report_path);
    if (plan->address)
        snprintf(trial.address, sizeof trial.address, "%s", plan->address);
    else if (choose_space(&trial) < 0 || start_server(&trial) < 0)
        goto out;
    if (trial_is_ours(&trial))
        read_usage(&trial, &trial.before);
    foreign_begin(&trial.foreign);
    if (trial_is_ours(&trial) && plan->cell->server->transport == TRANSPORT_UDP)
        (void)attribution_begin(&trial.attribution, trial.server.pid,
                                trial.address, trial.is_private);
    sample_memory(&trial);
    if (start_generator(&trial) < 0 || await_generator(&trial) < 0)
        goto out;
    if (trial_is_ours(&trial) && !trial.server.ended)
        read_usage(&trial, &trial.after);
    if (trial_is_ours(&trial) && !trial.server.ended)
        foreign_end(&trial.foreign);
    sample_memory(&trial);
    attribution_load_ended(&trial.attribution);
    take_report(&trial);
    judge_generator(&trial);
out:
    process_stop(&trial.generator, STOP_NS, plan->interrupt_fd);
    stop_server(&trial);
    trial_describe(&trial);
    process_done(&trial.generator);
    process_done(&trial.server);
    attribution_done(&trial.attribution);
    namespace_done(&trial.space);
    keeper_sweep();
    unlink(plan->report_path);
    if (*trial.trace_path)
        unlink(trial.trace_path);
    json_decref(trial.ready);
}
