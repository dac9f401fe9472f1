#include "tally.h"

#include <string.h>

#define KINDS_MAX 32
#define KIND_BYTES_MAX 64

static struct {
    char kind[KIND_BYTES_MAX];
    uint64_t times;
} entries[KINDS_MAX];
static int entry_count = 0;

void tally_add(const char *kind, uint64_t times)
{
    for (int i = 0; i < entry_count; i++) {
        if (strcmp(entries[i].kind, kind) == 0) {
            entries[i].times += times;
            return;
        }
    }
    int i = entry_count < KINDS_MAX ? entry_count++ : KINDS_MAX - 1;
    snprintf(entries[i].kind, sizeof entries[i].kind, "%s", i == KINDS_MAX - 1 ? "other" : kind);
    entries[i].times += times;
}

void tally_add_numbered(const char *kind, int number, uint64_t times)
{
    char text[KIND_BYTES_MAX];
    snprintf(text, sizeof text, "%s-%d", kind, number);
    tally_add(text, times);
}

void tally_add_errno(const char *kind, int reason)
{
    char text[KIND_BYTES_MAX];
    snprintf(text, sizeof text, "%s: %s", kind, strerror(reason));
    tally_add(text, 1);
}

void tally_print(FILE *out)
{
    fputc('{', out);
    for (int i = 0; i < entry_count; i++)
        fprintf(out, "%s\"%s\":%llu", i == 0 ? "" : ",", entries[i].kind, (unsigned long long)entries[i].times);
    fputc('}', out);
}
