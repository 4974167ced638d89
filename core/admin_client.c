/* admin_client - the other end of the admin API: one question to a running engine, and its answer.
 * SPDX-License-Identifier: MIT */
#include "admin_client.h"

#include "http1_reply.h"
#include "json.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_S = 5, HEAD_MAX = 64 << 10, TOKEN_MAX = 4096 };

/* ---- options ---- */

int admin_share(const char *text, double *share, struct err *err)
{
    char *end;
    double d = strtod(text, &end);
    bool percent = end != text && *end == '%';

    *share = percent ? d / 100 : d;
    end += percent;
    if (*text >= '0' && *text <= '9' && *end == 0 && *share > 0 && *share < 1)
        return 0;
    return err_set(err, ERR_BAD_REQUEST,
                   "--share: '%.40s' is no share of the requests; write 5%% or 0.05", text);
}

int admin_duration(const char *text, double *seconds, struct err *err)
{
    static const struct {
        const char *unit;
        double s;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    double d = strtod(text, &end);

    for (size_t i = 0; *text >= '0' && *text <= '9' && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0 && d * units[i].s > 0 &&
            d * units[i].s <= 30 * 86400.0) {
            *seconds = d * units[i].s;
            return 0;
        }
    return err_set(err, ERR_BAD_REQUEST,
                   "--promote-after: '%.40s' is no time; write 90s, 10m or 1h, at most 30d", text);
}

void admin_age(double seconds, char *out)
{
    static const struct {
        const char *unit;
        double s, below;
    } units[] = {{"s", 1, 120}, {"m", 60, 7200}, {"h", 3600, 172800}, {"d", 86400, 1e12}};

    snprintf(out, 16, "-");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (seconds >= 0 && seconds < units[i].below) {
            snprintf(out, 16, "%.0f%s", seconds / units[i].s, units[i].unit);
            return;
        }
}

/* ---- the connection ---- */

static int connect_unix(const char *path, struct err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof at.sun_path)
        return err_set(err, ERR_BAD_REQUEST, "the path is too long");
    memcpy(at.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    err_set(err, ERR_UNAVAILABLE, "%s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_any(const struct addrinfo *list, struct err *err)
{
    const struct timeval limit = {.tv_sec = CONNECT_S};

    err_set(err, ERR_UNAVAILABLE, "the name has no address");
    for (; list; list = list->ai_next) {
        int fd = socket(list->ai_family, list->ai_socktype | SOCK_CLOEXEC, list->ai_protocol);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
            if (connect(fd, list->ai_addr, list->ai_addrlen) == 0)
                return fd;
        }
        err_set(err, ERR_UNAVAILABLE, "%s", errno == EINPROGRESS ? "no answer" : strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* "HOST:PORT", the host in brackets where it holds colons. */
static int connect_tcp(const char *address, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(address, ':'), *host = address;
    struct addrinfo *list = NULL;
    char name[256];
    size_t n = colon ? (size_t)(colon - address) : 0;

    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    }
    if (!colon || n == 0 || n >= sizeof name || !colon[1])
        return err_set(err, ERR_BAD_REQUEST, "must be HOST:PORT or unix:PATH");
    snprintf(name, sizeof name, "%.*s", (int)n, host);
    int wrong = getaddrinfo(name, colon + 1, &hints, &list);
    if (wrong)
        return err_set(err, ERR_UNAVAILABLE, "%s", gai_strerror(wrong));
    int fd = connect_any(list, err);
    freeaddrinfo(list);
    return fd;
}

static int connect_to(const char *address, struct err *err)
{
    const struct timeval limit = {.tv_sec = ADMIN_ANSWER_S};
    int fd = strncmp(address, "unix:", 5) == 0 ? connect_unix(address + 5, err)
                                               : connect_tcp(address, err);

    if (fd < 0) {
        struct err why = *err;
        return err_set(err, why.code, "cannot reach the engine at %s (--admin): %s", address,
                       why.message);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

/* ---- question and answer ---- */

static int write_question(struct buf *out, const char *address, const char *token,
                          const char *method, const char *path, struct span body)
{
    bool local = strncmp(address, "unix:", 5) == 0;

    if (buf_printf(out, "%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n", method, path,
                   local ? "localhost" : address) < 0 ||
        (token && buf_printf(out, "authorization: Bearer %s\r\n", token) < 0) ||
        (body.p &&
         buf_printf(out, "content-type: application/json\r\ncontent-length: %zu\r\n", body.n) < 0))
        return -1;
    return buf_puts(out, "\r\n") < 0 || (body.p && buf_add_span(out, body) < 0) ? -1 : 0;
}

static int send_all(int fd, struct span bytes, struct err *err)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_UNAVAILABLE, "the question could not be sent: %s",
                           strerror(errno));
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
    return 0;
}

/* Reads until the connection is closed: that is what was asked for. */
static int receive_all(int fd, struct buf *in, struct err *err)
{
    for (;;) {
        char *room = buf_reserve(in, 16384);
        if (!room)
            return err_set(err, ERR_BAD_RESPONSE, "the answer is larger than %zu bytes", in->max);
        ssize_t n = recv(fd, room, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return err_set(err, ERR_TIMEOUT, "no answer within %d s", ADMIN_ANSWER_S);
        if (n < 0 && in->len == 0)
            return err_set(err, ERR_UNAVAILABLE, "the answer did not come: %s", strerror(errno));
        if (n <= 0)
            return 0;
        in->len += (size_t)n;
    }
}

static int read_answer(struct span in, int *status, struct buf *body, struct err *err)
{
    struct http1_reply p;
    struct span piece;

    http1_reply_init(&p, false, HEAD_MAX);
    enum http1_result result = http1_reply_head(&p, in.p ? in.p : "", in.n);
    if (result == HTTP1_DONE) {
        struct span rest = {in.p + p.head_len, in.n - p.head_len};
        while ((result = http1_reply_body(&p, &rest, &piece)) == HTTP1_DATA)
            if (buf_add_span(body, piece) < 0)
                return err_set(err, ERR_BAD_RESPONSE, "the answer is too large");
        if (result == HTTP1_MORE)
            result = http1_reply_eof(&p);
    }
    *status = p.status;
    if (result == HTTP1_DONE)
        return 0;
    return err_set(err, ERR_BAD_RESPONSE, "the answer is no HTTP, or was cut%s%s",
                   result == HTTP1_ERROR ? ": " : "",
                   result == HTTP1_ERROR ? http1_reply_why(&p) : "");
}

/* Somebody else's port, or the gateway's own, which answers so. */
static bool is_no_admin(int status, struct span message)
{
    static const char gateway[] = "there is nothing at /admin/";

    return status == 404 && (!message.n || (message.n >= sizeof gateway - 1 &&
                                            memcmp(message.p, gateway, sizeof gateway - 1) == 0));
}

/* What another status than 200 means: the engine's own words where it has some that help here. */
static int read_refusal(int status, struct span body, struct err *err)
{
    struct err ignored;
    struct buf text;

    buf_init(&text, ERR_MESSAGE_MAX);
    if (json_check(body, &ignored) == 0)
        json_text(json_path(body, "error.message"), &text);
    if (status == 401)
        err_set(err, ERR_AUTH, "the engine wants its admin token: --token or BATON_ADMIN_TOKEN");
    else if (is_no_admin(status, buf_span(&text)))
        err_set(err, ERR_NOT_FOUND,
                "this is no admin API: --admin is the address after 'admin API on' when the engine "
                "starts, not where clients ask");
    else if (text.len)
        err_set(err, ERR_BAD_REQUEST, "%.*s", (int)text.len, text.data);
    else
        err_set(err, ERR_BAD_RESPONSE, "the engine answered with status %d", status);
    buf_deinit(&text);
    return -1;
}

static int ask_over(int fd, struct span question, struct buf *out, struct err *err)
{
    struct buf in, body;
    struct err no_json;
    int status = 0;

    buf_init(&in, ADMIN_ANSWER_BYTES);
    buf_init(&body, ADMIN_ANSWER_BYTES);
    int result = send_all(fd, question, err);
    if (result == 0)
        result = receive_all(fd, &in, err);
    if (result == 0)
        result = read_answer(buf_span(&in), &status, &body, err);
    if (result == 0 && status != 200)
        result = read_refusal(status, buf_span(&body), err);
    else if (result == 0 && json_check(buf_span(&body), &no_json) < 0)
        result = err_set(err, ERR_BAD_RESPONSE, "the answer is no JSON: %s", no_json.message);
    else if (result == 0 && buf_add_span(out, buf_span(&body)) < 0)
        result = err_set(err, ERR_BAD_RESPONSE, "the answer is too large");
    buf_deinit(&in);
    buf_deinit(&body);
    return result;
}

static const char *choose(const char *option, const char *variable, const char *otherwise)
{
    const char *value = option ? option : getenv(variable);

    return value && *value ? value : otherwise;
}

int admin_ask(const struct admin_target *target, const char *method, const char *path,
              struct span body, struct buf *out, struct err *err)
{
    const char *address = choose(target->address, "BATON_ADMIN", "127.0.0.1:8081");
    const char *token = choose(target->token, "BATON_ADMIN_TOKEN", NULL);
    struct buf question;
    int result = -1;

    if (strncmp(address, "http://", 7) == 0) /* as "baton serve" prints it */
        address += 7;
    if (strpbrk(address, "\r\n") ||
        (token && (strpbrk(token, "\r\n") || strlen(token) > TOKEN_MAX)))
        return err_set(err, ERR_BAD_REQUEST, "--admin and --token must be one line each");
    buf_init(&question, 1 << 20);
    int fd = connect_to(address, err);
    if (fd < 0)
        goto done;
    if (write_question(&question, address, token, method, path, body) < 0)
        err_set(err, ERR_BAD_REQUEST, "the question is too long");
    else
        result = ask_over(fd, buf_span(&question), out, err);
    close(fd);
done:
    buf_wipe(&question); /* the token is in it */
    return result;
}

/* ---- out of an answer ---- */

void admin_text_at(struct span doc, const char *path, char *out, size_t size)
{
    struct span value = json_path(doc, path);
    struct buf text;

    out[0] = 0;
    buf_init(&text, value.n + 1);
    if (value.p && json_text(value, &text) == 0 && text.len > 0)
        snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.data);
    buf_deinit(&text);
}

double admin_number_at(struct span doc, const char *path)
{
    struct span value = json_path(doc, path);
    double d = 0;

    if (value.p && json_type(value) == JSON_NUMBER)
        json_double(value, &d);
    return d;
}
