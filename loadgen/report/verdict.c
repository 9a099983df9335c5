/* What follows from the evidence, in a word and in sentences. */
#include "loadgen/report/summary.h"
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"
#include "servers/cli/log.h"
#include "servers/cli/units.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define BUSY_LIMIT 0.90
#define ACHIEVED_LIMIT 0.99 /* of what was offered */
#define LATENESS_LIMIT 0.10 /* of the response time */
#define DRIFT_LIMIT 0.10    /* between the halves of the window */
#define LITTLE_LIMIT 0.05
#define STEAL_LIMIT 0.05     /* of the CPUs */
#define THROTTLED_LIMIT 0.01 /* of the window */
#define OWN_LOSS_LIMIT 0.01  /* of the replies that came to this machine */
#define LITTLE_WINDOW_S 1.0  /* shorter windows are all edge */

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

/* For a format: numbers as a person reads them. */
#define COUNT(n) units_format_count((n), (char[UNITS_TEXT_MAX]){0})
#define THINGS(n, one, many)                                                   \
    units_format_things((n), (one), (many), (char[UNITS_THINGS_MAX]){0})

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
    [FAULT_REFUSED] = "refused: nobody listens there",
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

/* Datagrams that came to where they are counted. */
static uint64_t unique_of(const struct view *view)
{
    const struct passage *passage = view->plan->passage;
    return view->course->one_way && passage ? passage->counts.unique
                                            : view->total->udp.sums.unique;
}

static void invalid_datagrams(const struct view *view, json_t *reasons)
{
    const struct sequence_sums *sums = &view->total->udp.sums;
    uint64_t unique = unique_of(view);
    uint64_t lost = sums->sent > unique ? sums->sent - unique : 0;
    double limit = view->course->max_loss * (double)sums->sent;
    if (sums->duplicate > 0 && !view->course->link && !view->course->one_way)
        add_reason(
            reasons,
            "%s: the server answered twice (or a link on the way "
            "duplicates: --path link)",
            THINGS(sums->duplicate, "duplicate reply", "duplicate replies"));
    if (view->total->accounting.ok == 0 && view->total->udp.foreign > 0)
        add_reason(reasons,
                   "%s: the server answers from another address, or an "
                   "earlier run",
                   THINGS(view->total->udp.foreign, "foreign reply",
                          "foreign replies"));
    if (sums->sent > 0 && (double)lost > limit)
        add_reason(reasons,
                   "%s of %s datagrams were lost, a ratio of %.3g: more than "
                   "--max-loss %g",
                   COUNT(lost), COUNT(sums->sent),
                   (double)lost / (double)sums->sent, view->course->max_loss);
}

static void invalid_reasons(const struct view *view, json_t *reasons)
{
    const struct tally *t = view->total;
    const struct accounting *a = &t->accounting;
    for (int i = PAYLOAD_OK + 1; i < PAYLOAD_FOREIGN; i++) {
        if (t->content_faults[i] > 0)
            add_reason(reasons, "%s %s (%s)",
                       THINGS(t->content_faults[i], "reply", "replies"),
                       fault_words[i], payload_fault_names[i]);
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
                add_reason(reasons, "%s failed: %s",
                           THINGS(t->connection_faults[i], "connection",
                                  "connections"),
                           fault_words_of_connections[i]);
        }
        if (t->flows_connected < t->flows_offered)
            add_reason(reasons, "only %s of %s connections were made",
                       COUNT(t->flows_connected), COUNT(t->flows_offered));
    } else {
        invalid_datagrams(view, reasons);
    }
    /* Why a window never began has been said. */
    const bool began = view->window_s > 0 || view->result->complete;
    if (began && a->ok == 0)
        add_reason(reasons, view->course->one_way ? "no datagram was sent"
                                                  : "no request was answered");
    if (began && view->course->one_way && view->plan->passage &&
        view->plan->passage->counts.unique == 0)
        add_reason(reasons, "not one datagram came to the server, or the trace "
                            "is another server's");
    if (!view->course->stream && t->connection_faults[FAULT_REFUSED] > 0)
        add_reason(reasons, "%s %s",
                   THINGS(t->connection_faults[FAULT_REFUSED], "datagram was",
                          "datagrams were"),
                   fault_words_of_connections[FAULT_REFUSED]);
    if (a->scheduled != a->sent + a->skipped ||
        a->sent != a->ok + a->error + a->timeout + a->unfinished ||
        a->error != sum(a->errors, FAULTS))
        add_reason(reasons, "the accounting does not close");
}

