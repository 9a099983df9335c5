/*
 * What a server answers, as data, so that every model runs the same code:
 *
 *   reply = prefix ++ transform(request)
 */
#ifndef SOCKBENCH_SERVERS_WIRE_SERVICE_H
#define SOCKBENCH_SERVERS_WIRE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service {
    const char *name;
    const char *summary;
    /* In place; NULL: the bytes go back unchanged. */
    void (*transform)(uint8_t *restrict data, size_t length_bytes);
};

extern const struct service *const services[]; /* NULL-terminated */

/* The service called name, or NULL. */
const struct service *service_find(const char *name);

/* What is served unless --service says otherwise: echo on SOCK_STREAM, upper on
 * SOCK_DGRAM. */
const struct service *service_default(int socket_type);

/* 'a'..'z' become 'A'..'Z'; no other byte changes, whatever the locale. */
void service_upper(uint8_t *restrict data, size_t length_bytes);

#endif
