/* cmd_person - the person who is asked by a command: the answers of its command line, then whoever sits at the terminal.
 * SPDX-License-Identifier: MIT */
#include "cmd_person.h"

#include "cmd_plain.h"
#include "json.h"
#include "list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A question that waits for its turn, or is on the screen (the first one). */
struct turn {
    struct list node;
    char id[QUESTION_ID_MAX];
    struct buf shown;
    const char *given; /* by the command line; NULL: the terminal is asked */
};

struct cmd_person {
    struct question_person person; /* first */
    struct questions *questions;
    const struct option_list *answers;
    int used; /* of them */
    struct list turns;
    struct event *typed, *soon;
    struct buf line;
};

static void turn_free(struct turn *t)
{
    list_remove(&t->node);
    buf_deinit(&t->shown);
    free(t);
}

static struct turn *current(const struct cmd_person *p)
{
    return list_empty(&p->turns) ? NULL : LIST_ENTRY(p->turns.next, struct turn, node);
}

/* ---- the screen ---- */

static void print_text(struct span json)
{
    struct buf text;

    buf_init(&text, QUESTION_FORM_MAX);
    if (json_text(json, &text) == 0)
        cmd_plain(stderr, buf_span(&text));
    buf_deinit(&text);
}

static void print_options(struct span options)
{
    struct json_iter it = {0};
    struct span none, option;
    int n = 0;

    while (json_next(options, &it, &none, &option)) {
        fprintf(stderr, "  %d  ", ++n);
        print_text(option);
        fputc('\n', stderr);
    }
}

static void show(const struct turn *t)
{
    struct span doc = buf_span(&t->shown), options = json_member(doc, "options"),
                details = json_member(doc, "details");

    fputc('\n', stderr);
    print_text(json_member(doc, "question"));
    fputc('\n', stderr);
    if (details.p) {
        cmd_plain(stderr, details);
        fputc('\n', stderr);
    }
    if (options.p)
        print_options(options);
    fputs("> ", stderr);
    fflush(stderr);
}

/* ---- answers ---- */

/* "2" is the second option, unless an option is called so. False: keep the text. */
static bool option_by_number(struct span shown, struct span text, struct buf *out)
{
    struct json_iter it = {0};
    struct span none, option, options = json_member(shown, "options");
    char number[16];
    int n = 0;

    while (options.p && json_next(options, &it, &none, &option)) {
        snprintf(number, sizeof number, "%d", ++n);
        if (json_is_text(option, "") || !span_is(text, number))
            continue;
        return json_text(option, out) == 0;
    }
    return false;
}

static void answer(struct cmd_person *p, struct turn *t, struct span text)
{
    struct buf option;
    struct err err;
    char id[QUESTION_ID_MAX];
    const char *user = getenv("USER");
    struct span by = {user ? user : "", user ? strlen(user) : 0};

    memcpy(id, t->id, sizeof id);
    int done = questions_answer(p->questions, id, text, by, &err); /* 't' is gone if it is one */
    if (done >= 0)
        return;
    buf_init(&option, QUESTION_FORM_MAX);
    if (!t->given && option_by_number(buf_span(&t->shown), text, &option)) {
        questions_answer(p->questions, id, buf_span(&option), by, &err);
    } else if (t->given) {
        fprintf(stderr, "--answer %s: %s\n", t->given, err.message);
        questions_expire(p->questions, id);
    } else {
        fprintf(stderr, "%s\n> ", err.message);
        fflush(stderr);
    }
    buf_deinit(&option);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct cmd_person *p = arg;
    struct turn *t = current(p);

    (void)fd;
    (void)what;
    if (t && t->given)
        answer(p, t, (struct span){t->given, strlen(t->given)});
    else if (t)
        show(t);
}

static void next_turn(struct cmd_person *p)
{
    if (current(p))
        event_active(p->soon, EV_TIMEOUT, 1);
}

static void take_line(struct cmd_person *p, size_t n)
{
    struct turn *t = current(p);
    struct buf line;

    buf_init(&line, QUESTION_TEXT_MAX);
    bool fits = buf_add(&line, p->line.data, n) == 0;
    buf_consume(&p->line, n + 1);
    if (t && !t->given && fits && n > 0)
        answer(p, t, buf_span(&line));
    buf_deinit(&line);
}

/* Nobody types any more: whoever is asked will not answer. */
static void on_closed(struct cmd_person *p)
{
    struct turn *t;

    event_del(p->typed);
    while ((t = current(p))) {
        char id[QUESTION_ID_MAX];
        memcpy(id, t->id, sizeof id);
        if (!questions_expire(p->questions, id))
            turn_free(t);
    }
}

static void on_typed(evutil_socket_t fd, short what, void *arg)
{
    struct cmd_person *p = arg;
    char piece[4096], *end;
    ssize_t n = read(fd, piece, sizeof piece);

    (void)what;
    if (n <= 0) {
        on_closed(p);
        return;
    }
    if (buf_add(&p->line, piece, (size_t)n) < 0)
        p->line.len = 0;
    while (p->line.len && (end = memchr(p->line.data, '\n', p->line.len)))
        take_line(p, (size_t)(end - p->line.data));
}

/* ---- the person ---- */

static int ask(struct question_person *person, const char *id, struct span shown, struct err *err)
{
    struct cmd_person *p = (struct cmd_person *)person;
    const char *given = p->used < p->answers->n ? p->answers->values[p->used] : NULL;

    if (!given && !p->typed)
        return err_set(
            err, ERR_UNAVAILABLE,
            "nobody can be asked: there is no terminal; give the answer by --answer TEXT, "
            "or let the script say what holds otherwise");
    struct turn *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    buf_init(&t->shown, QUESTION_FORM_MAX);
    if (buf_add_span(&t->shown, shown) < 0) {
        free(t);
        return err_set(err, ERR_OVERLOADED, "out of memory");
    }
    snprintf(t->id, sizeof t->id, "%s", id);
    t->given = given;
    p->used += given != NULL;
    bool first = list_empty(&p->turns);
    list_append(&p->turns, &t->node);
    if (first)
        next_turn(p);
    return 0;
}

static void gone(struct question_person *person, const char *id)
{
    struct cmd_person *p = (struct cmd_person *)person;
    struct turn *first = current(p);

    for (struct list *n = p->turns.next; n != &p->turns; n = n->next) {
        struct turn *t = LIST_ENTRY(n, struct turn, node);
        if (strcmp(t->id, id) != 0)
            continue;
        bool was_first = t == first;
        turn_free(t);
        if (was_first)
            next_turn(p);
        return;
    }
}

struct cmd_person *cmd_person_new(struct worker *w, const struct option_list *answers,
                                  struct err *err)
{
    struct cmd_person *p = calloc(1, sizeof *p);

    if (!p) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    p->person = (struct question_person){ask, gone};
    p->questions = w->questions;
    p->answers = answers;
    list_init(&p->turns);
    buf_init(&p->line, 2 * QUESTION_TEXT_MAX);
    p->soon = event_new(w->base, -1, 0, on_soon, p);
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        p->typed = event_new(w->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_typed, p);
    if (!p->soon || (p->typed && event_add(p->typed, NULL) < 0)) {
        cmd_person_free(p);
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    questions_use_person(w->questions, &p->person);
    return p;
}

void cmd_person_free(struct cmd_person *p)
{
    struct turn *t;

    if (!p)
        return;
    questions_use_person(p->questions, NULL);
    while ((t = current(p)))
        turn_free(t);
    if (p->typed)
        event_free(p->typed);
    if (p->soon)
        event_free(p->soon);
    buf_deinit(&p->line);
    free(p);
}
