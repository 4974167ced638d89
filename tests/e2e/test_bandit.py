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
from upstream import Provider, completion

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
        eventually(lambda: gateway.log(message="a handler of feedback failed"), "the fault is told")


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


# ---- operators ----------------------------------------------------------------------------------


def test_operators_see_freeze_and_reset_them():
    with folder() as state, engine(state) as gateway:
        equal(gateway.ask_admin("GET", "/admin/bandits").json(), {"bandits": []})
        equal(gateway.ask_admin("GET", "/admin/bandits/pick").status, 404)
        for _ in range(20):
            ask(gateway, "learn code")
        ask(gateway)
        one = gateway.ask_admin("GET", "/admin/bandits/pick").json()["bandits"][0]
        equal((one["name"], one["method"], one["state"], one["waiting"]), ("pick", "thompson", "learning", 1))
        arms = one["buckets"][0]["arms"]
        equal(sum(a["chosen"] for a in arms), 21)
        equal(sum(a["learned"] for a in arms), 20)
        check(abs(sum(a["probability"] for a in arms) - 1) < 1e-4, arms)
        frozen = gateway.ask_admin("POST", "/admin/bandits", {"name": "pick", "state": "frozen"})
        equal(frozen.json()["bandits"][0]["state"], "frozen")
        for _ in range(10):
            ask(gateway, "learn code")
        _, trace = ask(gateway)
        equal(json.loads(give(gateway, {"trace": trace, "score": 1}).body)["learned"], 0)
        equal(learned(gateway), 20)
        equal(gateway.ask_admin("POST", "/admin/bandits", {"name": "pick", "state": "learning"}).status, 200)
        ask(gateway, "learn code")
        equal(learned(gateway), 21)
        _, trace = ask(gateway)
        equal(gateway.ask_admin("DELETE", "/admin/bandits/pick").json(), {"reset": 1})
        equal(gateway.ask_admin("GET", "/admin/bandits").json(), {"bandits": []})
        equal(give(gateway, {"trace": trace, "score": 1}).status, 404)
        ask(gateway, "learn code")
        equal(learned(gateway), 1)


def test_what_the_admin_api_refuses():
    with folder() as state, engine(state, workers=1) as gateway:
        for method, path, body, status, word in (
            ("POST", "/admin/bandits", {}, 400, "name: must be"),
            ("POST", "/admin/bandits", {"name": 7, "state": "frozen"}, 400, "name: must be"),
            ("POST", "/admin/bandits", {"name": "pick", "state": "cold"}, 400, "state: must be"),
            ("POST", "/admin/bandits", {"name": "pick", "stat": "frozen"}, 400, "stat"),
            ("POST", "/admin/bandits", {"name": "none", "state": "frozen"}, 404, "'none'"),
            ("DELETE", "/admin/bandits/none", None, 404, "'none'"),
            ("DELETE", "/admin/bandits/" + "x" * 3000, None, 404, "there is no bandit"),
            ("GET", "/admin/bandits/%00%ff", None, 404, "there is no bandit"),
            ("PUT", "/admin/bandits", None, 405, "method"),
        ):
            answer = gateway.ask_admin(method, path, body)
            equal(answer.status, status, f"{method} {path} {answer.body}")
            check(word in answer.json()["error"]["message"], answer.body)


def test_the_command_shows_freezes_and_resets_them():
    odd = PICK_FREE.replace('name = "pick", arms', 'name = "an odd/näme", arms')
    with folder() as state, engine(state, policy=odd) as gateway:

        def run(*args):
            return baton("bandits", "--admin", gateway.admin_address, *args)

        equal(run().output, "no bandit has been used yet\n")
        for _ in range(20):
            ask(gateway, "learn code")
        done = run()
        equal(done.returncode, 0)
        lines = done.stdout.splitlines()
        equal(lines[0], "an odd/näme: thompson, learning, discount 0.98, explore 0; 0 await feedback")
        equal(lines[1].split(), ["bucket", "arm", "chosen", "learned", "score", "mean", "now"])
        rows = {line.split()[1]: line.split() for line in lines[2:]}
        equal(set(rows), {"left", "right"})
        equal(sum(int(r[3]) for r in rows.values()), 20)
        equal(rows["left"][4], "1.000")
        equal(run("an odd/näme").stdout, done.stdout)
        equal(json.loads(run("--json").stdout)["bandits"][0]["name"], "an odd/näme")
        check("frozen" in run("--freeze", "an odd/näme").stdout, "not frozen")
        check("learning" in run("--thaw", "an odd/näme").stdout, "not thawed")
        equal(run("--reset", "an odd/näme").stdout, "an odd/näme has forgotten what it had learned\n")
        equal(run().output, "no bandit has been used yet\n")
        gone = run("nobody")
        equal((gone.returncode, gone.stderr), (1, "baton bandits: there is no bandit 'nobody'\n"))
        for args in (("--freeze",), ("--freeze", "--reset", "x"), ("a", "b"), ("--cold",)):
            equal(run(*args).returncode, 2, args)


