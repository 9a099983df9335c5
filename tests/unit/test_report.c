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
