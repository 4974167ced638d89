/* bandit - arms that scripts choose from by what they brought until now, in shared memory.
 * SPDX-License-Identifier: MIT */
#include "bandit_private.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- what may come in ---- */

static int check_name(const char *what, struct span name, size_t min, size_t max, struct err *err)
{
    if (name.n < min || name.n > max)
        return err_set(err, ERR_BAD_REQUEST, "%s: a name has %zu to %zu bytes, not %zu", what, min,
                       max, name.n);
    if (memchr(name.p, 0, name.n))
        return err_set(err, ERR_BAD_REQUEST, "%s: a name has no zero byte", what);
    return 0;
}

static int check_names(const char *what, const struct span *names, int n, size_t max,
                       struct err *err)
{
    for (int i = 0; i < n; i++) {
        if (check_name(what, names[i], 1, max, err) < 0)
            return -1;
        for (int j = 0; j < i; j++)
            if (names[i].n == names[j].n && memcmp(names[i].p, names[j].p, names[i].n) == 0)
                return err_set(err, ERR_BAD_REQUEST, "%s: \"%.*s\" is listed twice", what,
                               (int)names[i].n, names[i].p);
    }
    return 0;
}

static int check_number(const char *what, double d, double min, double max, struct err *err)
{
    if (d >= min && d <= max)
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "%s: must be a number from %g to %g", what, min, max);
}

int bandit_check(const struct bandit_spec *spec, struct err *err)
{
    if (spec->arms < 1)
        return err_set(err, ERR_BAD_REQUEST, "arms: there must be one at least");
    if (check_name("name", spec->name, 1, BANDIT_NAME_MAX, err) < 0 ||
        check_names("arms", spec->arm, spec->arms, BANDIT_ARM_MAX, err) < 0 ||
        check_names("features", spec->feature, spec->features, BANDIT_FEATURE_MAX, err) < 0 ||
        check_number("discount", spec->discount, 0.5, 1, err) < 0 ||
        check_number("explore", spec->explore, 0, 1, err) < 0 ||
        check_number("prior", spec->prior_a, 1, 1000, err) < 0 ||
        check_number("prior", spec->prior_b, 1, 1000, err) < 0 ||
        check_number("alpha", spec->alpha, 0, 100, err) < 0 ||
        check_number("ridge", spec->ridge, 1e-3, 1000, err) < 0 ||
        check_number("worth", spec->worth, 0, 1e6, err) < 0)
        return -1;
    return 0;
}

/* ---- the table and its lock ---- */

size_t bandit_size(void)
{
    return sizeof(struct bandits);
}

void bandit_format(void *part)
{
    struct bandits *b = part;

    shm_mutex_init(&b->lock);
    hash_key_init(&b->key);
    hash_key_init(&b->key2);
}

static void drop_cell(struct bandits *b, struct cell *c)
{
    struct linucb *linear = bandit_linear(b, c, 0);

    for (int i = 0; i < BANDIT_ARMS; i++) /* pages that were never touched stay so */
        for (int j = 0; c->arms[i].learned && j < LINUCB_PACKED; j++)
            if (linear[i].v[j] != 0) {
                memset(&linear[i], 0, sizeof linear[i]);
                break;
            }
    memset(c->arms, 0, sizeof c->arms);
    c->tick = 0;
    c->owner = 0;
    b->cell_hash[bandit_cell_index(b, c)] = 0;
}

/* All of it. */
static void drop_entry(struct bandits *b, struct entry *e)
{
    __atomic_store_n(&e->hash, 0, __ATOMIC_RELEASE);
    e->serial = ++b->serials; /* its decisions are nobody's */
    for (int i = 0; i < BANDIT_CELLS; i++)
        if (bandit_owns(b, e, i))
            drop_cell(b, &b->cells[i]);
    bandit_note_change(b);
}

/* Who died may have been taking a bandit out: its buckets go with it. */
static void drop_orphans(struct bandits *b)
{
    for (int i = 0; i < BANDIT_CELLS; i++) {
        struct cell *c = &b->cells[i];
        if (b->cell_hash[i] && !(c->owner && b->entries[c->owner - 1].hash))
            drop_cell(b, c);
    }
}

void bandit_lock(struct bandits *b)
{
    if (!shm_lock(&b->lock))
        return;
    bandit_undo(b);
    drop_orphans(b);
    decision_repair(b);
}

void bandit_unlock(struct bandits *b)
{
    shm_unlock(&b->lock);
}

void bandit_note_change(struct bandits *b)
{
    __atomic_fetch_add(&b->changes, 1, __ATOMIC_RELAXED);
}

