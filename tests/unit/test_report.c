#include "loadgen/measure/report.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/sockbench-report-XXXXXX";

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
    unlink("report.json");
    cr_assert_eq(chdir("/"), 0);
    cr_expect_eq(rmdir(folder), 0, "something was left in %s", folder);
}

Test(report, what_is_no_number_is_null_and_the_key_stays)
{
    json_t *object = json_object();
    put_real(object, "nan", NAN);
    put_real(object, "infinite", INFINITY);
    put_ratio(object, "nothing", 1, 0);
    put_text(object, "text", NULL);
    put_text(object, "bytes", "caf\xe9");
    cr_expect(json_is_null(json_object_get(object, "nan")));
    cr_expect(json_is_null(json_object_get(object, "infinite")));
    cr_expect(json_is_null(json_object_get(object, "nothing")));
    cr_expect(json_is_null(json_object_get(object, "text")));
    cr_expect_str_eq(json_string_value(json_object_get(object, "bytes")),
                     "caf?");
    cr_expect_not(report_failed());
    json_decref(object);
}

Test(report, a_second_write_replaces_the_first_and_leaves_no_litter,
     .init = make_folder, .fini = remove_folder)
{
    for (int i = 0; i < 2; i++) {
        json_t *object = json_object();
        put_count(object, "n", (uint64_t)i);
        cr_assert_eq(report_write_file(object, "report.json"), 0);
        json_decref(object);
        json_t *back = json_load_file("report.json", 0, NULL);
        cr_expect_eq(json_integer_value(json_object_get(back, "n")), i);
        json_decref(back);
    }
}

Test(report, a_failed_write_leaves_the_earlier_file_and_says_why,
     .init = make_folder, .fini = remove_folder)
{
    json_t *object = json_object();
    cr_assert_eq(report_write_file(object, "report.json"), 0);
    cr_expect_eq(report_write_file(object, "no/such/folder/report.json"),
                 -ENOENT);
    put_count(object, "n", 1);
    /* A folder in the way of the rename. */
    cr_assert_eq(mkdir("taken", 0700), 0);
    cr_expect_lt(report_write_file(object, "taken"), 0);
    cr_assert_eq(rmdir("taken"), 0);
    json_t *back = json_load_file("report.json", 0, NULL);
    cr_expect_eq(json_object_size(back), 0);
    json_decref(back);
    json_decref(object);
}

Test(report, a_full_disk_is_seen_on_a_stream)
{
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    json_t *object = json_object();
    put_count(object, "n", 1);
    cr_expect_eq(report_print(object, full), -ENOSPC);
    fclose(full);
    json_decref(object);
}

static const json_t *quantile_of(const json_t *object, double q)
{
    const json_t *hist = json_object_get(object, "hist");
    const json_t *list = json_object_get(hist, "quantiles");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        if (fabs(json_number_value(json_object_get(row, "q")) - q) < 1e-9)
            return row;
    }
    return NULL;
}

Test(report, a_quantile_among_timeouts_has_a_bound_and_no_value)
{
    static struct hist hist;
    for (uint64_t i = 1; i <= 1000; i++)
        hist_record(&hist, i);
    json_t *object = json_object();
    put_hist_within(object, "hist", &hist,
                    &(struct hist_limits){
                        .censored = 50, .above_ns = 5000, .lateness_ns = 600});
    const json_t *median = quantile_of(object, 0.5);
    cr_expect_eq(json_integer_value(json_object_get(median, "value_ns")), 525);
    cr_expect(json_is_null(json_object_get(median, "above_ns")));
    cr_expect(json_is_true(json_object_get(median, "below_lateness")));
    const json_t *p90 = quantile_of(object, 0.9);
    cr_expect(json_is_false(json_object_get(p90, "below_lateness")));
    const json_t *p99 = quantile_of(object, 0.99);
    cr_expect(json_is_null(json_object_get(p99, "value_ns")));
    cr_expect_eq(json_integer_value(json_object_get(p99, "above_ns")), 5000);
    cr_expect(json_is_false(json_object_get(p99, "below_lateness")));
    cr_expect_null(quantile_of(object, 0.999), "1,050 are too few for it");
    json_decref(object);
}
