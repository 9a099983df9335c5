/* What the server's own notes add to what the client saw: each way by itself.
 */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"

#include <string.h>

static void put_server_counts(json_t *udp, const struct passage_counts *c)
{
    json_t *out = put_object(udp, "server");
    put_count(out, "received", passage_received(c));
    put_count(out, "unique", c->unique);
    put_count(out, "duplicate", c->duplicate);
    put_count(out, "ancient", c->ancient);
    put_count(out, "received_bytes", c->bytes);
    put_count(out, "warmup", c->warmup);
    put_count(out, "foreign", c->foreign);
    put_count(out, "damaged", c->damaged);
    put_count(out, "unnumbered", c->unnumbered);
    put_count(out, "refused", c->refused);
    put_count(out, "replied", c->replied);
    put_count(out, "send_errors", c->send_errors);
    put_count(out, "flows", c->flows);
    put_count(out, "records", c->records);
    put_count(out, "records_missed", c->records_missed);
}

static uint64_t beyond(uint64_t more, uint64_t less)
{
    return more > less ? more - less : 0;
}

/* The log knows of each whether it is the first; the server itself only of
 * those that are not far behind. */
static uint64_t first_copies(const struct view *view)
{
    return view->total->udp.replayed ? view->total->udp.sums.unique
                                     : view->plan->passage->counts.unique;
}

static void put_ways(json_t *udp, const struct view *view, uint64_t sent,
                     uint64_t back_received)
{
    const struct passage *passage = view->plan->passage;
    const struct passage_counts *c = &passage->counts;
    const bool one_way = view->course->one_way;
    const uint64_t forward_lost = beyond(sent, first_copies(view));
    const uint64_t back_lost = beyond(c->replied, back_received);
    json_t *out = put_object(udp, "directions");
    put_count(out, "forward_lost", forward_lost);
    put_ratio(out, "forward_loss_ratio", (double)forward_lost, (double)sent);
    if (passage->order_known)
        put_count(out, "forward_reordered", c->reordered);
    else
        put_null(out, "forward_reordered");
    if (one_way) {
        put_null(out, "server_lost");
        put_null(out, "server_reordered");
        put_null(out, "back_lost");
        put_null(out, "back_loss_ratio");
        return;
    }
    put_count(out, "server_lost", beyond(passage_received(c), c->replied));
    /* Nothing else on a direct path could have. */
    if (passage->order_known || !view->course->link)
        put_count(out, "server_reordered", passage->reordered_by_server);
    else
        put_null(out, "server_reordered");
    put_count(out, "back_lost", back_lost);
    put_ratio(out, "back_loss_ratio", (double)back_lost, (double)c->replied);
}

/* Over the window, or as long as it took the server to receive them. */
static void put_delivered(json_t *udp, const struct view *view)
{
    const struct passage_counts *c = &view->plan->passage->counts;
    double span_s = (double)beyond(c->last_ns, c->first_ns) / 1e9;
    put_ratio(udp, "delivered_per_s", (double)first_copies(view),
              span_s > view->window_s ? span_s : view->window_s);
}

/* What of the client's own count means nothing where nobody answers. */
static void overwrite(json_t *udp, const struct view *view, uint64_t sent)
{
    static const char *const kept[] = {"loss_known_by",    "sent",
                                       "sent_per_s",       "client_drops",
                                       "client_after_end", "loss_where"};
    const struct passage *passage = view->plan->passage;
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(udp, next, key, value)
    {
        bool keep = false;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            keep |= strcmp(key, kept[i]) == 0;
        if (!keep)
            put_null(udp, key);
    }
    if (!passage)
        return;
    const struct passage_counts *c = &passage->counts;
    put_count(udp, "received",
              passage_received(c) + c->foreign + c->damaged + c->unnumbered);
    put_count(udp, "unique", c->unique);
    put_count(udp, "lost", beyond(sent, c->unique));
    put_ratio(udp, "loss_ratio", (double)beyond(sent, c->unique), (double)sent);
    put_count(udp, "duplicate", c->duplicate);
    put_ratio(udp, "duplicate_ratio", (double)c->duplicate, (double)c->unique);
    put_reordered(udp, view, c->reordered, c->unique);
    put_count(udp, "ancient", c->ancient);
    put_count(udp, "foreign", c->foreign);
    put_count(udp, "corrupt", c->damaged);
}

/* NULL where the server's notes say what became of this run's datagrams. */
static const char *why_unknown(const struct view *view, uint64_t back_received)
{
    const struct passage *passage = view->plan->passage;
    if (!passage)
        return "what the server saw is not known without --server-trace";
    if (view->course->payload.header_bytes == 0)
        return "below 20 bytes a datagram has no number for the server to note";
    if (back_received > 0 && passage_received(&passage->counts) == 0)
        return "the server that replied does not write this trace";
    return NULL;
}

void put_directions(json_t *udp, const struct view *view, uint64_t sent,
                    uint64_t back_received)
{
    const struct passage *passage = view->plan->passage;
    const char *unknown = why_unknown(view, back_received);
    if (view->course->one_way && !view->total->udp.replayed)
        overwrite(udp, view, sent);
    put_text(udp, "server_note", unknown);
    if (unknown) {
        put_null(udp, "server");
        put_null(udp, "directions");
        put_null(udp, "delivered_per_s");
        put_null(udp, "one_way");
        return;
    }
    put_server_counts(udp, &passage->counts);
    put_ways(udp, view, sent, back_received);
    put_delivered(udp, view);
    json_t *delays = put_object(udp, "one_way");
    put_hist(delays, "forward", &passage->forward);
    put_hist(delays, "back", &passage->back);
}
