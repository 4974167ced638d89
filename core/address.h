/* address - IP addresses: which are public, and which lead into somebody's own network.
 * SPDX-License-Identifier: MIT
 *
 * The guard against requests that somebody outside makes us send inside (SSRF). Public is what the registries of IANA
 * call globally reachable ("IANA IPv4 and IPv6 Special-Purpose Address Registry"), less a few ranges that nobody
 * fetches from. An address that carries another one (IPv4 in IPv6, NAT64, 6to4) is as public as that one. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct address {
    bool v6;
    unsigned char bytes[16]; /* the first four of an IPv4 address */
};

/* "192.0.2.1", "2001:db8::1": as written in full, without brackets. False: it is none ("127.1", "0x7f000001"). */
bool address_read(struct address *a, const char *text);
/* False: neither IPv4 nor IPv6. */
bool address_of(struct address *a, const struct sockaddr *from);

bool address_is_public(const struct address *a);

#endif
