/* The report as a person reads it, from its JSON and nothing else. */
#include "loadgen/report/summary.h"
#include "loadgen/report/text_parts.h"

void summary_print(const json_t *report, bool brief, FILE *out)
{
    text_header(report, out);
    if (brief)
        return;
    text_latency(report, out);
    text_requests(report, out);
    text_datagrams(report, out);
    text_tcp(report, out);
    text_evidence(report, out);
    text_verdict(report, out);
}
