"""Every door with every provider: what a client of each format gets, and what each provider was asked for it.

SPDX-License-Identifier: MIT

The simulator is the provider in all formats; it refuses what its model would refuse, and its log is the witness of what
reached it. A cell of the table is `+` (all of it holds) or a letter: REASONS says what does not, and what is checked there
instead.
"""

import json
import os

import formats
from base import check, equal, eventually, short
from client import Client
from harness import Gateway, Sim, config
from wire import DOORS, PROVIDERS, RESULT, TOOL, Case

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}
WEATHER_QUESTION = "What is the weather in Berlin?"
CITY_QUESTION = "Which city is the capital of France, and how many live there?"

TABLE = """
                              openai  responses  azure  anthropic  gemini  ollama
openai     plain                +         +        +        +         +       +
openai     stream               +         +        +        +         +       +
openai     tools                +         +        +        +         +       +
openai     tools_streamed       +         +        +        +         +       +
openai     two_turns            +         +        +        +         +       +
openai     image                +         +        +        +         +       +
openai     reasoning            +         t        +        +         +       +
openai     reasoning_streamed   +         t        +        +         +       +
openai     structured           +         +        +        +         +       +
openai     error_429            +         +        +        +         +       +
openai     error_400            +         +        +        +         +       +
openai     error_529            +         +        +        +         +       +
openai     error_in_stream      +         +        +        +         +       +
responses  plain                +         +        +        +         +       +
responses  stream               +         +        +        +         +       +
responses  tools                +         +        +        +         +       +
responses  tools_streamed       +         +        +        +         +       +
responses  two_turns            +         +        +        +         +       +
responses  image                +         +        +        +         +       +
responses  reasoning            +         +        +        +         +       +
responses  reasoning_streamed   +         +        +        +         +       +
responses  structured           +         +        +        +         +       +
responses  error_429            +         +        +        +         +       +
responses  error_400            +         +        +        +         +       +
responses  error_529            +         +        +        +         +       +
responses  error_in_stream      +         +        +        +         +       +
anthropic  plain                +         +        +        +         +       +
anthropic  stream               +         +        +        +         +       +
anthropic  tools                +         +        +        +         +       +
anthropic  tools_streamed       +         +        +        +         +       +
anthropic  two_turns            +         +        +        +         +       +
anthropic  image                +         +        +        +         +       +
anthropic  reasoning            +         +        +        +         +       +
anthropic  reasoning_streamed   +         +        +        +         +       +
anthropic  structured           +         +        +        +         +       +
anthropic  error_429            +         +        +        +         +       +
anthropic  error_400            +         +        +        +         +       +
anthropic  error_529            +         +        +        +         +       +
anthropic  error_in_stream      +         +        +        +         +       +
gemini     plain                +         +        +        +         +       +
gemini     stream               +         +        +        +         +       +
gemini     tools                +         +        +        +         +       +
gemini     tools_streamed       +         +        +        +         +       +
gemini     two_turns            +         +        +        +         +       +
gemini     image                +         +        +        +         +       +
gemini     reasoning            +         +        +        +         +       +
gemini     reasoning_streamed   +         +        +        +         +       +
gemini     structured           +         +        +        +         +       +
gemini     error_429            +         +        +        +         +       +
gemini     error_400            +         +        +        +         +       +
gemini     error_529            +         +        +        +         +       +
gemini     error_in_stream      +         +        +        +         +       +
ollama     plain                +         +        +        +         +       +
ollama     stream               +         +        +        +         +       +
ollama     tools                +         +        +        +         +       +
ollama     tools_streamed       +         +        +        +         +       +
ollama     two_turns            +         +        +        +         +       +
ollama     image                +         +        +        +         +       +
ollama     reasoning            +         s        +        s         +       +
ollama     reasoning_streamed   +         s        +        s         +       +
ollama     structured           +         +        +        +         +       +
ollama     error_429            +         +        +        +         +       +
ollama     error_400            +         +        +        +         +       +
ollama     error_529            +         +        +        +         +       +
ollama     error_in_stream      +         +        +        +         +       +
"""

