/* fuzz_bandit - saved bandits must be refused or restored whole, whatever their bytes, and be usable then.
 * SPDX-License-Identifier: MIT
 *
 * The input is what stands between the first line and the checksum, which is made right here; when its first byte is 0xff,
 * the rest is taken as it is. */
#include "bandit.h"
#include "digest.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ROOM = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bandits *open_bandits(void)
{
    void *p = mmap(NULL, bandit_size(), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        abort();
    bandit_format(p);
    return p;
}

static void close_bandits(struct bandits *b)
{
    munmap(b, bandit_size());
}

static void seal(struct buf *b)
{
    struct digest d;
    char hex[DIGEST_HEX + 1];

    digest_init(&d);
    digest_add(&d, buf_span(b));
    digest_end(&d, hex);
    buf_puts(b, hex);
}

/* What was accepted is saved and read again, and what operators see of it is JSON. */
static void again(struct bandits *b)
{
    struct bandits *other = open_bandits();
    struct buf first, second;
    struct err err;

    buf_init(&first, ROOM);
    buf_init(&second, ROOM);
    if (bandit_save(b, &first) < 0 || bandit_restore(other, buf_span(&first), &err) < 0 ||
        bandit_save(other, &second) < 0 || first.len != second.len)
        abort();
    first.len = 0;
    if (bandit_look(b, (struct span){0}, 1, &first) < 0 || json_check(buf_span(&first), &err) < 0)
        abort();
    buf_deinit(&first);
    buf_deinit(&second);
    close_bandits(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bandits *b = open_bandits();
    struct buf saved;
    struct err err = {0};

    buf_init(&saved, ROOM);
    if (size && data[0] == 0xff) {
        buf_add(&saved, data + 1, size - 1);
    } else {
        buf_puts(&saved, "baton bandits 1\n");
        buf_add(&saved, data, size);
        seal(&saved);
    }
    if (bandit_restore(b, buf_span(&saved), &err) == 0)
        again(b);
    else if (!*err.message)
        abort();
    buf_deinit(&saved);
    close_bandits(b);
    return 0;
}
