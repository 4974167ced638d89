"""Every way a model fails, whole and streamed, on every front door: what the client gets, and what the providers saw.

SPDX-License-Identifier: MIT

ROWS is the table: a failure of the first model, what is asked of it, and what must follow. Each row runs on each door, once
with a provider of the door's own format (bytes pass) and once with another's (translated). The simulator's log is the
witness: how often each model was asked, in which order, and who was hung up on.
"""

import json
import re
import threading
import time
from dataclasses import dataclass
from datetime import datetime

import formats
from base import check, equal, eventually, short, slow
from client import Client, sse_events
from harness import Gateway, Sim, config
from wire import DOORS as APIS
from wire import Answer, Case, OpenAI

POLICY = """
local json, llm, policy = require "json", require "llm", require "policy"

-- "well FIRST SPARE {options}": the first model, and another when it fails.
local function run(req)
   local first, spare, options = req.text:match "^well (%S+) (%S+) ({.-}) "
   local opts = json.decode(options)
   if spare ~= "-" then opts.fallback = { spare } end
   return llm.stream(first, req, opts)
end

return policy.define { name = "well", run = run }
"""



class Completions(OpenAI):
    """OpenAI's older API: text in, text out; no provider's own."""

    def path(self, model, stream):
        return "/v1/completions"

    def body(self, model, case):
        return {"model": model, "prompt": case.prompt, "stream": case.stream}

    def whole(self, body):
        (choice,) = body["choices"]
        return Answer(choice["text"], finish=choice["finish_reason"])

    def stream(self, raw, case):
        data = sse_events(raw)
        equal(data[-1], "[DONE]", "the last event")
        choices = [c for text in data[:-1] for c in json.loads(text)["choices"]]
        return Answer("".join(c["text"] for c in choices), finish=choices[-1]["finish_reason"])


DOORS = {**APIS, "completions": Completions()}
OTHER = {"completions": "openai", "openai": "anthropic", "responses": "openai", "anthropic": "gemini", "gemini": "ollama", "ollama": "responses"}
PATIENCE = {"ttft": 0.7, "stall": 0.7, "deadline": 6}


@dataclass
class Row:
    """One failure. The outcomes are of a whole answer and of a stream: "first" (the first model answered), "spare" (the
    other one did, and the client knows nothing), "error" (before any content: a real status), "broken" (an error inside
    the stream, after content of the first model), "passed" (what the provider said of the content is passed on)."""

    fault: str
    whole: str
    stream: str
    options: dict = None
    asked: tuple = (1, 1)  # how often the first model is asked: whole, streamed; a number, or those that may be
    spare: str = "base"
    tools: bool = False
    pause: float = 0  # seconds at least between the first two calls
    most: float = 6  # seconds at most, all in all
    statuses: tuple = (500, 502, 503, 504, 529)
    not_with: tuple = ()  # providers' formats that cannot fail like this
    not_own: tuple = ()  # the same of a door with a provider of its own format


