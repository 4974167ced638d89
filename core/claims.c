/* claims - which turn of a timer was taken, so that one worker of the machine runs it.
 * SPDX-License-Identifier: MIT */
#include "claims.h"

#include "shm.h"

#include <errno.h>
#include <signal.h>

/* Each field is written on its own, so a process that dies in between leaves nothing to repair: at worst a turn that
 * was taken and never run. */
struct slot {
    uint64_t id; /* 0: free */
    uint64_t turn;
    int64_t base, used;
    pid_t owner; /* who runs the turn; 0: nobody */
};

struct claims {
    pthread_mutex_t lock;
    struct slot slots[CLAIMS_MAX];
};

size_t claims_size(void)
{
    return sizeof(struct claims);
}

void claims_format(void *part)
{
    struct claims *c = part;

    shm_mutex_init(&c->lock);
}

/* The slot of that timer, made when there is none. */
static struct slot *find(struct claims *c, uint64_t id, int64_t now)
{
    struct slot *worst = &c->slots[0];

    for (struct slot *s = c->slots; s < c->slots + CLAIMS_MAX; s++) {
        if (s->id == id)
            return s;
        if (s->id == 0) { /* slots are taken from the front and never given up */
            worst = s;
            break;
        }
        if (s->used < worst->used)
            worst = s;
    }
    *worst = (struct slot){.base = now, .used = now};
    worst->id = id;
    return worst;
}

int64_t claims_base(struct claims *c, uint64_t id, int64_t now)
{
    shm_lock(&c->lock);
    struct slot *s = find(c, id, now);
    int64_t base = s->base;
    s->used = now;
    shm_unlock(&c->lock);
    return base;
}

static bool lives(pid_t pid)
{
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

enum claim claims_take(struct claims *c, uint64_t id, uint64_t turn, pid_t pid, int64_t now)
{
    enum claim result = CLAIM_MINE;

    shm_lock(&c->lock);
    struct slot *s = find(c, id, now);
    s->used = now;
    if (turn <= s->turn) {
        result = CLAIM_TAKEN;
    } else if (s->owner && lives(s->owner)) {
        s->turn = turn; /* it is skipped, once */
        result = CLAIM_BUSY;
    } else {
        s->turn = turn;
        s->owner = pid;
    }
    shm_unlock(&c->lock);
    return result;
}

void claims_end(struct claims *c, uint64_t id, pid_t pid)
{
    shm_lock(&c->lock);
    for (struct slot *s = c->slots; s < c->slots + CLAIMS_MAX && s->id; s++)
        if (s->id == id && s->owner == pid)
            s->owner = 0;
    shm_unlock(&c->lock);
}
