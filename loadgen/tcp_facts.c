#include "loadgen/tcp_facts.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

static void note_rtt(struct tcp_facts *facts, const struct tcp_info *info)
{
    const uint64_t least_ns = (uint64_t)info->tcpi_min_rtt * 1000;
    if (info->tcpi_rtt == 0 || info->tcpi_min_rtt == UINT32_MAX)
        return;
    if (facts->rtt_count == 0 || least_ns < facts->rtt_min_ns)
        facts->rtt_min_ns = least_ns;
    facts->rtt_count++;
    facts->rtt_sum_ns += (uint64_t)info->tcpi_rtt * 1000;
}

void tcp_facts_ask(struct tcp_facts *facts, int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return;
    facts->connections++;
    facts->segments_sent += info.tcpi_segs_out;
    facts->retransmitted_segments += info.tcpi_total_retrans;
    note_rtt(facts, &info);
    if (facts->congestion_control[0] == '\0')
        congestion_of(fd, facts->congestion_control);
    if (length < offsetof(struct tcp_info, tcpi_rcv_ooopack) +
                     sizeof info.tcpi_rcv_ooopack) {
        facts->unknown_order++;
        return;
    }
    facts->duplicate_acks += info.tcpi_dsack_dups;
    facts->reordering_seen += info.tcpi_reord_seen;
    facts->out_of_order_packets += info.tcpi_rcv_ooopack;
}

void tcp_facts_add(struct tcp_facts *into, const struct tcp_facts *from)
{
    if (from->rtt_count > 0 &&
        (into->rtt_count == 0 || from->rtt_min_ns < into->rtt_min_ns))
        into->rtt_min_ns = from->rtt_min_ns;
    into->connections += from->connections;
    into->segments_sent += from->segments_sent;
    into->retransmitted_segments += from->retransmitted_segments;
    into->duplicate_acks += from->duplicate_acks;
    into->reordering_seen += from->reordering_seen;
    into->out_of_order_packets += from->out_of_order_packets;
    into->unknown_order += from->unknown_order;
    into->rtt_count += from->rtt_count;
    into->rtt_sum_ns += from->rtt_sum_ns;
    if (into->congestion_control[0] == '\0')
        memcpy(into->congestion_control, from->congestion_control,
               sizeof into->congestion_control);
}
