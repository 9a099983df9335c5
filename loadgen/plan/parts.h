/*
 * A plan while it is made, as its rooms see it: `words` judges what was
 * asked for by itself, `machine` asks the machine what it grants,
 * `choices` chooses what was left open, `plan` puts them in order and
 * writes the course.
 */
#ifndef SOCKBENCH_LOADGEN_PLAN_PARTS_H
#define SOCKBENCH_LOADGEN_PLAN_PARTS_H

#include "loadgen/plan/plan.h"

/* Fills in *error; -1. */
int plan_fail(struct plan_error *error, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* False for a text that is NULL. */
bool plan_is(const char *text, const char *word);
bool plan_is_open_loop(const struct load_options *o);

/* The one that was asked for, or the transport's. */
const struct service *plan_service(const struct plan *plan);

/* In this order. 0, or -1 with *error filled in. */
int plan_check_words(struct plan *plan, struct plan_error *error);
int plan_check_machine(struct plan *plan, struct plan_error *error);
int plan_choose(struct plan *plan, struct plan_error *error);

#endif
