/* fuzz_fetch_url - a URL that is read is written, and read again, the same; libcurl reads the same host out of it, and
 * an address in it is one whose kind we know.
 * SPDX-License-Identifier: MIT
 *
 * The input is a URL, and behind a line feed a Location and a rule. */
#include "address.h"
#include "fetch_url.h"

#include <curl/curl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void expect_part(CURLU *h, CURLUPart part, const char *wanted)
{
    char *text = NULL;

    if (curl_url_get(h, part, &text, CURLU_DEFAULT_PORT) || strcasecmp(text, wanted) != 0)
        abort();
    curl_free(text);
}

/* Who connects in the end reads the same. */
static void compare(const struct fetch_url *u, const char *text)
{
    char host[FETCH_HOST_MAX + 3], port[16];
    char *user = NULL;
    CURLU *h = curl_url();

    snprintf(host, sizeof host, u->v6 ? "[%s]" : "%s", u->host);
    snprintf(port, sizeof port, "%u", u->port);
    if (curl_url_set(h, CURLUPART_URL, text, 0))
        abort();
    expect_part(h, CURLUPART_HOST, host);
    expect_part(h, CURLUPART_PORT, port);
    expect_part(h, CURLUPART_SCHEME, u->https ? "https" : "http");
    if (curl_url_get(h, CURLUPART_USER, &user, 0) == CURLUE_OK)
        abort();
    curl_url_cleanup(h);
}

static void check(const struct fetch_url *u)
{
    static struct fetch_url again;
    static char text[FETCH_URL_SIZE], twice[FETCH_URL_SIZE];
    struct address a;
    struct err err;

    if (u->literal != address_read(&a, u->host) || u->target[0] != '/')
        abort();
    if (u->literal)
        (void)address_is_public(&a);
    fetch_url_write(u, text);
    if (strlen(text) > FETCH_URL_MAX) /* it was one byte short of it before */
        return;
    if (fetch_url_read(&again, (struct span){text, strlen(text)}, &err) < 0)
        abort();
    fetch_url_write(&again, twice);
    if (strcmp(text, twice) != 0 || !fetch_url_same_origin(u, &again))
        abort();
    compare(u, text);
}

static struct span next_line(const uint8_t **p, size_t *n)
{
    const uint8_t *stop = *n ? memchr(*p, '\n', *n) : NULL;
    struct span line = {(const char *)*p, stop ? (size_t)(stop - *p) : *n};

    *p += line.n + (stop != NULL);
    *n -= line.n + (stop != NULL);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fetch_url u, v;
    struct span url = next_line(&data, &size), location = next_line(&data, &size);
    struct span rule = next_line(&data, &size);
    struct err err;

    (void)fetch_url_is_rule(rule);
    if (fetch_url_read(&u, url, &err) < 0)
        return 0;
    check(&u);
    (void)fetch_url_matches(&u, rule);
    if (fetch_url_follow(&v, &u, location, &err) == 0)
        check(&v);
    return 0;
}