uint64_t bandit_changes(const struct bandits *b)
{
    return __atomic_load_n(&b->changes, __ATOMIC_RELAXED);
}

/* Never 0. */
static uint64_t seeded_hash(const struct bandits *b, struct span bytes)
{
    uint64_t hash = hash_bytes(&b->key, bytes);

    return hash ? hash : 1;
}

int bandit_index(const struct bandits *b, const struct entry *e)
{
    return (int)(e - b->entries);
}

int bandit_cell_index(const struct bandits *b, const struct cell *c)
{
    return (int)(c - b->cells);
}

struct linucb *bandit_linear(struct bandits *b, const struct cell *c, int arm)
{
    return &b->linear[bandit_cell_index(b, c)].arms[arm];
}

static void copy_name(char *to, struct span from)
{
    if (from.n)
        memcpy(to, from.p, from.n);
    to[from.n] = 0;
}

/* ---- bandits ---- */

static uint64_t hash_of(const struct bandits *b, const struct bandit_spec *spec)
{
    char bytes[BANDIT_NAME_MAX + 2 + BANDIT_FEATURES * (BANDIT_FEATURE_MAX + 1)];
    size_t n = spec->name.n;

    memcpy(bytes, spec->name.p, n);
    bytes[n++] = 0;
    bytes[n++] = (char)('0' + (int)spec->method);
    for (int i = 0; i < spec->features; i++) {
        memcpy(bytes + n, spec->feature[i].p, spec->feature[i].n);
        n += spec->feature[i].n;
        bytes[n++] = 0;
    }
    return seeded_hash(b, (struct span){bytes, n});
}

/* A place: a free one, else that of the third or later version of the same name that was unused for longest. */
static struct entry *find_place(struct bandits *b, struct span name, bool *frozen)
{
    struct entry *free_one = NULL, *oldest = NULL;
    int versions = 0;

    for (struct entry *e = b->entries; e < b->entries + BANDIT_BANDITS; e++) {
        if (!e->hash) {
            free_one = free_one ? free_one : e;
        } else if (span_is(name, e->name)) {
            versions++;
            *frozen |= e->frozen;
            oldest = !oldest || e->used < oldest->used ? e : oldest;
        }
    }
    if (versions >= 3)
        drop_entry(b, free_one = oldest);
    return free_one;
}

static void note_settings(struct entry *e, const struct bandit_spec *spec)
{
    e->discount = spec->discount;
    e->explore = spec->explore;
    e->prior_a = spec->prior_a;
    e->prior_b = spec->prior_b;
    e->alpha = spec->alpha;
    e->ridge = spec->ridge;
    e->worth = spec->worth;
}

struct entry *bandit_entry(struct bandits *b, const struct bandit_spec *spec, int64_t now,
                           struct err *err)
{
    uint64_t hash = hash_of(b, spec);
    bool frozen = false;
    struct entry *e = b->entries;

    while (e < b->entries + BANDIT_BANDITS && e->hash != hash)
        e++;
    if (e == b->entries + BANDIT_BANDITS) {
        if (!(e = find_place(b, spec->name, &frozen))) {
            err_set(err, ERR_BUDGET, "there are %d bandits already; reset one that is not needed",
                    BANDIT_BANDITS);
            return NULL;
        }
        memset(e, 0, sizeof *e);
        e->serial = ++b->serials;
        e->method = spec->method;
        e->frozen = frozen;
        e->features = spec->features;
        copy_name(e->name, spec->name);
        for (int i = 0; i < spec->features; i++)
            copy_name(e->feature[i], spec->feature[i]);
        __atomic_store_n(&e->hash, hash, __ATOMIC_RELEASE);
        bandit_note_change(b);
    }
    e->used = now;
    note_settings(e, spec);
    return e;
}

/* ---- arms ---- */

static int find_arm(const struct entry *e, uint64_t hash)
{
    for (int i = 0; i < BANDIT_ARMS; i++)
        if (e->arms[i].hash == hash)
            return i;
    return -1;
}

/* A place that is free, or that of the arm that is not in 'taken' and was unused for longest. */
static int worst_arm(const struct entry *e, uint32_t taken)
{
    int worst = -1;

    for (int i = 0; i < BANDIT_ARMS; i++) {
        if (!e->arms[i].hash)
            return i;
        if (!(taken >> i & 1) && (worst < 0 || e->arms[i].used < e->arms[worst].used))
            worst = i;
    }
    return worst;
}

