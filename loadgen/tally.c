#include "loadgen/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const fault_names[FAULTS] = {
    [FAULT_REFUSED] = "refused",
    [FAULT_RESET] = "reset",
    [FAULT_CLOSED] = "closed",
    [FAULT_CONNECT_TIMEOUT] = "connect_timeout",
    [FAULT_NO_PORT] = "no_port",
    [FAULT_NO_DESCRIPTOR] = "no_descriptor",
    [FAULT_WOULD_BLOCK] = "would_block",
    [FAULT_TOO_BIG] = "too_big",
    [FAULT_CONTENT] = "content",
    [FAULT_OTHER] = "other",
};

enum fault fault_of_errno(int error)
{
    switch (-error) {
    case ECONNREFUSED:
    case ENOENT:
    case ENOTCONN: /* Unix datagrams, from the second on that nobody took */
        return FAULT_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return FAULT_RESET;
    case ETIMEDOUT:
        return FAULT_CONNECT_TIMEOUT;
    case EADDRNOTAVAIL:
        return FAULT_NO_PORT;
    case EMFILE:
    case ENFILE:
        return FAULT_NO_DESCRIPTOR;
    case EAGAIN:
    case ENOBUFS:
        return FAULT_WOULD_BLOCK;
    case EMSGSIZE:
        return FAULT_TOO_BIG;
    default:
        return FAULT_OTHER;
    }
}

enum fault tally_fault(struct tally *tally, int error)
{
    if (tally->first_error == 0)
        tally->first_error = error;
    return fault_of_errno(error);
}

static void accounting_add(struct accounting *into,
                           const struct accounting *from)
{
    into->scheduled += from->scheduled;
    into->skipped += from->skipped;
    into->sent += from->sent;
    into->ok += from->ok;
    into->error += from->error;
    into->timeout += from->timeout;
    into->unfinished += from->unfinished;
    for (int i = 0; i < FAULTS; i++)
        into->errors[i] += from->errors[i];
    if (from->oldest_unfinished_ns > into->oldest_unfinished_ns)
        into->oldest_unfinished_ns = from->oldest_unfinished_ns;
}

/* The window of several threads: from the first that began to the last that
 * ended. */
static void window_add(struct tally *into, const struct tally *from)
{
    if (from->window_begin_ns != 0 &&
        (into->window_begin_ns == 0 ||
         from->window_begin_ns < into->window_begin_ns))
        into->window_begin_ns = from->window_begin_ns;
    if (from->window_end_ns > into->window_end_ns)
        into->window_end_ns = from->window_end_ns;
    if (from->drain_end_ns > into->drain_end_ns)
        into->drain_end_ns = from->drain_end_ns;
}

static int by_flow(const void *a, const void *b)
{
    const struct tally_flow *x = a;
    const struct tally_flow *y = b;
    return (x->flow > y->flow) - (x->flow < y->flow);
}

static int flows_add(struct tally *into, const struct tally *from)
{
    uint64_t count = into->udp.flows_count + from->udp.flows_count;
    if (from->udp.flows_count == 0)
        return 0;
    struct tally_flow *grown =
        realloc(into->udp.flows, count * sizeof *into->udp.flows);
    if (!grown)
        return -ENOMEM;
    memcpy(grown + into->udp.flows_count, from->udp.flows,
           from->udp.flows_count * sizeof *grown);
    qsort(grown, count, sizeof *grown, by_flow);
    into->udp.flows = grown;
    into->udp.flows_count = count;
    return 0;
}

static int datagrams_add(struct tally *into, const struct tally *from)
{
    sequence_sums_add(&into->udp.sums, &from->udp.sums);
    into->udp.foreign += from->udp.foreign;
    into->udp.corrupt += from->udp.corrupt;
    into->udp.unique_bytes += from->udp.unique_bytes;
    if (from->udp.first_sent_ns != 0 &&
        (into->udp.first_sent_ns == 0 ||
         from->udp.first_sent_ns < into->udp.first_sent_ns))
        into->udp.first_sent_ns = from->udp.first_sent_ns;
    if (from->udp.last_arrived_ns > into->udp.last_arrived_ns)
        into->udp.last_arrived_ns = from->udp.last_arrived_ns;
    return flows_add(into, from);
}

static int intervals_add(struct tally *into, const struct tally *from)
{
    if (from->intervals_count > into->intervals_count) {
        struct interval *grown = realloc(
            into->intervals, from->intervals_count * sizeof *into->intervals);
        if (!grown)
            return -ENOMEM;
        memset(grown + into->intervals_count, 0,
               (from->intervals_count - into->intervals_count) * sizeof *grown);
        into->intervals = grown;
        into->intervals_count = from->intervals_count;
    }
    struct hist *scratch = malloc(sizeof *scratch);
    int r = scratch ? 0 : -ENOMEM;
    for (uint64_t i = 0; r == 0 && i < from->intervals_count; i++) {
        into->intervals[i].completed += from->intervals[i].completed;
        into->intervals[i].errors += from->intervals[i].errors;
        r = hist_slice_add(&into->intervals[i].response,
                           &from->intervals[i].response, scratch);
    }
    free(scratch);
    return r;
}

int tally_add(struct tally *into, const struct tally *from)
{
    accounting_add(&into->accounting, &from->accounting);
    hist_add(&into->response, &from->response);
    hist_add(&into->service, &from->service);
    hist_add(&into->lateness, &from->lateness);
    hist_add(&into->connect, &from->connect);
    window_add(into, from);
    into->window_completed += from->window_completed;
    into->window_tx_bytes += from->window_tx_bytes;
    into->window_rx_bytes += from->window_rx_bytes;
    into->cpu_window_ns += from->cpu_window_ns;
    into->idle_window_ns += from->idle_window_ns;
    if (from->longest_queue > into->longest_queue)
        into->longest_queue = from->longest_queue;
    into->held_back += from->held_back;
    into->sent_bytes += from->sent_bytes;
    into->answered_total += from->answered_total;
    into->flows_offered += from->flows_offered;
    into->flows_connected += from->flows_connected;
    into->flows_served += from->flows_served;
    into->flows_unserved += from->flows_unserved;
    into->connections_opened += from->connections_opened;
    for (int i = 0; i < FAULTS; i++)
        into->connection_faults[i] += from->connection_faults[i];
    if (into->first_error == 0)
        into->first_error = from->first_error;
    for (int i = 0; i < PAYLOAD_FAULTS; i++)
        into->content_faults[i] += from->content_faults[i];
    int r = datagrams_add(into, from);
    tcp_facts_add(&into->tcp, &from->tcp);
    ledger_add(&into->ledger, &from->ledger);
    return r < 0 ? r : intervals_add(into, from);
}

void tally_done(struct tally *tally)
{
    for (uint64_t i = 0; i < tally->intervals_count; i++)
        hist_slice_done(&tally->intervals[i].response);
    free(tally->intervals);
    free(tally->udp.flows);
    tally->intervals = NULL;
    tally->udp.flows = NULL;
    tally->udp.flows_count = 0;
    tally->intervals_count = 0;
}
