#include "bench/scenario/space.h"

#include <errno.h>
#include <string.h>

int space_parse(const char *text, enum space *ret_space)
{
    static const char *const names[] = {"auto", "private", "host"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *ret_space = (enum space)i;
        return 0;
    }
    return -EINVAL;
}
