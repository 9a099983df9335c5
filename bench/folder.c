#include "bench/folder.h"

#include "loadgen/measure/report.h"
#include "servers/cli/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES_TRIED 1000 /* folders NAME, NAME-2, NAME-3 ... */

/* mkdir -p. 0 or -errno. */
static int make_folders(const char *path)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return -errno;
        *at = '/';
    }
    return mkdir(part, 0777) < 0 && errno != EEXIST ? -errno : 0;
}

/* A new folder under results/runs. 0 or -errno. */
static int make_new(struct folder *folder, const char *name)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
    strcpy(folder->path, "results/runs"); /* to be named if it cannot be made */
    int r = make_folders(folder->path);
    for (int i = 1; r == 0 && i <= NAMES_TRIED; i++) {
        char suffix[16] = "";
        if (i > 1)
            snprintf(suffix, sizeof suffix, "-%d", i);
        int n = snprintf(folder->path, sizeof folder->path,
                         "results/runs/%s-%s%s", name, stamp, suffix);
        if (n >= (int)sizeof folder->path)
            return -ENAMETOOLONG;
        if (mkdir(folder->path, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            r = -errno;
    }
    return r < 0 ? r : -EEXIST;
}

void folder_scratch(const struct folder *folder,
                    char ret_path[static PATH_MAX + 32])
{
    snprintf(ret_path, PATH_MAX + 32, "%s/.load-report.json", folder->path);
}

/* Makes a file there and removes it: better to fail now than after the first
 * trial. 0 or -errno. */
static int try_it(const struct folder *folder)
{
    char scratch[PATH_MAX + 32];
    folder_scratch(folder, scratch);
    int fd = open(scratch, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    close(fd);
    return unlink(scratch) < 0 ? -errno : 0;
}

int folder_open(struct folder *folder, const char *wanted, const char *name)
{
    char report[PATH_MAX];
    int r;
    if (!wanted) {
        r = make_new(folder, name);
    } else {
        int n = snprintf(report, sizeof report, "%s/report.json", wanted);
        if (*wanted == '\0' || n >= (int)sizeof report) {
            log_line("--output '%s': not the name of a folder", wanted);
            return EXIT_USAGE;
        }
        if (access(report, F_OK) == 0) {
            log_line("%s is there already, and stays: name another folder",
                     report);
            return EXIT_USAGE;
        }
        snprintf(folder->path, sizeof folder->path, "%s", wanted);
        r = make_folders(wanted);
    }
    if (r == 0)
        r = try_it(folder);
    if (r < 0) {
        log_line("cannot write into the folder %s: %s%s",
                 wanted ? wanted : folder->path, strerror(-r),
                 wanted ? "" : " (-o names another)");
        return wanted ? EXIT_USAGE : EXIT_FAILED;
    }
    return EXIT_PASS;
}

int folder_write(const struct folder *folder, const char *name, json_t *json)
{
    char path[PATH_MAX + 32];
    int r = json && !report_failed() ? 0 : -ENOMEM;
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    if (r == 0)
        r = report_write_file(json, path);
    if (r < 0)
        log_line("cannot write %s: %s", path, strerror(-r));
    json_decref(json);
    return r;
}
