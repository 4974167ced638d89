"""Bandits in the real engine: feedback from clients, one truth for all workers, over reloads and restarts.

SPDX-License-Identifier: MIT
"""

import json
import os
import signal
import tempfile
import threading
from pathlib import Path

from base import check, equal, eventually
from client import Client
from crew import children, metrics, replaced, total
from harness import Gateway, baton, lua, provider

# Answers with the arm that it chose; the second word of the prompt is the bucket.
PICK = """
local bandit, llm, policy = require "bandit", require "llm", require "policy"
local b = bandit.new { name = "pick", arms = { "left", "right" }, discount = 0.98, worth = WORTH }
local function run(req)
   local command, bucket = req.text:match "^(%S+) (%S+)$"
   if command == "look" then return llm.reply { text = require("json").encode(bandit.look "pick") } end
   local arm, probability, decision = b:choose(bucket)
   if not arm then return nil, probability end
   if command == "learn" then b:learn(decision, arm == "left" and 1 or 0, { final = true }) end
   return llm.reply { text = arm }
end
return policy.define { name = "pick", run = run }
"""
PICK_FREE = PICK.replace("WORTH", "0")

HEAR = """
local feedback, kv, llm, policy = require "feedback", require "kv", require "llm", require "policy"
feedback.on(function(given)
   if given.comment == "fail" then error "no comment" end
   kv.set("heard", { given.score, given.comment, given.told[1].arm })
end)
local function run() return llm.reply { text = require("json").encode(kv.get "heard") } end
return policy.define { name = "hear", run = run }
"""


def settings(**more):
    return "return " + lua({"providers": {"none": provider("http://127.0.0.1:9/v1")}, **more})


def engine(state, workers=2, policy=PICK_FREE, **more):
    return Gateway(settings(state=state, **more), {"pick": policy, "hear": HEAR}, workers=workers)


def folder():
    return tempfile.TemporaryDirectory(prefix="baton-e2e-")


def ask(gateway, prompt="pick code", policy="pick"):
    answer = gateway.chat(policy, prompt)
    equal(answer.status, 200, answer.body)
    return answer.text(), answer.header("x-baton-trace")


def give(gateway, body, **kw):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return gateway.request(path="/v1/feedback", body=raw, **kw)


def look(gateway):
    return json.loads(ask(gateway, "look it")[0])


def learned(gateway):
    return sum(bucket["learned"] for one in look(gateway) for bucket in one["buckets"])


def teach(gateway, good, n=60):
    """Gives feedback for n answers: 1 for the good arm, 0 for the other. How often it was chosen in the last third."""
    hits = 0
    for i in range(n):
        arm, trace = ask(gateway)
        hits += i >= n * 2 // 3 and arm == good
        equal(give(gateway, {"trace": trace, "score": int(arm == good)}).status, 200)
    return hits


# ---- feedback -----------------------------------------------------------------------------------


def test_feedback_teaches_all_workers_and_a_change_is_followed():
    with folder() as state, engine(state) as gateway:
        check(teach(gateway, "left", 120) > 30, "it does not prefer the left arm")
        equal(learned(gateway), 120)
        check(teach(gateway, "right", 240) > 60, "it does not follow")
        equal(learned(gateway), 360)


def test_what_feedback_is_answered():
    with folder() as state, engine(state, workers=1, policy=PICK.replace("WORTH", "1")) as gateway:
        arm, trace = ask(gateway)
        answer = give(gateway, {"trace": trace, "score": 0.5, "comment": "fine"})
        equal(answer.status, 200)
        expected = {"object": "feedback", "trace": trace, "score": 0.5, "decisions": 1, "learned": 1, "repeated": False}
        equal(json.loads(answer.body), expected)
        again = give(gateway, {"trace": trace, "score": 0.5})
        equal(json.loads(again.body), {**expected, "learned": 0, "repeated": True})
        for body, status, param in (
            ({"trace": trace, "score": 0.75}, 409, "score"),
            ({"trace": "0" * 32, "score": 1}, 404, "trace"),
            ({"trace": trace, "score": 0.5, "bandit": "other"}, 404, "trace"),
            ({"trace": trace}, 400, "score"),
            ({"trace": trace, "score": 1.5}, 400, "score"),
            ({"trace": trace, "score": -0.1}, 400, "score"),
            ({"trace": trace, "score": "1"}, 400, "score"),
            ({"trace": trace, "score": None}, 400, "score"),
            ({"trace": trace, "score": True}, 400, "score"),
            ({"score": 1}, 400, "trace"),
            ({"trace": 7, "score": 1}, 400, "trace"),
            ({"trace": "", "score": 1}, 400, "trace"),
            ({"trace": "x" * 129, "score": 1}, 400, "trace"),
            ({"trace": trace, "score": 1, "bandit": 1}, 400, "bandit"),
            ({"trace": trace, "score": 1, "comment": "x" * 2001}, 400, "comment"),
            ({"trace": trace, "score": 1, "stars": 5}, 400, "stars"),
            (b'{"trace":"x","score":NaN}', 400, None),
            (b'{"trace":"x","score":1e999}', 400, "score"),
            (b"[]", 400, None),
            (b"", 400, None),
        ):
            answer = give(gateway, body)
            equal(answer.status, status, repr(body) + repr(answer.body))
            error = json.loads(answer.body)["error"]
            equal(error["param"], param, repr(body))
            check(error["message"], repr(body))
        equal(gateway.request(method="GET", path="/v1/feedback").status, 405)
        equal(gateway.request(path="/feedback", body=json.dumps({"trace": trace, "score": 0.5}).encode()).status, 200)
        eventually(lambda: gateway.log(path="/v1/feedback"), "the line of the feedback")
        note = gateway.log(path="/v1/feedback")[0]["notes"]
        check({"note": {"feedback": {"trace": trace, "score": 0.5, "comment": "fine"}}} in note, note)
        page = metrics(gateway)
        equal(total(page, "baton_feedback_total", 'result="learned"'), 1)
        equal(total(page, "baton_feedback_total", 'result="conflict"'), 1)
        equal(total(page, "baton_bandit_choices_total", 'bandit="pick"', f'arm="{arm}"'), 1)
        equal(total(page, "baton_bandit_learned_total", 'bandit="pick"', f'arm="{arm}"'), 1)


