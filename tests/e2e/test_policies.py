"""Policies: the shipped ones answer, yours are picked up, a wrong one hurts only its own request.

SPDX-License-Identifier: MIT
"""

import time

import harness
from base import alone, check, equal, slow
from client import Stream
from harness import Gateway, config, provider, stage, sanitized
from test_failures import outcome

SHIPPED = (
    "direct", "complexity", "task", "cascade", "ensemble", "chain", "cost", "quality", "latency", "balanced",
    "fallback", "guardrail", "hedged", "local_first", "privacy", "keywords", "intent", "tiers", "support",
    "confidence", "consensus", "cross_check", "panel", "best_of_n", "canary_model", "bandit",
    "gain", "weak_score", "agreement", "expected", "task_tiers",
)

PROMPTS = (
    "What is the capital of France?",
    "Write a Python function that reverses a linked list.",
    "Prove that the square root of two is irrational, step by step.",
    "The quarterly report: sales rose by 12 percent, but customers complained about late deliveries.",
)


def flaky(faults, **members):
    """A gateway whose only models are those of the simulator, with these faults."""
    sim, _ = stage()
    models = {}
    for name, (tier, price_in, price_out) in harness.PRICES.items():
        fault = faults.get(name, "")
        models[f"flaky/{name}{fault}"] = {
            "tier": tier,
            "input": price_in,
            "output": price_out,
            "context": 128000,
            "capabilities": ["tools"]
            + ({"coder": ["code"], "math": ["math", "reasoning"]}.get(name, [])),
        }
    first = next(iter(models))
    timeouts = {"connect": 1, "first_byte": slow(), "stall": slow(), "total": 10 * slow()}
    return Gateway(
        config(
            {"flaky": provider(sim.base_url)},
            models=models,
            default_model=first,
            timeouts=timeouts,
            **members,
        )
    )


# ---- shipped ------------------------------------------------------------------------------------


def test_each_shipped_policy_answers_whole_and_streamed():
    _, gateway = stage()
    for policy in SHIPPED:
        for prompt in PROMPTS:
            for stream in (False, True):
                what = f"{policy} stream={stream} {prompt!r}"
                answer = gateway.chat(policy, prompt, stream=stream)
                equal(answer.status, 200, what + repr(answer))
                equal(outcome(answer, stream), "complete", what)
                text = Stream(answer.body).text if stream else answer.text()
                check(text.strip(), what + ": an empty answer")
                check((answer.header("x-baton-policy") or "").startswith(policy + "@"), what)
                if not stream:
                    check(float(answer.header("x-baton-cost-usd")) > 0, what + ": free")
                    check(int(answer.header("x-baton-attempts")) >= 1, what)
                    usage = answer.json()["usage"]
                    check(usage["total_tokens"] >= 2, what + repr(usage))


def test_a_policy_s_stream_has_one_id_and_one_model():
    _, gateway = stage()
    for policy in SHIPPED:
        said = Stream(gateway.chat(policy, PROMPTS[1], stream=True).body)
        for member in ("id", "model"):
            equal(
                len({c.get(member) for c in said.chunks}),
                1,
                f"{policy}: {member} changes in the stream",
            )


def test_the_debug_comment_counts_every_attempt_of_a_policy():
    import json

    _, gateway = stage()
    answer = gateway.chat("ensemble", PROMPTS[0], stream=True, headers={"x-baton-debug": "1"})
    comment = next(c for c in Stream(answer.body).comments if c.startswith("baton "))
    debug = json.loads(comment.removeprefix("baton "))
    check(debug["attempts"] >= 2, f"an ensemble with one attempt: {debug}")


def test_complexity_and_task_choose_different_models_for_different_prompts():
    _, gateway = stage()
    for policy in ("complexity", "task"):
        models = {gateway.chat(policy, p).header("x-baton-model") for p in PROMPTS}
        check(len(models) >= 2, f"{policy} always chose {models}")


def test_a_cascade_answers_while_its_cheap_model_fails():
    for fault in (":503", ":reset", ":wrong-json", ":no-answer"):
        with flaky({"mini": fault}) as gateway:
            for stream in (False, True):
                answer = gateway.chat("cascade", PROMPTS[0], stream=stream)
                equal(
                    (answer.status, outcome(answer, stream)),
                    (200, "complete"),
                    fault + repr(answer),
                )


def test_an_ensemble_answers_while_one_of_its_models_fails():
    for name in ("mini", "base", "pro"):
        with flaky({name: ":503"}) as gateway:
            for stream in (False, True):
                answer = gateway.chat("ensemble", PROMPTS[0], stream=stream)
                equal(
                    (answer.status, outcome(answer, stream)), (200, "complete"), name + repr(answer)
                )


