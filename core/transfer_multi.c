/* transfer_multi - libcurl's multi handles on the event base: sockets, timers, what has ended.
 * SPDX-License-Identifier: MIT
 *
 * libcurl must not be entered again from its callbacks, so those only store; act() enters it, and
 * when it is out again tells the consumers. */
#include "transfer_parts.h"

static void collect(struct multi *m)
{
    CURLMsg *msg;
    void *arg;
    int left;

    while ((msg = curl_multi_info_read(m->handle, &left)) != NULL)
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &arg) == CURLE_OK && arg)
            m->done(arg, msg->data.result); /* msg may be gone with it */
}

static void act(struct multi *m, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(m->handle, fd, what, &running);
    collect(m);
    transfers_drain(m->all);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    act(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int want_timer(CURLM *handle, long ms, void *arg)
{
    struct multi *m = arg;
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    (void)handle;
    if (ms < 0)
        event_del(&m->timer);
    else
        event_add(&m->timer, &after);
    return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct multi *m = arg;
    struct event *ev = socket_arg;
    short flags = EV_PERSIST;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (ev)
            event_free(ev);
        curl_multi_assign(m->handle, fd, NULL);
        return 0;
    }
    flags |= what & CURL_POLL_IN ? EV_READ : 0;
    flags |= what & CURL_POLL_OUT ? EV_WRITE : 0;
    if (!ev) {
        ev = event_new(m->all->base, fd, flags, on_socket, m);
        if (!ev)
            return -1;
        curl_multi_assign(m->handle, fd, ev);
    } else {
        event_del(ev);
        event_assign(ev, m->all->base, fd, flags, on_socket, m);
    }
    return event_add(ev, NULL);
}

int multi_open(struct multi *m, struct transfers *all, multi_done *done, struct err *err)
{
    int bad = 0;

    *m = (struct multi){.all = all, .done = done, .handle = curl_multi_init()};
    if (!m->handle)
        return err_set(err, ERR_INTERNAL, "out of memory");
    evtimer_assign(&m->timer, all->base, on_timer, m);
    bad |= curl_multi_setopt(m->handle, CURLMOPT_SOCKETFUNCTION, want_socket);
    bad |= curl_multi_setopt(m->handle, CURLMOPT_SOCKETDATA, m);
    bad |= curl_multi_setopt(m->handle, CURLMOPT_TIMERFUNCTION, want_timer);
    bad |= curl_multi_setopt(m->handle, CURLMOPT_TIMERDATA, m);
    return bad ? err_set(err, ERR_INTERNAL, "cannot set libcurl up") : 0;
}

int multi_add(struct multi *m, CURL *easy, struct err *err)
{
    CURLMcode code = curl_multi_add_handle(m->handle, easy);

    if (code)
        return err_set(err, ERR_INTERNAL, "cannot start a request: %s", curl_multi_strerror(code));
    return 0;
}

void multi_close(struct multi *m)
{
    if (!m->handle)
        return;
    curl_multi_cleanup(m->handle);
    event_del(&m->timer);
    m->handle = NULL;
}
