/* test_glance - the text of an answer that is nothing but a text.
 * SPDX-License-Identifier: MIT */
#include "glance.h"

#include "json.h"
#include "testhelp.h"

#define MESSAGE(members)         "{\"role\":\"assistant\"," members "}"
#define CHOICE(message, members) "{\"index\":0,\"message\":" message members "}"
#define BODY(choices)            "{\"id\":\"x\",\"choices\":[" choices "],\"usage\":{\"prompt_tokens\":1}}"
#define STOP                     ",\"finish_reason\":\"stop\""

static const struct {
    const char *body, *text; /* NULL: there is more to it */
} cases[] = {
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), STOP)), "Hi."},
    {BODY(CHOICE(MESSAGE("\"content\":\"\""), STOP)), ""},
    {BODY(CHOICE(
         MESSAGE("\"content\":\"Hi.\",\"refusal\":null,\"annotations\":[],\"tool_calls\":[]"),
         STOP ",\"logprobs\":null")),
     "Hi."},
    {BODY(CHOICE(MESSAGE("\"content\":\"a\\nb\""), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":null"), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":[{\"type\":\"text\",\"text\":\"x\"}]"), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\",\"refusal\":\"no\""), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\",\"reasoning_content\":\"hm\""), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\",\"tool_calls\":[{}]"), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\",\"x\":false"), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\",\"content\":\"Ho.\""), STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), STOP ",\"logprobs\":{\"content\":[]}")), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), ",\"finish_reason\":\"length\"")), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), ",\"finish_reason\":null")), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), STOP STOP)), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), "")), NULL},
    {BODY(CHOICE("\"Hi.\"", STOP)), NULL},
    {BODY("\"Hi.\""), NULL},
    {BODY(""), NULL},
    {BODY(CHOICE(MESSAGE("\"content\":\"Hi.\""), STOP) ",{}"), NULL},
    {"{\"choices\":{}}", NULL},
    {"{}", NULL},
    {"[]", NULL},
};

int main(void)
{
    struct err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span body = {cases[i].body, strlen(cases[i].body)}, text = glance_text(body);
        CHECK(json_check(body, &err) == 0);
        if (!cases[i].text) {
            CHECK(!text.p);
            continue;
        }
        CHECK(text.p && text.n == strlen(cases[i].text) + 2 &&
              memcmp(text.p + 1, cases[i].text, text.n - 2) == 0);
    }
    return test_report("glance");
}
