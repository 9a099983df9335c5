#include "servers/support/stop.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

atomic_int stop_flag;

static const int *listeners;
static unsigned listener_count;
static int event_fd = -1;
static timer_t poke_timer;
static bool poke_timer_made;

static _Atomic uint64_t began_ns;
static void (*last_act)(void);

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t stop_began_ns(void)
{
    return atomic_load_explicit(&began_ns, memory_order_relaxed);
}

static void begin_stop(void)
{
    atomic_store(&began_ns, now_ns());
    for (unsigned i = 0; i < listener_count; i++)
        shutdown(listeners[i], SHUT_RD);
    const uint64_t one = 1;
    ssize_t written = write(event_fd, &one, sizeof one);
    (void)written; /* an eventfd that nobody reads takes one always */
    const struct itimerspec poke = {
        .it_interval.tv_nsec = STOP_POKE_NS,
        .it_value.tv_nsec = STOP_POKE_NS,
    };
    timer_settime(poke_timer, 0, &poke, NULL);
}

void stop_before_end(void (*act)(void))
{
    last_act = act;
}

static void end_at_once(int code)
{
    if (last_act)
        last_act();
    _exit(code);
}

static void on_stop(int number)
{
    int kept_errno = errno;
    if (atomic_exchange(&stop_flag, 1))
        end_at_once(128 + number);
    begin_stop();
    errno = kept_errno;
}

static void on_ask(int number)
{
    int kept_errno = errno;
    (void)number;
    if (!atomic_exchange(&stop_flag, 1))
        begin_stop();
    errno = kept_errno;
}

/* Whatever holds a server up, it keeps its word on how soon it is gone. */
static void on_poke(int number)
{
    (void)number;
    uint64_t began = stop_began_ns();
    if (began != 0 && now_ns() - began > STOP_LATEST_NS)
        end_at_once(0);
}

static int handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    /* No SA_RESTART: interrupting is what the signals are for. The stop
     * signals hold each other off, so that the handler runs whole. */
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, STOP_ASK_SIGNAL);
    return sigaction(number, &action, NULL) < 0 ? -errno : 0;
}

int stop_open(const int *listen_fds, unsigned count)
{
    listeners = listen_fds;
    listener_count = count;
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0)
        return -errno;
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL,
        .sigev_signo = STOP_POKE_SIGNAL,
    };
    if (timer_create(CLOCK_MONOTONIC, &event, &poke_timer) < 0) {
        int r = -errno;
        stop_close();
        return r;
    }
    poke_timer_made = true;
    int r = handle(STOP_POKE_SIGNAL, on_poke);
    if (r == 0)
        r = handle(SIGPIPE, SIG_IGN);
    if (r == 0)
        r = handle(STOP_ASK_SIGNAL, on_ask);
    if (r == 0)
        r = handle(SIGTERM, on_stop);
    if (r == 0)
        r = handle(SIGINT, on_stop);
    if (r < 0)
        stop_close();
    return r;
}

void stop_close(void)
{
    stop_block_signals();
    if (poke_timer_made)
        timer_delete(poke_timer);
    poke_timer_made = false;
    if (event_fd >= 0)
        close(event_fd);
    event_fd = -1;
    listener_count = 0;
}

static void on_stop_of_child(int number)
{
    (void)number;
    if (!atomic_exchange(&stop_flag, 1))
        atomic_store(&began_ns, now_ns());
}

void stop_open_child(void)
{
    listener_count = 0;
    last_act = NULL;
    poke_timer_made = false; /* timers are not inherited */
    handle(SIGINT, SIG_IGN);
    handle(SIGTERM, on_stop_of_child);
}

int stop_event_fd(void)
{
    return event_fd;
}

void stop_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, STOP_POKE_SIGNAL);
    sigaddset(&set, STOP_ASK_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}
