/* test_claims - each turn is taken once, by whoever lives.
 * SPDX-License-Identifier: MIT */
#include "claims.h"
#include "testhelp.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 8, TURNS = 2000, DEAD = 0x3fffff };

static struct claims *make(void)
{
    struct claims *c =
        mmap(NULL, claims_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    claims_format(c);
    return c;
}

static void test_turns(void)
{
    struct claims *c = make();
    pid_t me = getpid(), parent = getppid();

    CHECK_INT(claims_base(c, 1, 500), 500);
    CHECK_INT(claims_base(c, 1, 900), 500);
    CHECK_INT(claims_base(c, 2, 900), 900);
    CHECK_INT(claims_take(c, 1, 1, me, 1000), CLAIM_MINE);
    CHECK_INT(claims_take(c, 1, 1, parent, 1000), CLAIM_TAKEN);
    CHECK_INT(claims_take(c, 2, 1, parent, 1000), CLAIM_MINE);
    CHECK_INT(claims_take(c, 1, 2, parent, 2000), CLAIM_BUSY);
    CHECK_INT(claims_take(c, 1, 2, me, 2000), CLAIM_TAKEN); /* skipped by all */
    claims_end(c, 1, parent);                               /* not his */
    CHECK_INT(claims_take(c, 1, 3, parent, 3000), CLAIM_BUSY);
    claims_end(c, 1, me);
    CHECK_INT(claims_take(c, 1, 5, parent, 5000), CLAIM_MINE);
    CHECK_INT(claims_take(c, 1, 4, me, 5000), CLAIM_TAKEN);
    claims_end(c, 1, parent);
    CHECK_INT(claims_take(c, 1, 6, DEAD, 6000), CLAIM_MINE);
    CHECK_INT(claims_take(c, 1, 7, me, 7000), CLAIM_MINE); /* its owner does not live */
    claims_end(c, 9, me);
    munmap(c, claims_size());
}

/* More timers than there is room for: those that were not used for long are forgotten. */
static void test_many(void)
{
    struct claims *c = make();

    for (uint64_t id = 1; id <= 2 * CLAIMS_MAX; id++) {
        claims_base(c, id, (int64_t)id);
        CHECK_INT(claims_base(c, 1, (int64_t)id), 1); /* always in use */
    }
    CHECK_INT(claims_base(c, 2 * CLAIMS_MAX, 99999), 2 * CLAIMS_MAX);
    CHECK_INT(claims_base(c, 3, 99999), 99999); /* a new one */
    munmap(c, claims_size());
}

/* Counts in 'ran' how often each turn was run. One of them is killed in the middle. */
static void work(struct claims *c, unsigned char *ran)
{
    for (uint64_t turn = 1; turn <= TURNS; turn++)
        if (claims_take(c, 7, turn, getpid(), (int64_t)turn) == CLAIM_MINE) {
            __atomic_add_fetch(&ran[turn], 1, __ATOMIC_RELAXED);
            claims_end(c, 7, getpid());
        }
    _exit(0);
}

static void test_processes(void)
{
    struct claims *c = make();
    unsigned char *ran =
        mmap(NULL, TURNS + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t all[PROCESSES];
    int twice = 0, none = 0;

    for (int i = 0; i < PROCESSES; i++)
        if ((all[i] = fork()) == 0)
            work(c, ran);
    usleep(500);
    kill(all[0], SIGKILL);
    for (int i = 0; i < PROCESSES; i++)
        waitpid(all[i], NULL, 0);
    for (int turn = 1; turn <= TURNS; turn++) {
        twice += ran[turn] > 1;
        none += ran[turn] == 0;
    }
    CHECK_INT(twice, 0);
    CHECK(none < TURNS); /* some are skipped while the one before runs */
    CHECK_INT(claims_take(c, 7, TURNS + 1, getpid(), TURNS + 1), CLAIM_MINE);
    munmap(ran, TURNS + 1);
    munmap(c, claims_size());
}

int main(void)
{
    test_turns();
    test_many();
    test_processes();
    return test_report("claims");
}
