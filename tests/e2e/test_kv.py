"""kv and cache in the real engine: one truth for all workers, over deaths, reloads and restarts.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

from base import ROOT, check, equal, eventually
from harness import BATON, Gateway, baton, lua, provider

COUNT = """
local kv, llm, policy = require "kv", require "llm", require "policy"
local function run(req)
   local command, key = req.text:match "^(%S+) (%S+)$"
   if command == "get" then return llm.reply { text = tostring(kv.get(key)) } end
   return llm.reply { text = tostring(kv.incr(key, 1, { persist = command == "keep" })) }
end
return policy.define { name = "count", run = run }
"""

SHARE = """
local cache, kv, llm, policy = require "cache", require "kv", require "llm", require "policy"
local task = require "task"
local function run(req)
   local value = cache.fetch(req.text, { ttl = 60 }, function()
      task.sleep(0.3)
      return kv.incr "runs"
   end)
   return llm.reply { text = tostring(value) .. " VERSION" }
end
return policy.define { name = "share", run = run }
"""


def settings(**more):
    return "return " + lua({"providers": {"none": provider("http://127.0.0.1:9/v1")}, **more})


@contextlib.contextmanager
def state_folder():
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        yield folder


def ask(gateway, model, prompt):
    """The text of the answer; None when the worker has died under it."""
    try:
        answer = gateway.chat(model, prompt)
    except (OSError, ValueError, AssertionError):
        return None
    if answer.status != 200:
        return None
    return json.loads(answer.body)["choices"][0]["message"]["content"]


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def at_once(n, f):
    results = [None] * n
    threads = [threading.Thread(target=lambda i=i: results.__setitem__(i, f(i))) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_counter_is_exact_whoever_dies():
    with state_folder() as state, Gateway(
        settings(state=state), {"count": COUNT}, workers=3
    ) as gateway:
        sent, seen, lock = [0], [], threading.Lock()

        def client(_):
            for _ in range(60):
                with lock:
                    sent[0] += 1
                value = ask(gateway, "count", "add n")
                if value is not None:
                    with lock:
                        seen.append(int(value))

        def killer():
            for wanted in (40, 100, 180, 260):
                eventually(lambda: sent[0] >= wanted, "requests", 30)
                victims = children(gateway.pid)
                if victims:
                    os.kill(victims[0], signal.SIGKILL)

        thread = threading.Thread(target=killer)
        thread.start()
        at_once(6, client)
        thread.join()
        eventually(lambda: ask(gateway, "count", "get n"), "an answer after the deaths", 20)
        total = int(ask(gateway, "count", "get n"))
        equal(len(set(seen)), len(seen), "a number was given twice")
        check(len(seen) > 200, len(seen))
        check(max(seen) <= total and len(seen) <= total <= sent[0], (len(seen), total, sent[0]))


def test_what_persists_survives_a_restart():
    with state_folder() as state:
        for round_ in range(1, 4):
            with Gateway(settings(state=state), {"count": COUNT}, workers=2) as gateway:
                equal(ask(gateway, "count", "keep kept"), str(round_))
                equal(ask(gateway, "count", "add lost"), "1")


def test_a_damaged_file_of_values_is_put_aside():
    with state_folder() as folder:
        Path(folder).chmod(0o700)
        Path(folder, "values").write_bytes(b"no values at all")
        with Gateway(settings(), policies={"count": COUNT}, args=["--state", folder]) as gateway:
            eventually(lambda: "values.damaged" in gateway.stderr, "the damage is told")
            equal(ask(gateway, "count", "keep a"), "1")
        equal(Path(folder, "values.damaged").read_bytes(), b"no values at all")
        with Gateway(settings(), policies={"count": COUNT}, args=["--state", folder]) as gateway:
            equal(ask(gateway, "count", "get a"), "1")


def test_what_persists_survives_a_binary_of_another_version():
    """It cannot use the old one's memory, so it reads what was written down."""
    data = Path(BATON).read_bytes()
    check(data.count(b"0.1.0\0"), "no version in the binary")
    with state_folder() as state, tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        program = Path(folder, "baton")
        shutil.copy(BATON, program)
        env = {"BATON_HOME": str(ROOT)}
        with Gateway(
            settings(state=state), {"count": COUNT}, workers=2, program=str(program), env=env
        ) as gateway:
            equal(ask(gateway, "count", "keep kept"), "1")
            fresh = Path(folder, "fresh")
            fresh.write_bytes(data.replace(b"0.1.0\0", b"0.1.9\0"))
            fresh.chmod(0o755)
            old = children(gateway.pid)
            fresh.rename(program)
            os.kill(gateway.pid, signal.SIGUSR2)
            eventually(lambda: not set(old) & set(children(gateway.pid)), "new workers", 20)
            equal(ask(gateway, "count", "keep kept"), "2")


def test_one_flight_for_a_key_in_each_worker_and_the_cache_survives_a_reload():
    with state_folder() as state, Gateway(
        settings(state=state), {"share": SHARE.replace("VERSION", "one")}, workers=1
    ) as gateway:
        equal(set(at_once(12, lambda i: ask(gateway, "share", "key"))), {"1 one"})
        path = Path(gateway.dir, "policies/share.lua")
        path.write_text(SHARE.replace("VERSION", "two"))
        os.kill(gateway.pid, signal.SIGHUP)
        eventually(lambda: ask(gateway, "share", "key") == "1 two", "the cached value in the new one", 20)
        equal(ask(gateway, "share", "other"), "2 two")


def test_files_that_are_loaded_touch_neither():
    for call in ('require("kv").incr "x"', 'require("cache").get "x"'):
        with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
            path = Path(folder, "early.lua")
            path.write_text(f"local x = {call}\n" + COUNT)
            done = baton("check", path)
            equal(done.returncode, 1)
            check("early.lua:1: " in done.output, done.output)
            check("cannot be used while a file is loaded" in done.output, done.output)
