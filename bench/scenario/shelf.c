#include "bench/scenario/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_folder(struct shelf *shelf)
{
    struct dirent *entry;
    DIR *folder = opendir(shelf->folder);
    if (!folder)
        return -errno;
    while ((entry = readdir(folder)) && shelf->count < SHELF_NAMES_MAX) {
        size_t length = strlen(entry->d_name);
        if (length <= 5 || strcmp(entry->d_name + length - 5, ".json") != 0)
            continue;
        char *name = strndup(entry->d_name, length - 5);
        if (name)
            shelf->names[shelf->count++] = name;
    }
    closedir(folder);
    qsort(shelf->names, shelf->count, sizeof *shelf->names, by_name);
    return 0;
}

int shelf_open(const char *programs_folder, struct shelf *ret_shelf)
{
    *ret_shelf = (struct shelf){0};
    snprintf(ret_shelf->folder, sizeof ret_shelf->folder,
             "%s/../share/sockbench/scenarios", programs_folder);
    if (read_folder(ret_shelf) == 0)
        return 0;
    snprintf(ret_shelf->folder, sizeof ret_shelf->folder, "%s",
             SOCKBENCH_SOURCE_SCENARIOS);
    return read_folder(ret_shelf);
}

void shelf_close(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        free(shelf->names[i]);
    shelf->count = 0;
}

void shelf_find(const struct shelf *shelf, const char *word,
                char ret_file[static PATH_MAX])
{
    if (shelf && !strchr(word, '/') && access(word, F_OK) < 0) {
        for (size_t i = 0; i < shelf->count; i++) {
            if (strcmp(shelf->names[i], word) != 0)
                continue;
            size_t used = strlen(shelf->folder);
            if (used + strlen(word) + 7 <= PATH_MAX) {
                memcpy(ret_file, shelf->folder, used);
                snprintf(ret_file + used, PATH_MAX - used, "/%s.json", word);
                return;
            }
        }
    }
    snprintf(ret_file, PATH_MAX, "%s", word);
}
