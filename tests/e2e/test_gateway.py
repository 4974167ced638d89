"""The front door: what a client sends arrives as it was, and what the provider answers comes back.

SPDX-License-Identifier: MIT
"""

import base64
import gzip
import json
import re

from base import check, equal, eventually, vectors
from client import Client, Stream, chat_body, request_bytes
from harness import Gateway, Lua, behind, config, provider, stage
from upstream import DONE, completion, event, words


def echo(exchange):
    """A provider that says the last message back."""
    body = exchange.json()
    said = body["messages"][-1]["content"]
    said = said if isinstance(said, str) else json.dumps(said)
    if body.get("stream"):
        exchange.stream(*words(said))
    else:
        exchange.reply(completion(said))


# ---- bytes --------------------------------------------------------------------------------------

ODD = (
    b'{ "messages" : [ {"role":"user","content":"h\\u00e9llo \\/ \\ud83d\\ude00 \xc3\xa9\\u0000"} ],'
    b'\r\n\t"x_unknown":{"b":[ ],"a":{ }},"seed":123456789012345678, "temperature":1.0,"top_p":1e0,\n'
    b' "big":123456789012345678901234567890, "neg":-0, "stop":[],%s "model" : "%s" , "zz":null }\n'
)


def test_a_whole_request_arrives_unchanged_but_for_the_model():
    with behind(echo) as (upstream, gateway):
        answer = gateway.request(body=ODD % (b"", b"raw/echo"))
        equal(answer.status, 200, repr(answer))
        equal(upstream.received().body, ODD % (b"", b"echo"))


def test_the_model_is_spliced_where_it_is_written_with_escapes_and_first():
    body = b'{"model":"ra\\u0077\\/echo","messages":[{"role":"user","content":"x"}],"a":"\\u0041"}'
    with behind(echo) as (upstream, gateway):
        equal(gateway.request(body=body).status, 200)
        equal(upstream.received().body, body.replace(b'"ra\\u0077\\/echo"', b'"echo"'))


def test_a_streamed_request_gains_only_the_wish_for_usage():
    with behind(echo) as (upstream, gateway):
        answer = gateway.request(body=ODD % (b'"stream":true,', b"raw/echo"))
        equal(answer.status, 200, repr(answer))
        want, got = ODD % (b'"stream":true,', b"echo"), upstream.received().body
        start = next(i for i in range(len(want) + 1) if got[: i + 1] != want[: i + 1])
        added = len(got) - len(want)
        check(
            added > 0 and got[start + added :] == want[start:],
            f"more than one insertion:\n{got}\n{want}",
        )
        # The same insertion can be read as starting a few bytes earlier: compare the meaning.
        sent = json.loads(got)
        equal(sent.pop("stream_options"), {"include_usage": True})
        equal(sent, json.loads(want))


def test_stream_options_of_the_client_are_kept_beside_the_wish_for_usage():
    with behind(echo) as (upstream, gateway):
        gateway.chat("raw/echo", stream=True, stream_options={"include_obfuscation": False})
        equal(
            upstream.received(1).json()["stream_options"],
            {"include_obfuscation": False, "include_usage": True},
        )
        gateway.chat("raw/echo", stream=True, stream_options={"include_usage": False})
        equal(upstream.received(2).json()["stream_options"], {"include_usage": True})
        gateway.chat("raw/echo", stream=True, stream_options=None)
        equal(upstream.received(3).json()["stream_options"], {"include_usage": True})


def test_a_stream_whose_client_asked_for_usage_is_sent_on_unchanged():
    body = chat_body("raw/echo", stream=True, stream_options={"include_usage": True})
    with behind(echo) as (upstream, gateway):
        gateway.request(body=body)
        equal(upstream.received().body, body.replace(b"raw/echo", b"echo"))


def test_the_provider_s_answer_comes_back_byte_for_byte():
    raw = (
        b'{ "id":"x","object" : "chat.completion","created":1700000000,"model":"echo","odd":[ ],'
        b'"big":123456789012345678901,"one":1.0,"choices":[{"index":0,"message":{"role":"assistant",'
        b'"content":"h\\u00e9 \\/"},"logprobs":null,"finish_reason":"stop"}],\r\n'
        b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n'
    )
    with behind(lambda x: x.reply(raw)) as (_, gateway):
        answer = gateway.chat("raw/echo")
        equal((answer.status, answer.body), (200, raw))
        equal(answer.header("content-type").split(";")[0], "application/json")


