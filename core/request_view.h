/* request_view - a client's request as scripts see it: bytes that are decoded only where somebody
 * looks. SPDX-License-Identifier: MIT
 *
 * req.NAME is the member NAME of the body, decoded when first read. req.text is the text of the
 * last user message. Assigning (req.temperature = 0, req.stop = nil) or changing a table that was
 * read (table.insert(req.messages, m)) changes what is sent; every other byte of the body stays as
 * the client wrote it. */
#ifndef REQUEST_VIEW_H
#define REQUEST_VIEW_H

#include "buf.h"
#include "err.h"

#include <lua.h>

/* Makes the metatable. Once a state. Raises. */
void request_view_open(lua_State *L);

/* Pushes a view of the body at 'index', a string with an object that json_check accepted. Raises on memory. */
void request_view_push(lua_State *L, int index);

/* Is the value at 'index' a view? */
bool request_view_is(lua_State *L, int index);

/* Appends the body with the script's changes, then with those of the table at 'edits' (name =
 * value; json.null stands for null), then without the members named in the sequence at 'removed'. 0
 * for an index: none. -1 with *err when a value cannot be JSON. */
int request_view_compose(lua_State *L, int index, int edits, int removed, struct buf *out,
                         struct err *err);

/* view_of(body, native, about) -> view: for scripts/serve.lua. A request that came in another format: 'native' is
 * a view of the client's own bytes, 'about' whatever the caller wants to know of them, and the body the same request in
 * the shape of Chat Completions: text, another view's (which itself is returned when there is no native), or a function that makes it when somebody looks inside. */
int request_view_new(lua_State *L);

/* native_of(view) -> native, about | nothing. changes_of(view) -> the names of the members that a script has set, taken
 * out or changed, a list. */
int request_view_native(lua_State *L);
int request_view_changes(lua_State *L);

#endif
