/* test_shm - a lock of all processes is not lost with the one that holds it.
 * SPDX-License-Identifier: MIT */
#include "shm.h"
#include "testhelp.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t *make(void)
{
    pthread_mutex_t *m =
        mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    shm_mutex_init(m);
    return m;
}

/* A process that takes the lock and then gets this signal. */
static pid_t start_owner(pthread_mutex_t *m, int number)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        shm_lock(m);
        raise(number);
        _exit(1);
    }
    CHECK_INT(waitpid(pid, &status, WUNTRACED), pid);
    return pid;
}

static void test_dead(void)
{
    pthread_mutex_t *m = make();

    CHECK(!shm_lock(m));
    shm_unlock(m);
    start_owner(m, SIGKILL);
    CHECK(shm_lock(m));
    shm_unlock(m);
    CHECK(!shm_lock(m));
    shm_unlock(m);
    munmap(m, sizeof *m);
}

/* The master must not wait for ever for a worker that somebody has stopped: it is the one who could end it. */
static void test_stopped(void)
{
    pthread_mutex_t *m = make();
    pid_t owner = start_owner(m, SIGSTOP);
    int status = 0;

    alarm(60);
    CHECK(shm_lock(m));
    shm_unlock(m);
    alarm(0);
    CHECK_INT(waitpid(owner, &status, 0), owner);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    munmap(m, sizeof *m);
}

int main(void)
{
    test_dead();
    test_stopped();
    return test_report("shm");
}