/* What a report says, and a verdict may take back. */
enum claim {
    CLAIM_THROUGHPUT = 1,
    CLAIM_LATENCY = 2,
    CLAIM_SERVER_CPU = 4, /* per request */
    CLAIM_LOSS = 8,
    CLAIM_CONTENT = 16, /* every byte was right */
    CLAIM_ORDER = 32,   /* nothing came twice or out of order */
};

static const char *const claim_names[] = {"throughput", "latency", "server_cpu",
                                          "loss",       "content", "order"};

/* A worse one takes the place of a better one. */
enum status {
    STATUS_OK,
    STATUS_SERVER_BOUND,
    STATUS_UNSTABLE,
    STATUS_GENERATOR_BOUND,
    STATUS_INVALID,
};

static const char *const status_names[] = {"ok", "server_bound", "unstable",
                                           "generator_bound", "invalid"};

struct judgement {
    const struct view *view;
    json_t *reasons;
    enum status status;
    unsigned withdrawn; /* enum claim */
};

static void condemn(struct judgement *judgement, enum status status,
                    unsigned withdrawn)
{
    if (status > judgement->status)
        judgement->status = status;
    judgement->withdrawn |= withdrawn;
}

static void judge_validity(struct judgement *judgement)
{
    invalid_reasons(judgement->view, judgement->reasons);
    if (json_array_size(judgement->reasons) > 0)
        condemn(judgement, STATUS_INVALID,
                CLAIM_THROUGHPUT | CLAIM_LATENCY | CLAIM_SERVER_CPU |
                    CLAIM_LOSS);
}

/* Was the schedule kept? */
static void judge_lateness(struct judgement *judgement)
{
    const struct view *view = judgement->view;
    if (!(evidence_lateness_ratio(view) > LATENESS_LIMIT))
        return;
    char lateness[UNITS_TEXT_MAX];
    char response[UNITS_TEXT_MAX];
    add_reason(judgement->reasons,
               "sends were late: p%.3g %s, more than a tenth of the response "
               "time's p50 of %s",
               100 * latency_lateness_quantile(view),
               units_format_duration(latency_lateness_ns(view), lateness),
               units_format_duration(latency_response_p50_ns(view), response));
    condemn(judgement, STATUS_GENERATOR_BOUND,
            CLAIM_THROUGHPUT | CLAIM_LATENCY);
}

/* By how many replies the end of the window was further behind the schedule
 * than its begin. Not counted is what a slow but steady server has in flight:
 * what a first reply takes longer than the warm-up was, a burst, and three
 * standard deviations of chance. 0 where half of the requests saw no such
 * queue: something stood still at the end. */
static double fallen_behind(const struct view *view)
{
    const struct tally *t = view->total;
    const struct course *course = view->course;
    if (t->response.total == 0)
        return 0;
    const double median_s = (double)latency_response_p50_ns(view) / 1e9;
    const double least_s =
        ((double)t->response.min - (double)course->warmup_ns) / 1e9;
    const double waiting = course->rate_per_s * median_s;
    double behind = (double)t->accounting.ok - (double)t->window_completed -
                    (double)course->arrival.burst - 3 * sqrt(2 * waiting);
    if (least_s > 0)
        behind -= course->rate_per_s * least_s;
    return waiting >= behind / 4 ? behind : 0;
}

/* Was it answered, and as fast as it came due? Of streams the queue grows for
 * as long as it is not, and the response time with it; datagrams that find it
 * full are lost. */
static void judge_answers(struct judgement *judgement)
{
    const struct view *view = judgement->view;
    const struct tally *t = view->total;
    const struct accounting *a = &t->accounting;
    const double due = (double)a->scheduled;
    char achieved[UNITS_TEXT_MAX];
    char offered[UNITS_TEXT_MAX];
    if ((double)a->ok < ACHIEVED_LIMIT * due)
        add_reason(judgement->reasons,
                   "%s of the %s requests that were due were answered in time",
                   COUNT(a->ok), COUNT(a->scheduled));
    else if (fallen_behind(view) > (1 - ACHIEVED_LIMIT) * due)
        add_reason(
            judgement->reasons,
            "replies fell behind: %s/s came where %s/s were due",
            units_format_count(
                (uint64_t)((double)t->window_completed / view->window_s),
                achieved),
            units_format_count((uint64_t)(due / view->window_s), offered));
    else
        return;
    condemn(judgement, STATUS_SERVER_BOUND,
            view->course->stream ? CLAIM_LATENCY : 0);
}

