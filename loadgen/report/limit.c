/* How much of what one thread of this machine can do was done: the findings of
 * sockbench-selftest, quoted where they are kept. */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"
#include "loadgen/selftest/cache.h"

#define SMALL_BYTES_MAX 1024 /* these cost what 64 bytes cost */

/* NULL, or why the raw loop is no limit of such a load. */
static const char *why_no_limit(const struct course *course)
{
    if (course->engine == &engine_null)
        return "no network";
    if (!address_is_loopback(&course->target))
        return "the raw loop is of this machine, the target is not";
    if (course->one_way)
        return "one way: there are no round trips";
    if (course->depth > 1)
        return "several requests in flight share system calls and segments: "
               "the raw loop has one";
    if (course->reconnect_every > 0)
        return "connections come and go: the raw loop's stays";
    if (course->payload.longest_bytes > SMALL_BYTES_MAX)
        return "the raw loop's messages have 64 bytes";
    return NULL;
}

static const char *kind_of(const struct course *course)
{
    if (course->target.u.any.sa_family == AF_UNIX)
        return course->stream ? "unix" : "unix_dgram";
    return course->stream ? "tcp" : "udp";
}

void put_limit(json_t *evidence, const struct view *view,
               const json_t *environment)
{
    char key[SELFTEST_KEY_MAX];
    const char *why = why_no_limit(view->course);
    json_t *kept = NULL;
    double raw_per_s = 0;
    if (!why) {
        selftest_key(environment, key);
        kept = selftest_cache_read(key);
        if (!kept)
            why = "no findings of `sockbench selftest` are kept for this "
                  "machine and program";
    }
    if (!why) {
        raw_per_s = json_number_value(
            json_object_get(json_object_get(json_object_get(kept, "raw_loop"),
                                            kind_of(view->course)),
                            "round_trips_per_s"));
        if (!(raw_per_s > 0) || view->window_s <= 0)
            why = "the raw loop or this run came to nothing";
    }
    json_t *out = put_object(evidence, "machine");
    if (why) {
        put_null(out, "raw_round_trips_per_s");
        put_null(out, "of_limit_ratio");
        put_null(out, "measured_utc");
    } else {
        put_real(out, "raw_round_trips_per_s", raw_per_s);
        put_ratio(out, "of_limit_ratio",
                  (double)view->total->window_completed / view->window_s,
                  raw_per_s);
        put_text(out, "measured_utc",
                 json_string_value(json_object_get(kept, "measured_utc")));
    }
    put_text(out, "reason", why);
    json_decref(kept);
}
