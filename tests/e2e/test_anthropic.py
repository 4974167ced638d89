"""Anthropic's clients and Anthropic's providers: the binary, from socket to socket.

SPDX-License-Identifier: MIT
"""

import json

from base import check, equal
from client import sse_events
from harness import Gateway, Sim, config, provider, stage
from upstream import Provider

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-beta": "interleaved-thinking-2025-05-14"}
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def body_of(model, **members):
    return json.dumps(
        {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello."}], **members}
    ).encode()


def ask(gateway, model, path="/v1/messages", **members):
    return gateway.request(path=path, body=body_of(model, **members), headers=HEADERS)


def events(answer):
    """The events of a stream as objects; the names must be those of the data."""
    found = [json.loads(data) for data in sse_events(answer.body)]
    names = [line[7:] for line in answer.body.decode().split("\n") if line.startswith("event: ")]
    equal(names, [e["type"] for e in found])
    return found


def message(type_="end_turn", *content, **usage):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": type_,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5, **usage},
    }


def text(words):
    return {"type": "text", "text": words}


def event(type_, **members):
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **members})}\n\n"


START = event("message_start", message={**message(None), "stop_reason": None}) + event("ping")
END = event("message_stop")


def block(index, start, *deltas):
    return (
        event("content_block_start", index=index, content_block=start)
        + "".join(event("content_block_delta", index=index, delta=d) for d in deltas)
        + event("content_block_stop", index=index)
    )


def finish(reason, tokens=7):
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": tokens})


def anthropic(upstream, **more):
    return config({"up": {"codec": "anthropic", "base_url": upstream.base_url, "key": "secret", **more}})


# ---- Anthropic's clients, another provider ------------------------------------------------------


def test_a_whole_answer():
    _, gateway = stage()
    for path in ("/v1/messages", "/messages"):
        answer = ask(gateway, "sim/mini", path, system="Be brief.")
        equal(answer.status, 200, answer.body)
        got = answer.json()
        equal((got["type"], got["role"], got["stop_reason"]), ("message", "assistant", "end_turn"))
        check(got["id"].startswith("msg_") and got["content"][0]["text"], got)
        check(got["usage"]["input_tokens"] > 0 and got["usage"]["output_tokens"] > 0, got)


def test_a_stream():
    _, gateway = stage()
    answer = ask(gateway, "sim/mini", stream=True)
    equal(answer.header("content-type"), "text/event-stream; charset=utf-8")
    got = events(answer)
    kinds = [e["type"] for e in got if e["type"] not in ("content_block_delta", "ping")]
    equal(
        kinds,
        ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"],
    )
    check(got[-2]["usage"]["output_tokens"] > 0, got[-2])


