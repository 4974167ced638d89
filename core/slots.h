/* slots - what each worker tells of itself in shared memory (SHM_WORKERS): a slot of it has one writer.
 * SPDX-License-Identifier: MIT */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdatomic.h>
#include <stdint.h>

enum { SLOT_LOADS = 32 }; /* that a worker has at once; more are refused */

struct worker_slot {
    _Atomic int64_t beat_us; /* monotonic clock at the last turn of its loop; 0: not begun */
    _Atomic int in_flight;   /* requests */
    _Atomic int connections; /* of clients */
    _Atomic int tasks;
    _Atomic int calls_waiting;     /* of providers, for a connection */
    _Atomic int64_t log_waiting;   /* bytes of lines that nobody has taken yet */
    _Atomic int64_t resident;      /* bytes of memory */
    _Atomic int64_t heap;          /* bytes of Lua, all generations */
    _Atomic int64_t log_dropped;   /* lines */
    _Atomic int questions;         /* to people, open */
    _Atomic int64_t trace_waiting; /* bytes of the trace log */
    _Atomic int64_t trace_dropped; /* lines of it */
    _Atomic int64_t cache_bytes, cache_entries, cache_hits, cache_misses;
    struct {
        _Atomic int64_t serial; /* of a load; 0: free */
        _Atomic int in_flight;
    } loads[SLOT_LOADS];
};

#endif
