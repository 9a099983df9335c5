#include "bench/scenario/position.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct path root = {NULL, NULL, 0};

static void expect(const char *text, const struct path *path, bool of_key,
                   unsigned line, unsigned column)
{
    struct position found = position_find(text, strlen(text), path, of_key);
    cr_expect_eq(found.line, line, "line %u, not %u", found.line, line);
    cr_expect_eq(found.column, column, "column %u, not %u", found.column,
                 column);
}

Test(position, root_is_the_first_character)
{
    expect(" \n\t {}", &root, false, 2, 3);
}

Test(position, members_and_elements_are_found)
{
    const char *text =
        "{\n  \"a\": [1, {\"b\" :\n 22}, \"x\"],\n  \"c\": null\n}";
    struct path a = {&root, "a", 0};
    struct path second = {&a, NULL, 1};
    struct path b = {&second, "b", 0};
    struct path third = {&a, NULL, 2};
    struct path c = {&root, "c", 0};
    expect(text, &a, true, 2, 3);
    expect(text, &a, false, 2, 8);
    expect(text, &b, true, 2, 13);
    expect(text, &b, false, 3, 2);
    expect(text, &third, false, 3, 7);
    expect(text, &c, false, 4, 8);
}

Test(position, brackets_and_quotes_inside_texts_do_not_count)
{
    const char *text =
        "{\"a\": \"}]\\\"{[\", \"b\": [\"\\\\\", \",\"], \"c\": 1}";
    struct path c = {&root, "c", 0};
    expect(text, &c, true, 1, 35);
}

Test(position, a_key_must_match_whole)
{
    struct path a = {&root, "a", 0};
    expect("{\"ab\": 1, \"a\": 2}", &a, false, 1, 16);
}

Test(position, what_is_missing_is_where_it_is_missed)
{
    const char *text = "{\"a\": {\"b\": 1}}";
    struct path a = {&root, "a", 0};
    struct path missing = {&a, "zz", 0};
    struct path below = {&missing, NULL, 3};
    expect(text, &missing, false, 1, 7);
    expect(text, &below, true, 1, 7);
}

Test(position, columns_count_characters_not_bytes)
{
    struct path a = {&root, "a", 0};
    expect("{\"\303\244\303\266\": 1, \"a\": 2}", &a, true, 1, 11);
}

Test(position, any_bytes_end)
{
    const char *const texts[] = {"",       "{",   "[",    "{\"",     "{\"a",
                                 "{\"a\"", "[[[", "\"\\", "{\"a\":", "]"};
    struct path a = {&root, "a", 0};
    struct path first = {&root, NULL, 7};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        position_find(texts[i], strlen(texts[i]), &a, true);
        struct position p =
            position_find(texts[i], strlen(texts[i]), &first, false);
        cr_expect_eq(p.line, 1);
    }
}