/* Nobody answers: what was sent against what came to the server, where that is
 * known, and against what was due. */
static void judge_one_way(struct judgement *judgement)
{
    const struct view *view = judgement->view;
    const struct accounting *a = &view->total->accounting;
    const struct passage *passage = view->plan->passage;
    double busiest = evidence_busiest(view);
    if (!passage) {
        add_reason(judgement->reasons, "nobody knows what came to the server: "
                                       "see --server-trace");
        condemn(judgement, STATUS_OK, CLAIM_LOSS | CLAIM_ORDER);
    }
    if ((double)a->ok < ACHIEVED_LIMIT * (double)a->scheduled) {
        add_reason(judgement->reasons,
                   "%s of the %s datagrams that were due were sent",
                   COUNT(a->ok), COUNT(a->scheduled));
        condemn(judgement, STATUS_GENERATOR_BOUND,
                CLAIM_THROUGHPUT | CLAIM_LATENCY);
    } else if (passage && (double)passage->counts.unique <
                              ACHIEVED_LIMIT * (double)a->ok) {
        add_reason(judgement->reasons, "%s of %s datagrams came to the server",
                   COUNT(passage->counts.unique), COUNT(a->ok));
        condemn(judgement, STATUS_SERVER_BOUND, 0);
    } else if (view->course->rate_per_s <= 0 && busiest > BUSY_LIMIT) {
        add_reason(judgement->reasons,
                   "a thread of the generator was busy for %.0f %% of the "
                   "window: the server may take more than it was sent",
                   100 * busiest);
        condemn(judgement, STATUS_GENERATOR_BOUND,
                CLAIM_THROUGHPUT | CLAIM_LATENCY);
    }
}

static void judge_generator(struct judgement *judgement)
{
    const struct view *view = judgement->view;
    double busiest = evidence_busiest(view);
    if (view->course->engine == &engine_null) {
        add_reason(judgement->reasons,
                   "no network: this is the generator's own cost");
    } else if (view->course->one_way) {
        judge_one_way(judgement);
        return;
    } else if (view->course->rate_per_s > 0) {
        judge_lateness(judgement);
        judge_answers(judgement);
        return;
    } else if (view->total->held_back > 0) {
        add_reason(judgement->reasons,
                   "the caps of a remote target held requests back: the rate "
                   "is theirs (--remote-max-rate, --remote-max-bits)");
        condemn(judgement, STATUS_GENERATOR_BOUND, CLAIM_THROUGHPUT);
        return;
    } else if (busiest > BUSY_LIMIT) {
        add_reason(judgement->reasons,
                   "a thread of the generator was busy for %.0f %% of the "
                   "window: throughput and latency may be its own",
                   100 * busiest);
    } else {
        return;
    }
    condemn(judgement, STATUS_GENERATOR_BOUND,
            CLAIM_THROUGHPUT | CLAIM_LATENCY);
}

/* Replies that the server gave and this program did not take in time. */
static void judge_own_losses(struct judgement *judgement)
{
    const struct ledger *ledger = &judgement->view->total->ledger;
    uint64_t came = ledger->received + ledger->drops;
    if ((double)ledger->drops <= OWN_LOSS_LIMIT * (double)came)
        return;
    add_reason(judgement->reasons,
               "%s of %s replies were dropped at this client's sockets: its "
               "buffer or its pace was the limit (--rcvbuf)",
               COUNT(ledger->drops), COUNT(came));
    condemn(judgement, STATUS_GENERATOR_BOUND,
            CLAIM_THROUGHPUT | CLAIM_LATENCY | CLAIM_LOSS);
}

/* Of datagrams lost ones are the measurement; of streams they say that
 * something stood still for longer than the patience of a client. Where more
 * was offered than could be answered, that is no wonder. */
static void judge_timeouts(struct judgement *judgement)
{
    const struct view *view = judgement->view;
    const struct accounting *a = &view->total->accounting;
    if (!view->course->stream || a->timeout == 0)
        return;
    add_reason(judgement->reasons,
               "%s of %s requests were not answered in time", COUNT(a->timeout),
               COUNT(a->sent));
    if (judgement->status != STATUS_SERVER_BOUND)
        condemn(judgement, STATUS_UNSTABLE, CLAIM_THROUGHPUT | CLAIM_LATENCY);
}

