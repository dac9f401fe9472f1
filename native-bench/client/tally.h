/* What went wrong, by kind, with how often. Everything that fails is counted here and printed with every result. */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>
#include <stdio.h>

/* `kind`: words with dashes. What comes after the 32 first kinds is counted as "other". */
void tally_add(const char *kind, uint64_t times);

/* The same with a number behind the kind: "publish-status-400". */
void tally_add_numbered(const char *kind, int number, uint64_t times);

/* The same with the name of an errno behind the kind: "connect: Connection refused". */
void tally_add_errno(const char *kind, int reason);

/* A JSON object of all since the start. */
void tally_print(FILE *out);

#endif