def test_a_name_that_would_steer_the_terminal_is_shown_without():
    """Buckets may be what a client says."""
    with folder() as state, engine(state) as gateway:
        ask(gateway, "pick \x1b[2J\u202ebucket\x9bx")
        done = baton("bandits", "--admin", gateway.admin_address)
        check("?[2J?bucket?x " in done.stdout, done.output)
        check(not any(c in done.stdout for c in "\x1b\u202e\x9b"), ascii(done.stdout))


# ---- the policy ---------------------------------------------------------------------------------


def test_the_policy_learns_which_model_is_best():
    params = {"arms": ["weak", "strong"], "by": "none", "discount": 0.98, "worth": 0}
    with folder() as state, Provider(lambda x: x.reply(completion("ok " + x.json()["model"]))) as upstream:
        text = "return " + lua({
            "providers": {"raw": provider(upstream.base_url)},
            "aliases": {"weak": "raw/weak", "strong": "raw/strong"},
            "policies": {"bandit": params},
            "state": state,
        })
        with Gateway(text, workers=2) as gateway:
            hits = 0
            for i in range(100):
                answer = gateway.chat("bandit", "Hello")
                equal(answer.status, 200, answer.body)
                good = answer.text() == "ok strong"
                hits += i >= 70 and good
                trace = answer.header("x-baton-trace")
                equal(give(gateway, {"trace": trace, "score": 1 if good else 0.2}).status, 200)
            check(hits >= 24, hits)


def test_an_arm_that_fails_is_learned_of_and_another_one_answers():
    def play(x):
        if x.json()["model"] == "broken":
            return x.reply(b"{}", status=500)
        return x.reply(completion("fine"))

    with folder() as state, Provider(play) as upstream:
        text = "return " + lua({
            "providers": {"raw": provider(upstream.base_url)},
            "policies": {"bandit": {"arms": ["raw/broken", "raw/fine"], "by": "none", "explore": 0.2}},
            "state": state,
        })
        with Gateway(text, workers=1) as gateway:
            for _ in range(12):
                answer = gateway.chat("bandit", "Hello")
                equal((answer.status, answer.text()), (200, "fine"))
                give(gateway, {"trace": answer.header("x-baton-trace"), "score": 1})
            one = gateway.ask_admin("GET", "/admin/bandits/bandit").json()["bandits"][0]
            arms = {a["arm"]: a for a in one["buckets"][0]["arms"]}
            equal(arms["raw/fine"]["score"], 1)
            equal(arms["raw/fine"]["learned"], 12)
            check(arms["raw/broken"].get("score", 0) == 0, arms)
            wrong = gateway.request(body=json.dumps({"model": "bandit", "messages": []}).encode())
            check(400 <= wrong.status < 600, wrong.status)


def test_the_policy_learns_from_a_judge_and_by_features():
    def play(x):
        x.reply(completion("Certainly: 42." if x.json()["model"] == "good" else "I'm sorry, but I cannot help."))

    params = {
        "arms": ["raw/good", "raw/bad"], "by": "complexity", "method": "linucb", "learn_from": "judge", "worth": 0,
    }
    with folder() as state, Provider(play) as upstream:
        text = "return " + lua({
            "providers": {"raw": provider(upstream.base_url)},
            "policies": {"bandit": params},
            "state": state,
        })
        with Gateway(text, workers=1) as gateway:
            good = 0
            for i in range(60):
                answer = gateway.chat("bandit", "What is six times seven?", stream=i % 2 == 0)
                equal(answer.status, 200, answer.body)
                good += i >= 30 and b"42" in answer.body
            check(good >= 25, good)
            one = gateway.ask_admin("GET", "/admin/bandits/bandit").json()["bandits"][0]
            equal(one["features"], ["length", "terms", "ambiguity", "steps", "logic"])
            equal([b["bucket"] for b in one["buckets"]], ["simple"])
            equal(one["buckets"][0]["learned"], 60)
            arms = {a["arm"]: a for a in one["buckets"][0]["arms"]}
            equal(set(arms["raw/good"]["weights"]), {"(constant)", *one["features"]})
            check(arms["raw/good"]["score"] > 0.9 > 0.3 > arms["raw/bad"].get("score", 0), arms)


def test_a_parameter_of_the_policy_that_is_wrong_is_named():
    for params, word in (
        ({"by": "mood"}, "policies.bandit.by"),
        ({"learn_from": "the moon"}, "policies.bandit.learn_from"),
        ({"method": "greedy"}, "policies.bandit.method: must be one of thompson, linucb, not 'greedy'"),
        ({"discount": 2}, "policies.bandit.discount: must be a number from 0.5 to 1"),
    ):
        with folder() as here:
            path = Path(here, "baton.lua")
            path.write_text(settings(policies={"bandit": params}, state="none"))
            done = baton("check", str(path))
        equal(done.returncode, 1, done.output)
        check(word in done.output, done.output)
