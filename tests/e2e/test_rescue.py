"""Streams that break in the middle, on every door and with every provider: continued, repaired unseen, or an honest error.

SPDX-License-Identifier: MIT

The simulator's log is the witness: what each model said before its connection was cut, and what the next one was asked.
"""

import json

import formats
from base import check, equal, eventually, short, slow
from client import Client
from harness import Gateway, Sim, config
from upstream import DONE, Provider, event
from wire import DOORS, Case

POLICY = """
local llm, policy = require "llm", require "policy"

local modes = {
   continue = { rescue = "continue" },
   error = {},
   hold = { hold = { tokens = 500 } },
   time = { hold = { ms = 5000 } },
   both = { rescue = "continue", hold = { tokens = 2 } },
   restart = { rescue = "restart", hold = { tokens = 500 } },
   gathered = { rescue = "continue", stream = true },
}

local function run(req)
   local mode, first, rest = req.text:match "^rescue (%a+) (%S+) (.*)$"
   local opts, fallback = {}, {}
   for name, value in pairs(modes[mode]) do opts[name] = value end
   for target in rest:gmatch "%a+/%S+" do fallback[#fallback + 1] = target end
   if #fallback > 0 then opts.fallback = fallback end
   local stream, err = llm.stream(first, req, opts)
   if mode == "gathered" and stream then return stream:reply() end
   return stream, err
end

return policy.define { name = "rescued", run = run }
"""

_place = None


def place():
    global _place
    if _place is None or not all(p.alive() for p in _place):
        sim = Sim()
        known = {}
        for name in formats.BASES:
            known[f"{name}/mini"] = known[f"{name}/mini:cut"] = {"input": 1, "output": 2}
            for model in ("base", "coder:cut", "base:cut", "pro:context"):
                known[f"{name}/{model}"] = {"input": 1, "output": 2, "capabilities": ["prefill"]}
        _place = sim, Gateway(
            config(formats.providers(sim), models=known, breaker={"failures": 1000000, "min_calls": 1000000, "min_retries": 1000000}),
            policies={"rescued": POLICY},
        )
    return _place


class Rescue:
    """One request: the client's answer, and what the providers saw of it."""

    def __init__(self, door, mode, *targets, stream=True, headers=None, usage=False):
        sim, gateway = place()
        self.door, before = DOORS[door], len(sim.log())
        self.case = Case(f"rescue {mode} {' '.join(targets)} and name it", stream=stream, usage=usage)
        body = self.door.body("rescued", self.case)
        with Client(gateway.address) as client:
            client.send_request(
                "POST", self.door.path("rescued", stream), json.dumps(body).encode(), headers or {}
            )
            self.answer = client.answer()
        check(self.answer and self.answer.complete, "the answer's framing is broken")
        self.asked = sim.log()[before:]

    def read(self):
        return self.door.stream(self.answer.body, self.case)


def said(entry):
    return entry["answered"]["text"]


def together(error_of):
    """Runs a check for every door and provider; what does not hold is told together."""
    wrong = []
    for door in DOORS:
        for provider in formats.BASES:
            try:
                error_of(door, provider)
            except (AssertionError, AttributeError, KeyError, ValueError, TypeError, IndexError) as e:
                wrong.append(f"{door} × {provider}: {type(e).__name__} {e}")
    check(not wrong, f"{len(wrong)} cells:\n" + "\n".join(wrong))


def test_a_cut_answer_is_continued_on_every_door():
    def one(door, provider):
        done = Rescue(door, "continue", f"{provider}/mini:cut", f"{provider}/base", usage=True)
        equal(done.answer.status, 200, short(done.answer.body))
        read = done.read()
        first, second = done.asked
        check(said(first) and said(second), f"{first} {second}")
        equal(read.text, said(first) + said(second), "what both have said, without a seam")
        equal(read.finish, "stop")
        check(said(first).rstrip() in first_text(second), f"the beginning in {short(second['body'])}")
        check(read.usage is None or min(read.usage) > 0, read.usage)

    together(one)


def first_text(entry):
    """All of the request's body, with its texts as they are."""
    return json.dumps(json.loads(entry["body"]), ensure_ascii=False).replace('\\n', "\n").replace('\\"', '"')


def test_from_one_format_to_another():
    for first, second in (("openai", "anthropic"), ("anthropic", "gemini"), ("ollama", "openai")):
        for door in DOORS:
            done = Rescue(door, "continue", f"{first}/mini:cut", f"{second}/base")
            equal(done.read().text, said(done.asked[0]) + said(done.asked[1]), f"{door} {first} {second}")