def test_tools_over_two_turns():
    _, gateway = stage()
    ask_weather = [{"role": "user", "content": "What is the weather in Paris? Use the tool."}]
    for stream in (False, True):
        answer = ask(gateway, "sim/mini", messages=ask_weather, tools=[WEATHER], stream=stream,
                     tool_choice={"type": "any"})
        equal(answer.status, 200, answer.body)
        if stream:
            got = events(answer)
            start = next(e for e in got if e["type"] == "content_block_start")["content_block"]
            partial = "".join(e["delta"].get("partial_json", "") for e in got if e["type"] == "content_block_delta")
            call, reason = {**start, "input": json.loads(partial)}, got[-2]["delta"]["stop_reason"]
        else:
            call, reason = answer.json()["content"][-1], answer.json()["stop_reason"]
        equal((call["type"], call["name"], reason), ("tool_use", "get_weather", "tool_use"))
        check(isinstance(call["input"], dict), call)
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "Sunny, 20 degrees"}
        turns = [*ask_weather, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        answer = ask(gateway, "sim/mini", messages=turns, tools=[WEATHER])
        equal((answer.status, answer.json()["stop_reason"]), (200, "end_turn"), answer.body)


def test_errors_have_the_form_of_the_api():
    _, gateway = stage()
    for model, members, status, kind in (
        ("no/where", {}, 404, "not_found_error"),
        ("sim/mini", {"messages": 7}, 400, "invalid_request_error"),
        ("sim/mini", {"messages": [{"role": "user", "content": [{}]}]}, 400, "invalid_request_error"),
        ("sim/mini:429", {}, 429, "rate_limit_error"),
        ("sim/mini:503", {}, 529, "overloaded_error"),
    ):
        answer = ask(gateway, model, **members)
        got = answer.json()
        equal((answer.status, got["type"]), (status, "error"), answer.body)
        equal(got["error"]["type"], kind)
        check(got["error"]["message"], got)


def test_warnings_say_what_was_left_out():
    _, gateway = stage()
    answer = ask(gateway, "sim/mini", top_k=3, container="c")
    equal(answer.status, 200, answer.body)
    check("dropped: container" in (answer.header("x-baton-warnings") or ""), answer.headers)


def test_tokens_are_counted_and_models_listed():
    _, gateway = stage()
    answer = ask(gateway, "sim/mini", "/v1/messages/count_tokens")
    check(0 < answer.json()["input_tokens"] < 50, answer.body)
    listed = gateway.request("GET", "/v1/models?limit=1000", headers=HEADERS).json()
    check("sim/mini" in [m["id"] for m in listed["data"]] and listed["data"][0]["type"] == "model", listed)
    one = gateway.request("GET", "/v1/models/sim%2Fmini", headers=HEADERS).json()
    equal((one["id"], one["type"]), ("sim/mini", "model"))
    equal(gateway.request("GET", "/v1/models/no%2Fwhere", headers=HEADERS).json()["error"]["type"], "not_found_error")


# ---- Anthropic's clients, Anthropic's provider --------------------------------------------------


def test_bytes_pass_unchanged():
    odd = message("pause_turn", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}, "x": 1.50})
    with Provider(lambda e: e.reply(odd)) as upstream, Gateway(anthropic(upstream)) as gateway:
        answer = ask(gateway, "up/claude-x", thinking={"type": "adaptive"}, unknown=[1.50])
        equal((answer.status, answer.json()), (200, odd))
        sent = upstream.received()
        equal(sent.path, "/v1/messages")
        equal(
            (sent.headers["x-api-key"], sent.headers["anthropic-version"], sent.headers["anthropic-beta"]),
            ("secret", HEADERS["anthropic-version"], HEADERS["anthropic-beta"]),
        )
        wanted = body_of("claude-x", thinking={"type": "adaptive"}, unknown=[1.50])
        equal(json.loads(sent.body), json.loads(wanted))
        check(b"1.5" in sent.body, sent.body)


def test_a_stream_passes_unchanged():
    raw = START + block(0, text(""), {"type": "text_delta", "text": "Hé"}) + finish("end_turn") + END
    with Provider(lambda e: e.stream(raw)) as upstream, Gateway(anthropic(upstream)) as gateway:
        answer = ask(gateway, "up/claude-x", stream=True)
        equal(answer.body.decode(), raw)


def test_thinking_of_another_provider_never_reaches_it():
    with Provider(lambda e: e.reply(message("end_turn", text("a")))) as upstream, Gateway(anthropic(upstream)) as gateway:
        thought = {"type": "thinking", "thinking": "hm", "signature": "baton:unknown::"}
        turns = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [thought, text("y")]},
            {"role": "user", "content": "z"},
        ]
        answer = ask(gateway, "up/claude-x", messages=turns)
        equal(answer.status, 200, answer.body)
        equal(upstream.received().json()["messages"][1]["content"], "y")


def test_a_policy_that_sets_something_keeps_what_only_this_format_knows():
    policy = """local llm = require "llm"
    return require("policy").define { name = "mine", about = "x", run = function(req)
       return llm.chat("up/claude-opus-4-7", req, { temperature = 0 })
    end }"""
    with Provider(lambda e: e.reply(message("end_turn", text("a")))) as upstream, Gateway(
        anthropic(upstream), policies={"mine": policy}
    ) as gateway:
        answer = ask(gateway, "mine", container="c", thinking={"type": "adaptive", "display": "omitted"})
        equal(answer.status, 200, answer.body)
        check("dropped: temperature" in answer.header("x-baton-warnings"), answer.headers)
        sent = upstream.received()
        equal(sent.headers["anthropic-beta"], HEADERS["anthropic-beta"])
        got = sent.json()
        equal((got["container"], got["thinking"]), ("c", {"type": "adaptive", "display": "omitted"}))
        check("temperature" not in got, got)


# ---- other clients, Anthropic's provider --------------------------------------------------------


