/* master_private - what the files of the master share.
 * SPDX-License-Identifier: MIT
 *
 * master.c          birth, signals, the end
 * master_crew.c     worker processes: starting, listening to, replacing them
 * master_edition.c  generations with their configuration: read, kept, tidied away
 * master_change.c   from files to what is served: try, hand out, publish
 * master_canary.c   a share of the requests for another generation, and what becomes of it
 * master_upgrade.c  a new binary takes over the sockets and the process id
 * master_state.c    what survives a restart
 * admin*.c          the operators' side (admin_private.h)
 *
 * An *edition* is one generation with one configuration, as the master has it: the bytes in two descriptors that
 * every worker gets. A *change* brings one into service; there is one at a time, others wait in line. */
#ifndef MASTER_PRIVATE_H
#define MASTER_PRIVATE_H

#include "archive.h"
#include "canary.h"
#include "channel.h"
#include "config.h"
#include "http.h"
#include "list.h"
#include "listen.h"
#include "log.h"
#include "master.h"
#include "shared.h"
#include "watch.h"

#include <event2/event.h>
#include <sys/types.h>

enum {
    EDITIONS_KEPT = 16, /* besides those in use */
    CHANGES_MAX = 16,   /* waiting in line */
    MASTER_SIGNALS = 5,
    TRY_MS = 30000, /* for a trial, and for the workers to load */
    PATH_ROOM = 4200,
    POLICIES_MAX = 8192, /* bytes of a list of names */
};

enum edition_state {
    EDITION_NEW,      /* being tried or loaded */
    EDITION_STAGED,   /* tried and kept, never served */
    EDITION_SERVING,  /* the base */
    EDITION_CANARY,   /* gets a share */
    EDITION_DRAINING, /* workers still have requests in it */
    EDITION_KEPT      /* no worker has it; can be used again */
};

struct edition {
    struct list node; /* newest first */
    int64_t serial;   /* 0: never loaded by a worker since the start */
    char hash[65];
    int sources_fd; /* -1: in the archive only */
    int config_fd;  /* -1: no configuration file */
    char config_name[256];
    char stamp[65]; /* of its configuration, with the certificate; "": not looked at yet */
    enum edition_state state;
    int64_t loaded_us;           /* wall clock */
    char policies[POLICIES_MAX]; /* JSON array of names */
    char note[ERR_MESSAGE_MAX];  /* what became of it */
};

enum hand_state { HAND_STARTING, HAND_SERVING, HAND_DRAINING };

/* A worker process. */
struct hand {
    struct list node;
    struct master *m;
    int slot;   /* in shared memory */
    int socket; /* which of the listening sockets; -1: a trial */
    pid_t pid;
    int channel;
    struct event *readable;
    enum hand_state state;
    int64_t born_us;
    int64_t loaded[SLOT_LOADS]; /* serials, 0: free */
    bool old;   /* belongs to the binary before this one; leaves when the new workers serve */
    bool stuck; /* ended by us */
};

enum change_kind { CHANGE_DISK, CHANGE_USE, CHANGE_UPGRADE };

/* Where a change's outcome is told; 'err' NULL: it is done (or there was nothing to do: 'unchanged'). */
struct change;
typedef void change_done(struct change *c, const struct edition *e, bool unchanged,
                         const struct err *err);

struct change {
    struct list node;
    struct master *m;
    enum change_kind kind;
    enum edition_state goal; /* SERVING, STAGED or CANARY */
    const char *why;         /* "start", "file change", "SIGHUP", "request": for the log */
    char hash[65];           /* CHANGE_USE: a prefix */
    double share;            /* CANARY */
    double promote_after;    /* seconds; 0: as configured */
    struct edition *edition; /* once it is read */
    struct config config;    /* what its configuration says; owned once 'configured' */
    bool unasked;            /* nobody asked for it: files changed */
    bool fallback;     /* the files are broken at the start: the last good generation is used */
    struct err broken; /* at the start: why the files cannot even be read */
    bool same_files;   /* DISK: as when they were last read */
    bool promote;      /* USE: the canary, whatever its hash */
    bool pinned;       /* at the start: an operator's choice instead of the files */
    bool files_only;   /* at the start: that choice does not work any more */
    bool configured, distributing;
    bool opened; /* at the start: sockets and workers are there */
    struct hand *trial;
    struct event *timeout;
    change_done *done; /* may be NULL */
    void *arg;
};

struct master {
    struct master_options o;
    char home[4096], exe[4096];
    struct event_base *base;
    struct log log;
    struct config config; /* of the edition that serves */
    struct shared shared;
    char address[LISTEN_ADDRESS_MAX]; /* what is bound */
    int *sockets;
    int n_sockets;   /* == workers */
    bool one_socket; /* a unix socket: all workers share it */
    struct list hands;
    struct list editions;
    struct edition *serving, *canary;
    double share;
    struct canary_bounds bounds;
    int64_t serials;     /* the last one given */
    struct list changes; /* the first one is under way */
    int waiting;
    struct err last_error;
    int64_t last_error_us;
    struct archive *archive; /* NULL: nothing is kept on disk */
    char state_dir[4096];
    uint64_t kv_saved, bandits_saved;
    bool kv_trouble, bandits_trouble; /* the last save failed */
    int64_t bandits_saved_us;         /* when */
    bool values_due; /* the shared memory is new: what persists comes from the disk */
    struct watch *watch;
    struct http *admin;
    int admin_fd; /* inherited, or -1 */
    struct list queries;
    int64_t queries_asked;
    int64_t started_us; /* wall clock */
    struct event *signals[MASTER_SIGNALS], *tick;
    struct event *respawn;
    int failures;                    /* workers that died young, in a row */
    int64_t watched_us, watching_us; /* heartbeats: the last look; without a pause since */
    struct err start_error;
    bool announced, stopping, cut, upgraded;
    int64_t deadline_us;                     /* of stopping */
    bool configured;                         /* config is in use */
    int n_inherited;                         /* sockets of the binary before this one */
    int inherited_sources, inherited_config; /* descriptors of what it tried, or -1 */
    char disk_hash[65], disk_stamp[65];      /* of the files, when they were last read */
    bool pinned; /* what serves was chosen instead of those files, and stays until they change */
    bool files_changed; /* and nobody has looked yet */
};

