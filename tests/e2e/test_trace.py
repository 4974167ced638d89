"""The trace log, parameters from callers, and --explain: what was decided, tried and paid, for each request.

SPDX-License-Identifier: MIT
"""

import json
import os
import re
import threading
import time
from pathlib import Path

from base import check, equal, eventually, slow
from harness import ROOT, Gateway, Sim, baton, config, provider, sanitized

CAREFUL = """
local llm, policy, task, trace = require "llm", require "policy", require "task", require "trace"
local function run(req, p)
   if p.mode == "race" then
      return task.race {
         function() return llm.chat("sim/mini", req) end,
         function() return llm.chat("sim/pro:latency=5000", req, { label = "slow one" }) end,
      }
   end
   if p.mode == "context" then
      local seen = {}
      for name, value in pairs(req.context) do seen[#seen + 1] = name .. "=" .. tostring(value) end
      return llm.reply { text = table.concat(seen, " ") }
   end
   local reply = llm.stream("sim/mini:503*1", req, { retries = 1 })
   trace.decide { model = "sim/mini", reason = "it was asked for", confidence = p.threshold,
      candidates = { { model = "sim/pro", why = "dear" } } }
   return reply
end
return policy.define { name = "careful", params = { mode = "once", threshold = 0.5, closed = 1, api_key = "hush" },
   open = { "mode", threshold = { min = 0, max = 1 } }, run = run }
"""


def gateway(sim, args=(), workers=1, **members):
    text = config({"sim": provider(sim.base_url)}, **members)
    return Gateway(text, policies={"careful": CAREFUL}, args=args, workers=workers)


def records(path, n, within=20):
    """The lines of the trace log, at least n of them."""

    def read():
        found = Path(path).read_text().splitlines() if os.path.exists(path) else []
        return found if len(found) >= n else None

    return [json.loads(line) for line in eventually(read, f"{n} lines in {path}", within)]


def decisions_of(sim, model):
    """What the policy 'fallback' decides with this model before sim/mini."""
    own = {"fallback": {"model": model, "fallback": ["sim/mini:503", "sim/mini"]}}
    with gateway(sim, trace_log="t.jsonl", policies=own) as engine:
        equal(engine.chat("fallback", "What is the capital of Australia?").status, 200)
        return records(os.path.join(engine.dir, "t.jsonl"), 1)[0]["decisions"]


def test_who_was_rejected_and_why():
    with Sim() as sim:
        picked = decisions_of(sim, {"prefer": "quality"})
        equal([(d["model"], d["reason"]) for d in picked], [("sim/pro", "the best that fits and is ready")])
        equal({c["why"] for c in picked[0]["candidates"]}, {"not as good"})
        instead = decisions_of(sim, "sim/pro:503")
        failed = [{"model": "sim/pro:503", "why": "overloaded"}, {"model": "sim/mini:503", "why": "overloaded"}]
        equal([d["candidates"] for d in instead], [failed[:1], failed])


def test_every_policy_says_who_was_looked_at():
    """Models by their full names, the others and why not; what answers is among what was decided."""
    quiet = {"direct", "fallback", "chain", "expected", "guardrail", "privacy"}  # one model each here: no choice
    own = {"bandit": {"worth": 0}}
    with Sim() as sim, gateway(sim, trace_log="t.jsonl", policies=own) as engine:
        names = sorted(p.stem for p in (ROOT / "policies").glob("[a-z]*.lua"))
        for name in names:
            equal(engine.chat(name, "What is the capital of Australia?").status, 200, name)
        lines = {r["policy"]: r for r in records(os.path.join(engine.dir, "t.jsonl"), len(names))}
    for name in names:
        decisions = lines[name]["decisions"]
        others = [c for d in decisions for c in d.get("candidates", [])]
        check(name in quiet or decisions and others, (name, decisions))
        for decision in decisions:
            if "bandit" not in decision:  # arms are no models
                check(str(decision["model"]).startswith("sim/"), (name, decision))
                check(all(c["model"].startswith("sim/") and c["why"] for c in decision.get("candidates", [])), decision)
        check(name in quiet or lines[name]["answered_by"] in [d["model"] for d in decisions], lines[name])


