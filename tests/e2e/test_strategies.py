"""Strategies: each shipped policy with each of its models failing, chains of policies, and what may go where.

SPDX-License-Identifier: MIT
"""

import tempfile
import threading
import time
from pathlib import Path

import harness
from base import check, equal, eventually, slow
from client import Stream
from harness import Gateway, config, provider, stage
from test_failures import outcome
from test_policies import PROMPTS, SHIPPED

FACTS = {  # besides tier and price: what the simulator's catalogue says
    "mini": {"where": "local", "capabilities": ["tools", "logprobs"]},
    "base": {"where": "local", "capabilities": ["tools", "logprobs"]},
    "pro": {"where": "cloud", "capabilities": ["tools", "logprobs"]},
    "coder": {"where": "cloud", "capabilities": ["tools"], "good_at": ["code"]},
    "math": {"where": "cloud", "capabilities": ["tools"], "good_at": ["mathematics", "reasoning"]},
}


def gateway(faults=(), **members):
    """The simulator's models, these with faults; breakers stay closed, so that each failure is met."""
    sim, _ = stage()
    models = {}
    for name, (tier, price_in, price_out) in harness.PRICES.items():
        fault = dict(faults).get(name, "")
        models[f"p/{name}{fault}"] = {"tier": tier, "input": price_in, "output": price_out, "context": 128000}
        models[f"p/{name}{fault}"].update(FACTS[name])
    members.setdefault("breaker", {"failures": 1000000, "min_calls": 1000000})
    timeouts = {"connect": 1, "first_byte": 2 * slow(), "stall": 2 * slow(), "total": 20 * slow()}
    return Gateway(config({"p": provider(sim.base_url)}, models=models, timeouts=timeouts, **members))


def answered(answer, stream, what):
    equal((answer.status, outcome(answer, stream)), (200, "complete"), what + repr(answer))
    text = Stream(answer.body).text if stream else answer.text()
    check(text.strip(), what + ": an empty answer")


# ---- each policy, each of its models failing ----------------------------------------------------


def each_policy_answers_without(name, fault):
    with gateway({name: fault}, default_model="p/base" if name != "base" else "p/mini") as g:
        problems = []
        for policy in SHIPPED:
            for prompt in PROMPTS[:2]:
                for stream in (False, True):
                    what = f"{policy} without {name} ({fault}) stream={stream}: "
                    try:
                        answered(g.chat(policy, prompt, stream=stream, timeout=60), stream, what)
                    except AssertionError as problem:
                        problems.append(str(problem))
        check(not problems, "\n".join(problems))


def test_each_policy_answers_while_the_fast_model_fails():
    each_policy_answers_without("mini", ":503")


def test_each_policy_answers_while_the_standard_model_fails():
    each_policy_answers_without("base", ":reset")


def test_each_policy_answers_while_the_expert_fails():
    each_policy_answers_without("pro", ":429=30")


def test_each_policy_answers_while_the_coder_fails():
    each_policy_answers_without("coder", ":wrong-json")


def test_each_policy_answers_while_the_mathematician_fails():
    each_policy_answers_without("math", ":500")


def test_a_wrong_request_is_not_tried_elsewhere():
    with gateway(default_model="p/base") as g:
        for policy in SHIPPED:
            if policy in ("ensemble", "panel", "consensus", "best_of_n", "chain", "agreement"):
                continue  # they have asked several before they know
            answer = g.chat(policy, PROMPTS[0], temperature=99)
            equal(answer.status, 400, f"{policy}: {answer}")
            equal(answer.header("x-baton-attempts"), "1" if policy != "intent" else "2", policy)


# ---- what may go where --------------------------------------------------------------------------

SECRET = "Please write to ada.lovelace@example.com that her order has been sent."


def model_of(answer):
    equal(answer.status, 200, repr(answer))
    return answer.header("x-baton-model").removeprefix("p/")


def test_personal_data_stays_on_local_models():
    with gateway(policies={"privacy": {"otherwise": {"tier": "expert"}}}) as g:
        equal(model_of(g.chat("privacy", PROMPTS[0])), "pro")
        for _ in range(3):
            check(model_of(g.chat("privacy", SECRET)) in ("mini", "base"), "personal data left")
        answer = g.chat("privacy", PROMPTS[0], metadata={"data": "confidential"})
        check(model_of(answer) in ("mini", "base"), "closed data left")
    with gateway({"mini": ":503", "base": ":503"}) as g:
        for stream in (False, True):
            answer = g.chat("privacy", SECRET, stream=stream)
            check(answer.status >= 500, f"it went elsewhere: {answer}")


def test_callers_set_what_is_open_and_hint():
    with gateway(policies={"privacy": {"otherwise": {"tier": "expert"}}}) as g:
        equal(model_of(g.chat("cost", PROMPTS[0])), "mini")
        equal(model_of(g.chat("cost", PROMPTS[0], headers={"x-baton-param-min-quality": "0.9"})), "pro")
        answer = g.chat("cost", PROMPTS[0], headers={"x-baton-param-min-quality": "2"})
        equal(answer.status, 400, repr(answer))
        answer = g.chat("privacy", PROMPTS[0], headers={"x-baton-param-data": "Restricted"})
        check(model_of(answer) in ("mini", "base"), "restricted data left")


def test_an_escalated_ticket_goes_to_a_person():
    with gateway(policies={"support": {"within": 60}}) as g:
        said = []
        asking = threading.Thread(
            target=lambda: said.append(g.chat("support", "Let me speak to a human, please.", timeout=60))
        )
        asking.start()
        found = eventually(lambda: g.ask_admin("GET", "/admin/questions").json()["questions"], "a question")
        equal(found[0]["question"], "Let me speak to a human, please.")
        equal(g.ask_admin("POST", f"/admin/questions/{found[0]['id']}", {"answer": "Ada here."}).status, 200)
        asking.join(30 * slow())
        equal((said[0].status, said[0].text()), (200, "Ada here."), repr(said[0]))
    with gateway(policies={"support": {"within": 0.2}}) as g:
        equal(model_of(g.chat("support", "A supervisor, now!")), "pro")  # nobody was there
        equal(model_of(g.chat("support", "How?", metadata={"ticket": "escalated"})), "pro")


