/* test_address - which addresses are public, however they are written.
 * SPDX-License-Identifier: MIT */
#include "address.h"

#include "testhelp.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const char *const inside[] = {
    "0.0.0.0",
    "0.1.2.3",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    /* IPv6 */
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "fc00::",
    "fd12:3456::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2001:1ff:ffff::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "64:ff9b:1::1",
    "64:ff9b:1::a00:1",
    /* IPv4 in IPv6 */
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:a9fe:a9fe",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::169.254.169.254",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::",
    "fd00:ec2::254",
};

static const char *const public_[] = {
    "1.0.0.1",         "1.1.1.1",         "8.8.8.8",         "9.255.255.255",    "11.0.0.0",
    "100.63.255.255",  "100.128.0.0",     "126.255.255.255", "128.0.0.1",        "169.253.255.255",
    "169.255.0.0",     "172.15.255.255",  "172.32.0.0",      "191.255.255.255",  "192.0.1.1",
    "192.0.3.1",       "192.167.255.255", "192.169.0.0",     "198.17.255.255",   "198.20.0.0",
    "223.255.255.255", "2000::1",         "2001:200::1",     "2606:4700::1111",  "2a00:1450::8a",
    "3ffe::1",         "3fff:1000::1",    "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1",
};

/* Other parsers take these for addresses, this one does not. */
static const char *const none[] = {
    "",           "127.1",      "127.0.1",      "0x7f.0.0.1",
    "0x7f000001", "2130706433", "017700000001", "0177.0.0.1",
    "127.0.0.01", "127.0.0.1.", "127.0.0.256",  " 127.0.0.1",
    "127.0.0.1 ", "[::1]",      "::1%lo",       "::g",
    "1::2::3",    "localhost",  "12345::",      "\xEF\xBC\x91.0.0.1",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void expect(const char *text, bool wanted)
{
    struct address a;

    if (!address_read(&a, text))
        CHECK_STR(text, "is an address");
    else if (address_is_public(&a) != wanted)
        CHECK_STR(text, wanted ? "is public" : "is not public");
    else
        test_passed++;
}

static void test_the_table(void)
{
    for (size_t i = 0; i < COUNT(inside); i++)
        expect(inside[i], false);
    for (size_t i = 0; i < COUNT(public_); i++)
        expect(public_[i], true);
}

static void test_what_is_no_address(void)
{
    struct address a;

    for (size_t i = 0; i < COUNT(none); i++)
        if (address_read(&a, none[i]))
            CHECK_STR(none[i], "is no address");
        else
            test_passed++;
}

static void test_sockets(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F000001)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct address a;

    CHECK(address_of(&a, (struct sockaddr *)&v4) && !address_is_public(&a));
    v4.sin_addr.s_addr = htonl(0x08080808);
    CHECK(address_of(&a, (struct sockaddr *)&v4) && address_is_public(&a));
    inet_pton(AF_INET6, "2606:4700::1111", &v6.sin6_addr);
    CHECK(address_of(&a, (struct sockaddr *)&v6) && address_is_public(&a));
    CHECK(!address_of(&a, &other));
}

int main(void)
{
    test_the_table();
    test_what_is_no_address();
    test_sockets();
    return test_report("test_address");
}