def test_feedback_needs_a_key_as_all_requests():
    with folder() as state, engine(state, workers=1, keys=["secret"]) as gateway:
        body = {"trace": "0" * 32, "score": 1}
        equal(give(gateway, body).status, 401)
        equal(give(gateway, body, headers={"authorization": "Bearer secret"}).status, 404)


def test_a_decision_stands_in_the_log_with_its_probability():
    with folder() as state, engine(state, workers=1) as gateway:
        arm, trace = ask(gateway)
        eventually(lambda: gateway.log(trace=trace, path="/v1/chat/completions"), "the line of the request")
        noted = gateway.log(trace=trace, path="/v1/chat/completions")[0]["notes"][0]["decide"]
        equal(noted, {"bandit": "pick", "bucket": "code", "model": arm, "probability": 0.5, "reason": "thompson"})


def test_a_cost_that_is_known_at_the_end_counts():
    policy = PICK.replace("WORTH", "1").replace(
        'return llm.reply { text = arm', 'require("trace").spend(0.25) return llm.reply { text = arm'
    )
    with folder() as state, engine(state, workers=1, policy=policy) as gateway:
        _, trace = ask(gateway)
        equal(give(gateway, {"trace": trace, "score": 1}).status, 200)
        arms = look(gateway)[0]["buckets"][0]["arms"]
        mean = [a["mean"] for a in arms if a["learned"]][0]
        check(abs(mean - (1 + 0.875) / 3) < 1e-4, mean)  # (1 + 1 - 0.25) / 2


def test_scripts_hear_of_feedback():
    with folder() as state, engine(state, workers=1) as gateway:
        arm, trace = ask(gateway)
        equal(give(gateway, {"trace": trace, "score": 1, "comment": "good"}).status, 200)
        equal(json.loads(ask(gateway, "?", "hear")[0]), [1, "good", arm])
        _, trace = ask(gateway)
        equal(give(gateway, {"trace": trace, "score": 1, "comment": "fail"}).status, 200)
        check(gateway.log(message="a handler of feedback failed"), gateway.stderr)


# ---- one truth ----------------------------------------------------------------------------------


def test_no_update_of_two_workers_is_lost_and_deaths_do_no_harm():
    with folder() as state, engine(state) as gateway:

        def client(_):
            with Client(gateway.address) as c:
                for _ in range(100):
                    ask(gateway, "learn code")
                c.close()

        threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(learned(gateway), 400)
        gone = children(gateway.pid)
        for pid in gone:
            os.kill(pid, signal.SIGKILL)
        replaced(gateway, gone, 2, 20)
        equal(learned(gateway), 400)


def test_it_survives_a_reload_and_a_change_of_the_arms():
    with folder() as state, engine(state) as gateway:
        for _ in range(20):
            ask(gateway, "learn code")
        _, trace = ask(gateway)
        Path(gateway.policies, "pick.lua").write_text(
            PICK_FREE.replace('{ "left", "right" }', '{ "middle", "left" }')
        )
        done = baton("reload", "--admin", gateway.admin_address)
        equal(done.returncode, 0, done.output)
        equal(learned(gateway), 20)
        equal(give(gateway, {"trace": trace, "score": 1}).status, 200)
        for _ in range(20):
            check(ask(gateway, "learn code")[0] in ("left", "middle"), "an arm that is gone")
        arms = {a["arm"]: a["learned"] for a in look(gateway)[0]["buckets"][0]["arms"]}
        equal(sum(arms.values()), 41)
        equal(set(arms), {"left", "right", "middle"})


def test_it_survives_a_restart():
    with folder() as state:
        with engine(state) as gateway:
            for _ in range(30):
                ask(gateway, "learn code")
            _, trace = ask(gateway)
            before = look(gateway)[0]["buckets"]
        with engine(state) as gateway:
            equal(look(gateway)[0]["buckets"], before)
            equal(give(gateway, {"trace": trace, "score": 1}).status, 404)  # decisions that wait do not


def test_a_damaged_file_is_put_aside():
    with folder() as state:
        Path(state).chmod(0o700)
        Path(state, "bandits").write_bytes(b"no bandits at all")
        with engine(state) as gateway:
            eventually(lambda: "bandits.damaged" in gateway.stderr, "the damage is told")
            equal(learned(gateway), 0)
        equal(Path(state, "bandits.damaged").read_bytes(), b"no bandits at all")


def test_a_new_binary_takes_it_over():
    with folder() as state, engine(state) as gateway:
        for _ in range(30):
            ask(gateway, "learn code")
        _, trace = ask(gateway)
        old = set(children(gateway.pid))
        os.kill(gateway.pid, signal.SIGUSR2)
        eventually(lambda: not old & set(children(gateway.pid)), "new workers", 20)
        equal(learned(gateway), 30)
        equal(give(gateway, {"trace": trace, "score": 1}).status, 200)  # decisions, too
        equal(learned(gateway), 31)
