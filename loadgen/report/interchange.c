#include "loadgen/report/interchange.h"

#include "loadgen/measure/hdr.h"
#include "loadgen/measure/report.h"

#include <errno.h>
#include <stdlib.h>

static int write_interval(const struct interval *interval, double start_s,
                          double length_s, struct hist *scratch, FILE *out)
{
    hist_reset(scratch);
    hist_add_slice(scratch, &interval->response);
    char *packed = hdr_encode(scratch);
    if (!packed)
        return -ENOMEM;
    fprintf(out, "Tag=response,%.3f,%.3f,%.3f,%s\n", start_s, length_s,
            (double)scratch->max / 1e6, packed);
    free(packed);
    return 0;
}

static int write_log(const struct tally *tally, uint64_t interval_ns,
                     double begin_unix_s, FILE *out)
{
    struct hist *scratch = malloc(sizeof *scratch);
    int r = scratch ? 0 : -ENOMEM;
    const uint64_t window_ns = tally->window_end_ns - tally->window_begin_ns;
    fprintf(out,
            "#[Logged with sockbench]\n"
            "#[Histogram log format version 1.3]\n"
            "#[StartTime: %.3f (seconds since epoch)]\n"
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
            "\"Interval_Compressed_Histogram\"\n",
            begin_unix_s);
    for (uint64_t i = 0; r == 0 && i < tally->intervals_count; i++) {
        uint64_t start_ns = i * interval_ns;
        uint64_t length_ns = interval_ns;
        if (start_ns + length_ns > window_ns && window_ns > start_ns)
            length_ns = window_ns - start_ns;
        r = write_interval(&tally->intervals[i],
                           begin_unix_s + (double)start_ns / 1e9,
                           (double)length_ns / 1e9, scratch, out);
    }
    free(scratch);
    return r;
}

int interchange_write_log(const struct tally *tally, uint64_t interval_ns,
                          double begin_unix_s, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return -errno;
    int r = write_log(tally, interval_ns, begin_unix_s, out);
    if (fclose(out) != 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = report_write_text_file(text, path);
    free(text);
    return r;
}

int interchange_write_distribution(const struct tally *tally, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return -errno;
    int r = hdr_write_distribution(&tally->response, out);
    if (fclose(out) != 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = report_write_text_file(text, path);
    free(text);
    return r;
}