def test_the_parameters_of_a_chain_s_parts_are_told():
    own = {"guardrail": {"cap": 9}}
    with Sim() as sim, gateway(sim, trace_log="t.jsonl", policy=["guardrail", "careful"], policies=own) as engine:
        answer = engine.chat("auto", "What is the capital of Australia?", {"x-baton-param-threshold": "0.75"})
        equal(answer.status, 200, answer)
        (line,) = records(os.path.join(engine.dir, "t.jsonl"), 1)
    parts = {n["note"]["part"]: n["note"]["params"] for n in line["notes"] if "part" in n["note"]}
    equal((parts["guardrail"]["cap"], parts["guardrail"]["patience"]), (9, 8), parts)
    equal((parts["careful"]["threshold"], parts["careful"]["api_key"]), (0.75, "[hidden]"), parts)


def test_one_line_for_each_request_says_it_all():
    with Sim() as sim, gateway(sim, args=("--trace-log", "trace.jsonl")) as engine:
        path = os.path.join(engine.dir, "trace.jsonl")
        answer = engine.chat(
            "careful", "What is the capital of Australia?", {"x-baton-param-threshold": "0.75"}
        )
        equal(answer.status, 200, answer)
        (line,) = records(path, 1)
        equal(line["v"], 1)
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line)
        equal(line["trace"], answer.header("x-baton-trace"))
        equal(line["request_id"], answer.header("x-request-id"))
        equal(f"{line['policy']}@{line['generation']}", answer.header("x-baton-policy"))
        equal(line["params"], {"mode": "once", "threshold": 0.75, "closed": 1, "api_key": "[hidden]"})
        equal(line["overridden"], ["threshold"])
        (decision,) = line["decisions"]
        equal(decision["candidates"], [{"model": "sim/pro", "why": "dear"}])
        equal((decision["model"], decision["confidence"]), ("sim/mini", 0.75))
        first, second = line["attempts"]
        equal((first["outcome"], first["error"], first["status"]), ("error", "overloaded", 503))
        equal((second["outcome"], second["status"], second["retry"]), ("ok", 200, 1))
        check(second["input_tokens"] > 0 and second["cached_tokens"] == 0, second)
        check(second["at_ms"] > first["at_ms"] and second["ms"] > 0, line)
        equal(line["cost_usd"], float(answer.header("x-baton-cost-usd")))
        equal((line["calls"], line["outcome"], line["status"]), (2, "ok", 200))
        equal((line["model"], line["door"], line["path"]), ("careful", "openai", "/v1/chat/completions"))
        raw = Path(path).read_text()
        check("Australia" not in raw and "Canberra" not in raw and "hush" not in raw, raw)


def test_streams_losers_failures_and_clients_that_leave():
    with Sim() as sim, gateway(sim, args=("--trace-log", "t.jsonl")) as engine:
        path = os.path.join(engine.dir, "t.jsonl")
        equal(engine.chat("careful", stream=True).status, 200)
        equal(engine.chat("careful", headers={"x-baton-param-mode": "race"}).status, 200)
        equal(engine.chat("sim/mini:500").status, 502)
        client = engine.open_chat("sim/mini:no-answer")
        eventually(lambda: sim.log(model="mini:no-answer") or engine.ask_admin("GET", "/admin/requests").json()["total"], "asked")
        client.close()
        equal(engine.chat("nonsense").status, 404)
        equal(engine.chat("sim/mini:cut", stream=True).status, 200)
        lines = records(path, 6)
        streamed, race, failed, left, unknown, cut = sorted(lines, key=lambda r: r["time"])
        equal((streamed["stream"], streamed["outcome"]), (True, "ok"))
        check(0 < streamed["first_ms"] <= streamed["ms"], streamed)
        check("ttft_ms" in streamed["attempts"][1], streamed)
        loser = next(a for a in race["attempts"] if a["outcome"] == "cancelled")
        equal((loser["model"], loser["label"]), ("sim/pro:latency=5000", "slow one"))
        check(loser["estimated"] and loser["input_tokens"] > 0 and loser["ms"] < 4000 * slow(), loser)
        equal((failed["outcome"], failed["status"], failed["error"]), ("error", 502, "unavailable"))
        equal((left["outcome"], left["attempts"][0]["outcome"]), ("left", "cancelled"))
        check("status" not in left, left)
        equal((unknown["outcome"], unknown["model"], unknown["status"]), ("error", "nonsense", 404))
        equal((cut["outcome"], cut["error"]), ("broken", "bad_response"))


