/* What became of the datagrams. */
#include "loadgen/view.h"

#include "loadgen/measure/report.h"

/* What the client alone can say; whoever runs both ends fills in the rest. */
static void put_loss_where(json_t *udp, const struct ledger *ledger)
{
    static const char *const unknown[] = {
        "local_qdisc", "link_forward", "server_buffer", "server", "link_back"};
    json_t *out = put_object(udp, "loss_where");
    put_null(out, "by");
    put_count(out, "sends", ledger->sends);
    put_count(out, "arrived", ledger->received);
    put_count(out, "client_send", ledger->refused);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        put_null(out, unknown[i]);
    put_count(out, "client_buffer", ledger->drops);
    put_null(out, "unknown");
    put_null(out, "difference");
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
    uint64_t sent = sums->sent;
    bool numbered = view->course->payload.header_bytes > 0;
    put_text(udp, "loss_known_by", numbered ? "sequence" : "count");
    put_count(udp, "sent", sent);
    put_count(udp, "received",
              sums->unique + sums->duplicate + sums->ancient + t->udp.foreign +
                  t->udp.corrupt);
    put_count(udp, "unique", sums->unique);
    uint64_t lost = sent > sums->unique ? sent - sums->unique : 0;
    put_count(udp, "lost", lost);
    put_ratio(udp, "loss_ratio", (double)lost, (double)sent);
    put_count(udp, "late", sums->late);
    put_count(udp, "duplicate", sums->duplicate);
    put_count(udp, "reordered", sums->reordered);
    put_count(udp, "ancient", sums->ancient);
    put_count(udp, "foreign", t->udp.foreign);
    put_count(udp, "corrupt", t->udp.corrupt);
    put_count(udp, "client_drops", t->ledger.drops);
    put_count(udp, "client_after_end", t->ledger.after_end);
    put_loss_where(udp, &t->ledger);
}
