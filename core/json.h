/* json - JSON bytes (RFC 8259): strict reading, member spans, splicing, writing.
 * SPDX-License-Identifier: MIT
 *
 * Nothing here builds a tree. A document stays the bytes it came as; these functions check it,
 * find the bytes of one member, and make new bytes with some members changed. What is not touched
 * keeps its key order, its spelling of numbers and its white space. */
#ifndef JSON_H
#define JSON_H

#include "buf.h"
#include "err.h"

#include <stdint.h>

enum { JSON_DEPTH_MAX = 512 }; /* arrays and objects inside each other */

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* Is 'doc' one JSON text and nothing but white space around it? UTF-8 is checked, lone surrogate
 * escapes and a byte order mark are refused, depth is bounded. On failure *err says what and
 * at which byte ("line 3, column 7: ..."), code ERR_BAD_REQUEST. */
int json_check(struct span doc, struct err *err);

/* All functions below take a document (or a value's span inside one) that json_check accepted; on
 * other bytes they are safe (no read outside the span, they end), the answer means nothing. */

enum json_type json_type(struct span value);

/* The value's span of the member called 'key' of the object 'doc' (of the last one of that name, as
 * most readers take it), without white space around it. Keys are compared after unescaping.
 * p is NULL when there is no such member or doc is no object. */
struct span json_member(struct span doc, const char *key);

/* The same where the value is an integer; else 'otherwise'. */
int64_t json_member_int(struct span doc, const char *key, int64_t otherwise);
/* The same where the value is a string: its text, terminated. "" for anything else, and for what does not fit. */
void json_member_text(struct span doc, const char *key, char *out, size_t size);

/* json_member along a path of keys and array indexes: "choices.0.delta.content". The path is split
 * at dots; a part of digits indexes an array. */
struct span json_path(struct span doc, const char *path);

/* Walks members of an object, or elements of an array (then *key is empty, p NULL).
 * Start with {0}; returns false at the end. 'key' is the raw string with its quotes. */
struct json_iter {
    size_t at;
};
bool json_next(struct span doc, struct json_iter *it, struct span *key, struct span *value);

/* A string value's text, unescaped, appended to 'out'. -1 when it is no string or out is full. */
int json_text(struct span value, struct buf *out);
/* The same into 'to', which has room for value.n bytes (a text is never longer than its spelling);
 * its length. 'value' must be a string. */
size_t json_unescape(struct span value, char *to);
/* Is this value the string 'text'? */
bool json_is_text(struct span value, const char *text);
bool json_text_is(struct span value, struct span text); /* the same for any bytes */
/* The integer, when the value is one that fits; else -1. 1.0 and 1e3 are not integers here. */
int json_int(struct span value, int64_t *out);
/* The nearest double, when that says all of a number: at most 17 digits, in range; else -1. */
int json_double(struct span value, double *out);

/* One change to an object's direct members. */
struct json_edit {
    const char *key;
    struct span value; /* JSON bytes to stand there; p == NULL takes the member out */
};

/* Appends 'doc' to 'out' with the changes made: a member that exists is replaced in its place (all
 * of one name when it occurs more than once are reduced to the last), a new one goes to the end.
 * Every other byte is as it was. Of two edits of one key the later counts. -1, with nothing
 * appended, when doc is no object, memory is out, or out is full. */
int json_splice(struct span doc, const struct json_edit *edits, size_t n, struct buf *out);

/* Appends the text as a JSON string with quotes, escaping only what must be escaped (RFC 8259 7).
 * Invalid UTF-8 becomes U+FFFD. */
int json_write_text(struct buf *out, struct span text);
/* Appends a double so that reading it gives the same double, shortest spelling of 15, 16 or 17
 * digits, always with a '.' or an exponent ("1.0"). -1 for NaN and infinities. */
int json_write_double(struct buf *out, double d);
int json_write_int(struct buf *out, int64_t i);
bool json_is_utf8(struct span text); /* is it well-formed UTF-8? */

/* ---- the reader the functions above and lua_json stand on: one token after the other ---- */

enum json_token {
    JSON_T_END,   /* the document is complete */
    JSON_T_ERROR, /* err is filled */
    JSON_T_VALUE, /* a null, boolean, number or string: 'token' spans it */
    JSON_T_KEY,   /* a member's name: 'token' spans it with its quotes */
    JSON_T_OPEN_ARRAY,
    JSON_T_CLOSE_ARRAY,
    JSON_T_OPEN_OBJECT,
    JSON_T_CLOSE_OBJECT
};

struct json_reader {
    struct span doc;
    size_t at;
    struct span token;   /* of the last JSON_T_VALUE or JSON_T_KEY */
    enum json_type type; /* of the last JSON_T_VALUE */
    bool escaped;        /* the last string or key holds a backslash */
    int depth;
    unsigned char stack[JSON_DEPTH_MAX / 8]; /* one bit a level: object or array */
    int state;
    struct err err;
};

void json_reader_init(struct json_reader *r, struct span doc);
enum json_token json_read(struct json_reader *r);

#endif
