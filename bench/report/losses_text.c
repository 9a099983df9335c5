#include "bench/report/losses_text.h"

#include "bench/report/figures.h"
#include "bench/trial/attribution.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *key, *words;
} causes[] = {
    {"client_send", "refused to the sender"},
    {"local_qdisc", "by the device's queue"},
    {"link_forward", "on the way there"},
    {"server_buffer", "at the server's sockets"},
    {"server", "by the server"},
    {"link_back", "on the way back"},
    {"client_buffer", "at the client's sockets"},
    {"unknown", "nobody knows where"},
};

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* Every measured report of datagrams. */
static json_t *gather(const struct run *run)
{
    json_t *all = json_array();
    for (size_t i = 0; i < run->matrix->count; i++) {
        size_t k;
        json_t *report;
        json_array_foreach(run->results[i].measured, k, report)
        {
            if (json_is_object(json_object_get(report, "udp")))
                json_array_append(all, report);
        }
    }
    return all;
}

/* "in a network namespace to themselves", and why not. */
static void print_place(const json_t *report, FILE *out)
{
    const json_t *space =
        json_object_get(json_object_get(report, "environment"), "namespace");
    const char *kind = json_string_value(json_object_get(space, "kind"));
    const char *why = json_string_value(json_object_get(space, "reason"));
    if (kind && strcmp(kind, "private") == 0)
        fprintf(out, "Datagrams, in a network namespace to themselves: ");
    else
        fprintf(out, "Datagrams, on the host%s%s%s: ", why ? " (" : "",
                why ? why : "", why ? ")" : "");
}

static void print_causes(const json_t *sum, FILE *out)
{
    char text[FIGURE_MAX];
    bool first = true;
    const bool known = json_is_integer(json_object_get(sum, "arrived"));
    json_int_t lost = number(sum, "sends") - number(sum, "arrived");
    fprintf(out, "of %s sent",
            figure_count((double)number(sum, "sends"), text));
    if (lost == 0) {
        fprintf(out, " none was lost.\n");
        return;
    }
    if (known)
        fprintf(out, "\n%s were lost", figure_count((double)lost, text));
    else
        fprintf(out, ",\nnobody knows how many arrived");
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        json_int_t count = number(sum, causes[i].key);
        if (count == 0)
            continue;
        fprintf(out, "%s %s %s",
                !first  ? ","
                : known ? ":"
                        : "; lost",
                figure_count((double)count, text), causes[i].words);
        first = false;
    }
    fprintf(out, ".\n");
}

/* Sums that do not close are a fault of the measurement, and told. */
static void print_open_sum(const char *whose, const json_t *reports, FILE *out)
{
    json_t *sum = attribution_sum(reports);
    json_int_t left = number(sum, "difference");
    if (left != 0)
        fprintf(out,
                "%s: the sums of datagrams do not close, %" JSON_INTEGER_FORMAT
                " are left over.\n",
                whose, left);
    json_decref(sum);
}

/* False where nobody knows anything of datagrams. */
static bool print_sum(const json_t *reports, FILE *out)
{
    json_t *sum = attribution_sum(reports);
    bool known = json_is_object(sum);
    if (known) {
        print_place(json_array_get(reports, 0), out);
        print_causes(sum, out);
    }
    json_decref(sum);
    return known;
}

void losses_print(const struct run *run, FILE *out)
{
    json_t *all = gather(run);
    if (print_sum(all, out)) {
        for (size_t i = 0; i < run->matrix->count; i++)
            print_open_sum(run->matrix->cells[i].key, run->results[i].measured,
                           out);
        fputc('\n', out);
    }
    json_decref(all);
}

void losses_print_search(const struct find *find, FILE *out)
{
    json_t *all = json_array();
    for (size_t i = 0; i < find->step_count; i++) {
        json_t *report = find->steps[i].report;
        if (json_is_object(json_object_get(report, "udp")))
            json_array_append(all, report);
    }
    if (print_sum(all, out)) {
        print_open_sum(find->target->name, all, out);
        fputc('\n', out);
    }
    json_decref(all);
}
