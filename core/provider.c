/* provider - where a provider is and how to speak to it: what the configuration says of it.
 * SPDX-License-Identifier: MIT */
#include "provider.h"

#include <stdlib.h>
#include <string.h>

struct provider *providers_add(struct providers *all)
{
    struct provider *items = realloc(all->items, (all->n + 1) * sizeof *items);

    if (!items)
        return NULL;
    all->items = items;
    items[all->n] = (struct provider){0};
    return &items[all->n++];
}

const struct provider *providers_find(const struct providers *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i].name, name) == 0)
            return &all->items[i];
    return NULL;
}

static void deinit(struct provider *p)
{
    free(p->name);
    free(p->codec);
    free(p->base_url);
    for (size_t i = 0; i < p->key_count; i++) {
        explicit_bzero(p->keys[i], strlen(p->keys[i]));
        free(p->keys[i]);
    }
    free(p->keys);
    for (size_t i = 0; i < p->header_count; i++)
        free(p->headers[i]);
    free(p->headers);
}

void providers_deinit(struct providers *all)
{
    for (size_t i = 0; i < all->n; i++)
        deinit(&all->items[i]);
    free(all->items);
    *all = (struct providers){0};
}
