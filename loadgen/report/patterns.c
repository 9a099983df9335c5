/* In which patterns datagrams were lost, repeated, reordered and delayed: the
 * inner objects of the report's udp part. */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"

#include <math.h>

static void put_lengths(json_t *object, const char *key,
                        const struct lengths *lengths)
{
    json_t *out = put_object(object, key);
    put_count(out, "count", lengths->count);
    put_ratio(out, "mean", (double)lengths->sum, (double)lengths->count);
    if (lengths->count > 0)
        put_count(out, "max", lengths->max);
    else
        put_null(out, "max");
    json_t *list = put_array(out, "histogram");
    for (unsigned i = 0; i < LENGTHS_BUCKETS; i++) {
        if (lengths->buckets[i] == 0)
            continue;
        json_t *row = json_object();
        put_count(row, "from", lengths_bucket_low(i));
        put_count(row, "to", lengths_bucket_high(i));
        put_count(row, "count", lengths->buckets[i]);
        json_array_append_new(list, row);
    }
}

static void put_within(json_t *udp, const struct sequence_sums *sums)
{
    static const char *const names[SEQUENCE_WITHIN] = {"ms_1", "ms_10",
                                                       "ms_100", "s_1"};
    json_t *out = put_object(udp, "within_ratio");
    for (int i = 0; i < SEQUENCE_WITHIN; i++)
        put_ratio(out, names[i], (double)sums->within[i], (double)sums->sent);
}

static void put_losses(json_t *udp, const struct sequence_sums *sums)
{
    const struct loss_patterns *p = &sums->losses;
    double inside = (double)p->bursts.sum;
    json_t *out = put_object(udp, "loss_patterns");
    put_lengths(out, "runs", &p->runs);
    put_lengths(out, "distances", &p->distances);
    put_lengths(out, "bursts", &p->bursts);
    put_count(out, "in_bursts", p->burst_lost);
    put_count(out, "alone", p->alone);
    put_ratio(out, "burst_loss_ratio", (double)p->burst_lost, inside);
    put_ratio(out, "gap_loss_ratio", (double)p->alone,
              (double)sums->sent - inside);
}

static void put_copies(json_t *udp, const struct sequence_sums *sums)
{
    uint64_t repeated = lengths_at_least(&sums->copies, 2);
    put_lengths(udp, "copies", &sums->copies);
    put_ratio(udp, "replicated_ratio", (double)repeated,
              (double)sums->copies.count);
}

static void put_reordering(json_t *udp, const struct view *view)
{
    const struct sequence_sums *sums = &view->total->udp.sums;
    if (!arrivals_in_order_known(view)) {
        put_null(udp, "reordering");
        return;
    }
    json_t *out = put_object(udp, "reordering");
    put_lengths(out, "extents", &sums->extents);
    put_count(out, "extents_beyond", sums->extents_beyond);
    put_hist(out, "late_offset", &sums->late_offset);
    put_lengths(out, "n_reordering", &sums->n_reordering);
    put_count(out, "three_or_more", lengths_at_least(&sums->n_reordering, 3));
    put_lengths(out, "free_runs", &sums->free_runs);
    put_count(out, "discontinuities", sums->discontinuities);
    put_count(out, "passed_over", sums->passed_over);
    put_count(out, "held_back_max", sums->held_back_max);
    put_count(out, "gaps_forgotten", sums->gaps_forgotten);
}

/* Of round trips, or of the one way there is. */
static void put_jitter(json_t *udp, const struct tally *t)
{
    const struct sequence_sums *sums = &t->udp.sums;
    put_null(udp, t->udp.replayed ? "jitter_rtt" : "jitter");
    json_t *out = put_object(udp, t->udp.replayed ? "jitter" : "jitter_rtt");
    put_count(out, "flows", sums->jitter_flows);
    put_ratio(out, "mean_ns", sums->jitter_sum_ns, (double)sums->jitter_flows);
    put_real(out, "max_ns",
             sums->jitter_flows > 0 ? sums->jitter_max_ns : (double)NAN);
}

static void put_signed(json_t *out, const char *key,
                       const struct sequence_sums *sums, double q)
{
    int64_t ns;
    if (sequence_variation(sums, q, &ns))
        put_json(out, key, json_integer(ns));
    else
        put_null(out, key);
}

