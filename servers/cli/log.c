#include "servers/cli/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *program = "sockbench";

/* Not close-on-exec: children have these three as well. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest free number is this one: those below are open. */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

void log_open(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    if (argv0 && *argv0)
        program = slash ? slash + 1 : argv0;
    fill_standard_descriptors();
}

const char *log_program(void)
{
    return program;
}

static void write_line(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));

static void write_line(const char *format, va_list arguments)
{
    char line[1024];
    int prefix = snprintf(line, sizeof line - 1, "%s: ", program);
    size_t used = prefix > 0 ? (size_t)prefix : 0;
    int n = vsnprintf(line + used, sizeof line - 1 - used, format, arguments);
    if (n > 0)
        used += (size_t)n;
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; /* nowhere left to complain */
}

int log_stdout_code(void)
{
    const bool before = ferror(stdout) != 0;
    const bool now = fflush(stdout) != 0;
    const char *why = now ? strerrordesc_np(errno) : NULL;
    if (!before && !now)
        return EXIT_PASS;
    log_line("cannot write to standard output%s%s", why ? ": " : "",
             why ? why : "");
    return EXIT_FAILED;
}

void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}

void log_limited(unsigned per_s, const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static time_t second;
    static unsigned printed;
    static unsigned long held_back;

    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    pthread_mutex_lock(&lock);
    if (now.tv_sec != second) {
        second = now.tv_sec;
        printed = 0;
    }
    unsigned long told = 0;
    int pass = printed < per_s;
    if (pass) {
        printed++;
        told = held_back;
        held_back = 0;
    } else {
        held_back++;
    }
    pthread_mutex_unlock(&lock);
    if (!pass)
        return;
    if (told > 0)
        log_line("(%lu lines held back)", told);
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}