REASONS = {
    "s": "Ollama's messages have no place for a signature: thoughts are shown, the next turn goes without them",
    "t": "Chat Completions cannot ask for a summary of the thoughts: none are shown, their seals come back",
}


class Witness:
    """The simulator's log, read on as it grows."""

    def __init__(self, sim):
        self.path, self.at = sim.log_path, 0

    def more(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            file.seek(self.at)
            whole, _, _ = file.read().rpartition(b"\n")
        if whole:
            self.at += len(whole) + 1
        return [json.loads(line) for line in whole.split(b"\n") if line]

    def next(self):
        """What the provider was asked since the last time: one request."""
        entries = eventually(self.more, "an entry in the simulator's log")
        equal(len(entries), 1, "requests that reached the provider")
        return entries[0]


class Cell:
    """A door and a provider."""

    def __init__(self, client, witness, door, provider, mark):
        self.client, self.witness = client, witness
        self.name, self.provider, self.mark = door, provider, mark
        self.door, self.far = DOORS[door], PROVIDERS[provider]

    def send(self, body, model="mini", stream=False):
        model = f"{self.provider}/{model}"
        header, prefix = self.door.key
        if "model" in body:
            body = {**body, "model": model}
        path = self.door.path(model, stream)
        self.client.send_request(
            "POST", path, json.dumps(body).encode(), {header: prefix + "right-key"}
        )
        answer = self.client.answer()
        check(answer is not None, "the connection ended without an answer")
        return answer

    def ask(self, case, body=None):
        """A good answer, read, and what the provider was asked."""
        body = body or self.door.body("", case)
        answer = self.send(body, stream=case.stream)
        entry = self.witness.next()
        equal(answer.status, 200, f"{short(answer.body)} for {short(entry['body'])}")
        check(answer.complete, "the answer was cut")
        self.check_headers(answer, case)
        received = self.far.received(json.loads(entry["body"]))
        if self.provider != "gemini":  # where it stands in the path
            equal(received.stream, case.stream, "did the provider get asked for a stream?")
        read = self.door.stream(answer.body, case) if case.stream else self.door.whole(answer.json())
        return read, received, body

    def check_headers(self, answer, case):
        kind = answer.header("content-type")
        streams = "application/x-ndjson" if self.name == "ollama" else "text/event-stream"
        check(kind.startswith(streams if case.stream else "application/json"), kind)
        check(answer.header("x-request-id"), "no x-request-id")
        equal(answer.header("x-baton-model"), f"{self.provider}/mini")
        if case.stream:
            equal(answer.header("x-accel-buffering"), "no")

    def refused(self, model, stream=False):
        answer = self.send(self.door.body("", Case("x", stream=stream)), model, stream)
        check(answer.status >= 400, f"{answer.status} {short(answer.body)}")
        check(self.door.error(answer.json()), "an error without words")
        # Said only where trying again is useless; otherwise the client decides.
        equal(answer.header("x-should-retry"), "false" if answer.status == 400 else None, "retry?")
        return answer


# ---- the cases ----


def plain(cell):
    answer, received, _ = cell.ask(Case("What is 5 plus 9?"))
    check(answer.text, "no text")
    equal(answer.finish, "stop")
    check(min(answer.usage) > 0, f"usage {answer.usage}")
    equal(received.texts, ["What is 5 plus 9?"])
    equal((received.tools, received.images, received.schema), ({}, [], None))


def stream(cell):
    whole, _, _ = cell.ask(Case("What is 5 plus 9?"))
    for usage in (False, True):
        streamed, _, _ = cell.ask(Case("What is 5 plus 9?", stream=True, usage=usage))
        equal((streamed.text, streamed.finish), (whole.text, "stop"))
        if streamed.usage or usage:
            equal(streamed.usage, whole.usage, "usage, streamed and whole")


def called(answer):
    equal(answer.finish, "tool_calls")
    equal([name for _, name, _ in answer.calls], [TOOL])
    equal(list(answer.calls[0][2]), ["city"])
    check(answer.calls[0][0], "a call without an id")


def tools(cell, streamed=False):
    answer, received, body = cell.ask(
        Case(WEATHER_QUESTION, stream=streamed, tools=True, must_call=True)
    )
    called(answer)
    equal(list(received.tools), [TOOL])
    equal(list(received.tools[TOOL]["properties"]), ["city"])
    return answer, body


def tools_streamed(cell):
    tools(cell, True)


def two_turns(cell):
    for streamed in (False, True):
        first, body = tools(cell, streamed)
        case = Case(WEATHER_QUESTION, stream=streamed, tools=True)
        second, received, _ = cell.ask(case, cell.door.again(body, first))
        equal(second.finish, "stop")
        check(second.text, "no text in the second turn")
        equal([name for _, name in received.calls], [TOOL])
        answered = [identity for identity, _ in received.results]
        names = [TOOL] if cell.name == "ollama" or cell.provider == "ollama" else []
        check(answered in ([received.calls[0][0]], names), f"{answered} for {received.calls}")
        text = received.results[0][1]
        check(json.loads(text).get("weather") == "rain" or RESULT in text, f"the result is {text}")


def image(cell):
    answer, received, _ = cell.ask(Case("What is in this picture?", image=PNG))
    check(answer.text, "no text")
    equal(received.images, [PNG], "images that the provider got")
    equal(received.texts, ["What is in this picture?"])


SHOWS_THOUGHTS = {"responses", "anthropic", "gemini", "ollama"}
SEALS_THEM = {"responses", "anthropic", "gemini"}


def reasoning(cell, streamed=False):
    case = Case(WEATHER_QUESTION, stream=streamed, tools=True, think=True)
    first, _, body = cell.ask(case)
    called(first)
    if cell.provider in SHOWS_THOUGHTS and cell.mark != "t":
        check(first.thoughts, "no thoughts")
    second, received, _ = cell.ask(case, cell.door.again(body, first))
    check(second.text, "no text in the second turn")
    if cell.provider in SEALS_THEM:
        equal(bool(received.sealed), cell.mark != "s", "opaque reasoning in the second turn")


def reasoning_streamed(cell):
    reasoning(cell, True)


def structured(cell):
    answer, received, _ = cell.ask(Case(CITY_QUESTION, schema=CITY))
    equal(sorted(json.loads(answer.text)), ["city", "population"])
    check(received.schema, "the provider got no schema")
    equal(sorted(received.schema["properties"]), ["city", "population"])


def number(cell):
    """A number that no other cell has: each has a model of its own to spoil."""
    return 100 + list(DOORS).index(cell.name)


def error_429(cell):
    for streamed in (False, True):
        answer = cell.refused(f"mini:429=60*{number(cell)}", streamed)
        equal(answer.status, 429)
        check(50 <= float(answer.header("retry-after")) <= 60, answer.header("retry-after"))
        check(50e3 <= float(answer.header("retry-after-ms")) <= 60e3, "retry-after-ms")
    cell.witness.more()


def error_400(cell):
    for streamed in (False, True):
        answer = cell.refused("mini:context", streamed)
        equal(answer.status, 400)
        if cell.name == "openai":
            equal(answer.json()["error"]["code"], "context_length_exceeded")
        cell.witness.next()


def error_529(cell):
    for streamed in (False, True):
        answer = cell.refused(f"mini:529*{number(cell)}", streamed)
        equal(answer.status, 529 if cell.name == "anthropic" else 503)
        kind = answer.json()["error"]
        if cell.name == "anthropic":
            equal(kind["type"], "overloaded_error")
        if cell.name == "gemini":
            equal((kind["code"], kind["status"]), (503, "UNAVAILABLE"))
    cell.witness.more()


def error_in_stream(cell):
    case = Case("Tell a story.", stream=True)
    answer = cell.send(cell.door.body("", case), f"mini:error-event*{number(cell)}", True)
    equal(answer.status, 200, short(answer.body))
    check(cell.door.error_event(answer.body), "an error without words")
    cell.witness.next()


# ---- the table ----


def rows():
    """(door, case, {provider: mark}) of each line."""
    head, *lines = [line.split() for line in TABLE.strip().split("\n")]
    for door, case, *cells in lines:
        yield door, case, dict(zip(head, cells, strict=True))


def test_the_table_has_no_empty_cell():
    cases = [
        plain, stream, tools, tools_streamed, two_turns, image, reasoning, reasoning_streamed, structured,
        error_429, error_400, error_529, error_in_stream,
    ]  # fmt: skip
    wanted = {(door, case.__name__) for door in DOORS for case in cases}
    equal({(door, case) for door, case, _ in rows()}, wanted)
    for _, _, cells in rows():
        equal(set(cells), set(PROVIDERS))
        check(set(cells.values()) <= {"+", *REASONS}, f"marks without a reason: {cells}")


def run_door(door):
    """All cells of a door; what does not hold is told together."""
    wrong = []
    with Sim() as sim:
        text = config(formats.providers(sim), models=formats.models(), keys=["right-key"])
        with Gateway(text) as gateway, Client(gateway.address) as client:
            witness = Witness(sim)
            for name, case, cells in rows():
                for provider, mark in cells.items() if name == door else ():
                    try:
                        globals()[case](Cell(client, witness, door, provider, mark))
                    except (AssertionError, AttributeError, KeyError, ValueError, TypeError, IndexError) as e:
                        wrong.append(f"{door} × {provider} × {case}: {type(e).__name__} {e}")
                        client.__init__(gateway.address)
                        witness.more()
    check(not wrong, f"{len(wrong)} cells:\n" + "\n".join(wrong))


def test_openais_door():
    run_door("openai")


def test_responses_door():
    run_door("responses")


def test_anthropics_door():
    run_door("anthropic")


def test_geminis_door():
    run_door("gemini")


def test_ollamas_door():
    run_door("ollama")


# ---- what all doors share ----


def test_every_door_takes_a_key_in_every_header_with_and_without_v1():
    keys = {
        "authorization": "Bearer right-key",
        "x-api-key": "right-key",
        "x-goog-api-key": "right-key",
        "api-key": "right-key",
    }
    with Sim() as sim:
        text = config(formats.providers(sim), models=formats.models(), keys=["right-key"])
        with Gateway(text) as gateway, Client(gateway.address) as client:
            for name, door in DOORS.items():
                path = door.path("openai/mini", False)
                body = json.dumps(door.body("openai/mini", Case("x"))).encode()
                other = path.removeprefix("/v1") if path.startswith("/v1/") else path
                for header, value in keys.items():
                    for place in (path, other):
                        client.send_request("POST", place, body, {header: value})
                        equal(client.answer().status, 200, f"{name}: {place} with {header}")
                client.send_request("POST", path, body, {"authorization": "Bearer wrong"})
                refused = client.answer()
                equal(refused.status, 401, name)
                check(door.error(refused.json()), name)


def test_what_cannot_be_carried_over_is_told():
    with Sim() as sim:
        with (
            Gateway(config(formats.providers(sim), models=formats.models())) as gateway,
            Client(gateway.address) as client,
        ):
            body = DOORS["openai"].body("anthropic/mini", Case("x"))
            body["logit_bias"] = {"50256": -100}
            client.send_request("POST", "/v1/chat/completions", json.dumps(body).encode())
            answer = client.answer()
            equal(answer.status, 200, short(answer.body))
            check("logit_bias" in (answer.header("x-baton-warnings") or ""), answer.headers)
            check("logit_bias" not in sim.log()[-1]["body"], "it was sent on")
