/* config - what baton.lua says, checked and filled in.
 * SPDX-License-Identifier: MIT
 *
 * The file is Lua, run in a sandbox and a state of its own, with env "NAME" for secrets.
 * scripts/configure.lua checks it; no file at all is fine. */
#ifndef CONFIG_H
#define CONFIG_H

#include "cache.h"
#include "canary.h"
#include "err.h"
#include "guard.h"
#include "health.h"
#include "http.h"
#include "kv.h"
#include "provider.h"
#include "questions.h"
#include "sources.h"

enum {
    CONFIG_MAX = 4 << 20,   /* bytes of the file */
    CATALOGUE_MAX = 8 << 20 /* bytes of a catalogue that it names */
};

struct config {
    char *listen;
    int log_level; /* enum log_level */
    char **keys;   /* that clients must send; none: open */
    size_t key_count;
    char *certificate, *key; /* TLS files; NULL: plain */
    struct http_limits http;
    struct guard_limits task;
    size_t heap_max;
    size_t cache_bytes; /* of each worker */
    size_t kv_bytes;    /* of the engine; fixed at its start */
    size_t waiting_max; /* requests in flight; beyond that 503 */
    int drain_timeout_ms;
    struct canary_bounds canary;
    struct questions_config human; /* owned */
    int64_t human_pin_us;          /* questions of policies that were replaced wait no longer */
    struct health_bounds breaker;
    struct providers providers;
    char *facts;        /* JSON: what scripts may know */
    char *admin_listen; /* NULL: the default */
    char *admin_token;  /* NULL: only from this machine */
    int workers;        /* 0: one per core */
    char *state;        /* folder; NULL: the default */
    char *trace_log;    /* file; NULL: none */
    bool watch;         /* reload when files change */
    int watchdog_ms;
    int64_t keepalive_us; /* a client that waits for a stream hears something at least so often */
    bool simulated;       /* no provider was configured: the built-in simulator is used */
    struct {
        char *file, *dated; /* "shipped" or the configuration's word; the day of its prices */
        char *path;         /* NULL: the shipped one */
        int count;          /* models in it; 0 where not counted */
    } catalogue;
};

/* Does a configuration (file 'path', or NULL for "baton.lua" if it is there) name providers, or
 * does the environment? If not, the caller starts the simulator and passes its base URL as
 * 'simulated'.
 * An environment variable that is not set is told to 'note' ("baton check"); NULL: it is an error. */
int config_load(struct config *c, const char *home, const char *path, const char *simulated,
                void (*note)(const char *text), struct err *err);
/* The same from memory: 'text' (p is NULL: there is no configuration) is called 'name' in messages,
 * and scripts/configure.lua comes from the snapshot. Environment variables are those of this
 * process. */
int config_load_text(struct config *c, const struct sources *sources, const char *name,
                     struct span text, const char *simulated, struct err *err);
/* The same for "baton eval": 'recorded' is JSON, { "models": { NAME: facts }, "policies": { NAME: { PARAMETER: value } } };
 * these models take the place of all others, and these parameters come before the configuration's. */
int config_load_recorded(struct config *c, const struct sources *sources, const char *name,
                         struct span text, struct span recorded, struct err *err);
void config_deinit(struct config *c);

/* The file's bytes, as many as the buffer may hold. */
int config_read(const char *path, struct buf *text, struct err *err);

/* A fault that was found in the configuration later ("configuration: FIELD: ...") gets the file's
 * name instead, and the field's line where it can be told. */
void config_blame(const char *path, struct err *err);
void config_blame_text(const char *name, struct span text, struct err *err); /* NULL: leaves it */

/* "baton.lua" if 'path' is NULL and that file is here; NULL when there is none. */
const char *config_path(const char *path);

#endif