def test_a_chat_client():
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    with Provider(
        lambda e: e.reply(message("tool_use", thought, text("Let me see."), call, cache_read_input_tokens=3))
    ) as upstream, Gateway(anthropic(upstream)) as gateway:
        tools = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER["input_schema"]}}]
        got = gateway.chat("up/claude-sonnet-4-5", tools=tools, seed=1, reasoning_effort="low")
        equal(got.status, 200, got.body)
        choice = got.json()["choices"][0]
        equal((choice["finish_reason"], choice["message"]["content"]), ("tool_calls", "Let me see."))
        equal(json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]), {"city": "Paris"})
        equal(got.json()["usage"]["prompt_tokens"], 13)
        check("dropped: seed" in got.header("x-baton-warnings"), got.headers)
        equal(upstream.received().headers["anthropic-version"], "2023-06-01")
        sent = upstream.received().json()
        equal((sent["model"], sent["max_tokens"]), ("claude-sonnet-4-5", 64000))
        equal(sent["tools"][0]["name"], "get_weather")
        equal(sent["thinking"]["type"], "enabled")


def test_a_chat_client_streams():
    raw = (
        START
        + block(0, {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "sig"})
        + block(1, text(""), {"type": "text_delta", "text": "a"}, {"type": "text_delta", "text": "b"})
        + block(2, {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "input_json_delta", "partial_json": ""}, {"type": "input_json_delta", "partial_json": '{"x":1}'})
        + finish("tool_use")
        + END
    )
    with Provider(lambda e: e.stream(raw)) as upstream, Gateway(anthropic(upstream)) as gateway:
        answer = gateway.chat("up/claude-x", stream=True, stream_options={"include_usage": True})
        data = sse_events(answer.body)
        equal(data[-1], "[DONE]")
        deltas = [c["choices"][0]["delta"] for c in map(json.loads, data[:-1]) if c["choices"]]
        equal("".join(d.get("content") or "" for d in deltas), "ab")
        equal("".join(d.get("reasoning_content") or "" for d in deltas), "hm")
        calls = [c for d in deltas for c in d.get("tool_calls", [])]
        equal("".join(c["function"].get("arguments", "") for c in calls), '{"x":1}')
        equal(json.loads(data[-2])["usage"]["completion_tokens"], 7)


def test_images_that_it_does_not_fetch_itself():
    picture = b"\x89PNG\r\n\x1a\n" + b"x" * 20

    def play(exchange):
        if exchange.method == "GET" and exchange.path == "/cat.png":
            exchange.reply(picture, content_type="image/png")
        elif exchange.method == "GET":
            exchange.reply(b"gone", status=404)
        else:
            exchange.reply(message("end_turn", text("a cat")))

    with Provider(play) as upstream:
        settings = config(
            {"up": {"codec": "anthropic", "base_url": upstream.base_url, "key": "secret"}}, media={"allow_private": True}
        )
        with Gateway(settings) as gateway:
            for place, wanted in (("https://a.example/cat.png", "url"), (f"http://{upstream.address}/cat.png", "base64")):
                content = [{"type": "image_url", "image_url": {"url": place}}]
                answer = gateway.chat("up/claude-x", messages=[{"role": "user", "content": content}])
                equal(answer.status, 200, answer.body)
                equal(upstream.exchanges[-1].json()["messages"][0]["content"][0]["source"]["type"], wanted)
            content = [{"type": "image_url", "image_url": {"url": f"http://{upstream.address}/dog.png"}}]
            answer = gateway.chat("up/claude-x", messages=[{"role": "user", "content": content}])
            equal(answer.status, 400, answer.body)


def test_every_client_and_the_simulator_as_anthropic():
    with Sim() as sim:
        settings = config({"sim": provider(sim.base_url, codec="anthropic", key="k")})
        with Gateway(settings) as gateway:
            equal(gateway.chat("sim/mini", "What is the capital of Australia?").text(), "Canberra")
            for stream in (False, True):
                answer = ask(gateway, "sim/mini", stream=stream)
                equal(answer.status, 200, answer.body)
                chat = gateway.chat("sim/mini", stream=stream)
                equal(chat.status, 200, chat.body)


def test_an_error_inside_the_stream_before_and_after_the_first_word():
    broken = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    first = START + event("content_block_start", index=0, content_block=text(""))
    word = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"})
    for raw, started in ((START + broken, False), (first + broken, False), (first + word + broken, True)):
        with Provider(lambda e, raw=raw: e.stream(raw)) as upstream, Gateway(anthropic(upstream)) as gateway:
            chat = gateway.chat("up/claude-x", stream=True)
            own = ask(gateway, "up/claude-x", stream=True)
            if started:
                equal((chat.status, own.status), (200, 200))
                check("error" in json.loads(sse_events(chat.body)[-1]), chat.body)
                equal(events(own)[-1]["type"], "error")
            else:
                equal((chat.status, own.status), (503, own.status), chat.body)
                check(own.status >= 500 and own.json()["error"]["type"] == "overloaded_error", own.body)
