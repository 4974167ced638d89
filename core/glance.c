/* glance - what an answer in the form of Chat Completions says, when it is one text and nothing else.
 * SPDX-License-Identifier: MIT */
#include "glance.h"

#include "json.h"

#include <string.h>

static const struct span none = {NULL, 0};

static bool is_nothing(struct span value)
{
    struct json_iter it = {0};
    struct span key, inner;

    switch (json_type(value)) {
    case JSON_NULL:
        return true;
    case JSON_STRING:
        return value.n == 2;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return !json_next(value, &it, &key, &inner);
    default:
        return false;
    }
}

/* A member that comes twice tells nothing for certain. */
static bool take(struct span *to, struct span value)
{
    bool first = !to->p;

    *to = value;
    return first;
}

static struct span of_message(struct span message)
{
    struct span key, value, content = none;
    struct json_iter it = {0};

    if (json_type(message) != JSON_OBJECT)
        return none;
    while (json_next(message, &it, &key, &value))
        if (json_is_text(key, "content") ? !take(&content, value)
                                         : !json_is_text(key, "role") && !is_nothing(value))
            return none;
    if (!content.p || json_type(content) != JSON_STRING || memchr(content.p, '\\', content.n))
        return none;
    return content;
}

static struct span of_choice(struct span choice)
{
    struct span key, value, message = none, reason = none;
    struct json_iter it = {0};

    if (json_type(choice) != JSON_OBJECT)
        return none;
    while (json_next(choice, &it, &key, &value)) {
        bool fine = json_is_text(key, "message") ? take(&message, value)
                    : json_is_text(key, "finish_reason")
                        ? take(&reason, value)
                        : json_is_text(key, "index") || is_nothing(value);
        if (!fine)
            return none;
    }
    return message.p && reason.p && json_is_text(reason, "stop") ? of_message(message) : none;
}

struct span glance_text(struct span body)
{
    struct span choices = json_member(body, "choices"), key, choice, more;
    struct json_iter it = {0};

    if (!choices.p || json_type(choices) != JSON_ARRAY || !json_next(choices, &it, &key, &choice) ||
        json_next(choices, &it, &key, &more))
        return none;
    return of_choice(choice);
}