def test_a_cut_in_the_window_is_repaired_unseen_on_every_door():
    def one(door, provider):
        for mode in ("hold", "time"):
            done = Rescue(door, mode, f"{provider}/mini:cut", f"{provider}/base")
            read = done.read()
            equal((read.text, read.finish), (said(done.asked[1]), "stop"))
            equal(len(done.asked), 2)
            equal(done.answer.header("x-baton-model"), f"{provider}/base")

    together(one)


def test_without_a_rescue_a_cut_answer_ends_in_an_error_on_every_door():
    def one(door, provider):
        for mode, targets in (
            ("error", [f"{provider}/mini:cut", f"{provider}/base"]),  # nothing is routed around after content
            ("continue", [f"{provider}/mini:cut", f"{provider}/mini"]),  # nobody goes on from the cut
            ("continue", [f"{provider}/mini:cut", f"{provider}/pro:context"]),  # refused: 400
            ("both", [f"{provider}/coder:cut", f"{provider}/base:cut"]),  # cut again, and again
        ):
            done = Rescue(door, mode, *targets)
            equal(done.answer.status, 200, short(done.answer.body))
            check(done.door.error_event(done.answer.body), f"{mode} {targets}: an error without words")

    together(one)


def test_a_restart_in_the_window_asks_the_same_model_again():
    for door in DOORS:
        done = Rescue(door, "restart", "openai/mini:cut*1")
        equal(len(done.asked), 2 if done.asked[0]["answered"]["fault"] else 1)
        equal(done.read().text, said(done.asked[-1]))


def test_all_fail_before_content_and_the_status_is_real():
    for door in DOORS:
        for stream in (False, True):
            done = Rescue(door, "hold", "openai/mini:cut", "openai/base:503", stream=stream)
            check(done.answer.status >= 500, f"{door} {stream}: {done.answer.status}")
            check(done.door.error(done.answer.json()), "an error without words")


def test_whole_answers_fall_back():
    for door in DOORS:
        done = Rescue(door, "continue", "openai/mini:cut", "openai/base", stream=False)
        equal(done.door.whole(done.answer.json()).text, said(done.asked[1]))
        equal(done.answer.header("x-baton-models"), None)


def test_all_models_that_spoke_are_told():
    _, gateway = place()
    targets = ("openai/mini:cut", "openai/base")
    done = Rescue("openai", "gathered", *targets, stream=False)
    equal(done.answer.header("x-baton-models"), ", ".join(targets))
    equal(done.answer.header("x-baton-model"), "openai/base")
    done = Rescue("openai", "continue", *targets, headers={"x-baton-debug": "1"})
    comment = next(line for line in done.answer.body.decode().split("\n") if line.startswith(": baton "))
    told = json.loads(comment[8:])
    equal((told["models"], told["attempts"]), (list(targets), 2))
    trace = done.answer.header("x-baton-trace")
    eventually(lambda: gateway.log(message="request", trace=trace), "the line of the log")
    line = gateway.log(message="request", trace=trace)[0]
    (note,) = [n["note"]["continued"] for n in line["notes"] if "continued" in n.get("note", {})]
    equal((note["from"], note["by"]), targets)
    equal(line["model"], "openai/base")


def test_what_a_cut_answer_cost_is_in_the_cost_and_not_in_the_usage():
    targets = ("openai/mini:cut", "openai/base")
    done = Rescue("openai", "gathered", *targets, stream=False)
    usage = done.answer.json()["usage"]
    answer = (usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6
    check(float(done.answer.header("x-baton-cost-usd")) > answer + 2e-6, (answer, done.answer.headers))


def test_a_long_answer_that_is_said_again_is_joined_within_the_limits_of_a_request():
    """A model that begins its continuation with all that it was given, a few bytes an event."""
    long = " ".join(f"word{i}" for i in range(5000))

    def play(exchange):
        if len(exchange.json()["messages"]) == 1:
            exchange.stream(event({"content": long}), end=False)
            exchange.close()
        else:
            pieces = [event({"content": long[i : i + 4]}) for i in range(0, len(long), 4)]
            exchange.stream(b"".join(pieces), event({"content": ", and the end"}), event(finish="stop"), DONE)

    with Provider(play) as provider:
        known = {"own/long": {"input": 1, "output": 2, "capabilities": ["prefill"]}}
        own = {"own": {"codec": "openai", "base_url": provider.base_url}}
        with Gateway(config(own, models=known), policies={"rescued": POLICY}) as gateway:
            answer = gateway.chat("rescued", "rescue gathered own/long now", timeout=60 * slow())
            equal(answer.status, 200, answer.body[:300])
            check(answer.text() == long + ", and the end", lambda: f"not joined: {short(answer.text())}")
