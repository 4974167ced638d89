/* admin_bandits - what bandits have learned: shown, frozen, reset by operators.
 * SPDX-License-Identifier: MIT */
#include "admin_private.h"

#include "json.h"

#include <string.h>

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static void unknown(struct http_exchange *x, const char *name)
{
    struct err err;

    err_set(&err, ERR_NOT_FOUND, "there is no bandit '%.64s'", name);
    admin_fail(x, 404, &err);
}

/* Nothing stands between the brackets. */
static bool is_empty(const struct buf *out)
{
    return span_is(buf_span(out), "{\"bandits\":[]}");
}

void bandits_show(struct master *m, struct http_exchange *x, const char *name)
{
    struct span wanted = {0};
    struct buf out;
    struct err err;

    if (name)
        wanted = span_of(name);
    buf_init(&out, ADMIN_ANSWER_MAX);
    if (bandit_look(m->shared.bandits, wanted, master_wall(), &out) < 0) {
        err_set(&err, ERR_OVERLOADED, "this is more than %d bytes; ask for one: %s",
                ADMIN_ANSWER_MAX, "/admin/bandits/NAME");
        admin_fail(x, 503, &err);
    } else if (name && is_empty(&out)) {
        unknown(x, name);
    } else {
        buf_puts(&out, "\n");
        admin_reply(x, 200, buf_span(&out));
    }
    buf_deinit(&out);
}

static void refuse(struct http_exchange *x, const char *message)
{
    struct err err;

    err_set(&err, ERR_BAD_REQUEST, "%s", message);
    admin_fail(x, 400, &err);
}

/* {"name":"router","state":"frozen"|"learning"} */
void bandits_freeze(struct master *m, struct http_exchange *x)
{
    static const char *const known[3] = {"name", "state"};
    char name[BANDIT_NAME_MAX * 6 + 1], state[16];
    struct span doc;

    if (!admin_read_body(x, known, &doc))
        return;
    json_member_text(doc, "name", name, sizeof name);
    json_member_text(doc, "state", state, sizeof state);
    bool freeze = strcmp(state, "frozen") == 0;
    if (!name[0])
        refuse(x, "name: must be the name of a bandit");
    else if (!freeze && strcmp(state, "learning") != 0)
        refuse(x, "state: must be \"frozen\" or \"learning\"");
    else if (bandit_freeze(m->shared.bandits, span_of(name), freeze) == 0)
        unknown(x, name);
    else
        bandits_show(m, x, name);
}

void bandits_reset(struct master *m, struct http_exchange *x, const char *name)
{
    struct buf out;
    int n = bandit_reset(m->shared.bandits, span_of(name));

    if (n == 0) {
        unknown(x, name);
        return;
    }
    buf_init(&out, 64);
    buf_printf(&out, "{\"reset\":%d}\n", n);
    admin_reply(x, 200, buf_span(&out));
    buf_deinit(&out);
}
