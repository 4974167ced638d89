/* outcomes - recorded outcomes: what each of some models answered to each of some prompts, how good that was, and what
 * it cost. SPDX-License-Identifier: MIT
 *
 * Read from CSV (RFC 4180, a header line) or JSON Lines by a plan, which says what is in which column. */
#ifndef OUTCOMES_H
#define OUTCOMES_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum {
    OUTCOMES_MODELS = 256,
    OUTCOMES_NAME = 400, /* bytes of a model's name */
    OUTCOMES_COLUMNS = 4096,
    OUTCOMES_ROWS = 1000 * 1000,
    OUTCOMES_CELLS = 32 * 1000 * 1000, /* rows times models */
    OUTCOMES_CHARS = 4                 /* of a text, in bytes, are taken for a token */
};

/* A model in one row. */
struct outcome {
    float score;        /* NAN: it was not asked */
    float latency;      /* seconds; 0: not recorded */
    double cost;        /* USD; NAN: not known */
    int tokens;         /* of the answer; 0: not known */
    struct span answer; /* p NULL: not recorded */
};

struct outcomes_model {
    char *name; /* "oracle/gpt-4" */
    double per_call, input,
        output; /* USD, and USD per million tokens, where no cost is recorded; NAN: not known */
    bool answers, costs;          /* of some row */
    size_t count;                 /* rows it was asked in */
    double mean_score, mean_cost; /* of those */
    double mean_tokens;           /* of question and answer together */
};

struct outcomes_row {
    struct span prompt;
    struct span reference; /* the right answer; p NULL: not recorded */
    uint32_t group; /* rows of one group hang together, as variants of one question; from 0 */
    size_t line;    /* of the file */
};

struct outcomes {
    size_t n;
    int count; /* models */
    uint32_t groups;
    struct outcomes_row *rows;
    struct outcomes_model *models;
    struct outcome *all; /* all[row * count + model] */
    struct buf store;    /* the texts */
};

/* Reads a file whose bytes are 'file', called 'name' in messages. 'plan' is JSON, as evaluate.plan makes it:
 * { "prompt": column, "group"?, "reference"?: column, "where": ["COLUMN=VALUE"],
 *   "models": [{ "name", "score": column, "cost"?, "answer"?, "latency"?, "chars"?: column, "tokens"?: column,
 *   "per_call"?, "input"?, "output"?: number }] }.
 * 'jsonl' says which of the two formats. -1 with nothing to free and *err, which names file, line and column. */
int outcomes_read(struct outcomes *o, struct span file, const char *name, bool jsonl,
                  struct span plan, struct err *err);
void outcomes_deinit(struct outcomes *o);

/* For outcomes_read, when all rows are there: texts, which were offsets into the store plus one, become pointers, costs
 * that were not recorded come from prices, means are taken. */
void outcomes_settle(struct outcomes *o);

/* Drops the rows in which one of two models was not asked; how many those were. */
size_t outcomes_require(struct outcomes *o, int a, int b);

/* The names of the columns as a JSON array: the header line of CSV, the members of JSONL's first object. */
int outcomes_columns(struct span file, const char *name, bool jsonl, struct buf *out,
                     struct err *err);

/* The model of that name; -1: none. */
int outcomes_find(const struct outcomes *o, struct span name);

static inline const struct outcome *outcomes_at(const struct outcomes *o, size_t row, int model)
{
    return &o->all[row * (size_t)o->count + (size_t)model];
}

/* A model's score by which its answer is told where only a score was recorded. Those that are right (1 or more) say the
 * same; each that is not says something else. 'text' has room for 200 bytes. */
struct span outcomes_answer(const struct outcomes *o, size_t row, int model, char *text);

#endif
