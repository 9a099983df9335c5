#include "bench/trial/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024) /* 20,000 sockets and more */

void counters_init(struct counters_source *source)
{
    *source = (struct counters_source){-1, -1, -1, -1, -1};
}

static int open_of(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int counters_open(pid_t pid, struct counters_source *ret_source)
{
    struct counters_source source = {.snmp_fd = open_of(pid, "snmp")};
    if (source.snmp_fd < 0)
        return -errno;
    source.snmp6_fd = open_of(pid, "snmp6"); /* not where IPv6 is off */
    source.dev_fd = open_of(pid, "dev");
    source.udp_fd = open_of(pid, "udp");
    source.udp6_fd = open_of(pid, "udp6");
    *ret_source = source;
    return 0;
}

void counters_close(struct counters_source *source)
{
    const int fds[] = {source->snmp_fd, source->snmp6_fd, source->dev_fd,
                       source->udp_fd, source->udp6_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    counters_init(source);
}

/* The column `wanted` of a pair of lines, names above values; 0 where there is
 * none. */
static uint64_t column(const char *names, const char *values,
                       const char *wanted)
{
    size_t length = strlen(wanted);
    for (;;) {
        names += strcspn(names, " \n");
        values += strcspn(values, " \n");
        if (*names != ' ' || *values != ' ')
            return 0;
        names += strspn(names, " ");
        values += strspn(values, " ");
        if (strcspn(names, " \n") == length &&
            strncmp(names, wanted, length) == 0)
            return strtoull(values, NULL, 10);
    }
}

/* The line that begins so, at or after text; NULL for none. */
static const char *line_of(const char *text, const char *begin)
{
    size_t length = strlen(begin);
    while (text && strncmp(text, begin, length) != 0) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return text;
}

bool counters_add_snmp(const char *text, struct counters *counters)
{
    const char *names = line_of(text, "Udp: ");
    const char *end = names ? strchr(names, '\n') : NULL;
    const char *values = end ? line_of(end + 1, "Udp: ") : NULL;
    if (!values)
        return false;
    counters->in += column(names, values, "InDatagrams");
    counters->out += column(names, values, "OutDatagrams");
    counters->no_ports += column(names, values, "NoPorts");
    counters->in_errors += column(names, values, "InErrors");
    counters->rcvbuf_errors += column(names, values, "RcvbufErrors");
    counters->mem_errors += column(names, values, "MemErrors");
    counters->checksum_errors += column(names, values, "InCsumErrors");
    counters->sndbuf_errors += column(names, values, "SndbufErrors");
    return true;
}

static uint64_t value_of(const char *text, const char *name)
{
    const char *line = line_of(text, name);
    line = line ? line + strlen(name) : "";
    return *line == ' ' || *line == '\t' ? strtoull(line, NULL, 10) : 0;
}

bool counters_add_snmp6(const char *text, struct counters *counters)
{
    if (!line_of(text, "Udp6InDatagrams"))
        return false;
    counters->in += value_of(text, "Udp6InDatagrams");
    counters->out += value_of(text, "Udp6OutDatagrams");
    counters->no_ports += value_of(text, "Udp6NoPorts");
    counters->in_errors += value_of(text, "Udp6InErrors");
    counters->rcvbuf_errors += value_of(text, "Udp6RcvbufErrors");
    counters->mem_errors += value_of(text, "Udp6MemErrors");
    counters->checksum_errors += value_of(text, "Udp6InCsumErrors");
    counters->sndbuf_errors += value_of(text, "Udp6SndbufErrors");
    return true;
}

bool counters_add_dev(const char *text, struct counters *counters)
{
    const char *at = strstr(text, "lo:");
    char *end;
    if (!at)
        return false;
    at += strlen("lo:");
    /* bytes packets errs drop, and again from the ninth column on */
    for (int i = 0; i < 12; i++) {
        uint64_t value = strtoull(at, &end, 10);
        if (end == at)
            return false;
        if (i == 3 || i == 11)
            counters->lo_dropped += value;
        at = end;
    }
    return true;
}

/* The hexadecimal number behind the colon of a word such as ADDRESS:PORT. */
static uint64_t behind_colon(const char *word)
{
    const char *colon = word ? strchr(word, ':') : NULL;
    return colon ? strtoull(colon + 1, NULL, 16) : 0;
}

/* One row: SLOT: ADDRESS:PORT PEER:PORT STATE SENDING:QUEUED TIMER:WHEN
 * RETRANSMITS UID TIMEOUT INODE REFERENCES POINTER DROPS. Cuts it up. */
static void add_socket(char *row, uint16_t port, struct counters_port *found)
{
    enum {
        LOCAL = 1,
        QUEUED = 4,
        DROPS = 12
    };
    const char *words[DROPS + 1] = {NULL};
    char *rest = NULL;
    char *word = strtok_r(row, " ", &rest);
    for (int i = 0; i <= DROPS && word; i++) {
        words[i] = word;
        word = strtok_r(NULL, " ", &rest);
    }
    if (!words[DROPS] || behind_colon(words[LOCAL]) != port)
        return;
    found->sockets++;
    found->drops += strtoull(words[DROPS], NULL, 10);
    found->queued_bytes += behind_colon(words[QUEUED]);
}

bool counters_add_udp(const char *text, uint16_t port,
                      struct counters_port *found)
{
    if (!strstr(text, "drops"))
        return false;
    for (const char *line = strchr(text, '\n'); line && line[1];
         line = strchr(line + 1, '\n')) {
        char row[256];
        snprintf(row, sizeof row, "%.*s", (int)strcspn(line + 1, "\n"),
                 line + 1);
        add_socket(row, port, found);
    }
    return true;
}

/* The file from its beginning, on the heap; NULL without it. */
static char *read_again(int fd)
{
    size_t used = 0;
    size_t size = (size_t)64 * 1024;
    ssize_t n = 1;
    char *text = fd < 0 ? NULL : malloc(size);
    if (!text)
        return NULL;
    if (lseek(fd, 0, SEEK_SET) < 0)
        n = -1;
    while (n > 0 && used < FILE_BYTES_MAX) {
        if (used + 1 == size) {
            char *grown = realloc(text, 2 * size);
            if (!grown)
                break;
            text = grown;
            size *= 2;
        }
        n = read(fd, text + used, size - used - 1);
        used += n > 0 ? (size_t)n : 0;
    }
    text[used] = '\0';
    if (n == 0)
        return text;
    free(text);
    return NULL;
}

int counters_read(const struct counters_source *source,
                  struct counters *ret_counters)
{
    struct counters counters = {0};
    char *snmp = read_again(source->snmp_fd);
    char *snmp6 = read_again(source->snmp6_fd);
    char *dev = read_again(source->dev_fd);
    int r = snmp && dev && counters_add_snmp(snmp, &counters) &&
                    counters_add_dev(dev, &counters)
                ? 0
                : -EPROTO;
    if (snmp6 && !counters_add_snmp6(snmp6, &counters))
        r = -EPROTO;
    free(snmp);
    free(snmp6);
    free(dev);
    if (r == 0)
        *ret_counters = counters;
    return r;
}

int counters_of_port(const struct counters_source *source, uint16_t port,
                     struct counters_port *ret_port)
{
    struct counters_port found = {0};
    char *udp = read_again(source->udp_fd);
    char *udp6 = read_again(source->udp6_fd);
    int r = udp && counters_add_udp(udp, port, &found) ? 0 : -EPROTO;
    if (udp6 && !counters_add_udp(udp6, port, &found))
        r = -EPROTO;
    free(udp);
    free(udp6);
    if (r == 0)
        *ret_port = found;
    return r;
}
