/* transfer_guard - requests that may only reach public addresses: what scripts and clients name must not lead into the
 * network of the machine that fetches it. SPDX-License-Identifier: MIT
 *
 * The last word is had where the socket is opened, on the very address that is connected to: an answer of the name
 * server that changes between check and use (DNS rebinding), an odd spelling of an address or a name that the
 * system resolves by itself cannot pass by. */
#include "transfer_parts.h"

#include "address.h"

#include <string.h>
#include <sys/socket.h>

int guard_refuse(struct err *err)
{
    return err_set(err, ERR_AUTH, "the address is not public");
}

/* The next of "192.0.2.1,[2001:db8::1]" as an address; NULL at the end. */
static const char *next_address(const char *list, struct address *a, bool *fine)
{
    char text[64];
    size_t n = strcspn(list, ",");
    bool v6 = *list == '[';

    if (!*list)
        return NULL;
    *fine = n > 2 && n < sizeof text;
    if (*fine) {
        memcpy(text, list + v6, n - 2 * v6);
        text[n - 2 * v6] = 0;
        *fine = address_read(a, text);
    }
    return list + n + (list[n] == ',');
}

/* Behind a proxy all of them must be public, for nobody knows which one it takes; else one is enough, since the others
 * are refused one by one. */
int guard_check(const struct transfer *t, const char *addresses, struct err *err)
{
    struct address a;
    bool fine, any = false, all = true;

    if (!addresses) {
        any = address_read(&a, t->host) && address_is_public(&a);
    } else {
        while ((addresses = next_address(addresses, &a, &fine)) != NULL) {
            fine = fine && address_is_public(&a);
            any = any || fine;
            all = all && fine;
        }
    }
    return any && (all || !t->proxied) ? 0 : guard_refuse(err);
}

static curl_socket_t on_open(void *barred, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct address a;

    (void)purpose;
    if (!address_of(&a, &to->addr) || !address_is_public(&a)) {
        *(bool *)barred = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

CURLcode guard_set(CURL *easy, bool *barred)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, barred);

    return code ? code : curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
}
