#include "bench/trial/attribution.h"

#include "bench/trial/losses.h"
#include "loadgen/measure/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void attribution_init(struct attribution *attribution)
{
    memset(attribution, 0, sizeof *attribution);
    counters_init(&attribution->source);
}

void attribution_done(struct attribution *attribution)
{
    counters_close(&attribution->source);
}

int attribution_begin(struct attribution *attribution, pid_t server,
                      const char *address, bool is_private)
{
    const char *colon = strrchr(address, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    attribution->is_private = is_private;
    if (port == 0 || port > UINT16_MAX)
        return -EINVAL;
    int r = counters_open(server, &attribution->source);
    if (r == 0)
        r = counters_read(&attribution->source, &attribution->before);
    if (r == 0)
        attribution->port = (uint16_t)port;
    return r;
}

void attribution_load_ended(struct attribution *attribution)
{
    if (attribution->port != 0)
        attribution->port_known =
            counters_of_port(&attribution->source, attribution->port,
                             &attribution->at_load_end) == 0 &&
            attribution->at_load_end.sockets > 0;
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static struct counters since(const struct counters *before,
                             const struct counters *after)
{
    return (struct counters){
        .in = after->in - before->in,
        .out = after->out - before->out,
        .no_ports = after->no_ports - before->no_ports,
        .in_errors = after->in_errors - before->in_errors,
        .rcvbuf_errors = after->rcvbuf_errors - before->rcvbuf_errors,
        .mem_errors = after->mem_errors - before->mem_errors,
        .checksum_errors = after->checksum_errors - before->checksum_errors,
        .sndbuf_errors = after->sndbuf_errors - before->sndbuf_errors,
        .lo_dropped = after->lo_dropped - before->lo_dropped,
    };
}

static void put_cause(json_t *object, const char *key, struct losses_count at)
{
    put_json(object, key, at.known ? json_integer(at.count) : json_null());
}

static void put_losses(json_t *object, const struct losses *losses)
{
    put_text(object, "by", losses_by_name(losses->by));
    put_count(object, "sends", losses->sends);
    put_cause(object, "arrived",
              (struct losses_count){!losses->arrived_unknown,
                                    (int64_t)losses->arrived});
    put_cause(object, "client_send", losses->client_send);
    put_cause(object, "local_qdisc", losses->local_qdisc);
    put_cause(object, "link_forward", losses->link_forward);
    put_cause(object, "server_buffer", losses->server_buffer);
    put_cause(object, "server", losses->server);
    put_cause(object, "link_back", losses->link_back);
    put_cause(object, "client_buffer", losses->client_buffer);
    put_cause(object, "unknown", losses->unknown);
    put_cause(object, "difference", losses->difference);
}

static void server_facts(const struct attribution *attribution,
                         const json_t *counters, struct losses_facts *facts)
{
    facts->server.counted = counters != NULL;
    facts->server.received = number(counters, "reads");
    facts->server.replied = number(counters, "writes");
    facts->server.drops_known = counters || attribution->port_known;
    facts->server.drops = counters ? number(counters, "socket_drops")
                                   : attribution->at_load_end.drops;
    facts->server.left_unread = attribution->at_load_end.queued_bytes > 0;
}

void attribution_put(const struct attribution *attribution,
                     const json_t *counters, bool blocks, json_t *report)
{
    json_t *udp = json_object_get(report, "udp");
    const json_t *load = json_object_get(report, "load");
    const json_t *known = json_object_get(udp, "loss_where");
    const char *service = json_string_value(
        json_object_get(json_object_get(report, "server"), "service"));
    struct losses_facts facts = {
        .replies = !service || strcmp(service, "discard") != 0,
        .blocks = blocks || json_is_true(json_object_get(load, "udp_offload")),
        .client = {.sends = number(known, "sends"),
                   .refused = number(known, "client_send"),
                   .received = number(known, "arrived"),
                   .drops = number(udp, "client_drops"),
                   .after_end = number(udp, "client_after_end")},
    };
    struct counters after;
    struct losses losses;
    if (!json_is_object(known) || attribution->port == 0)
        return;
    server_facts(attribution, counters, &facts);
    facts.is_private = attribution->is_private &&
                       counters_read(&attribution->source, &after) == 0;
    if (facts.is_private)
        facts.kernel = since(&attribution->before, &after);
    losses_of(&facts, &losses);
    put_losses(put_object(udp, "loss_where"), &losses);
}

static void add_cause(json_t *sum, const json_t *part, const char *key)
{
    const json_t *before = json_object_get(sum, key);
    const json_t *more = json_object_get(part, key);
    if (!json_is_integer(more) || (before && !json_is_integer(before)))
        put_null(sum, key);
    else
        put_json(sum, key,
                 json_integer(json_integer_value(before) +
                              json_integer_value(more)));
}

json_t *attribution_sum(const json_t *reports)
{
    static const char *const keys[] = {
        "sends",         "arrived",       "client_send", "local_qdisc",
        "link_forward",  "server_buffer", "server",      "link_back",
        "client_buffer", "unknown",       "difference"};
    json_t *sum = NULL;
    size_t i;
    json_t *report;
    json_array_foreach(reports, i, report)
    {
        json_t *where =
            json_object_get(json_object_get(report, "udp"), "loss_where");
        const char *by = json_string_value(json_object_get(where, "by"));
        if (!by)
            continue;
        if (!sum)
            sum = json_object();
        put_text(sum, "by", by);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            add_cause(sum, where, keys[k]);
    }
    return sum ? sum : json_null();
}
