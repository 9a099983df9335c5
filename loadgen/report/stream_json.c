#include "loadgen/report/stream_json.h"

#include "loadgen/measure/report.h"
#include "loadgen/plan/plan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct row {
    uint32_t handed_in; /* by so many threads */
    uint64_t end_ns;
    struct interval sum;
};

struct stream_json {
    FILE *out;
    int error; /* -errno of the first line that could not be written */
    uint32_t threads;
    uint64_t interval_ns;
    pthread_mutex_t lock;
    struct row *rows;
    uint64_t count;
    uint64_t written;
    struct hist scratch;  /* under the lock */
    struct hist response; /* the writer's */
};

int stream_json_open(struct stream_json **ret, FILE *out, uint32_t threads,
                     uint64_t interval_ns)
{
    struct stream_json *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->out = out;
    made->threads = threads;
    made->interval_ns = interval_ns;
    pthread_mutex_init(&made->lock, NULL);
    *ret = made;
    return 0;
}

void stream_json_close(struct stream_json *stream)
{
    if (!stream)
        return;
    for (uint64_t i = 0; i < stream->count; i++)
        hist_slice_done(&stream->rows[i].sum.response);
    free(stream->rows);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

static void write_line(struct stream_json *stream, const json_t *line)
{
    if (stream->error < 0)
        return;
    errno = ENOMEM; /* jansson's, where it is not the file's */
    if (json_dumpf(line, stream->out, JSON_COMPACT) < 0 ||
        fputc('\n', stream->out) == EOF || fflush(stream->out) != 0)
        stream->error = -errno;
}

void stream_json_start(struct stream_json *stream, const struct plan *plan,
                       int argc, char *const *argv)
{
    const struct course *course = &plan->course;
    char address[ADDRESS_TEXT_MAX];
    json_t *line = json_object();
    put_text(line, "type", "start");
    json_t *schema = put_object(line, "schema");
    put_text(schema, "name", "sockbench-load-stream");
    put_count(schema, "version", 1);
    put_utc_now(line, "created_utc");
    json_t *words = put_array(line, "argv");
    for (int i = 0; i < argc; i++) {
        json_t *word = json_string(argv[i]);
        json_array_append_new(words, word ? word : json_null());
    }
    put_text(line, "target", address_format(&course->target, address));
    put_text(line, "service", course->payload.service->name);
    put_text(line, "model", course->rate_per_s > 0 ? "open" : "closed");
    put_count(line, "connections", course->connections);
    put_count(line, "warmup_ns", course->warmup_ns);
    put_count(line, "interval_ns", course->interval_ns);
    if (course->requests > 0)
        put_null(line, "window_ns");
    else
        put_count(line, "window_ns", course->duration_ns);
    if (course->requests > 0)
        put_count(line, "requests", course->requests);
    else
        put_null(line, "requests");
    write_line(stream, line);
    json_decref(line);
}

static struct row *row_at(struct stream_json *stream, uint64_t index)
{
    if (index >= stream->count) {
        struct row *grown =
            realloc(stream->rows, (index + 1) * sizeof *stream->rows);
        if (!grown)
            return NULL;
        for (uint64_t i = stream->count; i <= index; i++)
            grown[i] = (struct row){0};
        stream->rows = grown;
        stream->count = index + 1;
    }
    return &stream->rows[index];
}

void stream_json_hand_in(struct stream_json *stream, uint64_t index,
                         const struct interval *interval, uint64_t end_ns)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->lock);
    struct row *row = row_at(stream, index);
    if (row && index >= stream->written) {
        row->handed_in++;
        row->sum.completed += interval->completed;
        row->sum.errors += interval->errors;
        if (end_ns > row->end_ns)
            row->end_ns = end_ns;
        (void)hist_slice_add(&row->sum.response, &interval->response,
                             &stream->scratch);
    }
    pthread_mutex_unlock(&stream->lock);
}

json_t *stream_json_interval(uint64_t start_ns, uint64_t end_ns,
                             const struct interval *interval,
                             const struct hist *response)
{
    static const struct {
        const char *key;
        double q;
    } quantiles[] = {{"p50_ns", 0.5}, {"p99_ns", 0.99}};
    json_t *row = json_object();
    put_count(row, "start_ns", start_ns);
    put_count(row, "end_ns", end_ns);
    put_text(row, "phase", "window");
    put_count(row, "completed", interval->completed);
    put_count(row, "errors", interval->errors);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        struct hist_quantile found;
        if (hist_quantile_interval(response, quantiles[i].q, &found))
            put_count(row, quantiles[i].key, found.value_ns);
        else
            put_null(row, quantiles[i].key);
    }
    return row;
}

/* The next row, taken out; false when it is not there yet. */
static bool take_row(struct stream_json *stream, bool all, struct row *ret)
{
    pthread_mutex_lock(&stream->lock);
    const uint64_t next = stream->written;
    const uint32_t wanted = all ? 0 : stream->threads;
    bool found = next < stream->count && stream->rows[next].handed_in >= wanted;
    if (found) {
        *ret = stream->rows[next];
        stream->rows[next] = (struct row){0};
        stream->written++;
    }
    pthread_mutex_unlock(&stream->lock);
    return found;
}

void stream_json_write_intervals(struct stream_json *stream, bool all)
{
    struct row row;
    while (stream && take_row(stream, all, &row)) {
        const uint64_t start_ns = (stream->written - 1) * stream->interval_ns;
        hist_reset(&stream->response);
        hist_add_slice(&stream->response, &row.sum.response);
        json_t *line = stream_json_interval(start_ns, row.end_ns, &row.sum,
                                            &stream->response);
        put_text(line, "type", "interval");
        write_line(stream, line);
        json_decref(line);
        hist_slice_done(&row.sum.response);
    }
}

int stream_json_finish(struct stream_json *stream, json_t *report)
{
    json_t *line = json_object();
    put_text(line, "type", "report");
    put_json(line, "report", json_incref(report));
    write_line(stream, line);
    json_decref(line);
    return stream->error;
}
