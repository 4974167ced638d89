/* channel - messages between the master and a worker: short texts with descriptors.
 * SPDX-License-Identifier: MIT
 *
 * A pair of SOCK_SEQPACKET sockets: a message arrives whole or not at all. Nothing blocks. The texts are JSON
 * objects of our own making. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "buf.h"
#include "err.h"

enum { CHANNEL_TEXT_MAX = 120 << 10, CHANNEL_FDS_MAX = 2 };

struct channel_message {
    struct buf text;
    int fds[CHANNEL_FDS_MAX]; /* -1 where there is none; the receiver owns them */
};

/* Both ends, close-on-exec and nonblocking. */
int channel_pair(int ends[2], struct err *err);

/* Sends a text with up to two descriptors (-1: none), which stay the caller's. -1 when the other end is gone, or
 * takes nothing any more (ERR_OVERLOADED). */
int channel_send(int end, struct span text, const int fds[CHANNEL_FDS_MAX], struct err *err);

void channel_message_init(struct channel_message *m);
/* Frees the text and closes the descriptors that were not taken (set to -1). */
void channel_message_deinit(struct channel_message *m);

/* 1: a message is in *m (initialised, emptied first). 0: none is waiting. -1: the other end is gone. */
int channel_receive(int end, struct channel_message *m);

#endif