/* Above the least delay: of round trips that were answered in time, or of all
 * that arrived on one way. */
static void put_above_least(json_t *out, const char *key,
                            const struct hist *delays, double q)
{
    struct hist_quantile found;
    if (hist_quantile_interval(delays, q, &found))
        put_count(out, key, found.value_ns - delays->min);
    else
        put_null(out, key);
}

static void put_variation(json_t *udp, const struct view *view)
{
    const struct tally *t = view->total;
    const struct sequence_sums *sums = &t->udp.sums;
    const struct hist *delays = t->udp.replayed ? &view->plan->passage->forward
                                : view->course->rate_per_s > 0 ? &t->service
                                                               : &t->response;
    json_t *out = put_object(udp, "delay_variation");
    put_count(out, "pairs", sums->rising.total + sums->falling.total);
    put_signed(out, "ipdv_p1_ns", sums, 0.01);
    put_signed(out, "ipdv_p50_ns", sums, 0.5);
    put_signed(out, "ipdv_p99_ns", sums, 0.99);
    put_above_least(out, "pdv_p50_ns", delays, 0.5);
    put_above_least(out, "pdv_p90_ns", delays, 0.9);
    put_above_least(out, "pdv_p99_ns", delays, 0.99);
    put_above_least(out, "pdv_p999_ns", delays, 0.999);
}

static void put_order(json_t *row, const struct sequence *s)
{
    put_count(row, "reordered", s->reordered);
    put_count(row, "extent_sum", s->extent_sum);
    put_count(row, "extent_max", s->extent_max);
    put_count(row, "n_reordering_max", s->n_reordering_max);
    put_count(row, "discontinuities", s->discontinuities);
    put_count(row, "passed_over", s->passed_over);
    put_count(row, "held_back_max", s->held_back_max);
}

static void put_no_order(json_t *row)
{
    static const char *const all[] = {
        "reordered",       "extent_sum",  "extent_max",   "n_reordering_max",
        "discontinuities", "passed_over", "held_back_max"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        put_null(row, all[i]);
}

static json_t *row_of(const struct tally_flow *row, bool order_known)
{
    const struct sequence *s = &row->sequence;
    json_t *out = json_object();
    put_count(out, "flow", row->flow);
    put_count(out, "sent", row->sent);
    put_count(out, "unique", s->unique);
    put_count(out, "lost", sequence_lost(s, row->sent));
    put_count(out, "late", s->late);
    put_count(out, "duplicate", s->duplicate);
    put_count(out, "ancient", s->ancient);
    put_count(out, "loss_runs", s->losses.runs);
    put_count(out, "longest_loss_run", s->losses.longest_run);
    put_count(out, "loss_bursts", s->losses.bursts);
    if (order_known)
        put_order(out, s);
    else
        put_no_order(out);
    put_real(out, "jitter_ns", s->unique > 1 ? s->jitter_ns : (double)NAN);
    return out;
}

static void put_per_flow(json_t *udp, const struct view *view)
{
    const struct tally *t = view->total;
    if (!view->plan->options.per_flow) {
        put_null(udp, "per_flow");
        return;
    }
    json_t *list = put_array(udp, "per_flow");
    for (uint64_t i = 0; i < t->udp.flows_count; i++)
        json_array_append_new(
            list, row_of(&t->udp.flows[i], arrivals_in_order_known(view)));
}

void put_patterns(json_t *udp, const struct view *view)
{
    static const char *const all[] = {
        "within_ratio",     "loss_patterns",   "copies",
        "replicated_ratio", "reordering",      "jitter",
        "jitter_rtt",       "delay_variation", "per_flow"};
    const struct sequence_sums *sums = &view->total->udp.sums;
    if (view->course->payload.header_bytes == 0) { /* nothing is known */
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            put_null(udp, all[i]);
        return;
    }
    put_within(udp, sums);
    put_losses(udp, sums);
    put_copies(udp, sums);
    put_reordering(udp, view);
    put_jitter(udp, view->total);
    put_variation(udp, view);
    put_per_flow(udp, view);
}
