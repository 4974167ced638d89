/* bandit_file - what bandits have learned, as bytes for a file, and back.
 * SPDX-License-Identifier: MIT
 *
 * A line "baton bandits 1", then bandits; then 64 hexadecimal digits, the SHA-256 of all before. All numbers have their
 * lowest byte first, a text is its length (1 byte) and its bytes.
 *
 *   bandit   name; method, frozen, features, arms (1 byte each); buckets (2); 7 settings (8 each, doubles); the features'
 *            names; the arms' names; the buckets
 *   bucket   name; updates (8); for each arm: chosen, learned, updates at its last one (8 each), total, wins, losses
 *            (doubles), and with LinUCB d of b and d (d + 1) / 2 of v (doubles), d = features + 1 */
#include "bandit_private.h"
#include "digest.h"

#include <math.h>
#include <string.h>

#define MAGIC "baton bandits 1\n"

enum { MAGIC_N = sizeof MAGIC - 1, SETTINGS = 7 };

static void digest_of(struct span bytes, char hex[DIGEST_HEX + 1])
{
    struct digest d;

    digest_init(&d);
    digest_add(&d, bytes);
    digest_end(&d, hex);
}

/* ---- saving ---- */

static void put_int(struct buf *out, uint64_t value, int bytes)
{
    unsigned char to[8];

    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
    buf_add(out, to, (size_t)bytes);
}

static void put_double(struct buf *out, double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    put_int(out, bits, 8);
}

/* A row of them in one piece: others wait for the lock meanwhile. */
static void put_doubles(struct buf *out, const double *d, int n)
{
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        buf_add(out, d, (size_t)n * sizeof *d);
    else
        for (int i = 0; i < n; i++)
            put_double(out, d[i]);
}

static void put_text(struct buf *out, const char *text)
{
    put_int(out, strlen(text), 1);
    buf_puts(out, text);
}

static double *settings_of(struct entry *e, int i)
{
    double *const all[SETTINGS] = {&e->discount, &e->explore, &e->prior_a, &e->prior_b,
                                   &e->alpha,    &e->ridge,   &e->worth};

    return all[i];
}

static void put_arm(struct bandits *b, const struct entry *e, const struct cell *c, int arm,
                    struct buf *out)
{
    const struct arm_state *s = &c->arms[arm];
    int d = e->features + 1;

    put_int(out, s->chosen, 8);
    put_int(out, s->learned, 8);
    put_int(out, s->tick, 8);
    put_double(out, s->total);
    put_double(out, s->wins);
    put_double(out, s->losses);
    if (e->method != BANDIT_LINUCB)
        return;
    const struct linucb *m = bandit_linear(b, c, arm);
    put_doubles(out, m->b, d);
    put_doubles(out, m->v, d * (d + 1) / 2);
}

static void put_cells(struct bandits *b, const struct entry *e, struct buf *out)
{
    for (int place = 0; place < BANDIT_CELLS; place++) {
        const struct cell *c = &b->cells[place];
        if (!bandit_owns(b, e, place))
            continue;
        put_text(out, c->bucket);
        put_int(out, c->tick, 8);
        for (int i = 0; i < BANDIT_ARMS; i++)
            if (e->arms[i].hash)
                put_arm(b, e, c, i, out);
    }
}

static int arms_of(const struct entry *e)
{
    int arms = 0;

    for (int i = 0; i < BANDIT_ARMS; i++)
        arms += e->arms[i].hash != 0;
    return arms;
}

static int cells_of(struct bandits *b, const struct entry *e)
{
    int cells = 0;

    for (int i = 0; i < BANDIT_CELLS; i++)
        cells += bandit_owns(b, e, i);
    return cells;
}

/* Memory for what put_entry will write, also its pages: with the lock held they would cost more than all the rest. */
static void make_room(struct bandits *b, const struct entry *e, struct buf *out)
{
    enum { ARM = 6 * 8, CELL = 1 + BANDIT_BUCKET_MAX + 8 };

    bandit_lock(b);
    int d = e->method == BANDIT_LINUCB ? e->features + 1 : 0;
    size_t arm = ARM + (size_t)(d + d * (d + 1) / 2) * sizeof(double);
    size_t n = (size_t)cells_of(b, e) * (CELL + (size_t)arms_of(e) * arm);
    bandit_unlock(b);
    char *room = buf_reserve(out, n);
    if (room)
        memset(room, 0, n);
}

