#include "loadgen/sequence/ledger.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

/* SO_RXQ_OVFL would tell on the next datagram, and there is none after the
 * last: the socket itself knows at any time. */
uint64_t ledger_socket_drops(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0)
        return 0;
    return info[SK_MEMINFO_DROPS];
}

int ledger_deafen(int fd)
{
    static struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = &nothing};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                      sizeof program) < 0
               ? -errno
               : 0;
}

void ledger_add(struct ledger *into, const struct ledger *from)
{
    into->sends += from->sends;
    into->refused += from->refused;
    into->received += from->received;
    into->drops += from->drops;
    into->after_end += from->after_end;
}
