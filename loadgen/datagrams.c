/* What became of the datagrams. */
#include "loadgen/view.h"

#include "loadgen/measure/report.h"

void put_udp(json_t *report, const struct view *view)
{
    const struct tally *t = view->total;
    if (view->course->stream) {
        put_null(report, "udp");
        return;
    }
    json_t *udp = put_object(report, "udp");
    uint64_t sent = t->udp.sent;
    bool numbered = view->course->payload.header_bytes > 0;
    put_text(udp, "loss_known_by", numbered ? "sequence" : "count");
    put_count(udp, "sent", sent);
    put_count(udp, "received",
              t->udp.unique + t->udp.duplicate + t->udp.ancient +
                  t->udp.foreign + t->udp.corrupt);
    put_count(udp, "unique", t->udp.unique);
    uint64_t lost = sent > t->udp.unique ? sent - t->udp.unique : 0;
    put_count(udp, "lost", lost);
    put_ratio(udp, "loss_ratio", (double)lost, (double)sent);
    put_count(udp, "late", t->udp.late);
    put_count(udp, "duplicate", t->udp.duplicate);
    put_count(udp, "reordered", t->udp.reordered);
    put_count(udp, "ancient", t->udp.ancient);
    put_count(udp, "foreign", t->udp.foreign);
    put_count(udp, "corrupt", t->udp.corrupt);
}
