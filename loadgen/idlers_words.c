#include "loadgen/idlers.h"

#include "servers/cli/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int idlers_parse(const char *text, struct idlers_words *ret)
{
    struct idlers_words made = {0};
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 7 || text[digits] != ':')
        return -EINVAL;
    made.count = (uint32_t)strtoul(text, NULL, 10);
    if (units_parse_duration(text + digits + 1, &made.idle_ns) < 0 ||
        made.count < 1 || made.count > IDLERS_MAX || made.idle_ns < 1000000 ||
        made.idle_ns > 3600000000000)
        return -EINVAL;
    *ret = made;
    return 0;
}
