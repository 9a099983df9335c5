/*
 * Everything that one thread counts, and the sum of several. A request is
 * counted in the account of the phase in which it was scheduled, wherever it
 * ends; throughput counts completions inside the window.
 */
#ifndef SOCKBENCH_LOADGEN_TALLY_H
#define SOCKBENCH_LOADGEN_TALLY_H

#include "loadgen/measure/hist.h"
#include "loadgen/measure/thread.h"
#include "loadgen/payload.h"
#include "loadgen/sequence/ledger.h"
#include "loadgen/sequence/sequence.h"
#include "loadgen/tcp_facts.h"

#include <stdint.h>

/* Why a request, or a connection, came to nothing. */
enum fault {
    FAULT_REFUSED,         /* nobody listens there */
    FAULT_RESET,           /* RST from the server */
    FAULT_CLOSED,          /* FIN from the server before the reply */
    FAULT_CONNECT_TIMEOUT, /* no answer to SYN, or a full accept queue */
    FAULT_NO_PORT,         /* the client's ports are used up (EADDRNOTAVAIL) */
    FAULT_NO_DESCRIPTOR,   /* EMFILE, ENFILE */
    FAULT_WOULD_BLOCK,     /* the client's own send buffer is full */
    FAULT_TOO_BIG,         /* EMSGSIZE */
    FAULT_CONTENT,         /* the reply's bytes are wrong; see payload_fault */
    FAULT_OTHER,
    FAULTS,
};

extern const char *const fault_names[FAULTS];

enum fault fault_of_errno(int error); /* negative errno */

/* scheduled = sent + skipped; sent = ok + error + timeout + unfinished. */
struct accounting {
    uint64_t scheduled;
    uint64_t skipped;
    uint64_t sent;
    uint64_t ok;
    uint64_t error;
    uint64_t timeout;
    uint64_t unfinished;
    uint64_t errors[FAULTS]; /* of `error`, by cause */
    uint64_t oldest_unfinished_ns;
};

struct interval {
    uint64_t completed;
    uint64_t errors;
    struct hist_slice response;
};

/* What became of one UDP flow; `sequence` is for its counters only. */
struct tally_flow {
    uint32_t flow;
    uint64_t sent;
    struct sequence sequence;
};

struct tally {
    struct accounting accounting; /* requests scheduled in the window */
    struct hist response;         /* from when a request was due */
    struct hist service;          /* from when it was sent; open loop only */
    struct hist lateness;         /* between the two; open loop only */
    struct hist connect;

    /* Completions between the window's begin and end. */
    uint64_t window_completed;
    uint64_t window_tx_bytes;
    uint64_t window_rx_bytes;
    uint64_t window_begin_ns; /* of the run's clock; 0: never reached */
    uint64_t window_end_ns;
    uint64_t drain_end_ns;
    struct thread_usage usage; /* of this thread, inside the window; a sum has
                                  none */
    uint64_t cpu_window_ns;    /* of that */
    uint64_t idle_window_ns;   /* of that: empty passes of a spinning loop */
    uint64_t longest_queue;    /* of one flow's unanswered requests */
    int cpu;                   /* the one it was pinned to, or -1 */

    uint64_t held_back;  /* times that caps made a flow wait */
    uint64_t sent_bytes; /* of the window's requests, wherever they ended */

    uint64_t answered_total; /* warm-up and drain included */

    /* Connections. */
    uint64_t flows_offered;
    uint64_t flows_connected;
    uint64_t flows_served;
    uint64_t flows_unserved;
    uint64_t connections_opened;
    uint64_t connection_faults[FAULTS]; /* events, not requests */
    int first_error;                    /* -errno behind the first; 0: none */

    uint64_t content_faults[PAYLOAD_FAULTS]; /* replies, any phase */

    /* Datagrams of the window's requests. */
    struct {
        struct sequence_sums sums;
        uint64_t foreign, corrupt; /* of any phase */
        uint64_t first_sent_ns;    /* 0: none */
        uint64_t last_arrived_ns;  /* of the first copies */
        uint64_t unique_bytes;     /* their payload */
        struct tally_flow *flows;  /* by number; NULL: not asked for */
        uint64_t flows_count;
        bool replayed; /* from the server's log: one way, not round trips */
    } udp;

    struct tcp_facts tcp; /* TCP: of all connections, in any phase */

    struct ledger ledger; /* every copy of every datagram, in any phase */

    struct interval *intervals;
    uint64_t intervals_count;
};

/* Adds everything; intervals by index. 0 or -ENOMEM. */
/* fault_of_errno of what a connection met, remembering the first. */
enum fault tally_fault(struct tally *tally, int error);
int tally_add(struct tally *into, const struct tally *from);
void tally_done(struct tally *tally);

#endif