def test_each_policy_is_honest_when_every_model_fails():
    for fault in (":503", ":reset", ":no-answer", ":html", ":429=30"):
        with flaky(dict.fromkeys(harness.PRICES, fault)) as gateway:
            for policy in SHIPPED:
                for stream in (False, True):
                    answer = gateway.chat(policy, PROMPTS[0], stream=stream, timeout=60)
                    check(answer.status >= 400, f"{policy} {fault} stream={stream}: {answer}")
                    answer.error()
            check(gateway.alive(), "the gateway died")


def test_each_policy_is_honest_when_every_answer_is_cut():
    for fault in (":cut", ":stall", ":no-finish", ":truncated", ":error-event"):
        with flaky(dict.fromkeys(harness.PRICES, fault)) as gateway:
            for policy in SHIPPED:
                answer = gateway.chat(policy, PROMPTS[0], stream=True, timeout=60)
                outcome(answer, True)
                if fault not in (":error-event", ":no-finish"):  # these are faults of streams only
                    equal(outcome(answer, True), "error", f"{policy} {fault} {answer}")


def test_each_policy_survives_failures_that_end():
    for policy in SHIPPED:
        with flaky(dict.fromkeys(harness.PRICES, ":503*1")) as gateway:
            for stream in (False, True):
                outcome(gateway.chat(policy, PROMPTS[0], stream=stream, timeout=60), stream)
            for _ in range(6):
                answer = gateway.chat(policy, PROMPTS[0], timeout=60)
            equal(answer.status, 200, f"{policy}: {answer}")


# ---- your own -----------------------------------------------------------------------------------


def define(name, body):
    return (
        f'local llm, policy = require "llm", require "policy"\n\n'
        f'return policy.define {{\n   name = "{name}",\n   params = {{ model = "sim/mini" }},\n'
        f"   run = function(req, p)\n{body}\n   end,\n}}\n"
    )


def own(bodies, **members):
    sim, _ = stage()
    members.setdefault("default_model", "sim/mini")
    return Gateway(
        config({"sim": provider(sim.base_url)}, **members),
        policies={name: define(name, body) for name, body in bodies.items()},
    )


def test_an_own_policy_is_picked_by_its_name_and_takes_parameters():
    with own(
        {"mine": "      return llm.chat(p.model, req)"},
        policies={"mine": {"model": "sim/pro"}},
        default_policy="mine",
    ) as gateway:
        for name in ("mine", "baton/mine", "auto"):
            for stream in (False, True):
                answer = gateway.chat(name, stream=stream)
                equal((answer.status, outcome(answer, stream)), (200, "complete"), repr(answer))
                equal(answer.header("x-baton-model"), "sim/pro")
                check(answer.header("x-baton-policy").startswith("mine@"), answer.headers)
        ids = {m["id"] for m in gateway.request("GET", "/v1/models").json()["data"]}
        check("mine" in ids or "baton/mine" in ids, f"mine is not listed: {sorted(ids)}")


def test_an_own_policy_sees_the_request():
    body = """
      local last = req.messages[#req.messages].content
      if #last > 20 then return llm.chat("sim/pro", req) end
      return llm.chat("sim/mini", req)"""
    with own({"look": body}) as gateway:
        equal(gateway.chat("look", "short").header("x-baton-model"), "sim/mini")
        equal(
            gateway.chat("look", "a prompt that is long enough").header("x-baton-model"), "sim/pro"
        )


@alone
def test_children_of_a_policy_run_side_by_side():
    body = """
      local task = require "task"
      local replies = task.all {
         function() return llm.chat("sim/mini:latency=600", req) end,
         function() return llm.chat("sim/base:latency=600", req) end,
         function() return llm.chat("sim/pro:latency=600", req) end,
      }
      return replies[1] or llm.chat("sim/mini", req)"""
    with own({"wide": body}) as gateway:
        begin = time.monotonic()
        answer = gateway.chat("wide")
        equal(answer.status, 200, repr(answer))
        took = time.monotonic() - begin
        check(took < 1.5 * slow(), f"{took:.2f} s: one after another")


# ---- wrong --------------------------------------------------------------------------------------

