"""The verbs for scripts against a real provider: who loses is hung up on at once, and paid for.

SPDX-License-Identifier: MIT
"""

import time

from base import check, equal, eventually, slow
from harness import PRICES, Gateway, Sim, config, provider

VERBS = """
local llm, policy, task = require "llm", require "policy", require "task"

local function ask(model, req)
   return function() return llm.stream(model, req) end
end

local function run(req)
   local verb, winner, loser = req.text:match("^(%a+) (%S+) (%S+)$")
   local f, g = ask(winner, req), ask(loser, req)
   if verb == "race" then return (task.race { g, f }) end
   if verb == "within" then return task.within(0.2, g) end
   if verb == "hedge" then
      local value, why = task.hedge(0.1, g, f, { share = 1 })
      return value, why
   end
   if verb == "spawn" then
      task.spawn(g)
      return f()
   end
   local values, why = task.quorum(2, { f, g, f }, function(a, b) return a.text == b.text end)
   return values and values[1], why
end

return policy.define { name = "verbs", run = run }
"""

_place = None


def place():
    global _place
    if _place is None or not all(p.alive() for p in _place):
        sim = Sim()
        _place = sim, Gateway(
            config(
                {"sim": provider(sim.base_url)},
                default_model="sim/mini",
                models={"sim/pro:no-answer": {"input": 5, "output": 20}},
            ),
            policies={"verbs": VERBS},
        )
    return _place


def left(sim, prompt):
    """The requests with this prompt whose client hung up before the end."""
    return [e for e in sim.log(client_left=True) if prompt in str(e["body"])]


def loses(verb, loser, stream, status=200):
    """The winner answers; the provider sees that the loser's connection closes, long before its answer."""
    sim, gateway = place()
    prompt = f"{verb} sim/mini:latency=200 {loser}"  # the loser's request has arrived by then
    before, begun = len(left(sim, prompt)), time.monotonic()
    answer = gateway.chat("verbs", prompt, stream=stream)
    equal(answer.status, status, f"{verb} {loser} stream={stream}: {answer}")
    eventually(lambda: len(left(sim, prompt)) == before + 1, f"the loser of {prompt} hangs up", 3)
    check(time.monotonic() - begun < 8 * slow(), "the loser was waited for")
    return answer


def test_losers_are_hung_up_on_at_once_and_booked():
    for verb in ("race", "hedge", "quorum", "spawn"):
        for loser in ("sim/base:latency=30000", "sim/base:no-answer"):
            for stream in (False, True):
                if stream and verb == "quorum":
                    continue  # it compares whole answers
                answer = loses(verb, loser, stream)
                trace = answer.header("x-baton-trace")
                _, gateway = place()
                eventually(lambda: gateway.log(message="request", trace=trace), "the line of the log")
                line = gateway.log(message="request", trace=trace)[0]
                equal(line["stopped"], 1)
                equal(line["attempts"], 3 if verb == "quorum" else 2)


def test_a_stream_that_is_left_in_the_middle_is_closed_and_booked():
    sim, gateway = place()
    prompt = "within sim/mini sim/base:stall"
    client = gateway.open_chat("verbs", prompt, stream=True)
    client.until(b"data: ")
    client.close()
    eventually(lambda: left(sim, prompt), "the provider sees the close")
    eventually(lambda: gateway.log(message="request", stopped=1, stream=True), "the line of the log")
    line = gateway.log(message="request", stopped=1, stream=True)[-1]
    check(line["output_tokens"] > 0 and line["input_tokens"] > 0, line)


def test_time_that_is_up_closes_the_call():
    answer = loses("within", "sim/base:no-answer", False, status=504)
    equal(answer.error()["code"], "timeout")


def test_the_cost_of_losers_is_a_part_of_the_cost():
    _, gateway = place()
    answer = gateway.chat("verbs", "race sim/mini sim/pro:no-answer")
    used = answer.json()["usage"]
    alone = used["prompt_tokens"] * PRICES["mini"][1] + used["completion_tokens"] * PRICES["mini"][2]
    check(
        float(answer.header("x-baton-cost-usd")) > alone / 1e6 + 10 * PRICES["pro"][1] / 1e6,
        lambda: f"{answer} costs no more than {alone / 1e6}",
    )


def test_a_client_that_leaves_takes_all_calls_along():
    sim, gateway = place()
    prompt = "race sim/base:no-answer sim/pro:no-answer"
    client = gateway.open_chat("verbs", prompt)
    time.sleep(0.5 * slow())
    client.close()
    eventually(lambda: len(left(sim, prompt)) == 2, "both providers see the close")
