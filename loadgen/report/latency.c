/* What the histograms of a run may say, and what they may not. */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"

double latency_lateness_quantile(const struct view *view)
{
    double n = (double)view->total->lateness.total;
    return n >= 1000 ? 0.99 : n >= 20 ? 1 - 10 / n : 0.5;
}

uint64_t latency_lateness_ns(const struct view *view)
{
    return hist_quantile(&view->total->lateness,
                         latency_lateness_quantile(view));
}

uint64_t latency_response_p50_ns(const struct view *view)
{
    const struct tally *t = view->total;
    struct hist_quantile p50;
    if (!hist_quantile_censored(&t->response, t->accounting.timeout, 0.5, &p50))
        return 0;
    return p50.censored ? view->course->timeout_ns : p50.value_ns;
}

void put_latency(json_t *report, const struct view *view)
{
    const struct tally *t = view->total;
    const struct course *course = view->course;
    json_t *latency = put_object(report, "latency");
    bool open = course->rate_per_s > 0;
    uint64_t late_ns = t->lateness.total ? t->lateness.max : 0;
    struct hist_limits response = {
        .censored = t->accounting.timeout,
        .above_ns = course->timeout_ns,
        .lateness_ns = open ? latency_lateness_ns(view) : 0,
    };
    /* The timeout runs from when a request was due. */
    struct hist_limits service = response;
    service.above_ns =
        course->timeout_ns > late_ns ? course->timeout_ns - late_ns : 0;
    put_hist_within(latency, "response", &t->response, &response);
    /* In a closed loop a request is due when it is sent: they are the same. */
    put_hist_within(latency, "service", open ? &t->service : &t->response,
                    open ? &service : &response);
    put_hist(latency, "connect", &t->connect);
    put_hist(latency, "send_lateness", &t->lateness);
}
