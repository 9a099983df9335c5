/* What a reply looks like: on a terminal with its round trip, in a pipe as it
 * came. */
#include "loadgen/measure/clock.h"
#include "loadgen/talk/talk.h"
#include "servers/cli/units.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIP_MAX 64 /* the round trip, or a remark in its place */

/* Control characters of the other side would be obeyed by the terminal: also
 * U+0080 to U+009F, in UTF-8. */
static void defuse(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        uint8_t next = i + 1 < length ? (uint8_t)text[i + 1] : 0;
        if (c == 0xc2 && next >= 0x80 && next < 0xa0)
            text[i] = text[i + 1] = '?';
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            text[i] = '?';
    }
}

void talk_show(struct talk *talk, char *data, size_t length,
               const struct address *from)
{
    char line[TALK_REPLY_MAX + ADDRESS_TEXT_MAX + TRIP_MAX + 8];
    char trip[UNITS_TEXT_MAX];
    char who[ADDRESS_TEXT_MAX];
    bool decorated = talk_lines_on_terminal(talk->lines);
    const bool on_screen = isatty(STDOUT_FILENO);
    if (on_screen)
        defuse(data, length);
    /* A stream into a pipe is passed on byte for byte. */
    if (!decorated && talk->stream) {
        talk_lines_print(talk->lines, data, length);
        return;
    }
    bool has_newline = length > 0 && data[length - 1] == '\n';
    size_t shown = length - has_newline;
    int used = 0;
    if (from)
        used = snprintf(line, sizeof line, "[%s] ", address_format(from, who));
    if (on_screen) /* the name of a Unix socket is the other side's, too */
        defuse(line, (size_t)used);
    memcpy(line + used, data, shown);
    used += (int)shown;
    if (decorated && talk->overdue > 0)
        used += snprintf(line + used, sizeof line - (size_t)used, "   (%s)",
                         talk->asked_ns != 0
                             ? "perhaps to an earlier line: one is overdue"
                             : "late");
    else if (decorated && talk->asked_ns != 0 && !talk->overlapped)
        used += snprintf(
            line + used, sizeof line - (size_t)used, "   (%s)",
            units_format_duration(clock_now_ns() - talk->asked_ns, trip));
    line[used++] = '\n';
    talk_lines_print(talk->lines, line, (size_t)used);
}