def test_a_hard_cap_on_time_is_kept_by_a_faster_model():
    policies = {"guardrail": {"patience": 0.3, "cap": 5 * slow(), "faster": {"tier": "fast"}}}
    with gateway({"base": ":latency=20000"}, policies=policies) as g:
        for stream in (False, True):
            begin = time.monotonic()
            answer = g.chat("guardrail", PROMPTS[0], stream=stream)
            answered(answer, stream, "guardrail")
            check(time.monotonic() - begin < 5 * slow(), "the cap was not kept")
            if not stream:
                equal(model_of(answer), "mini")


def test_a_slow_answer_is_hedged_in_the_middle_of_nothing():
    policies = {"hedged": {"otherwise": 0.2, "share": 1, "second": "p/mini"}}
    with gateway({"base": ":latency=20000"}, policies=policies) as g:
        for stream in (False, True):
            begin = time.monotonic()
            answered(g.chat("hedged", PROMPTS[0], stream=stream), stream, "hedged")
            check(time.monotonic() - begin < 5 * slow(), "nobody was asked beside the slow model")


# ---- chains -------------------------------------------------------------------------------------


def test_policies_are_chained_in_the_configuration():
    chain = ["privacy", "guardrail", "quality"]
    with gateway(policy=chain, chains={"safe": ["privacy", "cost"]}) as g:
        for name in ("auto", "+".join(chain), "safe"):
            for stream in (False, True):
                answered(g.chat(name, PROMPTS[0], stream=stream), stream, name)
        answer = g.chat("auto", PROMPTS[0])
        equal(model_of(answer), "pro")
        check(answer.header("x-baton-policy").startswith("privacy+guardrail+quality@"), answer.headers)
        answer = g.chat("auto", SECRET)
        check(model_of(answer) in ("mini", "base"), "personal data left")
        answer = g.chat("safe", PROMPTS[0])
        equal(model_of(answer), "mini")
        check(answer.header("x-baton-policy").startswith("safe@"), answer.headers)
        ids = {m["id"] for m in g.request("GET", "/v1/models").json()["data"]}
        check({"safe", "privacy+guardrail+quality"} <= ids, sorted(ids))


def test_a_guardrail_guards_the_rest_of_its_chain():
    policies = {"guardrail": {"patience": 0.3, "cap": 5 * slow(), "faster": {"tier": "fast"}}}
    with gateway({"pro": ":latency=20000"}, policy=["guardrail", "quality"], policies=policies) as g:
        for stream in (False, True):
            begin = time.monotonic()
            answered(g.chat("auto", PROMPTS[0], stream=stream), stream, "chain")
            check(time.monotonic() - begin < 5 * slow(), "the cap was not kept")


WRONG = {
    "policies = { agreement = { need = 0 } }":
        "policies.agreement.need: must be a whole number from 2 to 20, not '0'",
    'policies = { gain = { threshold = 5 } }': "policies.gain.threshold: must be a number from -1 to 1",
    'policies = { direct = { model = "nobody" } }': "policies.direct.model: must be the name of a model, or empty",
    'policy = { "direct", "cascade" }': "'direct' never passes a request on",
    'policy = { "privacy", "none" }': "policy: there is no policy 'none'",
    "policy = {}": "policy: must name at least one policy",
    'policy = "none"': "policy: there is no policy 'none'",
    'policy = "cascade", default_policy = "direct"': "not with both",
    'chains = { x = "direct" }': "chains.x: must be a table",
    'chains = { x = { 1 } }': "chains.x.1: must be a string",
    'chains = { cascade = { "direct" } }': "chains.cascade: there is a policy of that name",
}


def test_what_cannot_be_meant_is_refused():
    with tempfile.TemporaryDirectory(prefix="baton-chains-") as folder:
        for members, why in WRONG.items():
            Path(folder, "baton.lua").write_text("return { %s }\n" % members, encoding="utf-8")
            done = harness.baton("check", "baton.lua", cwd=folder)
            check(done.returncode != 0 and why in done.output, f"{members}: {done.output}")
            check("baton.lua:1: " in done.output, f"{members}: no line: {done.output}")


def test_a_consensus_waits_for_nobody_who_can_change_nothing():
    slow_model = "p/pro:latency=20000"
    policies = {"consensus": {"models": ["p/mini", "p/base", slow_model], "arbiter": "p/math"}}
    with gateway({"pro": ":latency=20000"}, policies=policies) as g:
        for prompt in PROMPTS:
            begin = time.monotonic()
            answered(g.chat("consensus", prompt), False, prompt)
            check(time.monotonic() - begin < 10 * slow(), "it waited for the slow model")


def test_a_chain_in_which_everybody_passes_says_so():
    bodies = {"passes": "return policy.pass"}
    text = (
        'local policy = require "policy"\n'
        'return policy.define { name = "%s", passes = true, run = function() %s end }\n'
    )
    sim, _ = stage()
    with Gateway(
        config({"sim": provider(sim.base_url)}, chains={"idle": ["passes", "passes"]}),
        policies={name: text % (name, body) for name, body in bodies.items()},
    ) as g:
        for name in ("passes", "idle"):
            answer = g.chat(name, PROMPTS[0])
            check(answer.status >= 400, repr(answer))
            check("passed the request on" in answer.error()["message"], repr(answer))
