/* channel - messages between the master and a worker: short texts with descriptors.
 * SPDX-License-Identifier: MIT */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKET_BUFFER = 1 << 20 };

/* Room for the descriptors of one message, aligned as the kernel wants it. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
};

int channel_pair(int ends[2], struct err *err)
{
    const int size = SOCKET_BUFFER;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return err_set(err, ERR_INTERNAL, "cannot make a channel: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

static void attach(struct msghdr *m, union control *c, const int *fds, int n)
{
    m->msg_control = c->room;
    m->msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
    struct cmsghdr *h = CMSG_FIRSTHDR(m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
    memcpy(CMSG_DATA(h), fds, sizeof(int) * (size_t)n);
}

int channel_send(int end, struct span text, const int fds[CHANNEL_FDS_MAX], struct err *err)
{
    struct iovec part = {(void *)text.p, text.n};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    union control control = {.room = {0}};
    ssize_t sent;
    int n = 0;

    if (text.n > CHANNEL_TEXT_MAX)
        return err_set(err, ERR_INTERNAL, "a message of %zu bytes is too long", text.n);
    while (fds && n < CHANNEL_FDS_MAX && fds[n] >= 0)
        n++;
    if (n > 0)
        attach(&m, &control, fds, n);
    do
        sent = sendmsg(end, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return err_set(err, errno == EAGAIN || errno == ENOBUFS ? ERR_OVERLOADED : ERR_UNAVAILABLE,
                   "a message cannot be sent: %s", strerror(errno));
}

void channel_message_init(struct channel_message *m)
{
    buf_init(&m->text, CHANNEL_TEXT_MAX);
    for (int i = 0; i < CHANNEL_FDS_MAX; i++)
        m->fds[i] = -1;
}

void channel_message_deinit(struct channel_message *m)
{
    buf_deinit(&m->text);
    for (int i = 0; i < CHANNEL_FDS_MAX; i++) {
        if (m->fds[i] >= 0)
            close(m->fds[i]);
        m->fds[i] = -1;
    }
}

static void take_fds(struct msghdr *h, struct channel_message *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(h);

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(m->fds, CMSG_DATA(c), sizeof(int) * (n < CHANNEL_FDS_MAX ? n : CHANNEL_FDS_MAX));
}

int channel_receive(int end, struct channel_message *m)
{
    union control control;
    ssize_t n;

    channel_message_deinit(m);
    struct iovec part = {buf_reserve(&m->text, CHANNEL_TEXT_MAX), CHANNEL_TEXT_MAX};
    struct msghdr h = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    if (!part.iov_base)
        return 0;
    do
        n = recvmsg(end, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0)
        return -1;
    take_fds(&h, m);
    m->text.len = (size_t)n;
    return 1;
}
