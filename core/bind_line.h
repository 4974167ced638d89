/* bind_line - a line to a model: what is the same in each of its calls, checked once.
 * SPDX-License-Identifier: MIT */
#ifndef BIND_LINE_H
#define BIND_LINE_H

#include "provider.h"
#include "wire.h"

#include <lua.h>

enum { LINE_FIELDS_MAX = 64, LINE_URL_MAX = 2048, LINE_BYTES_MAX = 64 << 10 };

/* What a call that is stopped has cost is estimated: USD per million tokens, 0 where unknown; the context is the most
 * that its input can be, 0: unknown. */
struct line_prices {
    double input, output;
    size_t context;
};

/* Immutable. The texts stand behind the struct, in the same block. */
struct line {
    const struct provider *provider; /* lives as long as the generation */
    const struct wire *wire;         /* kept alive by the line */
    const char *url, *method;
    const char *model; /* "provider/model"; "": no health is kept */
    /* of the header field with the key, and what stands before the key: "Bearer " */
    const char *key_name;
    const char *key_prefix;
    const char *fields[LINE_FIELDS_MAX]; /* "name: value", all but the key's */
    size_t field_count;
    bool known, stream;
    double requests_per_minute, tokens_per_minute;
    struct line_prices prices;
};

/* The line at that index; raises when it is none. */
const struct line *line_check(lua_State *L, int index);

/* lua_CFunction: provider.line. */
int line_new(lua_State *L);

/* Makes the metatable, whose method 'call' is the function. Once a state. Raises. */
void line_open(lua_State *L, lua_CFunction call);

#endif