ROWS = {
    "429 with Retry-After, waited for": Row("429=1*1", "first", "first", {"retries": 1}, (2, 2), pause=0.95),
    "429 with a Retry-After beyond the deadline": Row("429=29", "spare", "spare", {"retries": 1, "deadline": 3}, most=3),
    "429 for ever": Row("429=1", "spare", "spare", {"retries": 1}, (2, 2), pause=0.95, most=5),
    "429 for ever, and nobody else": Row("429=29", "error", "error", {"retries": 3}, spare="-", statuses=(429,)),
    "500 once": Row("500={n}*1", "first", "first", {"retries": 1}, (2, 2)),
    "503 for ever": Row("503", "spare", "spare", {"retries": 2}, (3, 3)),
    # on a connection that was kept alive it may be stale: asked once more on a new one, and the sim resets that, too
    "reset before the headers": Row("reset", "spare", "spare", {"retries": 1}, ((2, 3), (2, 3))),
    "no answer": Row("no-answer", "spare", "spare", most=3),
    "the first token after 20 s": Row("slow-first-token=20000", "spare", "spare", most=3),
    "the first token after 20 s, pings before": Row(
        "keep-alive=20000", "spare", "spare", {"deadline": 3}, most=3.2, not_with=("ollama",)
    ),
    "cut in the middle": Row("cut", "spare", "broken"),
    "cut in the middle, held back": Row("cut", "spare", "spare", {"hold": {"tokens": 500}}),
    "cut in the middle, nobody else": Row("cut", "error", "broken", spare="-"),
    "a stall": Row("stall", "spare", "broken", most=3),
    "a stall, held back": Row("stall", "spare", "spare", {"hold": {"tokens": 500}}, most=4),
    "a malformed event": Row("malformed", "spare", "broken"),
    "no end": Row("no-finish", "complete", "broken", not_with=("gemini",)),
    "no end mark": Row("no-done", "first", "first"),
    "the prompt is too long": Row("context", "spare", "spare", {"retries": 2}, spare="pro"),
    "the prompt is too long for all": Row(
        "context", "error", "error", {"retries": 2}, spare="base", statuses=(400,)
    ),
    "the answer is filtered": Row(
        "filter", "passed", "passed", {"retries": 2}, not_with=("ollama",)  # which has no word for it
    ),
    "the prompt is blocked": Row("blocked", "passed", "passed", {"retries": 2}),
    "an error event before content": Row("failed", "spare", "spare"),
    "an error event after content": Row("error-event", "spare", "broken"),
    "a tool's arguments only at the end": Row(
        "whole-arguments", "first", "first", tools=True, not_own=("responses",)  # the provider's own bytes pass
    ),
    "200 and nothing": Row("empty", "spare", "spare"),
    "an HTML page": Row("html=502", "spare", "spare"),
    "a slow drip": Row(
        "drip={ms}", "spare", "broken", {"min_rate": 30, "rate_window": 0.6, "deadline": 4, "reserve": 2}, most=4.2
    ),
    "both fail before content": Row("503", "error", "error", {"retries": 1}, (2, 2), spare="base:503"),
    "both fail before content, in the stream": Row("failed", "error", "error", spare="base:failed"),
}


