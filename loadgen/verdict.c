/* What follows from the evidence, in a word and in sentences. */
#include "loadgen/summary.h"
#include "loadgen/view.h"

#include "loadgen/measure/report.h"
#include "servers/cli/log.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define BUSY_LIMIT 0.90
#define ACHIEVED_LIMIT 0.99 /* of what was offered */
#define LATENESS_LIMIT 0.10 /* of the response time */
#define DRIFT_LIMIT 0.10    /* between the halves of the window */
#define LITTLE_LIMIT 0.05
#define LITTLE_WINDOW_S 1.0 /* shorter windows are all edge */

static void add_reason(json_t *reasons, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_reason(json_t *reasons, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(reasons, json_string(text));
}

static uint64_t sum(const uint64_t *counts, int n)
{
    uint64_t total = 0;
    for (int i = 0; i < n; i++)
        total += counts[i];
    return total;
}

/* Why a content fault is what it is, in words. */
static const char *const fault_words[PAYLOAD_FAULTS] = {
    [PAYLOAD_OK] = "right",
    [PAYLOAD_CONTENT] = "with wrong bytes",
    [PAYLOAD_UNTRANSFORMED] =
        "with the request unchanged, where upper case was due",
    [PAYLOAD_SEQUENCE] = "to another request (out of order, or twice)",
    [PAYLOAD_FLOW] = "to another connection's request",
    [PAYLOAD_SHORT] = "shorter than the request",
    [PAYLOAD_LONG] = "longer than the request, or that nobody asked for",
    [PAYLOAD_FOREIGN] = "of another run",
};

/* Why connections came to nothing. */
static const char *const fault_words_of_connections[FAULTS] = {
    [FAULT_REFUSED] = "refused: nobody listens there (any more)",
    [FAULT_RESET] = "reset by the server",
    [FAULT_CLOSED] = "closed by the server before it had answered",
    [FAULT_CONNECT_TIMEOUT] = "not accepted within 3 s",
    [FAULT_NO_PORT] = "no_port: this client's ports are used up",
    [FAULT_NO_DESCRIPTOR] = "no_descriptor: this client has no more of them",
    [FAULT_WOULD_BLOCK] = "would_block: this client's send buffer was full",
    [FAULT_TOO_BIG] = "too_big: larger than the socket sends",
    [FAULT_CONTENT] = "wrong replies",
    [FAULT_OTHER] = "other errors",
};

static void invalid_datagrams(const struct view *view, json_t *reasons)
{
    const struct sequence_sums *sums = &view->total->udp.sums;
    double sent = (double)sums->sent;
    double lost = sent - (double)sums->unique;
    if (sums->duplicate > 0 && !view->course->link)
        add_reason(reasons,
                   "%llu duplicate replies: the server answered twice (or a "
                   "link on the way duplicates: --path link)",
                   (unsigned long long)sums->duplicate);
    if (sent > 0 && lost > view->course->max_loss * sent)
        add_reason(reasons,
                   "%.0f of %.0f datagrams were lost, a ratio of %.3g: more "
                   "than --max-loss %g",
                   lost, sent, lost / sent, view->course->max_loss);
}

static void invalid_reasons(const struct view *view, json_t *reasons)
{
    const struct tally *t = view->total;
    const struct accounting *a = &t->accounting;
    for (int i = PAYLOAD_OK + 1; i < PAYLOAD_FOREIGN; i++) {
        if (t->content_faults[i] > 0)
            add_reason(reasons, "%llu replies %s (%s)",
                       (unsigned long long)t->content_faults[i], fault_words[i],
                       payload_fault_names[i]);
    }
    if (!view->result->complete) {
        int worst = 0;
        for (int i = 1; i < FAULTS; i++) {
            if (t->connection_faults[i] > t->connection_faults[worst])
                worst = i;
        }
        bool any = t->connection_faults[worst] > 0;
        add_reason(reasons, "the run ended early: %s%s%s%s",
                   view->result->reason, any ? " (" : "",
                   any ? fault_words_of_connections[worst] : "",
                   any ? ")" : "");
    }
    if (view->course->stream) {
        for (int i = 0; i < FAULTS; i++) {
            if (t->connection_faults[i] > 0 && i != FAULT_CONTENT)
                add_reason(reasons, "%llu connections failed: %s",
                           (unsigned long long)t->connection_faults[i],
                           fault_words_of_connections[i]);
        }
        if (t->flows_connected < t->flows_offered)
            add_reason(reasons, "only %llu of %llu connections were made",
                       (unsigned long long)t->flows_connected,
                       (unsigned long long)t->flows_offered);
    } else {
        invalid_datagrams(view, reasons);
    }
    if (a->ok == 0)
        add_reason(reasons, view->course->one_way ? "no datagram was sent"
                                                  : "no request was answered");
    if (view->course->one_way && view->plan->passage &&
        view->plan->passage->counts.unique == 0)
        add_reason(reasons, "not one datagram came to the server");
    if (view->course->one_way && t->connection_faults[FAULT_REFUSED] > 0)
        add_reason(reasons, "%llu datagrams were %s",
                   (unsigned long long)t->connection_faults[FAULT_REFUSED],
                   fault_words_of_connections[FAULT_REFUSED]);
    if (a->scheduled != a->sent + a->skipped ||
        a->sent != a->ok + a->error + a->timeout + a->unfinished ||
        a->error != sum(a->errors, FAULTS))
        add_reason(reasons, "the accounting does not close");
}

/* Was the schedule kept, and was it answered? */
static const char *judge_open_loop(const struct view *view, json_t *reasons)
{
    const struct tally *t = view->total;
    double lateness = (double)latency_lateness_ns(view);
    double response = (double)latency_response_p50_ns(view);
    double offered = (double)t->accounting.scheduled;
    if (lateness > LATENESS_LIMIT * response) {
        add_reason(reasons,
                   "sends were late: p%.3g %.1f us, more than a tenth of the "
                   "response time's p50 of %.1f us",
                   100 * latency_lateness_quantile(view), lateness / 1e3,
                   response / 1e3);
        return "generator_bound";
    }
    if ((double)t->accounting.ok < ACHIEVED_LIMIT * offered) {
        add_reason(reasons,
                   "%llu of the %llu requests that were due were answered in "
                   "time",
                   (unsigned long long)t->accounting.ok,
                   (unsigned long long)t->accounting.scheduled);
        return "server_bound";
    }
    return "ok";
}

/* Nobody answers: what was sent against what came to the server, where that is
 * known, and against what was due. */
static const char *judge_one_way(const struct view *view, double busiest,
                                 json_t *reasons)
{
    const struct accounting *a = &view->total->accounting;
    const struct passage *passage = view->plan->passage;
    if ((double)a->ok < ACHIEVED_LIMIT * (double)a->scheduled) {
        add_reason(reasons,
                   "%llu of the %llu datagrams that were due were sent",
                   (unsigned long long)a->ok, (unsigned long long)a->scheduled);
        return "generator_bound";
    }
    if (passage &&
        (double)passage->counts.unique < ACHIEVED_LIMIT * (double)a->ok) {
        add_reason(reasons, "%llu of %llu datagrams came to the server",
                   (unsigned long long)passage->counts.unique,
                   (unsigned long long)a->ok);
        return "server_bound";
    }
    if (!passage)
        add_reason(reasons, "nobody knows what came to the server: see "
                            "--server-trace");
    if (view->course->rate_per_s > 0 || busiest <= BUSY_LIMIT)
        return "ok";
    add_reason(reasons,
               "a thread of the generator was busy for %.2f of the window: "
               "the server may take more than it was sent",
               busiest);
    return "generator_bound";
}

/* True, with reasons, when the rate did not hold still. */
static bool judge_steadiness(const struct view *view, json_t *reasons)
{
    double drift = evidence_drift(view);
    double little = evidence_littles_law(view);
    bool drifting = fabs(drift) > DRIFT_LIMIT;
    bool leaking =
        view->window_s >= LITTLE_WINDOW_S && fabs(little - 1) > LITTLE_LIMIT;
    if (drifting)
        add_reason(
            reasons,
            "the rate drifted: the second half of the window differs by %+.0f "
            "%% from the first",
            100 * drift);
    if (leaking)
        add_reason(reasons,
                   "Little's law is off: rate x response time holds %.2f of "
                   "the clients",
                   little);
    return drifting || leaking;
}

void put_verdict(json_t *report, const struct view *view)
{
    json_t *verdict = put_object(report, "verdict");
    json_t *reasons = json_array();
    invalid_reasons(view, reasons);
    const char *status = json_array_size(reasons) > 0 ? "invalid" : "ok";
    double busiest = 0;
    for (uint32_t i = 0; i < view->course->threads; i++) {
        const struct run_thread *thread = &view->result->threads[i];
        double ns =
            evidence_busy_ns(thread->cpu_window_ns, thread->idle_window_ns);
        double share = view->window_s > 0 ? ns / 1e9 / view->window_s : 0;
        busiest = share > busiest ? share : busiest;
    }
    if (strcmp(status, "ok") == 0 && view->course->engine == &engine_null) {
        status = "generator_bound";
        add_reason(reasons, "no network: this is the generator's own cost");
    } else if (strcmp(status, "ok") == 0 && view->course->one_way)
        status = judge_one_way(view, busiest, reasons);
    else if (strcmp(status, "ok") == 0 && view->course->rate_per_s > 0)
        status = judge_open_loop(view, reasons);
    else if (strcmp(status, "ok") == 0 && busiest > BUSY_LIMIT) {
        status = "generator_bound";
        add_reason(reasons,
                   "a thread of the generator was busy for %.2f of the window: "
                   "throughput and latency may be its own",
                   busiest);
    }
    /* Of datagrams lost ones are the measurement; of streams they say that
     * something stood still for longer than the patience of a client. */
    const struct accounting *a = &view->total->accounting;
    if (view->course->stream && a->timeout > 0) {
        if (strcmp(status, "invalid") != 0)
            status = "unstable";
        add_reason(reasons, "%llu of %llu requests were not answered in time",
                   (unsigned long long)a->timeout, (unsigned long long)a->sent);
    }
    if (judge_steadiness(view, reasons) && strcmp(status, "invalid") != 0)
        status = "unstable";
    put_text(verdict, "status", status);
    put_json(verdict, "reasons", reasons);
}

int summary_exit_code(const json_t *report)
{
    const json_t *verdict = json_object_get(report, "verdict");
    const char *status = json_string_value(json_object_get(verdict, "status"));
    return status && strcmp(status, "invalid") != 0 ? EXIT_PASS
                                                    : EXIT_INCONCLUSIVE;
}
