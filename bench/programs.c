#include "bench/programs.h"

#include "loadgen/measure/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST_NS (10 * NS_PER_S)

int programs_find(struct programs *ret_programs)
{
    struct programs *p = ret_programs;
    ssize_t n = readlink("/proc/self/exe", p->folder, sizeof p->folder - 1);
    if (n < 0)
        return -errno;
    p->folder[n] = '\0';
    char *slash = strrchr(p->folder, '/');
    if (!slash)
        return -ENOENT;
    *slash = '\0';
    int serve =
        snprintf(p->serve, sizeof p->serve, "%s/sockbench-serve", p->folder);
    int load =
        snprintf(p->load, sizeof p->load, "%s/sockbench-load", p->folder);
    return serve < PATH_MAX && load < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int programs_list_models(const struct programs *programs, json_t **ret_models)
{
    char program[PATH_MAX];
    char list_word[] = "--list";
    char json_word[] = "--json";
    char *const argv[] = {program, list_word, json_word, NULL};
    struct process process;
    struct process *const waited[] = {&process};
    memcpy(program, programs->serve, sizeof program);
    int r = process_start(&process, &(struct process_plan){.argv = argv});
    if (r < 0)
        return r;
    uint64_t until = clock_now_ns() + LIST_NS;
    while (r == 0 && !process.ended)
        r = process_wait(waited, 1, -1, until);
    json_t *models = json_loadb(process.out.bytes, process.out.length,
                                JSON_REJECT_DUPLICATES, NULL);
    if (r == 0 && (!process_exited(&process, 0) || !json_is_array(models)))
        r = -EPROTO;
    process_done(&process);
    if (r < 0)
        json_decref(models);
    else
        *ret_models = models;
    return r;
}