def test_lines_of_workers_are_whole_and_the_file_can_be_rotated():
    with Sim() as sim, gateway(sim, trace_log="t.jsonl", workers=2) as engine:
        path = os.path.join(engine.dir, "t.jsonl")

        def ask(n):
            for _ in range(n):
                equal(engine.chat("sim/mini").status, 200)

        crowd = [threading.Thread(target=ask, args=(15,)) for _ in range(6)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        equal(len({r["trace"] for r in records(path, 90)}), 90)
        os.rename(path, path + ".1")
        ask(4)
        equal(len(records(path, 4)), 4)
        equal(len(records(path + ".1", 90)), 90)


def test_a_reload_changes_the_file_and_a_bad_one_is_refused():
    with Sim() as sim, gateway(sim, args=("--no-watch",)) as engine:
        equal(engine.chat("sim/mini").status, 200)
        lua = Path(engine.dir, "baton.lua")
        good = lua.read_text()
        lua.write_text(good.replace("return {", 'return { trace_log = "two.jsonl",', 1))
        equal(engine.ask_admin("POST", "/admin/reload").status, 200)
        equal(engine.chat("sim/mini").status, 200)
        equal(len(records(os.path.join(engine.dir, "two.jsonl"), 1)), 1)
        lua.write_text(good.replace("return {", 'return { trace_log = "no/such/folder/x",', 1))
        refused = engine.ask_admin("POST", "/admin/reload")
        equal(refused.status, 422)
        check("baton.lua:1: trace_log: no/such/folder/x: " in refused.json()["error"]["message"], refused)
        equal(engine.chat("sim/mini").status, 200)
        equal(len(records(os.path.join(engine.dir, "two.jsonl"), 2)), 2)
        lua.write_text(good)
        equal(engine.ask_admin("POST", "/admin/reload").status, 200)
        equal(engine.chat("sim/mini").status, 200)
        time.sleep(0.2)
        equal(len(records(os.path.join(engine.dir, "two.jsonl"), 2)), 2)
    done = baton("serve", "--listen", "127.0.0.1:0", "--trace-log", "/no/such/folder/x")
    equal(done.returncode, 2, done.output)
    check("--trace-log: /no/such/folder/x: No such file" in done.stderr, done.output)


def test_a_full_disk_costs_lines_not_requests():
    with Sim() as sim, gateway(sim, args=("--trace-log", "/dev/full")) as engine:
        for _ in range(20):
            equal(engine.chat("sim/mini").status, 200)

        def dropped():
            page = engine.ask_admin("GET", "/metrics").body.decode()
            return re.search(r'^baton_trace_log_dropped_total\{worker="0"\} 20$', page, re.M)

        eventually(dropped, "the metrics count what was dropped")
        eventually(lambda: engine.log(message="lines of the trace log were dropped"), "the log says so")
        (line,) = engine.log(message="lines of the trace log were dropped")[:1]
        equal((line["file"], line["reason"]), ("/dev/full", "No space left on device"))


def test_a_disk_that_hangs_holds_nobody():
    with Sim() as sim, gateway(sim, args=("--trace-log", "pipe")) as engine:
        # the engine has made a file; a pipe that nobody reads takes its place
        path = os.path.join(engine.dir, "pipe")
        equal(engine.chat("sim/mini").status, 200)
        records(path, 1)
        os.unlink(path)
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        begun = time.monotonic()
        for _ in range(150):  # more than a pipe holds
            equal(engine.chat("sim/mini").status, 200)
        if not sanitized():
            check(time.monotonic() - begun < 15, time.monotonic() - begun)
        os.close(reader)


# ---- what callers say -----------------------------------------------------------------------------


DOORS = (
    ("/v1/chat/completions", lambda m: {"model": m, "messages": [{"role": "user", "content": "Hi"}]}, "metadata"),
    ("/v1/responses", lambda m: {"model": m, "input": "Hi"}, "metadata"),
    ("/v1/messages", lambda m: {"model": m, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}, "metadata"),
    ("/v1beta/models/{}:generateContent", lambda m: {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, "labels"),
    ("/api/chat", lambda m: {"model": m, "stream": False, "messages": [{"role": "user", "content": "Hi"}]}, "metadata"),
    ("/v1/completions", lambda m: {"model": m, "prompt": "Hi"}, "metadata"),
)


def test_every_door_takes_hints_and_parameters():
    with Sim() as sim, gateway(sim, args=("--trace-log", "t.jsonl")) as engine:
        seen = 0
        for path, body, member in DOORS:
            path = path.format("careful")
            members = {**body("careful"), member: {"domain": "law", "user_id": "u1", "mode": "context"}}
            answer = engine.request(
                path=path, body=json.dumps(members).encode(), headers={"X-Baton-Param-Threshold": "0.25"}
            )
            equal(answer.status, 200, (path, answer.body.decode()))
            for hint in ("domain=law", "user_id=u1", "mode=context", "threshold=0.25"):
                check(hint in answer.body.decode(), (path, hint, answer.body.decode()))
            seen += 1
            line = records(os.path.join(engine.dir, "t.jsonl"), seen)[-1]
            equal(line["overridden"], ["mode", "threshold"], path)
            equal(line["params"]["threshold"], 0.25, path)
            bad = engine.request(
                path=path, body=json.dumps(body("careful")).encode(), headers={"x-baton-param-threshold": "2"}
            )
            seen += 1
            equal(bad.status, 400, (path, bad.body.decode()))
            check("x-baton-param-threshold: must be a number from 0 to 1, not '2'" in bad.body.decode(), (path, bad.body.decode()))


def test_closed_parameters_are_named_and_others_are_hints():
    with Sim() as sim, gateway(sim) as engine:
        closed = engine.chat("careful", headers={"x-baton-param-closed": "1"})
        equal((closed.status, closed.json()["error"]["param"]), (400, "x-baton-param-closed"))
        check("does not let callers set" in closed.json()["error"]["message"], closed.body.decode())
        many = engine.chat("careful", headers={f"x-baton-param-p{i}": "1" for i in range(60)})
        equal(many.status, 400)
        long = engine.chat("careful", headers={"x-baton-param-mode": "x" * 2000})
        equal(long.status, 400)
        check("longer than 1024 bytes" in long.body.decode(), long.body.decode())
        equal(engine.chat("careful", headers={"x-baton-param-" + "n" * 500: "x"}).status, 400)
        equal(engine.chat("careful", metadata={"closed": 9, "other": "x"}).status, 200)
        equal(len(sim.log(model="mini")), 0)  # nothing wrong reached a provider
        equal(engine.chat("sim/mini", headers={"x-baton-param-tone": "1"}).status, 200)
        hints = engine.chat("careful", headers={"x-baton-param-mode": "context", "x-baton-param-Customer-Of": "law"})
        equal(sorted(hints.text().split()), ["customer_of=law", "mode=context"])
        engine.chat("careful", headers={"x-baton-param-mode": "context", "x-baton-param-Customer-Of": "law"})
        engine.chat("careful", headers={"x-baton-param-last": "1"})

        def told():
            lines = engine.log(message="a header field names no parameter of the policy: it is a hint")
            fields = [line["fields"]["field"] for line in lines if line["fields"]["policy"] == "careful"]
            return [field for field in fields if not re.search("-p[0-9]+$", field)]

        eventually(lambda: "x-baton-param-last" in told(), "the log tells a hint")
        equal(told(), ["x-baton-param-customer-of", "x-baton-param-last"])  # each once


# ---- the command line -------------------------------------------------------------------------------


def test_ask_explains():
    done = baton("ask", "--explain", "-p", "cascade", "--param", "threshold=0.9", "What is the capital of Australia?")
    equal(done.returncode, 0, done.output)
    for what in (
        r"^Canberra$", r"^-- policy cascade, generation [0-9a-f]{12}$", r"^--   threshold = 0.9 \(set by the caller\)$",
        r"^-- +\d+ ms  call    sim/mini: ok, \d+ tokens in \(0 cached\), 1 out, \$0\.0000\d\d, \d+ ms$",
        r"^-- +\d+ ms  decide  sim/mini: good enough \(confidence 1\.00\); not sim/pro \(not needed",
    ):
        check(re.search(what, done.stdout, re.M), (what, done.output))
    failed = baton("ask", "--explain", "-m", "sim/mini:503", "Hi")
    equal(failed.returncode, 1)
    check(re.search(r"sim/mini:503: error, overloaded 503", failed.stdout), failed.output)
    plain = baton("ask", "-p", "cascade", "Hi")
    check("-- policy" not in plain.stdout and plain.returncode == 0, plain.output)


def test_ask_refuses_wrong_parameters():
    for param, status, message in (
        ("threshold=7", 1, "--param threshold: must be a number from 0 to 1, not '7'"),
        ("ladder=x", 1, "--param ladder: policy 'cascade' does not let callers set this parameter"),
        ("threshold", 2, "--param threshold: must be NAME=VALUE"),
    ):
        done = baton("ask", "-p", "cascade", "--param", param, "Hi")
        equal(done.returncode, status, done.output)
        check(message in done.stderr, done.output)
