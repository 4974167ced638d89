"""Codecs: a provider of the user's own in one file, and what only some providers can do.

SPDX-License-Identifier: MIT
"""

import json
import os
import tempfile
from pathlib import Path

from base import check, equal, eventually
from client import request
from harness import Gateway, baton, config, provider
from upstream import Provider, completion

MINE = """-- A provider that shouts.
local openai = require "codec.openai"
local codec = {}
for name, value in pairs(openai) do codec[name] = value end
codec.name, codec.path, codec.auth_header, codec.auth_prefix = "mine", "/shout", "x-mine", ""
codec.edits = nil
function codec.decode(body)
   local view = openai.decode(body)
   view.message.content = view.message.content:upper()
   return view
end
codec.checks = { shouts = function()
   assert(codec.decode '{"choices":[{"message":{"content":"a"}}]}'.message.content == %s, "it whispers")
end }
return codec
"""


def with_codec(text):
    folder = tempfile.mkdtemp(prefix="baton-codec-")
    os.makedirs(Path(folder, "codec"))
    Path(folder, "codec", "mine.lua").write_text(text)
    return folder


def test_a_provider_of_ones_own_is_one_file():
    folder = with_codec(MINE % '"A"')
    equal(baton("check", folder).returncode, 0)

    def play(exchange):
        exchange.reply(completion("hello"))

    with Provider(play) as upstream:
        text = config({"own": provider(upstream.base_url, codec="mine", key="k")})
        with Gateway(text, args=("--policies", folder)) as gateway:
            answer = gateway.chat("own/x")
            equal(answer.status, 200, repr(answer))
            sent = upstream.received()
            equal((sent.path, sent.headers["x-mine"]), ("/v1/shout", "k"))


def test_check_finds_what_a_codec_lacks_and_what_its_own_checks_say():
    for text, wanted in (
        (MINE % '"B"', "check 'shouts': "),
        ("return {}", "must be a"),
        ("return 7", "it returned a number"),
        ('return { format = "x", path = 7 }', "'"),
        ("retrun {}", "mine.lua:1:"),
    ):
        done = baton("check", with_codec(text))
        equal(done.returncode, 1, done.output)
        check("mine.lua" in done.output and wanted in done.output, done.output)


COUNTERS = {
    "anthropic": ("/v1/messages/count_tokens", {"model": "own/m", "messages": [{"role": "user", "content": "hi"}]}),
    "gemini": ("/v1beta/models/own/m:countTokens", {"contents": [{"parts": [{"text": "hi"}]}]}),
}
COUNTED = {"anthropic": ("input_tokens", "/v1/messages/count_tokens"), "gemini": ("totalTokens", "/v1/models/m:countTokens")}


def count(gateway, door):
    path, body = COUNTERS[door]
    answer = request(gateway.address, "POST", path, json.dumps(body).encode())
    equal(answer.status, 200, f"{door}: {answer}")
    return answer.json()[COUNTED[door][0]], answer.header("x-baton-warnings")


def test_tokens_are_counted_by_a_provider_that_can_and_else_estimated():
    for door, (member, path) in COUNTED.items():
        for status in (200, 500):

            def play(exchange, status=status, member=member):
                exchange.reply({member: 4711}, status=status)

            with Provider(play) as upstream:
                with Gateway(config({"own": provider(upstream.base_url, codec=door)})) as gateway:
                    n, warning = count(gateway, door)
                    equal(upstream.received().path, path)
                    if status == 200:
                        equal((n, warning), (4711, None), door)
                    else:
                        check(0 < n < 50 and "estimated" in warning, (n, warning))
            with Provider(play) as upstream:
                with Gateway(config({"own": provider(upstream.base_url)})) as gateway:
                    n, warning = count(gateway, door)
                    check(0 < n < 50 and "estimated" in warning, (n, warning))
                    equal(upstream.exchanges, [], "nobody was asked")


CHANGES = """local llm, policy = require "llm", require "policy"
return policy.define { name = "changes", run = function(req)
   local reply = llm.chat("own/m", req)
   %s
   return reply
end }
"""


def test_what_a_policy_changes_in_an_answer_reaches_a_client_of_the_same_format():
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "cold"}],
        "stop_reason": "end_turn",
        "x_unknown": 1,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }

    def play(exchange):
        exchange.reply(whole)

    body = {"model": "changes", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    for change, text in (
        ("local _ = reply.message.content", "cold"),
        ('reply.message.content = "warm"', "warm"),
        ('reply.text = "hot"', "hot"),
    ):
        with Provider(play) as upstream:
            text_of = config({"own": provider(upstream.base_url, codec="anthropic")})
            with Gateway(text_of, policies={"changes": CHANGES % change}) as gateway:
                answer = request(gateway.address, "POST", "/v1/messages", json.dumps(body).encode())
                equal(answer.status, 200, repr(answer))
                equal(answer.json()["content"][0]["text"], text, change)
                equal("x_unknown" in answer.json(), text == "cold", "the provider's own bytes")


def test_an_error_that_quotes_the_key_is_told_without_it():
    key = "sk-very-secret-key"
    error = {"error": {"message": f"no {key}, {key}", "type": key, "param": f"Bearer {key}", "code": key}}

    def play(exchange):
        body = exchange.json()
        if body["model"] == "late":
            exchange.stream(b"data: " + json.dumps(error).encode() + b"\n\n")
        else:
            exchange.reply(error, status=int(body["model"]))

    for model in ("400", "401", "403", "429", "500", "late"):
        with Provider(play) as upstream, Gateway(config({"own": provider(upstream.base_url, key=key)})) as gateway:
            answer = gateway.chat(f"own/{model}", stream=True)
            check(answer.status >= 400, repr(answer))
            eventually(lambda: '"message":"request"' in gateway.stderr, "the line")
            check("very-secret" not in repr(answer) + gateway.stderr, lambda: f"{answer} {gateway.stderr}")


def test_what_made_no_sense_is_in_the_log_without_the_key():
    whole = b"<html>proxy error, key sk-very-secret-key was used</html>" + b" " * 5000

    def play(exchange):
        if exchange.json().get("stream"):
            exchange.stream(b"data: {oops sk-very-secret-key\n\n")
        else:
            exchange.reply(whole, content_type="text/html")

    for stream in (False, True):
        with Provider(play) as upstream:
            text = config({"own": provider(upstream.base_url, key="sk-very-secret-key")})
            with Gateway(text) as gateway:
                answer = gateway.chat("own/m", stream=stream)
                equal((answer.status, answer.error()["code"]), (502, "bad_response"), repr(answer))
                eventually(lambda: '"message":"request"' in gateway.stderr, "the line")
                line = next(json.loads(e) for e in gateway.stderr.splitlines() if '"message":"request"' in e)
                began = line["notes"][0]["note"]["bad_response"]["began"]
                check(("proxy error, key [key] was" if not stream else "oops [key]") in began, line)
                check(len(began) <= 200 and "very-secret" not in gateway.stderr, began)
