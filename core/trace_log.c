/* trace_log - records of requests, a line each, into a file that may be slow or full.
 * SPDX-License-Identifier: MIT */
#include "trace_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAITING_MAX = 4 << 20, GATHER_MS = 20, LAST_MS = 500, MODE = 0640 };

struct trace_log {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what stands up to the next comment */
    pthread_cond_t more;
    struct buf waiting;
    uint64_t lines; /* in 'waiting' */
    struct trace_log_stats stats;
    bool over;   /* no line will come any more */
    bool orphan; /* nobody waits for the thread: what belongs to it is its own to free, */
    bool ended;  /* or it has ended before */
    /* of the thread alone: */
    int fd;    /* -1: it could not be opened */
    bool torn; /* the last write ended inside of a line */
    char path[];
};

/* ---- the file ---- */

static int open_file(const char *path)
{
    /* nonblocking only while it is opened: a pipe that nobody reads must not hold the thread */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, MODE);

    if (fd >= 0)
        fcntl(fd, F_SETFL, O_APPEND);
    return fd;
}

/* A file that is not there yet: may one be made? */
static bool may_make(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[4096];

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    return access(folder, W_OK | X_OK) == 0;
}

int trace_log_check(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0)
        close(fd);
    else if (errno != ENOENT || !*path || !may_make(path))
        return err_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(errno));
    return 0;
}

static bool was_moved(const struct trace_log *t)
{
    struct stat at_path, ours;

    return fstat(t->fd, &ours) < 0 || stat(t->path, &at_path) < 0 ||
           at_path.st_ino != ours.st_ino || at_path.st_dev != ours.st_dev;
}

static int reopen(struct trace_log *t)
{
    if (t->fd >= 0 && !was_moved(t))
        return 0;
    if (t->fd >= 0)
        close(t->fd);
    t->torn = false;
    t->fd = open_file(t->path);
    return t->fd < 0 ? errno : 0;
}

/* Appends: 0, or the errno of what failed; *done tells how many bytes are in the file. One write, so that the lines of
 * other processes do not come between. */
static int append(struct trace_log *t, struct span bytes, size_t *done)
{
    *done = 0;
    int error = reopen(t);
    if (error)
        return error;
    if (t->torn && write(t->fd, "\n", 1) != 1)
        return errno;
    t->torn = false;
    while (*done < bytes.n) {
        ssize_t n = write(t->fd, bytes.p + *done, bytes.n - *done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            error = errno;
        if (n <= 0)
            break;
        *done += (size_t)n;
    }
    t->torn = *done > 0 && bytes.p[*done - 1] != '\n';
    return *done == bytes.n ? 0 : error ? error : ENOSPC;
}

static uint64_t lines_in(const char *p, size_t n)
{
    uint64_t lines = 0;

    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        lines++;
    return lines;
}

/* ---- the thread ---- */

/* With the lock held: takes what waits, writes it without the lock, counts. */
static void write_batch(struct trace_log *t)
{
    struct buf batch = t->waiting;
    uint64_t lines = t->lines;
    size_t done;

    buf_init(&t->waiting, WAITING_MAX);
    t->lines = 0;
    pthread_mutex_unlock(&t->lock);
    int error = append(t, buf_span(&batch), &done);
    uint64_t written = error ? lines_in(batch.data, done) : lines;
    buf_deinit(&batch);
    pthread_mutex_lock(&t->lock);
    t->stats.error = error;
    t->stats.written += written;
    t->stats.dropped += lines - written;
}

/* A moment in which more lines come together; not when the end is near. */
static void gather(struct trace_log *t)
{
    struct timespec moment = {.tv_nsec = GATHER_MS * 1000000};

    if (t->over)
        return;
    pthread_mutex_unlock(&t->lock);
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&t->lock);
}

static void destroy(struct trace_log *t)
{
    if (t->fd >= 0)
        close(t->fd);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->more);
    buf_deinit(&t->waiting);
    free(t);
}

static void *run(void *arg)
{
    struct trace_log *t = arg;

    pthread_mutex_lock(&t->lock);
    while (!t->over || t->waiting.len) {
        if (!t->waiting.len) {
            pthread_cond_wait(&t->more, &t->lock);
            continue;
        }
        gather(t);
        write_batch(t);
    }
    t->ended = true;
    bool orphan = t->orphan;
    pthread_mutex_unlock(&t->lock);
    if (orphan)
        destroy(t);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct trace_log *t)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct trace_log *trace_log_new(const char *path, struct err *err)
{
    size_t n = strlen(path) + 1;
    struct trace_log *t = calloc(1, sizeof *t + n);

    if (!t) {
        err_set(err, ERR_OVERLOADED, "out of memory");
        return NULL;
    }
    memcpy(t->path, path, n);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->more, NULL);
    buf_init(&t->waiting, WAITING_MAX);
    t->fd = open_file(path);
    if (t->fd < 0) {
        err_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(errno));
    } else if (start_thread(t) == 0) {
        return t;
    } else {
        err_set(err, ERR_OVERLOADED, "cannot start a thread for %s", path);
    }
    destroy(t);
    return NULL;
}

static void say_over(struct trace_log *t)
{
    pthread_mutex_lock(&t->lock);
    t->over = true;
    pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
}

void trace_log_leave(struct trace_log *t)
{
    if (!t)
        return;
    say_over(t);
    pthread_t thread = t->thread; /* t may be gone as soon as it is an orphan */
    pthread_mutex_lock(&t->lock);
    bool ended = t->ended;
    t->orphan = true;
    pthread_mutex_unlock(&t->lock);
    if (!ended) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    destroy(t);
}

void trace_log_free(struct trace_log *t)
{
    struct timespec until;

    if (!t)
        return;
    say_over(t);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LAST_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_timedjoin_np(t->thread, NULL, &until) == 0)
        destroy(t);
    else
        trace_log_leave(t); /* the disk holds it */
}

const char *trace_log_path(const struct trace_log *t)
{
    return t->path;
}

/* ---- lines ---- */

bool trace_log_add(struct trace_log *t, struct span line)
{
    pthread_mutex_lock(&t->lock);
    bool first = t->waiting.len == 0;
    bool fits = buf_add_span(&t->waiting, line) == 0;
    if (fits)
        t->lines++;
    else
        t->stats.dropped++;
    pthread_mutex_unlock(&t->lock);
    if (fits && first)
        pthread_cond_signal(&t->more);
    return fits;
}

void trace_log_stats(struct trace_log *t, struct trace_log_stats *stats)
{
    pthread_mutex_lock(&t->lock);
    *stats = t->stats;
    stats->waiting = t->waiting.len;
    pthread_mutex_unlock(&t->lock);
}