static void forget_arm(struct bandits *b, const struct entry *e, int arm)
{
    for (int i = 0; i < BANDIT_CELLS; i++)
        if (bandit_owns(b, e, i)) {
            memset(&b->cells[i].arms[arm], 0, sizeof b->cells[i].arms[arm]);
            if (e->method == BANDIT_LINUCB)
                memset(bandit_linear(b, &b->cells[i], arm), 0, sizeof(struct linucb));
        }
}

static void make_arm(struct bandits *b, struct entry *e, int arm, struct span name, uint64_t hash)
{
    struct arm_name *a = &e->arms[arm];

    if (a->hash)
        forget_arm(b, e, arm);
    a->hash = 0;
    a->serial++;
    copy_name(a->name, name);
    __atomic_store_n(&a->hash, hash, __ATOMIC_RELEASE);
    bandit_note_change(b);
}

void bandit_arms(struct bandits *b, struct entry *e, const struct bandit_spec *spec, int64_t now,
                 int *places)
{
    uint64_t hashes[BANDIT_ARMS];
    uint32_t taken = 0;

    for (int i = 0; i < spec->arms; i++) {
        hashes[i] = seeded_hash(b, spec->arm[i]);
        if ((places[i] = find_arm(e, hashes[i])) >= 0)
            taken |= 1u << places[i];
    }
    for (int i = 0; i < spec->arms; i++) {
        if (places[i] < 0) {
            places[i] = worst_arm(e, taken);
            assert(places[i] >= 0); /* a spec has at most BANDIT_ARMS */
            make_arm(b, e, places[i], spec->arm[i], hashes[i]);
            taken |= 1u << places[i];
        }
        e->arms[places[i]].used = now;
    }
}

/* ---- buckets ---- */

static uint64_t cell_hash_of(const struct bandits *b, const struct entry *e, struct span bucket)
{
    char bytes[BANDIT_BUCKET_MAX + 1];

    bytes[0] = (char)bandit_index(b, e);
    if (bucket.n)
        memcpy(bytes + 1, bucket.p, bucket.n);
    return seeded_hash(b, (struct span){bytes, bucket.n + 1});
}

/* How many cells it has; where there is a free one (-1: none). */
static int count_cells(const struct bandits *b, const struct entry *e, int *place)
{
    int n = 0;

    *place = -1;
    for (int i = BANDIT_CELLS - 1; i >= 0; i--) {
        if (!b->cell_hash[i])
            *place = i;
        else
            n += bandit_owns(b, e, i);
    }
    return n;
}

struct cell *bandit_cell(struct bandits *b, const struct entry *e, struct span bucket,
                         struct err *err)
{
    bool other = span_is(bucket, BANDIT_OTHER);
    uint64_t hash = cell_hash_of(b, e, bucket);
    int place;

    for (int i = 0; i < BANDIT_CELLS; i++)
        if (b->cell_hash[i] == hash)
            return &b->cells[i];
    int n = count_cells(b, e, &place);
    if (!other && n >= BANDIT_BUCKETS - 1)
        return bandit_cell(b, e, SPAN(BANDIT_OTHER), err);
    if (place < 0) {
        err_set(err, ERR_BUDGET,
                "the bandits have %d buckets already; reset one that is not needed", BANDIT_CELLS);
        return NULL;
    }
    struct cell *c = &b->cells[place];
    copy_name(c->bucket, bucket);
    c->owner = (uint16_t)(bandit_index(b, e) + 1);
    __atomic_store_n(&b->cell_hash[place], hash, __ATOMIC_RELEASE);
    bandit_note_change(b);
    return c;
}

/* ---- operators ---- */

int bandit_freeze(struct bandits *b, struct span name, bool on)
{
    int n = 0;

    bandit_lock(b);
    for (struct entry *e = b->entries; e < b->entries + BANDIT_BANDITS; e++)
        if (e->hash && span_is(name, e->name)) {
            e->frozen = on;
            n++;
        }
    if (n)
        bandit_note_change(b);
    bandit_unlock(b);
    return n;
}

/* A frozen one keeps its place, so that it stays frozen. */
static void reset_entry(struct bandits *b, struct entry *e)
{
    uint64_t hash = e->hash;

    drop_entry(b, e);
    memset(e->arms, 0, sizeof e->arms);
    if (e->frozen)
        e->hash = hash;
}

int bandit_reset(struct bandits *b, struct span name)
{
    int n = 0;

    bandit_lock(b);
    for (struct entry *e = b->entries; e < b->entries + BANDIT_BANDITS; e++)
        if (e->hash && span_is(name, e->name)) {
            reset_entry(b, e);
            n++;
        }
    bandit_unlock(b);
    return n;
}
