"""Isolation: what a policy does, by mistake or on purpose, stays with its own request.

SPDX-License-Identifier: MIT
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import harness
from base import Skip, alone, check, equal, eventually, slow
from client import Stream, request
from harness import baton, behind, clean_env, config, provider, sanitized
from upstream import DONE, completion, event, words

HEAD = """
local clock, json, llm, log = require "clock", require "json", require "llm", require "log"
local policy, task, trace = require "policy", require "task", require "trace"
local kept
"""


def define(name, body, params="{}"):
    return (
        f'{HEAD}\nreturn policy.define {{ name = "{name}", params = {params}, '
        f"run = function(req, p)\n{body}\nend }}\n"
    )


@contextlib.contextmanager
def own(bodies, play=None, **members):
    """A gateway with policies of these bodies, in front of a provider that says "ok"."""
    policies = {name: define(name, body) for name, body in bodies.items()}
    with behind(play or (lambda x: x.reply(completion())), policies, **members) as place:
        yield place


def slowly(x):
    """A stream of "a", "b" and "c", a third of a second apart."""
    if not x.json().get("stream"):
        x.reply(completion())
        return
    x.stream(event({"content": "a"}), end=False)
    for part in (event({"content": "b"}), event({"content": "c"}), event(finish="stop") + DONE):
        time.sleep(0.3)
        x.part(part)
    x.send(b"0\r\n\r\n")


# ---- each is ended by its limit, and beside it others are served ---------------------------------

KEYS = 'local t = {} for i = 1, 100000 do t["k" .. i] = true end\n'
DEEP = "local deep = {} for i = 1, 60000 do deep = { %s } end\n"
CJSON = 'local cjson = require "cjson"\n'
WRITES = 'local long = ("\\1"):rep(2000000)\n'

HOSTILE = {
    "spins": "while true do pcall(task.all, { function() for i = 1, 2e6 do end end }) end",
    "spins_idly": "while true do pcall(task.all, { function() return 1 end }) end",
    "races": """
        while true do
           task.race { function() return 1 end, function() task.sleep(9) end }
        end""",
    "hurries": "while true do pcall(task.within, 1, function() for i = 1, 1e5 do end end) end",
    "naps": "while true do for i = 1, 1e5 do end task.sleep(0) end",
    "swallows": """
        for i = 1, 1000 do pcall(task.all, { function() while true do end end }) end
        return llm.chat("raw/x", req)""",
    "swallows_in_a_race": """
        pcall(task.race, { function() while true do end end })
        return llm.chat("raw/x", req)""",
    "swallows_memory": """
        for i = 1, 1000 do
           pcall(task.all, { function() local s = {} for k = 1, 1e9 do s[k] = { k } end end })
        end
        return llm.chat("raw/x", req)""",
    "shares_out": """
        local t = {}
        for i = 1, 100 do
           t[i] = function() local s = ("x"):rep(1000000 + i) task.sleep(5) return #s end
        end
        return task.all(t)""",
    "multiplies": """
        local function many()
           local t = {}
           for i = 1, 256 do t[i] = many end
           task.sleep(0)
           return task.all(t)
        end
        many()""",
    "closes": """
        local x <close> = setmetatable({}, { __close = function()
           while true do pcall(task.all, { function() end }) end
        end })
        return llm.chat("raw/x", req)""",
    "closes_in_a_child": """
        pcall(task.all, { function()
           local x <close> = setmetatable({}, { __close = function() while true do end end })
           error "x"
        end })
        return llm.chat("raw/x", req)""",
    "nexts": KEYS + "local k = next(t) while k do k = next(t, k) end",
    "firsts": KEYS + "while true do next(t) end",
    "pairs": KEYS + "while true do for k in pairs(t) do break end end",
    "cjson_sparse": CJSON
    + "cjson.encode_sparse_array(true, 10, 1 << 30)\n"
    + "while true do pcall(cjson.encode, { [3000000] = 1 }) end",
    "cjson_escapes": CJSON + WRITES + "while true do pcall(cjson.encode, { long }) end",
    "cjson_instances": WRITES
    + 'local all = {} for i = 1, 1e9 do all[i] = require "cjson" pcall(all[i].encode, { long }) end',
    "cjson_failing": WRITES
    + 'while true do pcall(require "cjson".encode, { long, print }) end',
    "cjson_deep": CJSON + DEEP % "deep" + "while true do pcall(cjson.encode, deep) end",
    "cjson_deep_keys": CJSON + DEEP % "[deep] = 1" + "while true do pcall(cjson.encode, deep) end",
    "json_deep": DEEP % "deep" + "while true do pcall(json.encode, deep) end",
    "readonly_deep": DEEP % "deep" + 'while true do pcall(require "readonly", deep) end',
    "prints": 'local s = ("x"):rep(3000000) while true do print(s) end',
    "logs": 'local s = ("x"):rep(1900) while true do log.warn(s, { s = s }) end',
    "notes": 'local s = ("x"):rep(1900) while true do trace.note(s) end',
    "copies": "local all = {} for i = 1, 1e9 do all[i] = req:with { temperature = i } end",
    "copies_failing": WRITES + "while true do pcall(req.with, req, { x = long, y = print }) end",
    "texts_failing": WRITES
    + """
        req.messages = { { role = "user", content = long, x = print } }
        while true do pcall(function() return req.text end) end""",
    "calls_failing": WRITES
    + 'while true do pcall(llm.chat, "raw/x", long, { timeout = 0 }) end',
    "sprawls": """
        local s = ("a"):rep(100)
        local function down(n) return (s:gsub("a", function() return down(n + 1) end)) end
        while true do pcall(down, 1) end""",
}

TIGHT = {"cpu_slice_ms": 100, "cpu_total_ms": 600, "task_bytes": 32 << 20}


def judge(gateway, name, before):
    begin = time.monotonic()
    with gateway.open_chat(name, timeout=40) as hostile:
        slowest = 0.0
        for _ in range(4):
            at = time.monotonic()
            equal(gateway.chat("raw/echo").status, 200, f"beside {name}")
            slowest = max(slowest, time.monotonic() - at)
        answer = hostile.answer()
    if not sanitized():
        grown = (gateway.rss() - before) / 1e6
        check(grown < 150, f"{name}: {grown:.0f} MB more")
    took = time.monotonic() - begin
    check(answer is not None, f"{name}: no answer")
    equal(answer.status, 500, f"{name}: {answer}")
    equal(answer.error()["code"], "budget", f"{name}: {answer}")
    check("over the limit of" in answer.error()["message"], f"{name}: {answer}")
    check(took < 10 * slow(), f"{name} took {took:.1f} s")
    check(slowest < 1.5 * slow(), f"beside {name} a request took {slowest:.1f} s")


@alone
def test_each_hostile_policy_is_ended_by_its_limit_while_others_are_served():
    problems = []
    with own(HOSTILE, limits=TIGHT, log="error") as (_, gateway):
        equal(gateway.chat("raw/echo").status, 200)
        before = gateway.rss()
        for name in HOSTILE:
            try:
                judge(gateway, name, before)
            except (AssertionError, OSError) as e:
                problems.append(f"{name}: {e}")
                check(gateway.alive(), lambda: "\n".join(problems) + gateway._drained()[-3000:])
        check(not problems, lambda: "\n".join(problems))


def test_a_hostile_policy_does_not_keep_the_engine_from_ending():
    limits = {"drain_timeout": 0.2, "cpu_total_ms": 60000}
    for name in ("spins", "naps", "races"):
        with own({name: HOSTILE[name]}, limits=limits) as (_, gateway):
            with gateway.open_chat(name):
                equal(gateway.chat("raw/echo").status, 200)
                gateway.stop()
            harness._running.add(gateway)
            gateway.stop = lambda: None


def test_what_is_left_of_an_ended_policy_does_not_hurt_the_next():
    bodies = {
        "loops": "while true do end",
        "overflows": 'local s = "x" while true do s = s .. s end',
        "fine": """
            local parts = task.all {
               function() return (pcall(error, "x")) == false end,
               function() task.sleep(0) return true end,
            }
            local sorted = { 3, 1, 2 }
            table.sort(sorted, function(a, b) return a < b end)
            return llm.reply { text = tostring(parts[1] and parts[2] and sorted[1] == 1) }""",
    }
    with own(bodies, limits={"cpu_slice_ms": 10, "task_bytes": 4 << 20}, log="error") as (_, gateway):
        for i in range(60):
            equal(gateway.chat("overflows" if i % 3 == 0 else "loops").status, 500)
            answer = gateway.chat("fine")
            equal((answer.status, answer.text()), (200, "true"), repr(answer))


# ---- nothing that one request writes is seen by another ------------------------------------------


def test_parameters_are_as_configured_for_every_request():
    body = """
        local said = #p.ladder .. " " .. p.deep.er.x
        table.remove(p.ladder, 1)
        p.deep.er.x, p.deep, p.more = 9, nil, 1
        return llm.reply { text = said }"""
    policies = {"ladder": define("ladder", body, '{ ladder = { "a", "b" }, deep = { er = { x = 1 } } }')}
    with behind(lambda x: x.reply(completion()), policies) as (_, gateway):
        for _ in range(3):
            equal(gateway.chat("ladder").text(), "2 1")


def test_a_policy_cannot_change_what_others_use():
    attempts = {
        "run": 'require "policies".direct.run = function() return llm.reply { text = "stolen" } end',
        "pairs": """
            local _, all = pairs(require "policies")
            local _, direct = pairs(all.direct)
            direct.run = function() return llm.reply { text = "stolen" } end""",
        "globals": 'local _, all = pairs(_G) all.tostring = function() return "stolen" end',
        "strings": 'local _, all = pairs(string) all.format = function() return "stolen" end',
        "streams": """
            local stream = llm.stream("raw/x", "x", { stream = true })
            stream.__index.reply = function() return llm.reply { text = "stolen" } end""",
        "replies": """
            local meta = getmetatable(llm.reply { text = "x" })
            meta.__index = function() return "stolen" end""",
        "models": 'require "models".resolve("raw/priced").input = 0',
        "catalog": 'require "catalog".models["openai/gpt-4o-mini"].input = 0',
        "config": 'require "config".aliases.mine = "raw/x"',
        "pasts": 'llm.chat("raw/priced", "x").codec.decode = function() return {} end',
    }
    prices = {"raw/priced": {"tier": "fast", "input": 10, "output": 10}}
    with own(attempts, play=slowly, models=prices) as (_, gateway):
        for name in attempts:
            equal(gateway.chat(name).status, 500, name)
            answer = gateway.chat("raw/priced")
            equal((answer.status, answer.text()), (200, "ok"), f"after {name}: {answer}")
            check(float(answer.header("x-baton-cost-usd")) > 0, f"after {name}: {answer.headers}")
            said = Stream(gateway.chat("raw/x", stream=True).body)
            equal((said.text, said.done), ("abc", True), f"after {name}")


def test_a_module_that_failed_once_fails_the_same_way_again():
    policies = {
        "lazy": define("lazy", 'return llm.reply { text = require("_helper").text }'),
        "_helper": 'local clock = require "clock"\nerror("not on a " .. type(clock))\n',
    }
    with behind(lambda x: x.reply(completion()), policies) as (_, gateway):
        for _ in range(3):
            answer = gateway.chat("lazy")
            equal(answer.status, 500)
            check("not on a table" in answer.error()["message"], repr(answer))


# ---- streams belong to their request -------------------------------------------------------------


def test_a_stream_kept_by_one_request_is_refused_to_another():
    body = """
        if not kept then
           kept = llm.stream("raw/x", req, { stream = true })
           task.sleep(0.5)
           return kept
        end
        return kept"""
    for stream in (False, True):
        with own({"shares": body}, play=slowly) as (upstream, gateway):
            with gateway.open_chat("shares", stream=True) as holder:
                upstream.received()
                thief = gateway.chat("shares", stream=stream)
                answer = holder.answer()
            if thief.status == 200:
                check(Stream(thief.body).error, lambda: f"the thief got {thief}")
            else:
                equal(thief.status, 500, repr(thief))
            said = Stream(answer.body)
            equal((said.text, said.done, said.error), ("abc", True, None), repr(answer))
            check(gateway.alive(), "dead")


def test_a_stream_whose_task_was_stopped_ends_in_an_error():
    body = """
        local stream
        task.race {
           function() stream = llm.stream("raw/x", req, { stream = true }) task.sleep(9) end,
           function() task.sleep(0.2) return true end,
        }
        return stream"""
    with own({"cut": body}, play=slowly) as (_, gateway):
        for stream in (False, True):
            answer = gateway.chat("cut", stream=stream)
            if answer.status == 200:
                said = Stream(answer.body)
                check(stream and said.error and not said.done, f"a clean end: {answer}")
            else:
                equal(answer.status, 500, repr(answer))


def test_a_wait_on_a_stream_ends_with_its_task():
    body = """
        local stream = llm.stream("raw/x", req, { stream = true })
        for i = 1, 3 do
           task.race { function() stream:next() end, function() task.sleep(0.02) return 1 end }
           local garbage = {} for k = 1, 2000 do garbage[k] = ("x"):rep(k) end
        end
        task.sleep(0.5)
        return stream:reply()"""
    with own({"waits": body}, play=slowly) as (_, gateway):
        for stream in (False, True):
            answer = gateway.chat("waits", stream=stream)
            text = Stream(answer.body).text if stream else answer.text()
            equal((answer.status, text), (200, "abc"), repr(answer))


def test_a_stream_that_was_read_from_is_not_sent_without_its_beginning():
    bodies = {
        "peeks": 'local s = llm.stream("raw/x", req, { stream = true }) s:next() return s',
        "gathers": 'local s = llm.stream("raw/x", req, { stream = true }) s:next() return s:reply()',
    }
    with own(bodies, play=slowly) as (_, gateway):
        for stream in (False, True):
            answer = gateway.chat("peeks", stream=stream)
            equal(answer.status, 500, repr(answer))
            check("stream:reply()" in answer.error()["message"], repr(answer))
            answer = gateway.chat("gathers", stream=stream)
            text = Stream(answer.body).text if stream else answer.text()
            equal((answer.status, text), (200, "abc"), repr(answer))


def test_closing_handlers_of_a_failed_policy_still_have_their_request():
    body = """
        local x <close> = setmetatable({}, { __close = function()
           log.info("closing", { id = trace.id() })
           trace.note "closing"
        end })
        %s"""
    bodies = {"fails": body % 'error "boom"', "stops": body % 'return llm.chat("raw/x", req)'}
    with own(bodies, play=lambda x: x.wait_left()) as (upstream, gateway):
        answer = gateway.chat("fails")
        equal(answer.status, 500)
        check("boom" in answer.error()["message"], repr(answer))
        with gateway.open_chat("stops"):
            upstream.received()
        eventually(lambda: gateway.stderr.count('"message":"closing"') == 2, "both handlers in the log")
        for line in gateway.stderr.splitlines():
            if '"message":"closing"' in line:
                check('"id":""' not in line, line)


# ---- what providers send -------------------------------------------------------------------------


def choice(index, delta=None, finish=None):
    return {"index": index, "delta": delta or {}, "finish_reason": finish}


def test_one_of_two_answers_finished_is_not_the_end():
    def play(x):
        x.stream(
            event(choices=[choice(0, {"content": "zero"})]),
            event(choices=[choice(1, {"content": "one"})]),
            event(choices=[choice(0, finish="stop")]),
            end=False,
        )
        if x.json()["model"] == "cut":
            x.close()
        else:
            x.send(b"0\r\n\r\n")

    with behind(play) as (_, gateway):
        for model in ("cut", "short"):
            said = Stream(gateway.chat(f"raw/{model}", stream=True, n=2).body)
            check(said.error and not said.done, f"{model}: taken for a complete answer")


def test_much_that_comes_before_the_first_content_does_not_block():
    def play(x):
        x.stream(event(junk="x" * 400000), end=False)
        time.sleep(0.1)
        for part in words("at ", "last"):
            x.part(part)
        x.send(b"0\r\n\r\n")

    with behind(play) as (_, gateway):
        said = Stream(gateway.chat("raw/x", stream=True, timeout=8).body)
        equal((said.text, said.done), ("at last", True))


def test_usage_that_only_the_policy_s_request_asked_for_is_not_sent_on():
    def play(x):
        equal(x.json()["stream_options"], {"include_usage": True})
        x.stream(*words("a", "b", done=False), event(choices=[], usage={"prompt_tokens": 1}), DONE)

    body = 'return llm.stream("raw/x", { messages = req.messages }, { stream = true })'
    with own({"tables": body}, play=play) as (_, gateway):
        answer = gateway.chat("tables", stream=True)
        check(b"usage" not in answer.body, repr(answer))
        equal((Stream(answer.body).text, Stream(answer.body).done), ("ab", True))
        answer = gateway.chat("tables", stream=True, stream_options={"include_usage": True})
        equal(Stream(answer.body).usage, {"prompt_tokens": 1}, repr(answer))


# ---- memory and the log --------------------------------------------------------------------------


def test_bodies_of_ended_requests_are_let_go():
    if sanitized():
        raise Skip("built with a sanitizer")
    bodies = {
        "fixed": 'return llm.reply { text = "ok" }',
        "copies": """
            for i = 1, 40 do local copy = req:with { temperature = i } end
            return llm.reply { text = tostring(#req:json() > 2000000) }""",
    }
    with own(bodies, log="error") as (_, gateway):
        for name in bodies:
            for _ in range(10):
                gateway.chat(name, junk="y" * 2_000_000)
            before, peak = gateway.rss(), 0
            for _ in range(100):
                equal(gateway.chat(name, junk="y" * 2_000_000).status, 200)
                peak = max(peak, gateway.rss())
            check(peak - before < 30e6, f"{name}: {(peak - before) / 1e6:.0f} MB more on the way")
            equal(gateway.chat("fixed").status, 200, "afterwards")


@contextlib.contextmanager
def unread(policies):
    """A gateway whose standard error is a pipe that nobody reads: its address."""
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        Path(folder, "baton.lua").write_text(config({"raw": provider("http://127.0.0.1:9/v1")}))
        harness.write_policies(os.path.join(folder, "policies"), policies)
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        process = subprocess.Popen(
            [harness.BATON, "serve", "--listen", "127.0.0.1:0", "--policies", "policies"],
            env=clean_env(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writer,
        )
        os.close(writer)
        try:
            process.stdout.readline()  # where the admin API is
            line = process.stdout.readline().decode()
            if "admin API" in line:
                line = process.stdout.readline().decode()
            check("listening on http://" in line, f"not ready: {line}")
            yield line.split("http://")[1].strip().rstrip("/"), process, reader
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            os.close(reader)


def test_a_log_that_nobody_reads_stops_nothing():
    body = 'log.warn(("x"):rep(1900)) return llm.reply { text = "ok" }'
    with unread({"noisy": define("noisy", body)}) as (address, process, reader):
        raw = harness.chat_body("noisy")
        for i in range(1500):
            answer = request(address, "POST", "/v1/chat/completions", raw, timeout=10)
            equal(answer.status, 200, f"request {i}")
        lines = []

        def follow():
            with open(reader, "rb", closefd=False) as pipe:
                lines.extend(pipe)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        eventually(lambda: len(lines) > 10, "the lines that were kept")
        process.terminate()
        equal(process.wait(15 * slow()), 0)
        thread.join(5)
        for line in lines:
            check(line.startswith(b'{"time":') and line.endswith(b"}\n"), f"torn: {line[:200]}")
        check(len(lines) > 400, f"{len(lines)} lines were kept")
        check(any(b"lines_dropped_before" in line for line in lines), "nothing says what is missing")


# ---- configuration and files ---------------------------------------------------------------------


def test_aliases_that_lead_back_to_themselves_are_told_at_once():
    for aliases in ({"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}):
        with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
            text = config({"raw": provider("http://127.0.0.1:9/v1")}, aliases=aliases)
            Path(folder, "baton.lua").write_text(text)
            for command in (["check"], ["serve", "--listen", "127.0.0.1:0"]):
                done = baton(*command, cwd=folder)
                equal(done.returncode, 1, f"{command} {aliases}: {done.output}")
                check("leads back to itself" in done.output, f"{command} {aliases}: {done.output}")


def test_a_file_is_not_made_behind_a_link_out_of_the_folder():
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        inside, outside = Path(folder, "inside"), Path(folder, "outside")
        inside.mkdir(), outside.mkdir()
        (inside / "dangling").symlink_to(outside / "new")
        (outside / "old").write_text("old")
        (inside / "link").symlink_to(outside / "old")
        (inside / "up").symlink_to(outside)
        os.mkfifo(inside / "fifo")
        names = ("dangling", "link", "up/new", "../outside/new", "fifo", "fine")
        script = Path(folder, "write.lua")
        script.write_text(
            'local fs = require "fs"\nfor _, name in ipairs(arg) do\n'
            "   for _, f in ipairs { fs.write, fs.append } do\n"
            '      local ok, err = f(name, "x") print(name, ok, err and err.code)\n   end\nend\n'
        )
        paths = [str(inside / name) for name in names]
        done = baton("run", "--allow-write", inside, script, *paths, cwd=folder)
        equal(done.returncode, 0, done.output)
        for name, path in zip(names, paths):
            good = done.stdout.count(f"{path}\ttrue")
            equal(good, 2 if name == "fine" else 0, done.output)
        equal(sorted(p.name for p in outside.iterdir()), ["old"])
        equal((outside / "old").read_text(), "old")
        equal((inside / "fine").read_text(), "xx")