/* Did the rate hold still? */
static void judge_steadiness(struct judgement *judgement)
{
    const struct view *view = judgement->view;
    double drift = evidence_drift(view);
    double little = evidence_littles_law(view);
    bool drifting = fabs(drift) > DRIFT_LIMIT;
    bool leaking =
        view->window_s >= LITTLE_WINDOW_S && fabs(little - 1) > LITTLE_LIMIT;
    if (drifting)
        add_reason(judgement->reasons,
                   "the rate drifted: the second half of the window differs "
                   "by %+.0f %% from the first",
                   100 * drift);
    if (leaking)
        add_reason(judgement->reasons,
                   "Little's law is off: rate x response time holds %.2f of "
                   "the clients",
                   little);
    if (drifting || leaking)
        condemn(judgement, STATUS_UNSTABLE, CLAIM_THROUGHPUT | CLAIM_LATENCY);
}

/* Did others have a hand in it? */
static void judge_disturbance(struct judgement *judgement)
{
    struct disturbance d;
    evidence_disturbance(judgement->view, &d);
    bool apart = judgement->view->plan->placement.kind == PLACEMENT_SPLIT;
    bool waiting = apart && d.waited_ratio > MACHINE_FOREIGN_LIMIT;
    bool stolen = d.steal_ratio > STEAL_LIMIT;
    bool throttled = d.throttled_ratio > THROTTLED_LIMIT;
    if (d.foreign)
        add_reason(judgement->reasons,
                   "others used %.0f %% of the generator's CPUs",
                   100 * d.foreign_ratio);
    if (waiting)
        add_reason(judgement->reasons,
                   "a thread of the generator waited for %.0f %% of the window "
                   "for a CPU that others had",
                   100 * d.waited_ratio);
    if (stolen)
        add_reason(judgement->reasons,
                   "the hypervisor took %.0f %% of the CPUs away",
                   100 * d.steal_ratio);
    if (throttled)
        add_reason(judgement->reasons,
                   "the CPU limit of the control group held it back for %.0f "
                   "%% of the window (%s)",
                   100 * d.throttled_ratio,
                   THINGS(d.throttled_periods, "time", "times"));
    if (d.foreign || waiting)
        condemn(judgement, STATUS_UNSTABLE, CLAIM_THROUGHPUT | CLAIM_LATENCY);
    if (stolen || throttled)
        condemn(judgement, STATUS_UNSTABLE,
                CLAIM_THROUGHPUT | CLAIM_LATENCY | CLAIM_SERVER_CPU);
}

/* What was never looked at cannot be claimed. */
static unsigned unchecked(const struct view *view)
{
    const struct payload *payload = &view->course->payload;
    bool unnumbered = !view->course->stream && payload->header_bytes == 0;
    return (payload->verify ? 0 : CLAIM_CONTENT) |
           (unnumbered ? CLAIM_ORDER : 0);
}

void put_verdict(json_t *report, const struct view *view)
{
    json_t *verdict = put_object(report, "verdict");
    struct judgement judgement = {
        .view = view, .reasons = json_array(), .withdrawn = unchecked(view)};
    judge_validity(&judgement);
    if (judgement.status != STATUS_INVALID) {
        judge_generator(&judgement);
        judge_own_losses(&judgement);
    }
    judge_timeouts(&judgement);
    judge_steadiness(&judgement);
    judge_disturbance(&judgement);
    put_text(verdict, "status", status_names[judgement.status]);
    put_json(verdict, "reasons", judgement.reasons);
    json_t *withdrawn = put_array(verdict, "withdrawn");
    for (size_t i = 0; i < sizeof claim_names / sizeof *claim_names; i++) {
        if (judgement.withdrawn & 1u << i)
            json_array_append_new(withdrawn, json_string(claim_names[i]));
    }
}

int summary_exit_code(const json_t *report)
{
    const json_t *verdict = json_object_get(report, "verdict");
    const char *status = json_string_value(json_object_get(verdict, "status"));
    return status && strcmp(status, "invalid") != 0 ? EXIT_PASS
                                                    : EXIT_INCONCLUSIVE;
}
