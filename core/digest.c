/* digest - SHA-256 of bytes, as hexadecimal text.
 * SPDX-License-Identifier: MIT */
#include "digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

void digest_init(struct digest *d)
{
    d->context = EVP_MD_CTX_new();
    if (!d->context || !EVP_DigestInit_ex(d->context, EVP_sha256(), NULL))
        abort(); /* out of memory at start, or a libcrypto without SHA-256 */
}

void digest_add(struct digest *d, struct span bytes)
{
    EVP_DigestUpdate(d->context, bytes.p, bytes.n);
}

void digest_end(struct digest *d, char hex[DIGEST_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[32];

    EVP_DigestFinal_ex(d->context, raw, NULL);
    EVP_MD_CTX_free(d->context);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[DIGEST_HEX] = 0;
}