class Door:
    """A door with a simulator and a gateway of its own, so that doors are tried side by side."""

    def __init__(self, name):
        self.name, self.door = name, DOORS[name]
        self.sim = Sim()
        facts = {"input": 1, "output": 2, "context": 1000, "capabilities": ["tools"]}
        known = {f"{p}/{m}": facts for p in formats.BASES for m in ("mini", "base")}
        known.update({f"{p}/mini:context": facts for p in formats.BASES})
        known.update({f"{p}/pro": {**facts, "context": 100000} for p in formats.BASES})
        never = {"failures": 1000000, "min_calls": 1000000, "min_retries": 1000000}
        self.gateway = Gateway(
            config(formats.providers(self.sim), models=known, breaker=never, aliases={}), policies={"well": POLICY}
        )
        self.serial = 0

    def stop(self):
        self.gateway.stop()
        self.sim.stop()

    def ask(self, row, stream, provider):
        """The case, its answer, and the names of both models: those of limits and counted faults are used once."""
        self.serial += 1
        fault = row.fault.replace("{n}", str(self.serial)).replace("{ms}", str(300 * slow()))
        fault = re.sub(r"^429=(\d+)", lambda m: f"429={int(m[1]) + self.serial / 1e4}", fault)
        first = f"mini:{fault}"
        spare = row.spare if row.spare == "-" else f"{provider}/{row.spare}"
        options = {**PATIENCE, **(row.options or {})}
        for name in ("ttft", "stall", "deadline", "reserve", "rate_window"):
            if name in options:
                options[name] *= slow()
        words = "What is the weather in Berlin?" if row.tools else "Name 40 rivers, and say where each of them flows."
        prompt = f"well {provider}/{first} {spare} {json.dumps(options)} [{self.serial}] {words}"
        case = Case(prompt, stream=stream, tools=row.tools, must_call=row.tools)
        body = self.door.body("well", case)
        began = time.monotonic()
        with Client(self.gateway.address) as client:
            client.send_request("POST", self.door.path("well", stream), json.dumps(body).encode(), {})
            answer = client.answer()
        took = time.monotonic() - began
        check(answer and answer.complete, lambda: f"the framing is broken: {answer}")
        check(took <= row.most * slow() + 1, f"{took:.1f} s")
        return case, answer, first

    def seen(self, first, times):
        """What the providers saw of the last request: of the first model, of others. A call is logged when it has ended."""

        def entries():
            return [e for e in self.sim.log() if f"[{self.serial}]" in e["body"]]

        eventually(lambda: sum(model_of(e) == first for e in entries()) >= min(times),
                   lambda: f"{times} calls of {first}: {[model_of(e) for e in entries()]}")
        asked = sorted(entries(), key=lambda e: e["time"])
        return [e for e in asked if model_of(e) == first], [e for e in asked if model_of(e) != first]

    def run(self, name, row, stream, provider):
        outcome, times = (row.stream, row.asked[1]) if stream else (row.whole, row.asked[0])
        times = times if isinstance(times, tuple) else (times,)
        case, answer, first = self.ask(row, stream, provider)
        asked, others = self.seen(first, times)
        check(len(asked) in times, f"{len(asked)} calls of the first model, not {times}")
        if row.pause:
            check(seconds_of(asked[1]) - seconds_of(asked[0]) >= row.pause, "asked again too early")
        getattr(self, OUTCOMES[outcome])(row, case, answer, asked, others, provider)

    def read(self, case, answer):
        return self.door.stream(answer.body, case) if case.stream else self.door.whole(answer.json())

    def is_complete(self, row, case, answer, entry, provider):
        equal(answer.status, 200, short(answer.body))
        read = self.read(case, answer)
        if row.tools:
            equal([(n, v) for _, n, v in read.calls], [("get_weather", {"city": "Berlin"})])
        else:
            equal(read.text, entry["answered"]["text"], "all that this model said, and nothing else")
        equal(answer.header("x-baton-model"), f"{provider}/{model_of(entry)}", "who answered")
        if read.usage:
            equal(read.usage[1], entry["answered"]["usage"]["output"] if "usage" in entry["answered"] else read.usage[1])
            check(min(read.usage) > 0, f"usage {read.usage}")

    def is_first(self, row, case, answer, first, others, provider):
        equal(others, [], "nobody else was asked")
        self.is_complete(row, case, answer, first[-1], provider)

    def is_spare(self, row, case, answer, first, others, provider):
        equal([model_of(e) for e in others], [row.spare], "the other model, once")
        self.is_complete(row, case, answer, others[0], provider)

    def is_error(self, row, case, answer, first, others, provider):
        check(answer.status in row.statuses, f"status {answer.status}, not of {row.statuses}: {short(answer.body)}")
        check(self.door.error(answer.json()), "an error without words")

    def is_broken(self, row, case, answer, first, others, provider):
        equal(answer.status, 200, short(answer.body))
        equal(others, [], "text of two models is not mixed")
        check(self.door.error_event(answer.body), f"no error at the end: {short(answer.body[-300:])}")

    def is_complete_of_either(self, row, case, answer, first, others, provider):
        self.is_complete(row, case, answer, (first + others)[-1], provider)

    def is_passed(self, row, case, answer, first, others, provider):
        equal(others, [], "content is not routed around a filter")
        check(answer.status in (200, 400), f"status {answer.status}")
        if answer.status == 400:
            return check(self.door.error(answer.json()), "an error without words")
        told = (b"content_filter", b"refusal", b"SAFETY", b"PROHIBITED", b"error")
        check(any(word in answer.body for word in told), f"nothing tells of it: {short(answer.body)}")


