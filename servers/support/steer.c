#include "servers/support/steer.h"

#include "servers/support/workers.h"

#include <errno.h>
#include <sys/socket.h>

unsigned short steer_program(const int *cpus, unsigned count,
                             struct sock_filter program[])
{
    unsigned short n = 0;
    program[n++] = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU));
    for (unsigned i = 0; i < count; i++) {
        if ((unsigned)cpus[i] % count == i) /* the last lines say the same */
            continue;
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                    (uint32_t)cpus[i], 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, i);
    }
    program[n++] =
        (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
    return n;
}

int steer_attach(const struct server *server)
{
    struct sock_filter program[STEER_PROGRAM_MAX];
    int cpus[STEER_WORKERS_MAX];
    if (server->listen_count == 1) /* there is nothing to choose from */
        return 0;
    for (unsigned i = 0; i < server->listen_count; i++)
        cpus[i] = workers_cpu(server, i);
    const struct sock_fprog loaded = {
        .len = steer_program(cpus, server->listen_count, program),
        .filter = program,
    };
    return setsockopt(server->listen_fds[0], SOL_SOCKET,
                      SO_ATTACH_REUSEPORT_CBPF, &loaded, sizeof loaded) < 0
               ? -errno
               : 0;
}
