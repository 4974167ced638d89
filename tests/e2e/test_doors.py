"""Doors: what all APIs have in common: keys, errors in each one's form, signs of life, streams that break off.

SPDX-License-Identifier: MIT
"""

import json
import threading
import time

from base import check, equal
from client import request
from harness import Gateway, behind, config
from upstream import completion, words

MESSAGES = [{"role": "user", "content": "hi"}]
MODEL = "raw/echo"

# door: path, body; what names the message in an error's body
DOORS = {
    "openai": ("/v1/chat/completions", {"model": MODEL, "messages": MESSAGES, "stream": True}),
    "completions": ("/v1/completions", {"model": MODEL, "prompt": "hi", "stream": True}),
    "responses": ("/v1/responses", {"model": MODEL, "input": "hi", "stream": True}),
    "anthropic": ("/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": MESSAGES, "stream": True}),
    "gemini": (f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "hi"}]}]}),
    "ollama": ("/api/chat", {"model": MODEL, "messages": MESSAGES, "stream": True}),
}
PINGS = {"anthropic": b"event: ping", "ollama": b'"content":""'}


def message_of(door, text):
    """The message of an error, whose form is the door's own."""
    error = json.loads(text)
    if door == "ollama":
        equal(set(error), {"error"}, door)
        return error["error"]
    if door == "anthropic":
        equal(error["type"], "error", door)
        check(error["error"]["type"].endswith("_error") and error["request_id"], error)
    if door == "gemini":
        check(isinstance(error["error"]["code"], int) and error["error"]["status"].isupper(), error)
    if door in ("openai", "completions", "responses"):
        equal(set(error["error"]), {"message", "type", "param", "code"}, door)
    return error["error"]["message"]


def ask(gateway, door, headers=None, **members):
    path, body = DOORS[door]
    return request(gateway.address, "POST", path, json.dumps({**body, **members}).encode(), headers)


