/* Options of our programs with their values, and how a JSON object writes them:
 * each is checked as the command line would. */
#ifndef SOCKBENCH_BENCH_SCENARIO_SETTINGS_H
#define SOCKBENCH_BENCH_SCENARIO_SETTINGS_H

#include "bench/scenario/members.h"
#include "servers/cli/options.h"

struct setting {
    const char *name;
    char *text; /* as it would be typed */
};

struct settings {
    struct setting *list;
    size_t count;
};

/* The options that an object may set: those of the table but these.
 * NULL-terminated; NULL for none. */
struct option_words {
    const struct option_table *table;
    const char *const *reserved; /* decided by the bench */
    const char *const *sharded;  /* and by a sharded layout, where it is one */
    const char *const *own;      /* keys of the object that are no options */
};

/* All of an object's keys that are not its own. 0, or -EINVAL or -ENOMEM;
 * settings_done frees what was read until then. */
int settings_read(const struct source *source, json_t *object,
                  const struct path *path, const struct option_words *words,
                  struct settings *ret_settings);

/* Whether the key of path may be set. 0 or -EINVAL. */
int setting_check(const struct source *source, const struct path *at,
                  const struct option_words *words);

/* One value, a text, number or truth value, of the option called name; *ret is
 * its text, on the heap. 0, or -EINVAL or -ENOMEM. */
int setting_read(const struct source *source, const struct path *path,
                 const struct option_table *table, const char *name,
                 const json_t *value, char **ret_text);

/* The text of a setting, or NULL. The last one counts. */
const char *settings_get(const struct settings *settings, const char *name);

/* Of settings that settings_read made. */
void settings_done(struct settings *settings);

#endif