def seconds_of(entry):
    return datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp()


def model_of(entry):
    return re.sub(r"^.*/", "", entry["model"])


OUTCOMES = {
    "first": "is_first",
    "spare": "is_spare",
    "complete": "is_complete_of_either",
    "error": "is_error",
    "broken": "is_broken",
    "passed": "is_passed",
}


def on_every_door(names):
    """Runs rows on all doors side by side; what does not hold is told together."""
    wrong = []

    def walk(name):
        door = Door(name)
        try:
            for row_name in names:
                row = ROWS[row_name]
                if row.tools and name == "completions":  # it has none
                    continue
                for provider in [p for p in (name, OTHER[name]) if p in formats.BASES]:
                    if provider in row.not_with or (provider == name and name in row.not_own):
                        continue
                    for stream in (False, True):
                        place = f"{row_name}: {name} × {provider} {'streamed' if stream else 'whole'}"
                        try:
                            door.run(row_name, row, stream, provider)
                        except (AssertionError, AttributeError, KeyError, ValueError, TypeError, IndexError) as e:
                            wrong.append(f"{place}: {type(e).__name__} {e}")
            check(door.gateway.alive(), "the gateway died")
        finally:
            door.stop()

    threads = [threading.Thread(target=walk, args=(name,)) for name in DOORS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not wrong, f"{len(wrong)} cells:\n" + "\n".join(sorted(wrong)))


def rows(*words):
    return [name for name in ROWS if any(name.startswith(w) for w in words)]


def test_refused():
    on_every_door(rows("429", "500", "503", "200", "an HTML", "reset"))


def test_silence():
    on_every_door(rows("no answer", "the first token", "a stall", "a slow drip"))


def test_broken_answers():
    on_every_door(rows("cut", "a malformed", "no end", "an error event", "a tool's"))


def test_what_no_retry_cures():
    on_every_door(rows("the prompt", "the answer is filtered", "both fail"))


def own(door):
    """The provider that speaks the door's format, or the nearest."""
    return door if door in formats.BASES else OTHER[door]


def on_all(one):
    """Runs one(door, stream) for all doors, whole and streamed, side by side."""
    wrong = []

    def walk(name, stream):
        try:
            one(name, stream)
        except (AssertionError, AttributeError, KeyError, ValueError, TypeError, IndexError) as e:
            wrong.append(f"{name} {'streamed' if stream else 'whole'}: {type(e).__name__} {e}")

    threads = [threading.Thread(target=walk, args=(name, stream)) for name in DOORS for stream in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not wrong, "\n".join(sorted(wrong)))


def send(gateway, name, stream, prompt):
    body = DOORS[name].body("well", Case(prompt, stream=stream))
    client = Client(gateway.address)
    client.send_request("POST", DOORS[name].path("well", stream), json.dumps(body).encode(), {})
    return client


def test_a_client_that_goes_while_it_waits_takes_the_call_along():
    with Sim() as sim, Gateway(config(formats.providers(sim)), policies={"well": POLICY}) as gateway:

        def one(name, stream):
            place = f"[{name} {stream}]"
            client = send(gateway, name, stream, f"well {own(name)}/mini:latency=30000 - {{}} {place}")
            eventually(lambda: gateway.ask_admin("GET", "/admin/requests").json()["total"] >= 1, "it is under way")
            time.sleep(0.3)
            client.close()

            def left():
                return [e for e in sim.log() if place in e["body"] and e["client_left"]]

            eventually(left, "the provider sees the connection close")

        on_all(one)
        equal(gateway.ask_admin("GET", "/admin/requests").json()["total"], 0, "nothing is left")