static void put_entry(struct bandits *b, struct entry *e, struct buf *out)
{
    int arms = arms_of(e), cells = cells_of(b, e);

    put_text(out, e->name);
    put_int(out, e->method, 1);
    put_int(out, e->frozen, 1);
    put_int(out, (uint64_t)e->features, 1);
    put_int(out, (uint64_t)arms, 1);
    put_int(out, (uint64_t)cells, 2);
    for (int i = 0; i < SETTINGS; i++)
        put_double(out, *settings_of(e, i));
    for (int i = 0; i < e->features; i++)
        put_text(out, e->feature[i]);
    for (int i = 0; i < BANDIT_ARMS; i++)
        if (e->arms[i].hash)
            put_text(out, e->arms[i].name);
    put_cells(b, e, out);
}

int bandit_save(struct bandits *b, struct buf *out)
{
    size_t start = out->len;
    char hex[DIGEST_HEX + 1];

    buf_puts(out, MAGIC);
    for (struct entry *e = b->entries; e < b->entries + BANDIT_BANDITS; e++) {
        make_room(b, e, out);
        bandit_lock(b);
        if (e->hash)
            put_entry(b, e, out);
        bandit_unlock(b);
    }
    digest_of((struct span){out->data + start, out->len - start}, hex);
    if (buf_puts(out, hex) == 0)
        return 0;
    out->len = start;
    return -1;
}

/* ---- reading ---- */

/* What is left; 'bad' once something made no sense. */
struct reader {
    struct span rest;
    const char *bad;
};

static uint64_t take_int(struct reader *r, int bytes)
{
    uint64_t value = 0;

    if (r->bad || r->rest.n < (size_t)bytes) {
        r->bad = r->bad ? r->bad : "it is cut";
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)r->rest.p[i] << (8 * i);
    r->rest.p += bytes;
    r->rest.n -= (size_t)bytes;
    return value;
}

static double take_double(struct reader *r, double min, double max)
{
    uint64_t bits = take_int(r, 8);
    double d;

    memcpy(&d, &bits, sizeof d);
    if (r->bad || (d >= min && d <= max))
        return d;
    r->bad = "a number is out of range";
    return min;
}

static struct span take_text(struct reader *r, size_t max)
{
    size_t n = (size_t)take_int(r, 1);
    struct span text = {r->rest.p, n};

    if (r->bad || n > r->rest.n || n > max || (n && memchr(text.p, 0, n))) {
        r->bad = r->bad ? r->bad : "a name makes no sense";
        return SPAN("");
    }
    r->rest.p += n;
    r->rest.n -= n;
    return text;
}

static int take_count(struct reader *r, int bytes, int max)
{
    uint64_t n = take_int(r, bytes);

    if (n <= (uint64_t)max)
        return (int)n;
    r->bad = "a count is out of range";
    return 0;
}

static void take_spec(struct reader *r, struct bandit_spec *s, bool *frozen, int *cells)
{
    struct err err;
    int arms;

    *s = (struct bandit_spec){.name = take_text(r, BANDIT_NAME_MAX)};
    s->method = (enum bandit_method)take_count(r, 1, BANDIT_LINUCB);
    *frozen = take_count(r, 1, 1);
    s->features = take_count(r, 1, s->method == BANDIT_LINUCB ? BANDIT_FEATURES : 0);
    arms = take_count(r, 1, BANDIT_ARMS);
    *cells = take_count(r, 2, BANDIT_BUCKETS);
    double *const settings[SETTINGS] = {&s->discount, &s->explore, &s->prior_a, &s->prior_b,
                                        &s->alpha,    &s->ridge,   &s->worth};
    for (int i = 0; i < SETTINGS; i++)
        *settings[i] = take_double(r, 0, 1e6);
    for (int i = 0; i < s->features; i++)
        s->feature[i] = take_text(r, BANDIT_FEATURE_MAX);
    for (int i = 0; i < arms; i++)
        s->arm[s->arms++] = take_text(r, BANDIT_ARM_MAX);
    /* a frozen one that was reset has no arms yet */
    struct bandit_spec checked = *s;
    if (!arms)
        checked.arm[checked.arms++] = SPAN("none");
    if (!r->bad && bandit_check(&checked, &err) < 0)
        r->bad = "a bandit makes no sense";
}

