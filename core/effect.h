/* effect - the seam: everything a script can learn or cause outside its own memory.
 * SPDX-License-Identifier: MIT
 *
 * "live" (effect_live.c) does it. Later "record" wraps another one and writes down what it
 * answered, and "replay" reads that back. Nobody above asks which one it is: ranks 2 and 3 use no
 * clock, no random number, no socket and no file of their own (make lint). */
#ifndef EFFECT_H
#define EFFECT_H

#include "bandit.h"
#include "buf.h"
#include "cache.h"
#include "err.h"
#include "health.h"
#include "kv.h"

#include <stdbool.h>
#include <stdint.h>

struct effect;
struct op;
struct question_form;
struct question_wait;
struct questions;
struct shared;

enum ask_kind { ASK_SLEEP, ASK_CALL };

/* A request to a provider. Borrowed by start(). */
struct ask_call {
    const char *method, *url;
    const char *const
        *headers; /* "name: value" lines; may hold secrets: never logged, never recorded */
    size_t header_count;
    char *body; /* malloc'ed or NULL; start() takes it over, also on failure */
    size_t body_len;
    int connect_ms, first_byte_ms, stall_ms, total_ms; /* 0: none (connect: 10 s) */
    size_t answer_max;                                 /* ceiling of the answer's body in bytes */
    bool http2;
    bool public_only; /* as in transfer.h */
};

struct ask {
    enum ask_kind kind;
    int64_t sleep_us;     /* ASK_SLEEP */
    struct ask_call call; /* ASK_CALL */
};

enum answer_kind {
    ANSWER_HEAD, /* the provider's status and headers; not the end */
    ANSWER_DATA, /* bytes of the body; not the end */
    ANSWER_DONE, /* the end, all well */
    ANSWER_FAIL  /* the end, err says why */
};

/* Borrowed by the handler. */
struct answer {
    enum answer_kind kind;
    int status;
    struct span headers; /* as in transfer_head */
    struct span data;
    const struct err *err;
};

/* Runs from the event loop, never before start() has returned. After DONE, FAIL or cancel() it runs
 * no more. */
typedef void op_handler(struct op *op, const struct answer *a);

/* One operation under way. The owner embeds it, sets the handler, and keeps it until its end. */
struct op {
    op_handler *on_answer;
    struct effect *effect; /* set by start, NULL when nothing is under way */
    void *live;            /* belongs to the effect */
};

struct effect {
    const char *name;
    int64_t (*wall_us)(struct effect *e); /* since 1970 */
    int64_t (*mono_us)(struct effect *e); /* never goes back */
    uint64_t (*random)(struct effect *e);
    int (*read_file)(struct effect *e, const char *path, struct buf *out, struct err *err);
    int (*write_file)(struct effect *e, const char *path, struct span data, bool append,
                      struct err *err);
    int (*start)(struct effect *e, struct op *op, const struct ask *ask, struct err *err);
    void (*cancel)(struct effect *e, struct op *op);         /* safe when nothing is under way */
    void (*pause)(struct effect *e, struct op *op, bool on); /* back-pressure of an ASK_CALL */
    void (*free)(struct effect *e);

    /* What outlives a request (effect_state.h). As in kv.h, cache.h, bandit.h and health.h, now. */
    struct shared *shared;
    struct cache *cache;
    int (*kv_get)(struct effect *e, struct span key, struct buf *out);
    int (*kv_set)(struct effect *e, struct span key, struct span value, const struct kv_keep *keep,
                  struct err *err);
    int (*kv_incr)(struct effect *e, struct span key, struct kv_number by,
                   const struct kv_keep *keep, struct kv_number *sum, struct err *err);
    int (*kv_cas)(struct effect *e, struct span key, struct span old, struct span value,
                  const struct kv_keep *keep, struct err *err);
    bool (*kv_delete)(struct effect *e, struct span key);
    bool (*cache_get)(struct effect *e, struct span key, struct span *value);
    int (*cache_set)(struct effect *e, struct span key, struct span value, int64_t ttl_us,
                     struct err *err);
    bool (*cache_delete)(struct effect *e, struct span key);
    void (*cache_stats)(struct effect *e, struct cache_stats *stats);
    /* As in bandit.h, now and with our random numbers. */
    int (*bandit_choose)(struct effect *e, const struct bandit_spec *spec,
                         const struct bandit_context *c, struct bandit_choice *choice,
                         struct err *err);
    int (*bandit_learn)(struct effect *e, const struct bandit_spec *spec,
                        const struct bandit_outcome *o, struct err *err);
    int (*bandit_feedback)(struct effect *e, struct span trace, struct span name, double score,
                           struct bandit_feedback *f, struct err *err);
    void (*bandit_withdraw)(struct effect *e, uint64_t decision);
    void (*bandit_spent)(struct effect *e, struct span trace, double usd);
    int (*bandit_look)(struct effect *e, struct span name, struct buf *out);
    int (*bandit_freeze)(struct effect *e, struct span name, bool on);
    int (*bandit_reset)(struct effect *e, struct span name);
    /* Models that may be called now, and what became of it: as in health.h. 'ticket' NULL: only a look. */
    int (*admit)(struct effect *e, const struct health_ask *ask, struct health_ticket *ticket,
                 struct health_refusal *refusal);
    enum health_change (*report)(struct effect *e, const struct health_ticket *ticket,
                                 const struct health_result *result);
    enum health_change (*proved)(struct effect *e, struct health_ticket *ticket);
    bool (*retry)(struct effect *e, const char *model);
    bool (*health)(struct effect *e, const char *model, struct health_view *view);
    /* People: as in questions.h. */
    struct questions *questions; /* NULL: nobody can be asked */
    int (*ask_person)(struct effect *e, struct question_wait *w, const struct question_form *form,
                      struct err *err);
    void (*drop_question)(struct effect *e, struct question_wait *w);
};

#endif
