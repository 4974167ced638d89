/* address - IP addresses: which are public, and which lead into somebody's own network.
 * SPDX-License-Identifier: MIT */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

struct range {
    unsigned char bytes[16];
    int bits;
};

/* IPv4 addresses that are not public. */
static const struct range inside4[] = {
    {{0}, 8},             /* this network, "unspecified" */
    {{10}, 8},            /* private (RFC 1918) */
    {{100, 64}, 10},      /* carriers' own (RFC 6598) */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local; where clouds keep their metadata */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* relays of 6to4, given up */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, broadcast */
};

/* Of IPv6 only 2000::/3 is given out; in it these are not public: */
static const struct range inside6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments; Teredo */
    {{0x20, 0x01, 0x0D, 0xB8}, 32}, /* documentation */
    {{0x3F, 0xFF}, 20},             /* documentation */
};

static const struct range global6 = {{0x20}, 3};

/* Addresses that carry an IPv4 address, and at which byte. */
static const struct {
    struct range range;
    int at;
} carriers[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96}, 12}, /* ::ffff:1.2.3.4 */
    {{{0x00, 0x64, 0xFF, 0x9B}, 96}, 12},                   /* NAT64 */
    {{{0x20, 0x02}, 16}, 2},                                /* 6to4 */
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_in(const unsigned char *bytes, const struct range *r)
{
    int whole = r->bits / 8, rest = r->bits % 8;
    unsigned mask = 0xFF00u >> rest & 0xFFu;

    if (memcmp(bytes, r->bytes, (size_t)whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] & mask) == (r->bytes[whole] & mask);
}

static bool is_public4(const unsigned char *bytes)
{
    for (size_t i = 0; i < COUNT(inside4); i++)
        if (is_in(bytes, &inside4[i]))
            return false;
    return true;
}

bool address_is_public(const struct address *a)
{
    if (!a->v6)
        return is_public4(a->bytes);
    for (size_t i = 0; i < COUNT(carriers); i++)
        if (is_in(a->bytes, &carriers[i].range))
            return is_public4(a->bytes + carriers[i].at);
    for (size_t i = 0; i < COUNT(inside6); i++)
        if (is_in(a->bytes, &inside6[i]))
            return false;
    return is_in(a->bytes, &global6);
}

bool address_read(struct address *a, const char *text)
{
    *a = (struct address){.v6 = strchr(text, ':') != NULL};
    return inet_pton(a->v6 ? AF_INET6 : AF_INET, text, a->bytes) == 1;
}

bool address_of(struct address *a, const struct sockaddr *from)
{
    const void *p = from;

    *a = (struct address){.v6 = from->sa_family == AF_INET6};
    if (a->v6)
        memcpy(a->bytes, &((const struct sockaddr_in6 *)p)->sin6_addr, 16);
    else if (from->sa_family == AF_INET)
        memcpy(a->bytes, &((const struct sockaddr_in *)p)->sin_addr, 4);
    else
        return false;
    return true;
}