static void take_arm(struct reader *r, const struct bandit_spec *s, uint64_t tick,
                     struct arm_state *state, struct linucb *m)
{
    int d = s->features + 1;

    state->chosen = take_int(r, 8);
    state->learned = take_int(r, 8);
    state->tick = take_int(r, 8);
    state->total = take_double(r, 0, (double)state->learned * (1 + 1e-9));
    state->wins = take_double(r, 0, (double)state->learned * (1 + 1e-9));
    state->losses = take_double(r, 0, (double)state->learned * (1 + 1e-9));
    if (state->tick > tick || state->learned > tick)
        r->bad = r->bad ? r->bad : "an arm learned more than its bucket";
    if (s->method != BANDIT_LINUCB)
        return;
    for (int i = 0; i < d; i++)
        m->b[i] = take_double(r, -1e15, 1e15);
    for (int i = 0; i < d * (d + 1) / 2; i++)
        m->v[i] = take_double(r, -1e15, 1e15);
    if (!r->bad && !linucb_is_sound(m, d))
        r->bad = "a matrix makes no sense";
}

/* One bandit: only looked at, or put into the table. */
static void take_bandit(struct reader *r, struct bandits *into)
{
    struct bandit_spec s;
    struct linucb m;
    struct arm_state state;
    bool frozen;
    int cells, places[BANDIT_ARMS];
    struct err err;

    take_spec(r, &s, &frozen, &cells);
    struct entry *e = into ? bandit_entry(into, &s, 0, &err) : NULL;
    if (e) {
        e->frozen = frozen;
        bandit_arms(into, e, &s, 0, places);
    }
    for (int i = 0; i < cells && !r->bad; i++) {
        struct span bucket = take_text(r, BANDIT_BUCKET_MAX);
        uint64_t tick = take_int(r, 8);
        struct cell *c = e ? bandit_cell(into, e, bucket, &err) : NULL;
        if (c)
            c->tick = tick;
        for (int arm = 0; arm < s.arms && !r->bad; arm++) {
            take_arm(r, &s, tick, &state, &m);
            if (c)
                c->arms[places[arm]] = state;
            if (c && s.method == BANDIT_LINUCB)
                *bandit_linear(into, c, places[arm]) = m;
        }
    }
}

static int check(struct span saved, struct span *body, struct err *err)
{
    char hex[DIGEST_HEX + 1];
    int n = 0;

    if (saved.n < MAGIC_N + DIGEST_HEX || memcmp(saved.p, MAGIC, MAGIC_N) != 0)
        return err_set(err, ERR_BAD_REQUEST, "these are no saved bandits of this version");
    digest_of((struct span){saved.p, saved.n - DIGEST_HEX}, hex);
    if (memcmp(saved.p + saved.n - DIGEST_HEX, hex, DIGEST_HEX) != 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "the checksum is wrong: the saved bandits are damaged");
    *body = (struct span){saved.p + MAGIC_N, saved.n - MAGIC_N - DIGEST_HEX};
    struct reader r = {.rest = *body};
    while (r.rest.n && !r.bad && n++ <= BANDIT_BANDITS)
        take_bandit(&r, NULL);
    if (n > BANDIT_BANDITS)
        r.bad = "there are too many";
    return r.bad ? err_set(err, ERR_BAD_REQUEST, "a saved bandit: %s", r.bad) : 0;
}

int bandit_restore(struct bandits *b, struct span saved, struct err *err)
{
    struct reader r = {.bad = NULL};

    if (check(saved, &r.rest, err) < 0)
        return -1;
    bandit_lock(b);
    while (r.rest.n && !r.bad)
        take_bandit(&r, b);
    bandit_unlock(b);
    return 0;
}
