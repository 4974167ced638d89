"""Calls with limits: of time, rate and price; retries that no outage multiplies; deadlines of policies.

SPDX-License-Identifier: MIT
"""

import time

import formats
from base import alone, check, equal, slow
from client import Stream
from harness import Gateway, Sim, config

POLICY = """
local llm, policy = require "llm", require "policy"

local modes = {
   drip = { min_rate = 20, rate_window = 0.5, fallback = { "openai/base" } },
   slow = { ttft = 0.4, fallback = { "openai/base" } },
   guardrail = { deadline = 1.5, reserve = 1, fallback = { "openai/base" } },
   late = { deadline = 0.5, retries = 5 },
   cheap = { max_cost = 0.00001, fallback = { "openai/base" } },
   again = { retries = 3 },
   plain = {},
}

local function run(req)
   local mode, target = req.text:match "^do (%a+) (%S+)"
   return llm.stream(target, req, modes[mode])
end

return policy.define { name = "careful", run = run }
"""

_place = None


def place():
    global _place
    if _place is None or not all(p.alive() for p in _place):
        sim = Sim()
        known = {f"{name}/base": {"input": 0.001, "output": 0.002} for name in formats.BASES}
        known["openai/pro"] = {"input": 500, "output": 2000}
        _place = sim, Gateway(
            config(
                formats.providers(sim),
                models=known,
                policies={"careful": {}, "direct": {"deadline": 0.5 * slow()}},
                breaker={"failures": 1000000, "min_calls": 1000000, "min_retries": 5},
            ),
            policies={"careful": POLICY},
        )
    return _place


def ask(mode, target, stream=True):
    sim, gateway = place()
    before, begun = len(sim.log()), time.monotonic()
    answer = gateway.chat("careful", f"do {mode} {target} and explain it", stream=stream)
    return answer, sim.log()[before:], time.monotonic() - begun


def test_a_stream_that_drips_ends_with_an_error():
    for name in formats.BASES:
        answer, _, seconds = ask("drip", f"{name}/base:drip=400")
        check(seconds < 6 * slow(), f"{name}: {seconds} s")
        said = Stream(answer.body)
        check(not said.done and said.error, f"{name}: {answer}")
        equal(said.error["code"], "timeout", name)
        answer, _, _ = ask("drip", f"{name}/base:drip=5")
        check(Stream(answer.body).done, f"{name}: {answer}")


def test_a_first_token_that_is_slow_is_not_waited_for():
    for name in formats.BASES:
        # keep-alive: a sign of life is no content
        for fault in ("slow-first-token=20000", "keep-alive=20000", "no-answer", "latency=20000"):
            answer, _, seconds = ask("slow", f"{name}/base:{fault}")
            check(seconds < 5 * slow(), f"{name} {fault}: {seconds} s")
            check(Stream(answer.body).done, f"{name} {fault}: {answer}")
            equal(answer.header("x-baton-model"), "openai/base")


@alone
def test_a_deadline_leaves_time_for_the_faster_model():
    for stream in (False, True):
        answer, _, seconds = ask("guardrail", "openai/base:no-answer", stream)
        equal(answer.status, 200)
        check(seconds < 1.5 * slow() + 1, seconds)
        equal(answer.header("x-baton-model"), "openai/base")


@alone
def test_no_attempt_goes_beyond_the_deadline():
    for fault in ("no-answer", "429=3", "503", "latency=5000"):
        for stream in (False, True):
            answer, asked, seconds = ask("late", f"openai/base:{fault}", stream)
            check(answer.status >= 400, f"{fault}: {answer}")
            check(seconds < 0.5 + 1 * slow(), f"{fault}: {seconds} s")
            check(len(asked) <= 4, f"{fault}: {len(asked)} calls")


def test_the_parameter_deadline_bounds_any_policy():
    _, gateway = place()
    for stream in (False, True):
        for fault in ("no-answer", "stall", "drip=300"):
            begun = time.monotonic()
            answer = gateway.chat(f"openai/base:{fault}", "Tell me a story.", stream=stream, timeout=10)
            check(time.monotonic() - begun < 3 * slow(), f"{fault}: {time.monotonic() - begun} s")
            if answer.status == 200:
                check(not Stream(answer.body).done and Stream(answer.body).error, f"{fault}: {answer}")
            else:
                equal(answer.status, 504, fault)


def test_a_call_that_is_too_expensive_is_not_made():
    answer, asked, _ = ask("cheap", "openai/pro")
    equal((answer.status, [e for e in asked if e["model"] == "pro"]), (200, []))
    equal(answer.header("x-baton-model"), "openai/base")


def test_an_outage_does_not_multiply_the_calls():
    _, asked, _ = ask("plain", "openai/mini:500")
    equal(len(asked), 1)
    calls = 0
    for _ in range(20):
        _, asked, _ = ask("again", "openai/mini:502", stream=False)
        calls += len(asked)
    check(20 < calls <= 20 + 5 + 3, f"{calls} calls for 20 requests")