def test_a_stream_without_usage_members_passes_byte_for_byte():
    parts = [
        b": hello\n\n",
        b'data: { "id":"1", "object":"chat.completion.chunk","created":1,"model":"echo","x":[ ],'
        b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n',
        b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"echo","choices":'
        b'[{"index":0,"delta":{"content":"h\\u00e9 \\"usage\\":null \\/"},"n":1.0}]}\n\n',
        b": keep-alive\n\n",
        b'data:{"id":"1","object":"chat.completion.chunk","created":1,"model":"echo","choices":'
        b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n',
        DONE,
    ]
    with behind(lambda x: x.stream(*parts)) as (_, gateway):
        answer = gateway.chat("raw/echo", stream=True)
        equal((answer.status, answer.complete, answer.body), (200, True, b"".join(parts)))
        equal(answer.header("content-type").split(";")[0], "text/event-stream")


def test_a_stream_split_at_every_byte_passes_byte_for_byte():
    raw = b"".join(words("one ", "tw\u00f6 ", "\U0001f600"))
    with behind(lambda x: x.stream(*[raw[i : i + 1] for i in range(len(raw))])) as (_, gateway):
        answer = gateway.chat("raw/echo", stream=True)
        equal((answer.status, answer.complete, answer.body), (200, True, raw))


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40},
}


def with_usage(exchange):
    exchange.stream(
        event({"role": "assistant", "content": ""}, usage=None),
        event({"content": 'the word "usage":null'}, usage=None),
        event(finish="stop", usage=None),
        event(choices=[], usage=USAGE),
        DONE,
    )


def test_usage_that_only_we_asked_for_is_taken_out_of_the_stream():
    want = b"".join(
        [
            event({"role": "assistant", "content": ""}),
            event({"content": 'the word "usage":null'}),
            event(finish="stop"),
            DONE,
        ]
    )
    with behind(with_usage) as (_, gateway):
        answer = gateway.chat("raw/echo", stream=True)
        equal((answer.complete, answer.body), (True, want))


def test_usage_that_the_client_asked_for_passes():
    want = b"".join(
        [
            event({"role": "assistant", "content": ""}, usage=None),
            event({"content": 'the word "usage":null'}, usage=None),
            event(finish="stop", usage=None),
            event(choices=[], usage=USAGE),
            DONE,
        ]
    )
    with behind(with_usage) as (_, gateway):
        answer = gateway.chat("raw/echo", stream=True, stream_options={"include_usage": True})
        equal((answer.complete, answer.body), (True, want))


def test_a_last_choice_that_carries_usage_is_not_lost_with_it():
    parts = [event({"content": "hi"}), event(finish="stop", usage=USAGE), DONE]
    with behind(lambda x: x.stream(*parts)) as (_, gateway):
        said = Stream(gateway.chat("raw/echo", stream=True).body)
        equal((said.text, said.finish_reason, said.done), ("hi", "stop", True))


def test_events_reach_the_client_as_they_come():
    parts = words("one", "two")

    def play(exchange):
        exchange.stream(*parts[:2], end=False)
        exchange.go = eventually(
            lambda: getattr(exchange, "may_go_on", False), "the client's sight"
        )
        for part in parts[2:]:
            exchange.part(part)
        exchange.send(b"0\r\n\r\n")

    with behind(play) as (upstream, gateway), gateway.open_chat("raw/echo", stream=True) as client:
        equal(client.head().status, 200)
        seen = b""
        while b'"one"' not in seen:
            seen += client.chunk() or b""
        upstream.received().may_go_on = True
        while part := client.chunk():
            seen += part
        equal(seen, b"".join(parts))


# ---- tools --------------------------------------------------------------------------------------

CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "K\u00f6ln"}'},
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


