#include "bench/trial/losses.h"

const char *losses_by_name(enum losses_by by)
{
    static const char *const names[] = {"counters", "sockets", "sequence"};
    return names[by];
}

static struct losses_count of(int64_t count)
{
    return (struct losses_count){true, count};
}

static int64_t less(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

/* The sum of what is known. */
static int64_t sum(const struct losses *l)
{
    const struct losses_count *const causes[] = {
        &l->client_send, &l->local_qdisc, &l->link_forward,  &l->server_buffer,
        &l->server,      &l->link_back,   &l->client_buffer, &l->unknown};
    int64_t total = 0;
    for (int i = 0; i < 8; i++)
        total += causes[i]->known ? causes[i]->count : 0;
    return total;
}

/* Sends that the kernel reported as done and dropped at the device all the
 * same. A send that fails for want of room is counted as SndbufErrors too. */
static int64_t dropped_at_device(const struct losses_facts *facts)
{
    const struct counters *kernel = &facts->kernel;
    int64_t silent = less(kernel->sndbuf_errors, facts->client.refused);
    if (facts->server.counted)
        silent = less(facts->client.sends - facts->client.refused +
                          facts->server.replied,
                      kernel->out);
    if (kernel->sndbuf_errors == 0 || silent < 0)
        silent = 0;
    return silent + (int64_t)kernel->lo_dropped;
}

/* A datagram that is neither taken nor dropped by the end is in the queue of a
 * socket that was closed. */
static int64_t never_read(const struct losses_facts *facts)
{
    const struct counters *k = &facts->kernel;
    int64_t left =
        less(k->out, k->in + k->in_errors + k->no_ports + k->lo_dropped);
    return facts->server.left_unread && left > 0 ? left : 0;
}

/* Dropped at a socket for any reason but that it listened no more. */
static uint64_t overflowed(const struct counters *kernel)
{
    return kernel->rcvbuf_errors + kernel->mem_errors + kernel->checksum_errors;
}

/* Replies to a client that listened no more, or was gone. It lets nothing in
 * at its end, by a filter; that may live on a little longer than the client,
 * whose own count is the less then. */
static int64_t came_too_late(const struct losses_facts *facts)
{
    uint64_t filtered = facts->kernel.in_errors - overflowed(&facts->kernel);
    if (!facts->is_private || filtered < facts->client.after_end)
        filtered = facts->client.after_end;
    return (int64_t)(filtered +
                     (facts->is_private ? facts->kernel.no_ports : 0));
}

/* The kernel of a private namespace counts single datagrams. */
static void by_counters(const struct losses_facts *facts, struct losses *l)
{
    const struct counters *kernel = &facts->kernel;
    uint64_t taken = facts->client.sends - facts->client.refused;
    int64_t device = dropped_at_device(facts);
    uint64_t received = facts->server.received;
    uint64_t replied = facts->server.replied;
    uint64_t drops = facts->server.drops;
    if (!facts->server.counted) {
        received = kernel->in - facts->client.received;
        replied = (uint64_t)(less(kernel->out, taken) + device -
                             (int64_t)kernel->lo_dropped);
        drops = overflowed(kernel) - facts->client.drops;
    }
    l->by = LOSSES_BY_COUNTERS;
    l->local_qdisc = of(device);
    l->server_buffer = of((int64_t)drops);
    l->server = of(never_read(facts));
    if (facts->replies)
        l->server.count += less(received, replied) + came_too_late(facts);
    else
        l->arrived = received;
    l->client_buffer = of((int64_t)facts->client.drops);
    l->unknown = of(0);
    l->difference = of(less(l->sends, l->arrived) - sum(l));
}

/* What is missing between the two counts of one way, and the drops of the
 * socket at its end, which are of single datagrams or of blocks. They account
 * for all of it when they are as many, or when nothing else can; none at all
 * and no other cause is a contradiction; the rest is unknown. */
static int64_t at_socket(int64_t missing, uint64_t drops, bool others,
                         struct losses *l)
{
    if (missing == (int64_t)drops || (drops > 0 && !others))
        return missing;
    if (drops > 0 || others)
        l->unknown.count += missing;
    return 0;
}

static void by_sequence(const struct losses_facts *facts, struct losses *l)
{
    const struct counters *kernel = &facts->kernel;
    uint64_t taken = facts->client.sends - facts->client.refused;
    int64_t forward = less(taken, facts->server.received);
    int64_t back = less(facts->server.replied, facts->client.received);
    bool late = came_too_late(facts) > 0;
    bool unread = facts->server.left_unread;
    bool device = !facts->is_private || kernel->lo_dropped > 0 ||
                  kernel->sndbuf_errors > 0;
    l->by = LOSSES_BY_SEQUENCE;
    l->unknown = of(0);
    l->server_buffer = of(0);
    l->server = of(0);
    l->client_buffer = of(0);
    if (unread && facts->server.drops == 0 && !device)
        l->server.count += forward;
    else
        l->server_buffer.count =
            at_socket(forward, facts->server.drops, device || unread, l);
    if (facts->replies) {
        l->server.count += less(facts->server.received, facts->server.replied);
        if (late && facts->client.drops == 0 && !device)
            l->server.count += back;
        else
            l->client_buffer.count =
                at_socket(back, facts->client.drops, device || late, l);
    } else {
        l->arrived = facts->server.received;
    }
    if (facts->is_private) {
        l->local_qdisc = device ? (struct losses_count){0} : of(0);
        l->difference = of(less(l->sends, l->arrived) - sum(l));
    }
}

/* Strangers use the same kernel: its sums say nothing. */
static void by_sockets(const struct losses_facts *facts, struct losses *l)
{
    l->by = LOSSES_BY_SOCKETS;
    if (facts->server.drops_known)
        l->server_buffer = of((int64_t)facts->server.drops);
    if (facts->server.counted && facts->replies)
        l->server = of(less(facts->server.received, facts->server.replied) +
                       (int64_t)facts->client.after_end);
    if (facts->server.counted && !facts->replies) {
        l->server = of(0);
        l->arrived = facts->server.received;
    }
    l->client_buffer = of((int64_t)facts->client.drops);
    l->arrived_unknown = !facts->server.counted && !facts->replies;
    if (!l->arrived_unknown)
        l->unknown = of(less(l->sends, l->arrived) - sum(l));
}

void losses_of(const struct losses_facts *facts, struct losses *ret_losses)
{
    struct losses l = {.sends = facts->client.sends,
                       .arrived = facts->client.received};
    l.client_send = of((int64_t)facts->client.refused);
    l.link_forward = of(0);
    l.link_back = of(0);
    if (facts->blocks && facts->server.counted)
        by_sequence(facts, &l);
    else if (facts->is_private && !facts->blocks)
        by_counters(facts, &l);
    else
        by_sockets(facts, &l);
    *ret_losses = l;
}