def test_a_model_that_was_out_is_back_within_seconds():
    """Three failures open the breaker; the other model serves; one probe at a time; the third one finds it healthy."""
    breaker = {"failures": 3, "cooldown": 0.4, "max_cooldown": 1, "min_calls": 1000}
    with Sim() as sim, Gateway(config(formats.providers(sim), breaker=breaker), policies={"well": POLICY}) as gateway:

        def one(name, stream):
            first = f"mini:503={name}{int(stream)}*5"
            answered, end = [], time.monotonic() + 12 * slow()
            while time.monotonic() < end and answered[-3:] != [first] * 3:
                with send(gateway, name, stream, f"well {own(name)}/{first} {own(name)}/base {{}} name a river") as client:
                    answer = client.answer()
                equal(answer.status, 200, short(answer.body))
                answered.append(answer.header("x-baton-model").partition("/")[2])
                time.sleep(0.05)
            check(answered[-3:] == [first] * 3, f"it never came back: {answered}")
            equal(answered[:3], ["base"] * 3, "the other model serves")
            failed = sum(e["model"] == first and e["answered"]["status"] == 503 for e in sim.log())
            equal(failed, 5, "three failures and two probes, no call more")
            check(len([m for m in answered if m == "base"]) > 5, "while the breaker is open nobody calls it")

        on_all(one)


def test_an_outage_makes_no_storm_of_retries():
    """Retries are a small share of a model's calls, whatever each request may do: the budget is the machine's."""
    never = {"failures": 1000000, "min_calls": 1000000, "min_retries": 5, "retry_share": 0.1}
    with Sim() as sim, Gateway(config(formats.providers(sim), breaker=never), policies={"well": POLICY}) as gateway:
        for i in range(60):
            with send(gateway, "openai", i % 2 == 1, 'well openai/mini:503 - {"retries":3} name a river') as client:
                check(client.answer().status >= 500, "an honest error")
        calls = len(sim.log())
        check(60 <= calls <= 60 + 5 + 0.1 * calls + 3, f"{calls} calls for 60 requests")


AGAIN = """
local policy, task = require "policy", require "task"

local function limited(req)
   return task.within(0.05, function() return policy.retry(3, "openai/mini:no-answer")(req, {}) end)
end

-- "again NAME": a part that fails for ever, tried again by policy.retry.
local parts = { ["503"] = "openai/mini:503", ["429"] = "openai/mini:429", fallback = "fallback",
   inner = policy.retry(3, "openai/mini:503"), within = limited }
local again = {}
for name, part in pairs(parts) do again[name] = policy.retry(3, part) end

local function run(req, p)
   return again[req.text:match "^again (%S+) "](req, p)
end

return policy.define { name = "again", run = run }
"""


def test_policies_that_try_again_make_no_storm():
    """policy.retry spends the budget of the model that failed, also around another retry, a policy, a time limit."""
    never = {"failures": 1000000, "min_calls": 1000000, "min_retries": 5, "retry_share": 0.1}
    own = {"fallback": {"model": "openai/mini:503", "fallback": ["openai/base:503"], "retries": 3}}
    for part, models in (("503", 1), ("429", 1), ("inner", 1), ("fallback", 2), ("within", 1)):
        with Sim() as sim, Gateway(
            config(formats.providers(sim), breaker=never, policies=own), policies={"again": AGAIN}
        ) as gateway:
            for i in range(40):
                answer = gateway.chat("again", f"again {part} name a river", stream=i % 2 == 1)
                check(answer.status >= 429, answer)
            calls = len(sim.log())
            most = models * (40 + 5) + 0.1 * calls + 3 * models
            check(calls <= most, f"{part}: {calls} calls for 40 requests")
            check(part == "429" or calls >= (10 if part == "within" else 40), f"{part}: {calls} calls, too few")


def test_every_row_is_run():
    run = rows("429", "500", "503", "200", "an HTML", "reset", "no answer", "the first token", "a stall", "a slow drip",
               "cut", "a malformed", "no end", "an error event", "a tool's", "the prompt", "the answer is filtered",
               "both fail")
    equal(sorted(run), sorted(ROWS))