def test_tool_calls_pass_whole_and_streamed():
    whole = completion()
    whole["choices"][0].update(
        message={"role": "assistant", "content": None, "tool_calls": [CALL]},
        finish_reason="tool_calls",
    )
    first = {"index": 0, **CALL, "function": {"name": "weather", "arguments": ""}}
    parts = [
        event({"role": "assistant", "content": None, "tool_calls": [first]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": '"K\u00f6ln"}'}}]}),
        event(finish="tool_calls"),
        DONE,
    ]

    def play(exchange):
        exchange.stream(*parts) if exchange.json().get("stream") else exchange.reply(whole)

    with behind(play) as (upstream, gateway):
        answer = gateway.chat("raw/echo", tools=TOOLS)
        equal((answer.status, answer.json()), (200, whole))
        equal(upstream.received().json()["tools"], TOOLS)
        answer = gateway.chat("raw/echo", tools=TOOLS, stream=True)
        equal((answer.status, answer.body), (200, b"".join(parts)))


def test_a_conversation_with_tool_results_arrives_whole():
    messages = [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:x;base64,AA=="}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "{}"},
    ]
    with behind(echo) as (upstream, gateway):
        body = chat_body("raw/echo", messages=messages, tools=TOOLS, metadata={"who": "me"})
        equal(gateway.request(body=body).status, 200)
        equal(upstream.received().body, body.replace(b"raw/echo", b"echo"))


# ---- headers ------------------------------------------------------------------------------------


def test_a_request_id_is_echoed_or_made():
    _, gateway = stage()
    equal(
        gateway.chat("sim/mini", headers={"X-Request-Id": "mine-42"}).header("x-request-id"),
        "mine-42",
    )
    ids = {gateway.chat("sim/mini").header("x-request-id") for _ in range(3)}
    check(None not in ids and len(ids) == 3, f"request ids: {ids}")
    check(gateway.chat("nobody/x").header("x-request-id"), "an error without a request id")


def test_whole_answers_say_which_policy_model_attempts_and_cost():
    _, gateway = stage()
    answer = gateway.chat("sim/mini")
    equal(answer.status, 200, repr(answer))
    equal(answer.header("x-baton-model"), "sim/mini")
    equal(answer.header("x-baton-attempts"), "1")
    check(
        re.fullmatch(r"direct@[0-9a-f]{6,64}", answer.header("x-baton-policy") or ""),
        f"x-baton-policy: {answer.header('x-baton-policy')}",
    )
    check(answer.header("x-baton-trace"), "no x-baton-trace")
    check(float(answer.header("x-baton-cost-usd")) > 0, "a cost of nothing")


def test_streams_say_the_policy_and_model_at_once_and_must_not_be_buffered():
    _, gateway = stage()
    answer = gateway.chat("sim/mini", stream=True)
    for name in ("x-request-id", "x-baton-trace", "x-baton-policy", "x-baton-model"):
        check(answer.header(name), f"no {name}: {answer.headers}")
    check("no-cache" in (answer.header("cache-control") or ""), "a stream without cache-control")


def test_a_stream_ends_with_a_debug_comment_only_when_asked():
    _, gateway = stage()
    plain = Stream(gateway.chat("sim/mini", stream=True).body)
    check(plain.done and not [c for c in plain.comments if c.startswith("baton")], plain.comments)
    answer = gateway.chat("sim/mini", stream=True, headers={"x-baton-debug": "1"})
    said = Stream(answer.body)
    found = [c for c in said.comments if c.startswith("baton ")]
    equal(len(found), 1, "debug comments")
    debug = json.loads(found[0].removeprefix("baton "))
    equal((debug["model"], debug["attempts"]), ("sim/mini", 1))
    check(debug["cost_usd"] > 0, f"cost: {debug}")
    check(debug["usage"], f"usage: {debug}")
    check(
        said.done and answer.body.index(b": baton ") < answer.body.index(b"data: [DONE]"),
        "the comment stands before [DONE]",
    )


# ---- cost ---------------------------------------------------------------------------------------

PRICED = {"raw/echo": {"tier": "fast", "input": 3.0, "cached_input": 0.3, "output": 15.0}}
PRICE = (60 * 3.0 + 40 * 0.3 + 50 * 15.0) / 1e6


def test_cost_is_price_times_usage_with_cached_tokens_whole():
    with behind(lambda x: x.reply(completion(usage=USAGE)), models=PRICED) as (_, gateway):
        cost = float(gateway.chat("raw/echo").header("x-baton-cost-usd"))
        check(abs(cost - PRICE) < 1e-9, f"{cost} is not {PRICE}")


def test_cost_is_price_times_usage_with_cached_tokens_streamed():
    with behind(with_usage, models=PRICED) as (_, gateway):
        answer = gateway.chat("raw/echo", stream=True, headers={"x-baton-debug": "1"})
        comment = next(c for c in Stream(answer.body).comments if c.startswith("baton "))
        cost = json.loads(comment.removeprefix("baton "))["cost_usd"]
        check(abs(cost - PRICE) < 1e-9, f"{cost} is not {PRICE}")


def test_cached_tokens_cost_the_full_price_where_no_cached_price_is_known():
    models = {"raw/echo": {"tier": "fast", "input": 3.0, "output": 15.0}}
    with behind(lambda x: x.reply(completion(usage=USAGE)), models=models) as (_, gateway):
        cost = float(gateway.chat("raw/echo").header("x-baton-cost-usd"))
        check(abs(cost - (100 * 3.0 + 50 * 15.0) / 1e6) < 1e-9, f"cost {cost}")


# ---- models and names ---------------------------------------------------------------------------


def test_models_lists_policies_and_models():
    _, gateway = stage()
    for path in ("/v1/models", "/models"):
        answer = gateway.request("GET", path)
        body = answer.json()
        equal((answer.status, body["object"]), (200, "list"))
        ids = {m["id"] for m in body["data"]}
        for name in ("direct", "cascade", "ensemble", "sim/mini", "sim/pro"):
            check(name in ids or "baton/" + name in ids, f"{name} is not listed: {sorted(ids)}")
        check(
            all(
                m["object"] == "model" and "created" in m and "owned_by" in m for m in body["data"]
            ),
            "not OpenAI's model objects",
        )


def test_one_model_is_shown_by_its_name():
    _, gateway = stage()
    answer = gateway.request("GET", "/v1/models/sim/mini")
    equal((answer.status, answer.json()["id"]), (200, "sim/mini"))
    answer = gateway.request("GET", "/v1/models/no-such-model")
    equal((answer.status, answer.error()["code"]), (404, "model_not_found"))


def test_every_kind_of_model_name_chooses():
    sim, _ = stage()
    text = config(
        {"sim": provider(sim.base_url)},
        default_policy="direct",
        default_model="sim/mini",
        aliases={"cheap": "sim/mini", "best": "sim/pro"},
    )
    with Gateway(text) as gateway:
        for name, model in (
            ("sim/base", "sim/base"),
            ("cheap", "sim/mini"),
            ("best", "sim/pro"),
            ("auto", "sim/mini"),
            ("direct", "sim/mini"),
            ("baton/direct", "sim/mini"),
        ):
            answer = gateway.chat(name)
            equal(
                (answer.status, answer.header("x-baton-model")), (200, model), name + repr(answer)
            )
            check(answer.header("x-baton-policy").startswith("direct@"), name)


def test_both_spellings_of_the_path_and_livez_answer():
    _, gateway = stage()
    body = chat_body("sim/mini")
    for path in ("/v1/chat/completions", "/chat/completions", "/v1/chat/completions?x=1"):
        equal(gateway.request("POST", path, body).status, 200, path)
    equal(gateway.request("GET", "/livez").status, 200)


# ---- keys ---------------------------------------------------------------------------------------


def test_with_keys_only_their_holders_are_served():
    sim, _ = stage()
    keys = Lua('{ env "CLIENT_KEY", "second-key" }')
    text = config({"sim": provider(sim.base_url)}, keys=keys, default_model="sim/mini")
    with Gateway(text, env={"CLIENT_KEY": "client-secret-1"}) as gateway:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer "},
            {"Authorization": "client-secret-1x"},
            {"Authorization": "Basic client-secret-1"},
        ):
            answer = gateway.chat("sim/mini", headers=headers)
            equal(answer.status, 401, repr(headers))
            equal(answer.error()["code"], "invalid_api_key")
        for key in ("client-secret-1", "second-key"):
            for scheme in ("Bearer", "bearer", "Bearer  "):
                headers = {"Authorization": f"{scheme} {key}"}
                equal(gateway.chat("sim/mini", headers=headers).status, 200, scheme)
        equal(gateway.request("GET", "/v1/models").status, 401)
        equal(gateway.request("GET", "/livez").status, 200)
        check("client-secret-1" not in gateway.stderr, "the key stands in the log")


def test_the_client_s_key_never_reaches_a_provider():
    with behind(
        echo,
        env={"RAW_KEY": "provider-secret-9"},
        provider_members={"key": Lua('env "RAW_KEY"'), "headers": {"X-Own": "yes"}},
    ) as (up, gw):
        equal(gw.chat("raw/echo", headers={"Authorization": "Bearer client-secret-7"}).status, 200)
        seen = up.received()
        equal(seen.headers["authorization"], "Bearer provider-secret-9")
        equal(seen.headers["x-own"], "yes")
        check(b"client-secret-7" not in seen.raw_head, "the client's key was sent on")


# ---- errors -------------------------------------------------------------------------------------


def test_unknown_models_and_policies_are_404_model_not_found():
    _, gateway = stage()
    for name in (
        "nobody/gpt",
        "no-such-policy",
        "baton/no-such-policy",
        "x" * 5000,
        "sim",
        "/",
        "sim/",
        "../direct",
        "direct\u0000",
        "\u00fc",
    ):
        answer = gateway.chat(name)
        equal(answer.status, 404, repr(name[:30]))
        error = answer.error()
        equal((error["code"], error["param"]), ("model_not_found", "model"), repr(name[:30]))


ASKS_FOR_NOTHING = """local llm, policy = require "llm", require "policy"
return policy.define { name = "%s", run = function(req) %s end }
"""

ASKS = {  # the policy's body, the model that its error names
    "returns": ('return llm.chat("nope", req)', "'nope'"),
    "streams": ('return llm.stream("nope", req)', "'nope'"),
    "raises": ('error(select(2, llm.chat("nope", req)), 0)', "'nope'"),
    "asserts": ('return assert(llm.chat("nope", req))', "'nope'"),
    "unknown_there": ('return llm.stream("sim/mini:404", req)', "'sim/mini:404'"),
}


def test_a_model_that_a_policy_asks_for_in_vain_is_not_the_client_s_mistake():
    sim, _ = stage()
    policies = {name: ASKS_FOR_NOTHING % (name, text) for name, (text, _) in ASKS.items()}
    text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
    with Gateway(text, policies=policies) as gateway:
        for name, (_, model) in ASKS.items():
            for stream in (False, True):
                answer = gateway.chat(name, stream=stream)
                equal(answer.status, 500, f"{name}: {answer}")
                error = answer.error()
                equal((error["code"], error["param"]), ("internal", None), name)
                equal(error["type"], "server_error", name)
                check(f"policy '{name}'" in error["message"], error)
                check(model in error["message"], error)
        for name in ("nope", "sim/mini:404"):
            equal(gateway.chat(name).status, 404, name)


BAD = [  # body, the field that the error names
    (b"", None),
    (b"hello", None),
    (b"{", None),
    (b"{}x", None),
    (b"[]", None),
    (b"null", None),
    (b'"text"', None),
    (b'{"model":"sim/mini","messages":[],}', None),
    (b"\xff\xfe{}", None),
    (b'{"model":"sim/mini","messages":[{"role":"user","content":"\xff"}]}', None),
    (b'{"messages":[{"role":"user","content":"x"}]}', "model"),
    (b'{"model":7,"messages":[{"role":"user","content":"x"}]}', "model"),
    (b'{"model":null,"messages":[{"role":"user","content":"x"}]}', "model"),
    (b'{"model":"","messages":[{"role":"user","content":"x"}]}', "model"),
    (b'{"model":"sim/mini"}', "messages"),
    (b'{"model":"sim/mini","messages":null}', "messages"),
    (b'{"model":"sim/mini","messages":"hello"}', "messages"),
    (b'{"model":"sim/mini","messages":{}}', "messages"),
    (b'{"model":"sim/mini","messages":[]}', "messages"),
    (b'{"model":"sim/mini","messages":["hello"]}', "messages"),
    (b'{"model":"sim/mini","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream"),
    (b'{"model":"sim/mini","messages":[{"role":"user","content":"x"}],"stream":1}', "stream"),
    (
        b'{"model":"sim/mini","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":7}',
        "stream_options",
    ),
]


def test_a_wrong_body_is_400_and_the_message_names_the_field():
    _, gateway = stage()
    for body, field in BAD:
        answer = gateway.request(body=body)
        equal(answer.status, 400, repr(body))
        error = answer.error()
        equal(error["type"], "invalid_request_error", repr(body))
        if field:
            check((error["param"] or "").startswith(field), f"{body}: param is {error['param']}")
            check(field in error["message"], f"{body}: the message does not name {field}: {error}")


def test_a_member_given_twice_cannot_smuggle_another_model():
    body = b'{"model":"raw/echo","messages":[{"role":"user","content":"x"}],"model":"raw/other"}'
    with behind(echo) as (upstream, gateway):
        answer = gateway.request(body=body)
        if answer.status == 400:
            answer.error()
        else:
            sent = upstream.received().body
            check(b"raw/" not in sent, f"one of two models was left as it was: {sent}")


def test_a_body_over_the_limit_is_413():
    sim, _ = stage()
    text = config({"sim": provider(sim.base_url)}, limits={"body": 10000}, default_model="sim/mini")
    with Gateway(text) as gateway:
        answer = gateway.chat("sim/mini", "x" * 20000)
        equal(answer.status, 413)
        answer.error()
        equal(gateway.chat("sim/mini", "x" * 5000).status, 200)


def test_a_packed_body_is_415_and_the_message_names_the_header():
    with behind(echo) as (upstream, gateway):
        body = chat_body("raw/echo")
        for coding in ("gzip", "br", "identity, gzip", "GZIP"):
            packed = gzip.compress(body) if coding == "gzip" else body
            answer = gateway.request(body=packed, headers={"Content-Encoding": coding})
            equal(answer.status, 415, coding)
            equal(answer.header("accept-encoding"), "identity", coding)
            error = answer.error()
            equal(error["type"], "invalid_request_error", coding)
            check(f"Content-Encoding: {coding}" in error["message"], error)
        equal(upstream.exchanges, [])
        for coding in ("identity", "Identity", ""):
            answer = gateway.request(body=body, headers={"Content-Encoding": coding})
            equal(answer.status, 200, coding)


def test_other_methods_are_405_and_other_paths_404():
    _, gateway = stage()
    for method, path in (
        ("GET", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
        ("PUT", "/livez"),
    ):
        answer = gateway.request(method, path)
        equal(answer.status, 405, method + path)
        answer.error()
        check(answer.header("allow"), "405 without Allow")
    for path in (
        "/",
        "/v1",
        "/v1/chat/completion",
        "/v1/chat/completions/",
        "/etc/passwd",
        "/v1/../v1/models",
    ):
        answer = gateway.request("POST", path, chat_body("sim/mini"))
        equal(answer.status, 404, path)
        answer.error()


# ---- public vectors -----------------------------------------------------------------------------


def cases(expect):
    with open(vectors("json-parsing/cases.jsonl"), encoding="utf-8") as f:
        for line in f:
            case = json.loads(line)
            if case["expect"] == expect:
                repeat = case.get("repeat")
                yield case["name"], (
                    (repeat["text"] * repeat["count"] + repeat.get("suffix", "")).encode()
                    if repeat
                    else base64.b64decode(case["b64"])
                )


def pipelined(gateway, bodies):
    """The answers to many bodies in turn, on one connection (a new one where it closed)."""
    client = Client(gateway.address)
    try:
        for name, body in bodies:
            if client.eof:
                client.close()
                client = Client(gateway.address)
            client.send_request("POST", "/v1/chat/completions", body)
            answer = client.answer()
            check(answer is not None, f"{name}: no answer")
            client.eof = client.eof or (answer.header("connection") or "") == "close"
            yield name, body, answer
    finally:
        client.close()


def test_bodies_that_are_no_json_are_400():
    bodies = list(cases("reject"))
    _, gateway = stage()
    for name, _, answer in pipelined(gateway, bodies):
        equal(answer.status, 400, name)
        answer.error()


def test_requests_that_hold_no_json_in_a_member_are_400():
    wrap = b'{"model":"sim/mini","messages":[{"role":"user","content":"x"}],"extra":%s}'
    bodies = [(name, wrap % raw) for name, raw in cases("reject")]
    _, gateway = stage()
    for name, body, answer in pipelined(gateway, bodies):
        valid = is_json(body)  # a few broken texts are right inside another: `,` chains, empty text
        check(valid or answer.status == 400, f"{name}: {answer}")


def is_json(raw):
    def refuse(_):
        raise ValueError

    try:
        json.loads(raw.decode("utf-8"), parse_constant=refuse)
        return True
    except (ValueError, RecursionError):
        return False


def test_every_json_value_passes_through_a_member_unchanged():
    wrap = b'{"model":"raw/echo","messages":[{"role":"user","content":"x"}],"extra":%s}'
    bodies = [(name, wrap % raw) for name, raw in cases("accept")]
    with behind(echo) as (upstream, gateway):
        for n, (name, body, answer) in enumerate(pipelined(gateway, bodies), 1):
            equal(answer.status, 200, name + repr(answer))
            equal(upstream.received(n).body, body.replace(b"raw/echo", b"echo"), name)


def test_what_may_be_refused_is_answered_clearly():
    bodies = list(cases("either"))
    _, gateway = stage()
    for name, _, answer in pipelined(gateway, bodies):
        equal(answer.status, 400, name)
        answer.error()


def naughty():
    with open(vectors("naughty-strings/blns.json"), encoding="utf-8") as f:
        return [s for s in json.load(f)]


def test_naughty_prompts_come_back_byte_for_byte():
    bodies = [
        (
            repr(s),
            json.dumps(
                {"model": "raw/echo", "messages": [{"role": "user", "content": s}]},
                ensure_ascii=bool(i % 2),
            ).encode(),
        )
        for i, s in enumerate(naughty())
    ]
    with behind(echo) as (_, gateway):
        for name, body, answer in pipelined(gateway, bodies):
            equal(answer.status, 200, name + repr(answer))
            equal(answer.text(), json.loads(body)["messages"][0]["content"])


def test_naughty_prompts_come_back_through_streams():
    with behind(echo) as (_, gateway):
        for text in naughty()[::10]:
            said = Stream(gateway.chat("raw/echo", text, stream=True).body)
            equal((said.text, said.done), (text, True))


def test_naughty_model_names_are_refused_clearly():
    _, gateway = stage()
    bodies = [(repr(s), chat_body("nobody/" + s)) for s in naughty()]
    for name, _, answer in pipelined(gateway, bodies):
        check(answer.status in (400, 404), f"{name}: {answer}")
        answer.error()


def test_naughty_metadata_arrives_unchanged():
    with behind(echo) as (upstream, gateway):
        body = chat_body("raw/echo", metadata={str(i): s for i, s in enumerate(naughty())})
        equal(gateway.request(body=body).status, 200)
        equal(upstream.received().body, body.replace(b"raw/echo", b"echo"))


def test_naughty_request_ids_are_echoed_or_refused():
    _, gateway = stage()
    usable = [
        s
        for s in naughty()
        if s and s == s.strip() and not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", s)
    ]
    for text in usable[::5]:
        with Client(gateway.address) as client:
            client.send(request_bytes("GET", "/livez", headers={"X-Request-Id": text}))
            answer = client.answer()
            check(answer is not None and answer.status in (200, 400, 431), f"{text!r}: {answer}")


# ---- many at once -------------------------------------------------------------------------------


def test_requests_side_by_side_get_their_own_answers():
    with behind(echo) as (_, gateway):
        clients = [
            gateway.open_chat("raw/echo", f"prompt {i}", stream=bool(i % 2)) for i in range(200)
        ]
        for i, client in enumerate(clients):
            with client:
                answer = client.answer()
            equal(answer.status, 200, repr(answer))
            said = Stream(answer.body).text if i % 2 else answer.text()
            equal(said, f"prompt {i}")


def test_connections_to_a_provider_are_kept():
    with behind(echo) as (upstream, gateway):
        for i in range(20):
            equal(gateway.chat("raw/echo", stream=bool(i % 2)).status, 200)
        check(upstream.connections <= 3, f"{upstream.connections} connections for 20 requests")