/* master.c */
int64_t master_now(void);                           /* microseconds, monotonic */
int64_t master_wall(void);                          /* microseconds since 1970 */
int master_open(struct master *m, struct err *err); /* sockets, shared memory, workers; once */
void master_hand_ready(struct master *m);           /* a worker serves now */
void master_fill_places(struct master *m);          /* every socket has a worker, or will have */

/* master_crew.c */
int crew_start(struct master *m, int socket, struct err *err); /* a worker for that socket */
int crew_respawn_ms(const struct master *m); /* how long to wait before the next one */
struct hand *crew_start_trial(struct master *m, const char *exe, struct err *err);
/* A worker of the binary before this one. */
void crew_adopt(struct master *m, pid_t pid, int channel, int slot, bool draining);
void crew_end_all(struct master *m); /* at the end of this process */
void crew_end(struct hand *h);       /* kills and forgets it */
void crew_reap(struct master *m);    /* SIGCHLD */
void crew_watch(struct master *m);   /* at each tick: who does not beat is replaced */
void crew_stop(struct master *m);    /* the engine ends: they finish what they have */
void crew_cut(struct master *m);     /* what is left of their requests ends now */
/* Gets what is loaded now: no trial, no worker that leaves, none of the binary before this one. */
bool crew_takes_part(const struct hand *h);
bool crew_has(const struct hand *h, int64_t serial);
bool crew_ready(const struct master *m, int64_t serial); /* all workers have loaded it */
int crew_send(struct hand *h, const int *fds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int crew_send_text(struct hand *h, const int *fds, struct span text); /* p NULL: too long */
void crew_load(struct hand *h, const struct edition *e);
void crew_route(struct master *m); /* tells all what to serve now */
void crew_forget(struct master *m, int64_t serial);

/* master_change.c */
struct change *change_add(struct master *m, enum change_kind kind, enum edition_state goal,
                          const char *why);
void change_loaded(struct hand *h, int64_t serial, struct span policies);
void change_refused(struct hand *h, int64_t serial, const struct err *err);
void change_hand_lost(const struct hand *h, const char *how);
void change_failed(struct master *m, struct change *c, const struct err *err);
void change_drop_all(struct master *m); /* the engine stops: those in line come to nothing */
void change_files(struct master *m);    /* the files are read again, when they have changed */

/* master_edition.c */
struct edition *edition_new(struct master *m);              /* NULL: no memory */
void edition_to_front(struct master *m, struct edition *e); /* the list is newest first */
void edition_free(struct edition *e);
void edition_free_all(struct master *m);
struct edition *edition_of(struct master *m, int64_t serial);
/* By the beginning of its hash, the newest. NULL: ERR_NOT_FOUND, or ERR_BAD_REQUEST when it could be several. */
struct edition *edition_find(struct master *m, const char *prefix, struct err *err);
void edition_add_kept(struct master *m, const char *hash, int64_t at_us);   /* one of the archive */
void edition_retire(struct master *m, struct edition *e, const char *note); /* NULL is fine */
void edition_freed(struct master *m, int64_t serial); /* a worker has it no more */
void edition_tidy(struct master *m);
bool edition_same(const struct edition *a, const struct edition *b); /* also its configuration */
/* What it is made of. 'e' is the caller's, also on failure. */
int edition_read_disk(struct master *m, struct edition *e, struct err *err);
int edition_read_shipped(struct master *m, struct edition *e, struct err *err);
/* An earlier one with today's configuration; a staged one with its own. */
int edition_read_kept(struct master *m, struct edition *e, const char *prefix, struct err *err);
int edition_take_archived(struct master *m, struct edition *e, const char *hash, struct err *err);
void edition_take_sources(struct edition *e, const struct edition *from);
/* Reads its configuration; once the engine runs, also whether that could be used now. */
int edition_configure(struct master *m, struct edition *e, struct config *c, struct err *err);

/* master_canary.c */
/* m->canary gets m->share from now on. */
void share_begin(struct master *m, double promote_after_s);
void share_stop(struct master *m, const char *why); /* back to the base alone */
void share_tick(struct master *m);                  /* at each tick: on, back, or promoted */

/* master_upgrade.c */
/* The trial went well: the new binary takes over. */
void upgrade(struct master *m, struct change *c);
void upgrade_dismiss_old(struct master *m); /* the new workers serve */
void upgrade_hold_signals(bool on);         /* until the new binary can take them */
/* If this is the new binary of a running engine: what it left. */
int upgrade_adopt(struct master *m, struct err *err);

/* master_state.c */
int state_open(struct master *m, struct err *err);
void state_save(struct master *m, bool at_once); /* what persists, if it has changed */
bool state_pinned(struct master *m, const char *disk_hash, char hash[65]);
struct change *state_fallback(struct master *m, const struct err *why); /* NULL: there is none */

/* admin.c */
int admin_open(struct master *m, struct err *err);
void admin_take_answer(struct hand *h, struct span message);
void admin_hand_lost(const struct hand *h);
void admin_close(struct master *m);

#endif
