"""Edges: what no ordinary request meets, and somebody's will.

SPDX-License-Identifier: MIT
"""

import tempfile
import threading
from pathlib import Path

from base import check, equal
from harness import Gateway, baton, behind, clean_env, config, provider
from upstream import Provider, completion, event

STUBBORN = "while true do pcall(function() while true do end end) end\n"


def test_a_configuration_that_will_not_end_is_ended():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "baton.lua")
        path.write_text(STUBBORN)
        done = baton("check", path, timeout=60)
        equal(done.returncode, 1, done.output)
        check("baton.lua:1" in done.output and "over the limit" in done.output, done.output)


def test_aliases_and_the_default_model_must_mean_something():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "baton.lua")
        for text in ('aliases = { x = "nope" }', 'default_model = "zz/y"'):
            path.write_text("return {\n   " + text + " }\n")
            done = baton("check", path, env=clean_env(HOME=folder))
            equal(done.returncode, 1, done.output)
            check("baton.lua:2: " + text.split()[0] in done.output, done.output)


def test_an_alias_that_nobody_would_reach_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "baton.lua")
        for name in ("cascade", "auto", "both"):
            path.write_text('return { chains = { both = { "privacy", "cascade" } },\n aliases = { %s = "sim/mini" } }' % name)
            done = baton("check", path, env=clean_env(HOME=folder))
            equal(done.returncode, 1, done.output)
            check(f"baton.lua:2: aliases.{name}: a policy is asked by that name" in done.output, done.output)


def test_the_simulator_may_be_configured_as_the_provider_that_it_is():
    text = 'return { models = { ["sim/mini"] = { tier = "expert", input = 0, output = 0 } } }'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "baton.lua")
        path.write_text(text)
        equal(baton("check", path, env=clean_env(HOME=folder)).stdout, "ok: " + str(path) + "\n")
        path.write_text(text.replace("sim/mini", "smi/mini"))
        done = baton("check", path, env=clean_env(HOME=folder))
        check("there is no provider 'smi' (known: none)" in done.output, done.output)
    with Gateway(text) as gateway:
        equal(gateway.chat("quality").header("x-baton-model"), "sim/pro")
        equal(gateway.chat("cost").header("x-baton-model"), "sim/mini")
        equal(gateway.chat("sim/mini").header("x-baton-cost-usd"), "0")


def test_a_wrong_field_is_named_with_its_line_by_check_and_serve():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "baton.lua")
        for text, wanted in (
            ("return {\n   timeouts = {\n      first_bite = 3 } }\n", ":3: timeouts.first_bite: unknown field"),
            ("return {\n   policies = {\n      cascade = { treshold = 1 } } }\n", ":3: policies.cascade.treshold: "),
            ("return {\n   policies = {\n      nobody = {} } }\n", ":3: policies.nobody: "),
            ("local t = {\n   lisen = 'x' }\nreturn t\n", ": lisen: unknown field"),
        ):
            path.write_text(text)
            for command in (("check", path), ("serve", "--listen", "127.0.0.1:0", "-c", path)):
                done = baton(*command, env=clean_env(HOME=folder), timeout=20)
                equal(done.returncode, 1, done.output)
                check("baton.lua" + wanted in done.output, done.output)


TAIL = '''local llm, policy = require "llm", require "policy"
local function run(req)
   return %s
end
return policy.define { name = "tail", run = run }
'''


def test_wrong_use_in_a_tail_call_names_the_policy_and_its_run():
    for call, wanted in (
        ("llm.chat(5, req)", "policies/tail.lua: in run (line 2): the target must be"),
        ('llm.stream("sim/mini", req, { timout = 1 })', "policies/tail.lua: in run (line 2): llm: unknown option"),
        ('(llm.chat("sim/mini", req, { timeout = -1 }))', "policies/tail.lua:3: llm: option 'timeout'"),
        ('{ text = "hello" }', "policies/tail.lua: in run (line 2): run returned a table; it must return a reply"),
    ):
        with Gateway(config({}), policies={"tail": TAIL % call}) as gateway:
            answer = gateway.chat("tail")
            equal(answer.status, 500, repr(answer))
            message = answer.json()["error"]["message"]
            check(wanted in message, message)