def data_of(door, body):
    """The events of a stream, decoded."""
    if door == "ollama":
        return [json.loads(line) for line in body.decode().splitlines() if line]
    lines = [line[5:].strip() for line in body.decode().splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_a_client_that_waits_hears_something_and_an_error_comes_inside_the_stream():
    def play(exchange):
        time.sleep(1.2)
        exchange.reply({"error": {"message": "no luck"}}, status=500)

    with behind(play, keepalive_after=0.3, breaker={"failures": 100}) as (_, gateway):
        for door in DOORS:
            answer = ask(gateway, door)
            equal(answer.status, 200, f"{door}: {answer}")
            check(answer.complete, f"{door}: {answer}")
            check(PINGS.get(door, b": ") in answer.body, f"{door}: {answer}")
            check(answer.header("x-accel-buffering") == "no", f"{door}: {answer}")
            last = data_of(door, answer.body)[-1]
            check("no luck" in json.dumps(last), f"{door}: {answer}")
            check(b"[DONE]" not in answer.body, f"{door}: {answer}")


def test_a_client_that_waits_hears_something_and_then_the_answer():
    def play(exchange):
        time.sleep(1.2)
        exchange.stream(*words("Hello ", "you"))

    with behind(play, keepalive_after=0.3, breaker={"failures": 100}) as (_, gateway):
        for door in DOORS:
            answer = ask(gateway, door)
            equal(answer.status, 200, f"{door}: {answer}")
            check(PINGS.get(door, b": ") in answer.body, f"{door}: {answer}")
            check(b"Hello" in answer.body and answer.complete, f"{door}: {answer}")


def test_silence_in_the_middle_of_a_stream_is_filled_too():
    def play(exchange):
        exchange.stream(*words("Hello ", finish=None, done=False), end=False)
        time.sleep(1.2)
        for part in words("you"):
            exchange.part(part)
        exchange.send(b"0\r\n\r\n")

    with behind(play, keepalive_after=0.3, breaker={"failures": 100}) as (_, gateway):
        for door in DOORS:
            answer = ask(gateway, door)
            at = answer.body.index(b"Hello")
            check(answer.body.find(PINGS.get(door, b": "), at + 8) > 0, f"{door}: {answer}")
            check(b"you" in answer.body[at:] and answer.complete, f"{door}: {answer}")


def test_without_a_wait_there_is_no_ping_and_failures_have_a_status():
    def play(exchange):
        exchange.reply({"error": {"message": "no luck"}}, status=500)

    with behind(play, breaker={"failures": 100}) as (_, gateway):
        for door in DOORS:
            answer = ask(gateway, door)
            equal(answer.status, 502, f"{door}: {answer}")
            check("no luck" in message_of(door, answer.body), f"{door}: {answer}")


def test_who_is_one_too_many_is_told_in_the_form_of_the_door_and_the_engine_is_not_called_dead():
    release = threading.Event()

    def play(exchange):
        release.wait(20)
        exchange.reply(completion())

    with behind(play, limits={"waiting": 1}) as (upstream, gateway):
        with gateway.open_chat(MODEL) as one:
            upstream.received(1)
            for door in DOORS:
                answer = ask(gateway, door)
                equal(answer.status, 529 if door == "anthropic" else 503, f"{door}: {answer}")
                check("too many requests are waiting" in message_of(door, answer.body), f"{door}: {answer}")
            equal(gateway.request("GET", "/livez").status, 200)
            release.set()
            equal(one.answer().status, 200)


def test_a_stream_that_breaks_off_ends_in_the_error_of_the_door():
    def play(exchange):
        exchange.stream(*words("Hello ", "you", finish=None, done=False))

    with behind(play, breaker={"failures": 100}) as (_, gateway):
        for door in DOORS:
            answer = ask(gateway, door)
            equal(answer.status, 200, f"{door}: {answer}")
            events = data_of(door, answer.body)
            check(b"Hello" in answer.body, f"{door}: {answer}")
            if door == "responses":
                equal([e["type"] for e in events[-2:]], ["error", "response.failed"], door)
                equal([e["sequence_number"] for e in events], list(range(len(events))), door)
                check("before the answer was complete" in events[-2]["message"], f"{door}: {answer}")
            else:
                check("before the answer was complete" in message_of(door, json.dumps(events[-1])), f"{door}: {answer}")
            for mark in (b"[DONE]", b"message_stop", b"response.completed", b'"done":true', b'"STOP"'):
                check(mark not in answer.body, f"{door}: {answer}")


def test_a_gemini_stream_that_is_an_array_stays_json_when_it_breaks_off():
    def play(exchange):
        exchange.stream(*words("Hello ", "you", finish=None, done=False))

    with behind(play, breaker={"failures": 100}) as (_, gateway):
        path = f"/v1beta/models/{MODEL}:streamGenerateContent"
        answer = request(gateway.address, "POST", path, json.dumps(DOORS["gemini"][1]).encode())
        items = json.loads(answer.body)
        check("candidates" in items[0] and "error" in items[-1], answer)


def test_each_door_refuses_in_its_own_form():
    with Gateway(config({}, keys=["secret-1"])) as gateway:
        key = {"authorization": "Bearer secret-1"}
        for door, (path, body) in DOORS.items():
            text = json.dumps(body).encode()
            answer = request(gateway.address, "POST", path, text)
            equal(answer.status, 401, f"{door}: {answer}")
            check("API key" in message_of(door, answer.body), f"{door}: {answer}")
            answer = request(gateway.address, "GET", path, headers=key)
            if door != "gemini":  # a model may be called like this
                equal((answer.status, answer.header("allow")), (405, "POST"), f"{door}: {answer}")
            message_of(door, answer.body)
            answer = request(gateway.address, "POST", path, b"{", key)
            equal(answer.status, 400, f"{door}: {answer}")
            check("not valid JSON" in message_of(door, answer.body), f"{door}: {answer}")
            answer = request(gateway.address, "POST", path, b"{}", key)
            check(answer.status in (400, 404), f"{door}: {answer}")
            message_of(door, answer.body)


def test_a_key_is_taken_from_each_header_that_clients_use():
    with Gateway(config({}, keys=["secret-1"])) as gateway:
        for header, value in (
            ("authorization", "Bearer secret-1"),
            ("x-api-key", "secret-1"),
            ("x-goog-api-key", "secret-1"),
            ("api-key", "secret-1"),
        ):
            equal(request(gateway.address, "GET", "/v1/models", headers={header: value}).status, 200, header)
            equal(request(gateway.address, "GET", "/v1/models", headers={header: "no"}).status, 401, header)


def test_a_whole_answer_is_not_begun_before_it_is_there():
    def play(exchange):
        time.sleep(1)
        exchange.reply(completion("Hello"))

    with behind(play, keepalive_after=0.3, breaker={"failures": 100}) as (_, gateway):
        for door in DOORS:
            if door != "gemini":
                answer = ask(gateway, door, stream=False)
                equal(answer.status, 200, f"{door}: {answer}")
                check(b"Hello" in answer.body and b"ping" not in answer.body, f"{door}: {answer}")


def test_a_model_that_is_not_there_is_told_where_no_model_is_asked():
    with Gateway(config({})) as gateway:
        for path, body in (
            ("/v1/messages/count_tokens", {"model": "nope/none", "messages": MESSAGES}),
            ("/api/chat", {"model": "nope/none", "messages": []}),
            ("/api/generate", {"model": "nope/none"}),
        ):
            answer = request(gateway.address, "POST", path, json.dumps(body).encode())
            equal(answer.status, 404, f"{path}: {answer}")
        body = {"model": "sim/mini", "messages": {}}
        answer = request(gateway.address, "POST", "/v1/messages/count_tokens", json.dumps(body).encode())
        equal(answer.status, 400, repr(answer))


def test_more_warnings_than_a_header_holds_are_counted():
    with Gateway(config({})) as gateway:
        body = {"model": "sim/mini", "max_tokens": 9, "messages": MESSAGES}
        body |= {f"x_unknown_{n}": 1 for n in range(200)}
        answer = request(gateway.address, "POST", "/v1/messages", json.dumps(body).encode())
        told = answer.header("x-baton-warnings")
        check(len(told) < 1100 and "more, in the log" in told, told)
