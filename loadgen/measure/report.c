#include "loadgen/measure/report.h"

#include "loadgen/measure/hdr.h"

#include "build_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool failed;

bool report_failed(void)
{
    return failed;
}

void put_json(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0)
        failed = true;
}

void put_text(json_t *object, const char *key, const char *text)
{
    json_t *value = text ? json_string(text) : json_null();
    if (!value) { /* not UTF-8: keep what can be kept */
        char *copy = strdup(text);
        for (char *at = copy; at && *at; at++) {
            if ((unsigned char)*at >= 0x80)
                *at = '?';
        }
        value = copy ? json_string(copy) : NULL;
        free(copy);
    }
    put_json(object, key, value);
}

void put_count(json_t *object, const char *key, uint64_t count)
{
    put_json(object, key, json_integer((json_int_t)count));
}

void put_real(json_t *object, const char *key, double value)
{
    put_json(object, key, isfinite(value) ? json_real(value) : json_null());
}

void put_flag(json_t *object, const char *key, bool flag)
{
    put_json(object, key, json_boolean(flag));
}

void put_null(json_t *object, const char *key)
{
    put_json(object, key, json_null());
}

json_t *put_object(json_t *object, const char *key)
{
    put_json(object, key, json_object());
    return json_object_get(object, key);
}

json_t *put_array(json_t *object, const char *key)
{
    put_json(object, key, json_array());
    return json_object_get(object, key);
}

void put_ratio(json_t *object, const char *key, double numerator,
               double denominator)
{
    put_real(object, key,
             denominator > 0 ? numerator / denominator : (double)NAN);
}

static void put_known(json_t *object, const char *key, bool known,
                      uint64_t value)
{
    if (known)
        put_count(object, key, value);
    else
        put_null(object, key);
}

static json_t *quantile_row(const struct hist_quantile *found,
                            const struct hist_limits *limits)
{
    json_t *row = json_object();
    put_real(row, "q", found->q);
    put_known(row, "value_ns", !found->censored, found->value_ns);
    put_known(row, "above_ns", found->censored, limits->above_ns);
    put_known(row, "lo_ns", found->has_lo, found->lo_ns);
    put_known(row, "hi_ns", found->has_hi, found->hi_ns);
    put_flag(row, "below_lateness",
             !found->censored && found->value_ns < limits->lateness_ns);
    return row;
}

void put_hist(json_t *object, const char *key, const struct hist *hist)
{
    put_hist_within(object, key, hist, &(struct hist_limits){0});
}

void put_hist_within(json_t *object, const char *key, const struct hist *hist,
                     const struct hist_limits *limits)
{
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999, 0.9999};
    if (hist->total == 0) {
        put_null(object, key);
        return;
    }
    json_t *out = put_object(object, key);
    put_count(out, "count", hist->total);
    put_count(out, "censored", limits->censored);
    put_count(out, "min_ns", hist->min);
    put_count(out, "max_ns", hist->max);
    put_real(out, "mean_ns", hist_mean(hist));
    put_real(out, "stddev_ns", hist_stddev(hist));
    char *packed = hdr_encode(hist);
    put_text(out, "hdr_v2_base64", packed);
    free(packed);
    json_t *list = put_array(out, "quantiles");
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        struct hist_quantile found;
        if (hist_quantile_censored(hist, limits->censored, quantiles[i],
                                   &found) &&
            json_array_append_new(list, quantile_row(&found, limits)) < 0)
            failed = true;
    }
}

void put_tool(json_t *object, const char *key, const char *liburing_version)
{
    json_t *tool = put_object(object, key);
    put_text(tool, "version", BUILD_VERSION);
    put_text(tool, "commit", BUILD_COMMIT[0] ? BUILD_COMMIT : NULL);
    put_text(tool, "compiler", BUILD_COMPILER);
    put_text(tool, "flags", BUILD_FLAGS);
    put_text(tool, "liburing", liburing_version);
}

void put_utc_now(json_t *object, const char *key)
{
    char text[32];
    time_t now = time(NULL);
    struct tm tm;
    if (!gmtime_r(&now, &tm) ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        text[0] = '\0';
    put_text(object, key, text);
}

void put_new_id(json_t *object, const char *key)
{
    uint64_t id = 0;
    char text[17];
    if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
        id = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
    put_text(object, key, text);
}

static int sync_folder_of(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return -errno;
    /* Some file systems cannot sync a folder; the rename stands all the same */
    int r = fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    close(fd);
    return r;
}

/* On a full disk fwrite and fclose may both "succeed": only ferror tells. */
static int finish(FILE *file)
{
    int r = 0;
    if (fflush(file) != 0 || ferror(file))
        r = errno ? -errno : -EIO;
    else if (fsync(fileno(file)) < 0)
        r = -errno;
    if (fclose(file) != 0 && r == 0)
        r = -errno;
    return r;
}

/* A device or a pipe cannot be replaced, and a full one is no earlier report to
 * be saved: it is written to as it is. */
static int write_in_place(const char *path, int (*body)(FILE *, const void *),
                          const void *what)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -errno;
    errno = 0;
    int r = body(file, what);
    if (r == 0 && (fflush(file) != 0 || ferror(file)))
        r = errno ? -errno : -EIO;
    if (fclose(file) != 0 && r == 0)
        r = -errno;
    return r;
}

/* What a file of this name has, or would be given. No other thread makes files
 * while reports are written. */
static mode_t mode_for(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0)
        return status.st_mode & 0777;
    const mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static int write_atomically(const char *path, int (*body)(FILE *, const void *),
                            const void *what)
{
    char target[PATH_MAX];
    char temporary[PATH_MAX + 8];
    struct stat status;
    /* A link stays a link: what it points to is replaced, or made. */
    if (!realpath(path, target)) {
        if (errno != ENOENT)
            return -errno;
        if (lstat(path, &status) == 0)
            return write_in_place(path, body, what);
        if (snprintf(target, sizeof target, "%s", path) >= (int)sizeof target)
            return -ENAMETOOLONG;
    }
    if (stat(target, &status) == 0 && !S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR
                                       : write_in_place(target, body, what);
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", target);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = 0;
    if (fchmod(fd, mode_for(target)) < 0)
        r = -errno;
    FILE *file = fdopen(fd, "w");
    if (!file) {
        r = -errno;
        close(fd);
        goto out;
    }
    errno = 0;
    if (r == 0)
        r = body(file, what);
    int end = finish(file);
    if (r == 0)
        r = end;
    if (r == 0 && rename(temporary, target) < 0)
        r = -errno;
out:
    if (r < 0) {
        unlink(temporary);
        return r;
    }
    return sync_folder_of(target);
}

static int write_json_body(FILE *file, const void *what)
{
    if (json_dumpf(what, file, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) < 0 ||
        fputc('\n', file) == EOF)
        return errno ? -errno : -EIO;
    return 0;
}

static int write_text_body(FILE *file, const void *what)
{
    if (fputs(what, file) == EOF)
        return errno ? -errno : -EIO;
    return 0;
}

int report_write_file(const json_t *json, const char *path)
{
    if (failed || !json)
        return -ENOMEM;
    return write_atomically(path, write_json_body, json);
}

int report_write_text_file(const char *text, const char *path)
{
    return write_atomically(path, write_text_body, text);
}

int report_print(const json_t *json, FILE *out)
{
    if (failed || !json)
        return -ENOMEM;
    errno = 0;
    int r = write_json_body(out, json);
    if (r == 0 && (fflush(out) != 0 || ferror(out)))
        r = errno ? -errno : -EIO;
    return r;
}
