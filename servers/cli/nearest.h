/* "Did you mean ...?" */
#ifndef SOCKBENCH_SERVERS_CLI_NEAREST_H
#define SOCKBENCH_SERVERS_CLI_NEAREST_H

/*
 * The name nearest to word by edit distance (insert, delete, replace, swap of
 * neighbours; the case of letters is no difference). names is a NULL-terminated
 * list. Returns one of names, or NULL when none is near (more than half of the
 * word would have to change).
 */
const char *nearest_name(const char *word, const char *const *names);

#endif
