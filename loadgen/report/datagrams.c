/* What became of the datagrams. */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"

/* What the client alone can say; whoever runs both ends fills in the rest. */
static void put_loss_where(json_t *udp, const struct view *view)
{
    const struct ledger *ledger = &view->total->ledger;
    const struct passage *passage = view->plan->passage;
    static const char *const unknown[] = {
        "local_qdisc", "link_forward", "server_buffer", "server", "link_back"};
    json_t *out = put_object(udp, "loss_where");
    put_null(out, "by");
    put_count(out, "sends", ledger->sends);
    if (!view->course->one_way)
        put_count(out, "arrived", ledger->received);
    else if (passage)
        put_count(out, "arrived",
                  passage_received(&passage->counts) + passage->counts.warmup);
    else
        put_null(out, "arrived");
    put_count(out, "client_send", ledger->refused);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        put_null(out, unknown[i]);
    put_count(out, "client_buffer", ledger->drops);
    put_null(out, "unknown");
    put_null(out, "difference");
}

bool arrivals_in_order_known(const struct view *view)
{
    const struct passage *passage = view->plan->passage;
    return !view->course->one_way || !passage || passage->order_known;
}

void put_reordered(json_t *udp, const struct view *view, uint64_t reordered,
                   uint64_t unique)
{
    if (arrivals_in_order_known(view)) {
        put_count(udp, "reordered", reordered);
        put_ratio(udp, "reordered_ratio", (double)reordered, (double)unique);
    } else {
        put_null(udp, "reordered");
        put_null(udp, "reordered_ratio");
    }
}

/* What arrived, in terms of what was sent. Without a number it cannot be said
 * of a reply whether it is late, or comes before its turn. */
static void put_sums(json_t *udp, const struct view *view, bool numbered)
{
    const struct tally *t = view->total;
    const struct sequence_sums *sums = &t->udp.sums;
    const uint64_t sent = sums->sent;
    const uint64_t lost = sent > sums->unique ? sent - sums->unique : 0;
    put_text(udp, "loss_known_by", numbered ? "sequence" : "count");
    put_count(udp, "sent", sent);
    put_count(udp, "received",
              sums->unique + sums->duplicate + sums->ancient + t->udp.foreign +
                  t->udp.corrupt);
    put_count(udp, "unique", sums->unique);
    put_count(udp, "lost", lost);
    put_ratio(udp, "loss_ratio", (double)lost, (double)sent);
    put_count(udp, "duplicate", sums->duplicate);
    put_ratio(udp, "duplicate_ratio", (double)sums->duplicate,
              (double)sums->unique);
    put_count(udp, "ancient", sums->ancient);
    static const char *const numbered_only[] = {
        "late",      "late_ratio",     "lost_or_late", "lost_or_late_ratio",
        "reordered", "reordered_ratio"};
    for (size_t i = 0; !numbered && i < 6; i++)
        put_null(udp, numbered_only[i]);
    if (!numbered)
        return;
    put_count(udp, "late", sums->late);
    put_ratio(udp, "late_ratio", (double)sums->late, (double)sent);
    put_count(udp, "lost_or_late", lost + sums->late);
    put_ratio(udp, "lost_or_late_ratio", (double)(lost + sums->late),
              (double)sent);
    put_reordered(udp, view, sums->reordered, sums->unique);
}

/* Right first copies, from the first send to the last of them. */
static void put_goodput(json_t *udp, const struct view *view)
{
    const struct tally *t = view->total;
    bool known = view->course->payload.verify && t->udp.last_arrived_ns > 0 &&
                 t->udp.last_arrived_ns > t->udp.first_sent_ns;
    double time_s =
        known ? (double)(t->udp.last_arrived_ns - t->udp.first_sent_ns) / 1e9
              : 0;
    put_ratio(udp, "goodput_bits_per_s", 8 * (double)t->udp.unique_bytes,
              time_s);
}

void put_udp(json_t *report, const struct view *view)
{
    const struct tally *t = view->total;
    if (view->course->stream) {
        put_null(report, "udp");
        return;
    }
    json_t *udp = put_object(report, "udp");
    const struct sequence_sums *sums = &t->udp.sums;
    put_sums(udp, view, view->course->payload.header_bytes > 0);
    put_ratio(udp, "sent_per_s", (double)sums->sent, view->window_s);
    put_goodput(udp, view);
    put_count(udp, "foreign", t->udp.foreign);
    put_count(udp, "corrupt", t->udp.corrupt);
    put_count(udp, "client_drops", t->ledger.drops);
    put_count(udp, "client_after_end", t->ledger.after_end);
    put_patterns(udp, view);
    put_loss_where(udp, view);
    put_directions(udp, view, sums->sent,
                   sums->unique + sums->duplicate + sums->ancient +
                       t->udp.corrupt);
}
