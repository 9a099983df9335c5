/*
 * Which options mean nothing for which load. One that was given and changes
 * nothing is a mistake, and it is better told than found in the figures. Data
 * and no sockets: the bench includes this to know which cells do not apply.
 */
#ifndef SOCKBENCH_LOADGEN_VAIN_H
#define SOCKBENCH_LOADGEN_VAIN_H

#include "loadgen/options.h"

#include "servers/wire/service.h"

#include <stdbool.h>

/* What an option's meaning hangs on. */
struct load_kind {
    const struct load_options *options;
    const struct service *service;
    bool stream, is_unix, remote;
};

#define VAIN_TEXT_MAX 240

/* True, and in text which option means nothing and why: "--path 'link': only
 * datagrams can come twice". Else false. To give the default is no mistake. */
bool load_is_vain(const struct load_kind *kind,
                  char text[static VAIN_TEXT_MAX]);

#endif
