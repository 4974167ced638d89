"""Sessions in the real engine: conversations stay on their model, whichever worker answers.

SPDX-License-Identifier: MIT
"""

import json
import os
import signal
from pathlib import Path

from base import check, equal, eventually
from crew import workers
from harness import Gateway, Sim, config, provider

STICKY = """
local llm, policy, session = require "llm", require "policy", require "session"
local function run(req)
   local s = session.of(req)
   if req.text == "who" then return llm.reply { text = tostring(s.id) .. " " .. tostring(s:model()) } end
   local turns = (s:get().turns or 0) + 1
   s:remember { turns = turns }
   local first = req.text == "start with base" and { "sim/base", "sim/mini" } or { "sim/mini", "sim/base" }
   local reply, err = s:stick(first, function(target) return llm.stream(target, req) end)
   return reply, err
end
return policy.define { name = "sticky", run = run }
"""


def engine(sim, workers=2, args=(), **members):
    return Gateway(
        config({"sim": provider(sim.base_url)}, **members),
        policies={"sticky": STICKY},
        workers=workers,
        args=args,
    )


def model_of(answer):
    equal(answer.status, 200, answer)
    return answer.header("x-baton-model")


def test_a_conversation_stays_on_its_model_on_all_workers():
    with Sim() as sim, engine(sim) as gateway:
        session = {"x-session-id": "conversation-1"}
        equal(model_of(gateway.chat("sticky", "start with base", session)), "sim/base")
        for _ in range(20):  # each on a connection of its own: both workers get some
            equal(model_of(gateway.chat("sticky", "go on", session)), "sim/base")
            equal(model_of(gateway.chat("sticky", "go on")), "sim/mini")  # no session
        answered = {w["pid"] for w in gateway.ask_admin("GET", "/admin/workers").json()["workers"]}
        equal(len(answered), 2)
        streamed = gateway.chat("sticky", "go on", session, stream=True)
        equal(model_of(streamed), "sim/base")


def test_sessions_survive_a_reload_and_a_worker():
    with Sim() as sim, engine(sim, args=("--no-watch",)) as gateway:
        session = {"x-conversation-id": "c-2"}
        equal(model_of(gateway.chat("sticky", "start with base", session)), "sim/base")
        path = Path(gateway.policies, "sticky.lua")
        path.write_text(STICKY + "-- another generation\n")
        done = gateway.ask_admin("POST", "/admin/reload")
        equal(done.status, 200, done)
        equal(model_of(gateway.chat("sticky", "go on", session)), "sim/base")
        old = workers(gateway)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: len(set(workers(gateway)) - set(old)) == 2
            and gateway.ask_admin("GET", "/readyz").status == 200,
            "new workers",
        )
        equal(model_of(gateway.chat("sticky", "go on", session)), "sim/base")


def test_the_model_that_fails_is_left():
    with Sim() as sim, engine(sim, workers=1) as gateway:
        session = {"x-claude-code-session-id": "c-3"}
        equal(model_of(gateway.chat("sticky", "start with base", session)), "sim/base")
        gateway.ask_admin("POST", "/admin/breakers", {"model": "sim/base", "state": "open"})
        equal(model_of(gateway.chat("sticky", "go on", session)), "sim/mini")
        gateway.ask_admin("POST", "/admin/breakers", {"model": "sim/base", "state": "auto"})
        equal(model_of(gateway.chat("sticky", "go on", session)), "sim/mini")


def test_every_door_knows_who_asks_and_customers_are_apart():
    with Sim() as sim, engine(sim, keys=["one", "two"], args=("--trace-log", "t.jsonl")) as gateway:

        def ask(path, body, key="one", **headers):
            answer = gateway.request(
                path=path, body=json.dumps(body).encode(), headers={"Authorization": f"Bearer {key}", **headers}
            )
            equal(answer.status, 200, (path, answer))
            return answer.body.decode()

        chat = {"model": "sticky", "messages": [{"role": "user", "content": "who"}]}
        check("u-1 nil" in ask("/v1/chat/completions", {**chat, "user": "u-1"}), "user")
        message = {**chat, "max_tokens": 9}
        check("m-1 nil" in ask("/v1/messages", {**message, "metadata": {"user_id": "m-1"}}), "metadata")
        respond = {"model": "sticky", "input": "who", "user": "r-1"}
        check("r-1 nil" in ask("/v1/responses", respond), "responses")
        session = {"x-session-id": "s-1"}
        gemini = {"contents": [{"role": "user", "parts": [{"text": "who"}]}]}
        check("s-1 nil" in ask("/v1beta/models/sticky:generateContent", gemini, **session), "gemini")
        check("s-1 nil" in ask("/api/chat", {**chat, "stream": False}, **session), "ollama")
        ask("/v1/chat/completions", {**chat, "messages": [{"role": "user", "content": "hello"}]}, **session)
        check("s-1 sim/mini" in ask("/v1/chat/completions", chat, **session), "the same customer")
        check("s-1 nil" in ask("/v1/chat/completions", chat, key="two", **session), "another customer")

        def lines():
            text = Path(gateway.dir, "t.jsonl").read_text()
            return [json.loads(line) for line in text.splitlines()] if text.count("\n") == 8 else None

        records = eventually(lines, "the trace log")
        sessions = [r.get("session") for r in records if r["path"] == "/v1/chat/completions"]
        equal(len(set(sessions)), 3)  # u-1, s-1 of the one, s-1 of the other: as hashes
        check(all(len(s) == 16 for s in sessions), sessions)
        check("s-1" not in Path(gateway.dir, "t.jsonl").read_text(), "ids of users stay out of it")
