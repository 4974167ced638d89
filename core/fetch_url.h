/* fetch_url - the URLs that scripts may fetch: read strictly, followed, compared with what is allowed.
 * SPDX-License-Identifier: MIT
 *
 * Parsers that disagree about a URL are how guards are passed by. So what is read here is written anew and only that is
 * sent: host in lower case, addresses in full and nothing else ("127.1", "0x7f000001" and decimal hosts are refused),
 * no user, no dot segments, no fragment, no byte but printable ASCII. */
#ifndef FETCH_URL_H
#define FETCH_URL_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>

enum { FETCH_URL_MAX = 8192, FETCH_HOST_MAX = 253 };

struct fetch_url {
    bool https, literal, v6; /* literal: the host is an address */
    unsigned port;
    char host[FETCH_HOST_MAX + 1];  /* without brackets */
    char target[FETCH_URL_MAX + 1]; /* path and query, beginning with '/' */
};

/* ERR_BAD_REQUEST for everything but a plain http: or https: URL. Messages never show the URL. */
int fetch_url_read(struct fetch_url *u, struct span text, struct err *err);
/* Where a redirect's Location leads from there (RFC 3986, 5.2). Spaces and bytes that are no ASCII are encoded, since
 * servers send them. 'to' may be 'from'. */
int fetch_url_follow(struct fetch_url *to, const struct fetch_url *from, struct span location,
                     struct err *err);
/* "https://example.com:8443/path?query", with a NUL. 'to' has room for FETCH_URL_SIZE. */
enum { FETCH_URL_SIZE = FETCH_URL_MAX + FETCH_HOST_MAX + 32 };
void fetch_url_write(const struct fetch_url *u, char *to);

/* The same scheme, host and port. */
bool fetch_url_same_origin(const struct fetch_url *a, const struct fetch_url *b);
/* Is the host allowed? 'rule': "api.example.com", "*.example.com" (names below it, not itself), "*" (any), each
 * with ":PORT" or else only on the scheme's own port; "[::1]:8080". */
bool fetch_url_matches(const struct fetch_url *u, struct span rule);
/* Does the text make sense as a rule? */
bool fetch_url_is_rule(struct span rule);

#endif