def test_wrong_use_in_a_workflow_names_the_file():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("w.lua", "scripts/llm.lua"):
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            for call, wanted in (("return %s", ": the target"), ("\nlocal r = %s", ":2: the target")):
                path.write_text(call % 'require "llm".chat(5, "x")' + "\n")
                done = baton("run", name, cwd=folder, env=clean_env(HOME=folder))
                equal(done.returncode, 1, done.output)
                check(name + wanted in done.output, done.output)


CHECKS = 'return require "policy".define { name = "c", run = print, checks = { one = %s } }'


def test_what_is_wrong_with_a_policy_begins_with_its_file():
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder, "mine/c.lua")
        mine.parent.mkdir()
        for text, wanted in (
            (CHECKS % '\nfunction() error "no" end', "mine/c.lua:2: policy 'c', check 'one': no"),
            (CHECKS % 'function() error("no: 3", 0) end', "policy 'c', check 'one': no: 3"),
            ("\x1bLua", "mine/c.lua: attempt to load a binary chunk"),
            ("return 5", "mine/c.lua:1: a policy file must return"),
            ("-- nothing", "mine/c.lua: a policy file must return"),
            ("x = = 1", "mine/c.lua:1: unexpected symbol"),
        ):
            mine.write_text(text)
            done = baton("check", "mine", cwd=folder)
            equal((done.returncode, done.stdout), (1, ""), done.output)
            check(done.stderr.startswith("baton check: " + wanted), done.stderr)


def test_files_as_windows_editors_write_them_are_read():
    text = 'return require("policy").define {\r\n   name = "mine",\r\n   run = function() return nope end }\r\n'
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mine").mkdir()
        Path(folder, "mine/mine.lua").write_bytes(b"\xef\xbb\xbf" + text.encode())
        Path(folder, "baton.lua").write_bytes(b"\xef\xbb\xbfreturn { policy = 'mine' }\r\n")
        Path(folder, "hello.lua").write_bytes(b"\xef\xbb\xbfprint 'hello'\r\n")
        equal(baton("check", "--policies", "mine", cwd=folder).returncode, 0)
        done = baton("ask", "--policies", "mine", "x", cwd=folder)
        check("mine/mine.lua:3: unknown global 'nope'" in done.output, done.output)
        equal(baton("run", "--policies", "mine", "hello.lua", cwd=folder).stdout, "hello\n")


def test_absurd_usage_does_not_spoil_the_answer():
    usage = {"prompt_tokens": -3, "completion_tokens": 1e300, "total_tokens": "5"}
    with behind(lambda x: x.reply(completion(usage=usage))) as (_, gateway):
        answer = gateway.chat("raw/echo")
        equal(answer.status, 200, repr(answer))


def test_two_answers_asked_for_with_a_fraction_are_two_answers():
    def one_of_two(x):
        x.stream(event({"content": "a"}), event(finish="stop"))

    with behind(one_of_two) as (_, gateway):
        answer = gateway.chat("raw/echo", stream=True, n=2.0)
        check(b"[DONE]" not in answer.body, repr(answer))


def test_who_still_waits_when_draining_ends_gets_an_honest_answer():
    release = threading.Event()
    with Provider(lambda x: release.wait(20)) as upstream:
        limits = {"drain_timeout": 0.2}
        gateway = Gateway(config({"raw": provider(upstream.base_url)}, limits=limits))
        with gateway.open_chat("raw/echo") as waiting:
            upstream.received(1)
            stopping = threading.Thread(target=gateway.stop)
            stopping.start()
            answer = waiting.answer()
        stopping.join()
        release.set()
        equal(answer.status, 503, repr(answer))
        check(b"stopping" in answer.body, repr(answer))
        check(not gateway.alive(), "the gateway has not ended")


def test_a_health_check_may_ask_for_the_head_only():
    with behind(lambda x: x.reply(completion())) as (_, gateway):
        answer = gateway.request("HEAD", "/livez")
        equal(answer.status, 200, repr(answer))
        equal(answer.body, b"")
