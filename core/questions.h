/* questions - what people are asked by the scripts of one process, until somebody answers.
 * SPDX-License-Identifier: MIT
 *
 * A question that is open takes memory and nothing else. It ends once: by an answer, because its time is up, because
 * whoever waits gave it up, or because the process ends. Where people answer is not known here: operators ask for the
 * list and answer by id, a webhook may tell them, and a command has somebody at its terminal. */
#ifndef QUESTIONS_H
#define QUESTIONS_H

#include "effect.h"
#include "log.h"

enum { QUESTION_ID_MAX = 24, QUESTION_FORM_MAX = 16 << 10, QUESTION_TEXT_MAX = 16 << 10 };

/* An answer, or why there is none. Borrowed by the handler. */
struct question_answer {
    struct span text, by;  /* by: who it was, as he says; may be empty */
    double waited;         /* seconds */
    const struct err *err; /* NULL: it was answered. ERR_TIMEOUT: nobody did */
};

/* Who waits. The owner embeds it and keeps it until the end. */
struct question_wait {
    /* Runs once, from the event loop, never before the question was opened; nothing is asked any more then. */
    void (*on_answer)(struct question_wait *w, const struct question_answer *a);
    struct question *question; /* NULL: nothing is asked */
};

struct question_form {
    /* a JSON object, what people get to see; a list "options" in it holds the only answers */
    struct span shown;
    int64_t within_us; /* then nobody has answered */
    uint64_t serial;   /* of the generation that waits */
};

/* Somebody besides the operators. Both functions may be NULL. */
struct question_person {
    /* Gets a question that was opened; answers later, by questions_answer. -1 with *err: he cannot be asked, and the
     * question is not opened. */
    int (*ask)(struct question_person *p, const char *id, struct span shown, struct err *err);
    void (*gone)(struct question_person *p, const char *id); /* it is over, however */
};

struct questions_config {
    int open_max;         /* more are refused */
    const char *url;      /* told of each question by POST; NULL: none */
    char *const *headers; /* "name: value" for that */
    size_t header_count;
};

struct questions *questions_new(struct effect *fx, struct log *log, struct err *err);
void questions_free(struct questions *q); /* nobody is told; NULL is fine */
/* From now on; copies. -1 without memory: it stays as it was. */
int questions_configure(struct questions *q, const struct questions_config *c);
/* Borrowed. Without a person only operators can answer. */
void questions_use_person(struct questions *q, struct question_person *p);

/* Opens one. -1 with *err: ERR_OVERLOADED when too many are open, ERR_UNAVAILABLE when nobody can be asked. */
int questions_ask(struct questions *q, struct question_wait *w, const struct question_form *form,
                  struct err *err);
/* It is not wanted any more. Safe when nothing is asked. */
void questions_drop(struct question_wait *w);

int questions_count(const struct questions *q);
/* Appends members of a JSON object, as request_list does: "items":[...] the oldest first, as many as fit, and
 * "total". */
void questions_list(const struct questions *q, struct buf *out);
/* 1: answered. 0: none is open with this id. -1 with *err: that is no answer to it. */
int questions_answer(struct questions *q, const char *id, struct span text, struct span by,
                     struct err *err);
bool questions_expire(struct questions *q,
                      const char *id); /* nobody will answer; false: none is open */
/* Another generation has taken the place of the one of this number: its questions wait no longer than so long. */
void questions_limit(struct questions *q, uint64_t serial, int64_t us);
/* The process ends: all end with an error that says so. */
void questions_end(struct questions *q, const char *why);

#endif