WRONG = {  # name: (body, does the message name a line?)
    "loops": ("      while true do end", True),
    "loops_in_pcall": ("      while true do pcall(function() while true do end end) end", True),
    "loops_in_xpcall": (
        "      local function again() while true do end end\n"
        "      while true do xpcall(again, again) end",
        True,
    ),
    "swallows": (
        "      pcall(function() while true do end end)\n      return llm.chat(p.model, req)",
        True,
    ),
    "grows_a_table": ("      local t = {}\n      for i = 1, 1e12 do t[i] = { i } end", True),
    "grows_a_string": ('      local s = "x"\n      while true do s = s .. s end', True),
    "grows_in_pcall": (
        '      local s = "x"\n      while true do pcall(function() s = s .. s end) end',
        True,
    ),
    "repeats": ('      local s = string.rep("x", 1e12)\n      return s', True),
    "formats": (
        '      local t = {}\n      for i = 1, 1e9 do t[i] = string.format("%99d", i) end',
        True,
    ),
    "concatenates": (
        '      local t = {}\n      for i = 1, 1e6 do t[i] = ("y"):rep(1000) end\n'
        "      return table.concat(t)",
        True,
    ),
    "matches": ('      return (("a"):rep(50000)):find(("a*"):rep(30) .. "b")', True),
    "matches_each": ('      for _ in (("a"):rep(200000)):gmatch(".-b") do end', True),
    "replaces": ('      return (("a"):rep(300000)):gsub(".-b", "c")', True),
    "recurses": ("      local function f(n) return 1 + f(n + 1) end\n      return f(1)", True),
    "recurses_in_pcall": (
        "      local function f() return (pcall(f)) end\n      while true do f() end",
        True,
    ),
    "sorts": (
        "      local t = {}\n      for i = 1, 1e5 do t[i] = i end\n"
        "      while true do table.sort(t, function(a, b) return a > b end) end",
        True,
    ),
    "raises_text": ('      error("the reason given")', True),
    "raises_a_table": (
        '      error({ code = "unavailable", message = "the reason given" })',
        False,
    ),
    "raises_an_object": (
        '      error(setmetatable({}, { __tostring = function() error("again") end }))',
        False,
    ),
    "raises_nil": ("      error(nil)", False),
    "indexes_nil": ("      return req.no_such_thing.deeper", True),
    "reads_an_unknown_global": ("      return no_such_global", True),
    "writes_a_global": ("      some_global = 1\n      return llm.chat(p.model, req)", True),
    "opens_a_file": ('      return io.open("/etc/passwd")', True),
    "returns_nothing": ("      return", False),
    "returns_a_number": ("      return 42", False),
    "returns_an_empty_table": ("      return {}", False),
    "returns_false": ("      return false", False),
}


def judge_wrong(gateway, name, names_line, stream):
    begin = time.monotonic()
    answer = gateway.chat(name, stream=stream, timeout=40)
    took = time.monotonic() - begin
    what = f"{name} stream={stream}: {answer}"
    check(gateway.alive(), lambda: f"{name} killed the gateway: {gateway._drained()[-3000:]}")
    check(500 <= answer.status < 600, what)
    message = answer.error()["message"]
    check(name in message, "the policy is not named: " + what)
    if names_line:
        check(f"{name}.lua:" in message or f"{name}:" in message, "no line is named: " + what)
    check(took < 15 * slow(), f"{took:.1f} s until {what}")
    check("/tmp/" not in message, "a path of the machine in the message: " + what)


def test_a_wrong_policy_gets_a_clear_500_that_names_it_and_the_line():
    with own({name: body for name, (body, _) in WRONG.items()}) as gateway:
        before, problems = gateway.rss(), []
        for name, (_, names_line) in WRONG.items():
            for stream in (False, True):
                try:
                    judge_wrong(gateway, name, names_line, stream)
                except (AssertionError, OSError) as e:
                    problems.append(str(e))
                    check(gateway.alive(), lambda: "the gateway is dead: " + "\n".join(problems))
        check(not problems, lambda: "\n".join(problems))
        equal(gateway.chat("sim/mini").status, 200)
        check(sanitized() or gateway.rss() - before < 200e6, "memory of ended tasks is kept")


@alone
def test_others_are_served_in_time_beside_a_wrong_policy():
    names = ("loops", "loops_in_pcall", "grows_a_table", "matches", "recurses_in_pcall", "sorts")
    with own({name: WRONG[name][0] for name in names}) as gateway:
        equal(gateway.chat("sim/mini").status, 200)
        for name in names:
            with gateway.open_chat(name, timeout=40) as wrong:
                slowest = 0.0
                for _ in range(5):
                    begin = time.monotonic()
                    equal(gateway.chat("sim/mini").status, 200)
                    slowest = max(slowest, time.monotonic() - begin)
                check(slowest < 3 * slow(), f"beside {name} a request took {slowest:.1f} s")
                check(500 <= wrong.answer().status < 600, name)


def test_many_wrong_requests_leave_no_memory_behind():
    with own(
        {"raises": '      local t = { ("x"):rep(1000000) }\n      error("no " .. #t)'}
    ) as gateway:
        for _ in range(30):
            gateway.chat("raises")
        before = gateway.rss()
        for _ in range(200):
            equal(gateway.chat("raises").status // 100, 5)
        check(
            sanitized() or gateway.rss() - before < 16e6,
            f"{(gateway.rss() - before) / 1e6:.1f} MB after 200 errors",
        )


def test_globals_do_not_travel_from_request_to_request():
    body = """
      local ok = pcall(function() shared = (shared or 0) + 1 end)
      local ok2 = pcall(function() string.kept = 1 end)
      if ok or ok2 then error("a global was written") end
      return llm.chat(p.model, req)"""
    with own({"keeps": body}) as gateway:
        equal(gateway.chat("keeps").status, 200)
