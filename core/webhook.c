/* webhook - a JSON text is posted to a URL, again when it does not arrive.
 * SPDX-License-Identifier: MIT */
#include "webhook.h"

#include "list.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 4, FIRST_PAUSE_US = 1000000, FACTOR = 4, BODY_MAX = 64 << 10 };
enum { CONNECT_MS = 5000, TOTAL_MS = 10000, ANSWER_MAX = 64 << 10 };

void webhook_stop(struct webhook *h)
{
    if (!h->fx)
        return;
    h->fx->cancel(h->fx, &h->op);
    h->fx->cancel(h->fx, &h->pause);
    buf_deinit(&h->body);
    if (h->url)
        explicit_bzero(h->url, strlen(h->url)); /* it may hold a secret, as the headers may */
    free(h->url);
    for (size_t i = 0; i < h->header_count; i++) {
        explicit_bzero(h->headers[i], strlen(h->headers[i]));
        free(h->headers[i]);
    }
    free(h->headers);
    h->url = NULL;
    h->headers = NULL;
    h->header_count = 0;
    h->fx = NULL;
}

static void end(struct webhook *h, const struct err *err)
{
    struct err copy = err ? *err : (struct err){0};

    webhook_stop(h);
    h->on_end(h, err ? &copy : NULL);
}

static int post(struct webhook *h, struct err *err)
{
    const char *lines[WEBHOOK_HEADERS + 1] = {"content-type: application/json"};
    size_t n = 1;

    for (size_t i = 0; i < h->header_count; i++)
        lines[n++] = h->headers[i];
    struct ask ask = {.kind = ASK_CALL,
                      .call = {.method = "POST",
                               .url = h->url,
                               .headers = lines,
                               .header_count = n,
                               .body = malloc(h->body.len + 1),
                               .body_len = h->body.len,
                               .connect_ms = CONNECT_MS,
                               .first_byte_ms = TOTAL_MS,
                               .total_ms = TOTAL_MS,
                               .answer_max = ANSWER_MAX}};
    if (!ask.call.body)
        return err_set(err, ERR_OVERLOADED, "out of memory");
    memcpy(ask.call.body, h->body.data, h->body.len);
    h->status = 0;
    h->tries++;
    return h->fx->start(h->fx, &h->op, &ask, err);
}

static void on_pause_over(struct op *op, const struct answer *a)
{
    struct webhook *h = LIST_ENTRY(op, struct webhook, pause);
    struct err err;

    (void)a;
    if (post(h, &err) < 0)
        end(h, &err);
}

static void try_again(struct webhook *h, const struct err *why)
{
    struct ask ask = {.kind = ASK_SLEEP, .sleep_us = FIRST_PAUSE_US};
    struct err err;

    for (int i = 1; i < h->tries; i++)
        ask.sleep_us *= FACTOR;
    if (h->tries >= TRIES || h->fx->start(h->fx, &h->pause, &ask, &err) < 0)
        end(h, why);
}

static void on_answer(struct op *op, const struct answer *a)
{
    struct webhook *h = LIST_ENTRY(op, struct webhook, op);
    struct err err;

    if (a->kind == ANSWER_HEAD)
        h->status = a->status;
    if (a->kind == ANSWER_HEAD || a->kind == ANSWER_DATA)
        return;
    if (a->kind == ANSWER_DONE && h->status >= 200 && h->status < 300) {
        end(h, NULL);
        return;
    }
    if (a->kind == ANSWER_FAIL && h->status == 0)
        err_set(&err, a->err->code, "%s", a->err->message);
    else
        err_set(&err, ERR_BAD_RESPONSE, "it answered %d", h->status);
    if (h->status == 0 || h->status == 408 || h->status == 429 || h->status >= 500)
        try_again(h, &err);
    else
        end(h, &err);
}

static int copy_texts(struct webhook *h, const char *url, char *const *headers, size_t n)
{
    h->url = strdup(url);
    h->headers = calloc(n + 1, sizeof *h->headers);
    if (!h->url || !h->headers)
        return -1;
    for (; h->header_count < n; h->header_count++)
        if (!(h->headers[h->header_count] = strdup(headers[h->header_count])))
            return -1;
    return 0;
}

int webhook_start(struct webhook *h, struct effect *fx, const char *url, char *const *headers,
                  size_t header_count, struct span body, struct err *err)
{
    h->fx = fx;
    h->tries = 0;
    h->op.on_answer = on_answer;
    h->pause.on_answer = on_pause_over;
    buf_init(&h->body, BODY_MAX);
    if (header_count > WEBHOOK_HEADERS)
        err_set(err, ERR_BAD_REQUEST, "more than %d header fields", WEBHOOK_HEADERS);
    else if (copy_texts(h, url, headers, header_count) < 0 || buf_add_span(&h->body, body) < 0)
        err_set(err, ERR_OVERLOADED, "out of memory, or too large a text");
    else if (post(h, err) == 0)
        return 0;
    webhook_stop(h);
    return -1;
}
