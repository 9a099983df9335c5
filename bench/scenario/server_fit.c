#include "bench/scenario/server_fit.h"

#include "servers/needs.h"
#include "servers/options.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

static bool is_set(const struct setting *setting,
                   const struct option_spec *option)
{
    struct server_options options = {0};
    struct option_error error;
    options_defaults(&server_option_table, &options);
    /* It was checked when it was read. */
    (void)options_set(&server_option_table, setting->name, setting->text,
                      &options, &error);
    return options_changed(option, &options);
}

bool server_fit(const struct scenario_server *server,
                const struct settings *settings, bool is_traced,
                char why[static SERVER_FIT_TEXT_MAX])
{
    const struct service *service = service_find(server->service);
    const int type =
        server->transport == TRANSPORT_TCP ? SOCK_STREAM : SOCK_DGRAM;
    char reason[NEEDS_TEXT_MAX];
    assert(service);
    if (!server->model)
        return true;
    const unsigned met = server->meets | needs_met_by_socket(type, false) |
                         needs_met_by_service(service) |
                         (is_traced ? (unsigned)NEEDS_TRACE : 0u);
    if (!needs_are_met(needs_of_service(service), met, server->model,
                       service->name, reason)) {
        snprintf(why, SERVER_FIT_TEXT_MAX, "no service %s for %s",
                 service->name, reason);
        return false;
    }
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *setting = &settings->list[i];
        const struct option_spec *option =
            options_find(&server_option_table, setting->name);
        if (!option || !is_set(setting, option) ||
            needs_are_met(option->needs, met, server->model, service->name,
                          reason))
            continue;
        snprintf(why, SERVER_FIT_TEXT_MAX, "no --%s for %s", option->name,
                 reason);
        return false;
    }
    return true;
}
