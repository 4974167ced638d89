/* task - one coroutine of work: start, wait, resume, cancel, end exactly once.
 * SPDX-License-Identifier: MIT
 *
 * A root task is a request or a script; task.all and its kin make child tasks. Tasks run
 * one at a time, never inside libcurl and never inside one another; those that are ready beyond a
 * share of time run in the next turn of the loop. A task waits by yielding from a C function whose
 * continuation finds its results in C memory; task_wake ends the wait. */
#ifndef TASK_H
#define TASK_H

#include "generation.h"

struct story;

/* What a request has cost so far; shared by a root task and all its children. */
struct ledger {
    char id[64];         /* trace id */
    int attempts;        /* calls to providers */
    int fetches;         /* of http.fetch */
    double cost;         /* USD */
    int stopped;         /* calls that were stopped before they had ended: losers of a race ... */
    double stopped_cost; /* of them, estimated; a part of the cost */
    int64_t input_tokens, output_tokens;
    char model[160];        /* "provider/model" of the answer */
    char policy[160];       /* "name@hash" */
    bool simulated;         /* the built-in simulator was asked */
    bool decided;           /* a bandit's choice awaits feedback under its id */
    const char *script;     /* the workflow's file, borrowed; NULL in a request */
    struct buf notes;       /* of trace.decide and trace.note: a JSON array, still open */
    enum guard_limit limit; /* the last one that a task of it ran into, for counters */
    struct story *story;    /* every step of it; NULL: nobody wants to know */
};

/* The cost without the noise of binary sums: nine significant digits. */
double ledger_cost(const struct ledger *l);

struct task;

/* The end, once. err == NULL: the results are on t->L. The task is gone when it returns. */
typedef void task_end(struct task *t, const struct err *err);

/* Something under way that must be stopped when its task ends first. */
struct pending {
    struct list node;
    void (*abort)(struct pending *p); /* already taken off the list */
    bool inherited; /* goes to the parent when the task ends well: an open stream is a result */
};

enum task_state { TASK_NEW, TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

struct task {
    struct guard guard; /* first: lua_getextraspace of its thread points here */
    struct generation *gen;
    lua_State *L;
    int ref; /* of the thread, in the registry */
    enum task_state state;
    int args; /* values on L for the first resume */
    struct task *parent;
    struct list children, sibling;
    struct list in_generation, in_ready;
    struct list pendings;
    struct ledger *ledger; /* borrowed from the root's owner */
    /* no call to a model goes on beyond it, monotonic; 0: none. Children have their parent's */
    int64_t deadline_us;
    task_end *on_end;
    void *arg;
};

/* A task whose thread's stack is empty. Push a function and arguments (without raising: a light C
 * function and light userdata, or values moved from another thread), then task_start. NULL with
 * *err without memory. */
struct task *task_new(struct generation *g, struct task *parent, struct ledger *ledger,
                      task_end *on_end, void *arg, struct err *err);
/* It runs soon: at once when nobody runs. */
void task_start(struct task *t, int nargs);

/* The task of a running thread. */
struct task *task_of(lua_State *L);

/* Yields the running task until task_wake; then 'k' runs with ctx, the stack as it was. */
int task_wait(lua_State *L, lua_KContext ctx, lua_KFunction k);
/* Ends a wait. A task that does not wait stays as it is. */
void task_wake(struct task *t);

/* Ends the task and its children where they stand; on_end runs with 'err' before this returns. Not
 * for the running one. */
void task_cancel(struct task *t, const struct err *err);
/* The same for all children of t, for the reason 'why'; only then does t, when it waited for them,
 * go on. */
void task_cancel_children(struct task *t, const char *why);

void task_add_pending(struct task *t, struct pending *p, void (*abort)(struct pending *));
void task_drop_pending(struct pending *p); /* it ended by itself; safe when not on a list */

/* The nesting depth a child of t would have. */
int task_depth(const struct task *t);

#endif
