"""Reload: files and configuration change while requests run, and no request notices.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import tempfile
import threading
from pathlib import Path

from base import alone, check, equal, eventually
from client import Client, Stream, chat_body
from harness import (
    Gateway,
    baton,
    config,
    lua,
    make_certificate,
    provider,
    sanitized,
    write_policies,
)
from upstream import Provider, completion, words

# ---- a policy that says which generation it is ---------------------------------------------------


def policy(body, name="mine", more=""):
    return (
        'local clock, llm, policy, task = require "clock", require "llm", require "policy", '
        'require "task"\n'
        f'return policy.define {{ name = "{name}", run = function(req) {body} end, {more} }}\n'
    )


def says(text, **more):
    return policy(f"return llm.reply {{ text = {lua(text)} }}", **more)


def numbered(n):
    """Two files that must come from the same generation, and three ways to answer."""
    return {
        "_tag": f'return {{ name = "<{n}>" }}\n',
        "mine": f'local tag = require "_tag".name\nlocal own = "<{n}>"\n'
        + policy("""
            local text = own .. tag
            if req.text == "through" then
               local ask = { messages = { { role = "user", content = text } } }
               return llm.stream("raw/echo", ask, { stream = req.stream == true })
            end
            task.sleep(0.002)
            return llm.reply { text = text .. require "_tag".name }"""),
    }


def echo(x):
    """A provider that says the last message twice, in pieces."""
    body = x.json()
    text = body["messages"][-1]["content"]
    if body.get("stream"):
        x.stream(*words(text, text))
    else:
        x.reply(completion(text + text))


def only(generations, state):
    return [g for g in generations if g["state"] == state]


def policies(gateway):
    answer = gateway.ask_admin("GET", "/admin/policies")
    equal(answer.status, 200)
    return answer.json()


def serving(gateway):
    found = only(policies(gateway)["generations"], "serving")
    equal(len(found), 1, "generations that serve")
    return found[0]


def reload(gateway, status=200, **body):
    answer = gateway.ask_admin("POST", "/admin/reload", body, timeout=60)
    equal(answer.status, status, repr(answer))
    return answer.json()


def put(gateway, **files):
    write_policies(gateway.policies, files)


def text_of(gateway, model="mine"):
    answer = gateway.chat(model)
    equal(answer.status, 200, repr(answer))
    return answer.text()


def says_soon(gateway, text, model="mine"):
    def look():
        answer = gateway.chat(model)
        return answer.status == 200 and answer.text() == text

    eventually(look, f"the answer {text!r}", 20)


def metric(gateway, line):
    """The value of a sample of /metrics; 0 when it is not there."""
    for text in gateway.ask_admin("GET", "/metrics").body.decode().split("\n"):
        if text.startswith(line + " "):
            return float(text.rsplit(" ", 1)[1])
    return 0.0


def reloads(gateway, result):
    return metric(gateway, f'baton_reloads_total{{result="{result}"}}')


def lua_bytes(gateway):
    workers = gateway.ask_admin("GET", "/admin/workers").json()["workers"]
    return sum(w["lua_bytes"] for w in workers)


# ---- 50 reloads under load -----------------------------------------------------------------------

REQUESTS, RELOADS, CLIENTS = (2000, 10, 4) if sanitized() else (20000, 50, 8)


class Load:
    """Clients that ask until they are told to stop. Each answer is judged at once."""

    def __init__(self, gateway):
        self.gateway, self.count, self.faults = gateway, [0] * CLIENTS, []
        self.published = 0  # the newest generation that was said to serve
        self.seen = {}  # number in the text -> what x-baton-policy said
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(CLIENTS)]

    def run(self, i):
        try:
            self.ask(i)
        except Exception as e:
            self.faults.append(repr(e))

    def ask(self, i):
        client, turn = None, i
        while not self.over.is_set() and not self.faults:
            turn += 1
            stream, prompt = turn % 2 == 0, "through" if turn % 8 < 2 else "own"
            last = turn % 4 == 3  # on this connection: the next request opens another
            if client is None:
                client = Client(self.gateway.address, timeout=30)
            at_least = self.published
            client.send_request(
                "POST",
                "/v1/chat/completions",
                chat_body("mine", prompt, **({"stream": True} if stream else {})),
                {"Connection": "close"} if last else None,
            )
            self.judge(client.answer(), stream, at_least)
            self.count[i] += 1
            if last:
                client.close()
                client = None

    def judge(self, answer, stream, at_least):
        check(answer is not None, "a connection ended without an answer")
        check(answer.status == 200 and answer.complete, lambda: repr(answer))
        if stream:
            said = Stream(answer.body)
            check(said.done and not said.error, lambda: repr(answer))
            text = said.text
        else:
            text = answer.text()
        numbers = re.findall(r"<(\d+)>", text)
        check(len(numbers) in (3, 4) and len(set(numbers)) == 1, lambda: f"it mixes: {text}")
        n = int(numbers[0])
        check(n >= at_least, f"{n} answered when {at_least} served already")
        name = answer.header("x-baton-policy")
        equal(self.seen.setdefault(n, name), name, f"the name of generation {n}")

    def total(self):
        return sum(self.count)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_fifty_reloads_under_load_lose_nothing_and_mix_nothing():
    with Provider(echo) as upstream:
        text = config({"raw": provider(upstream.base_url)})
        with Gateway(text, numbered(0), workers=2, args=("--no-watch",)) as gateway:
            heap, names = lua_bytes_at_rest(gateway), {0: serving(gateway)["hash"]}
            with Load(gateway) as load:
                for n in range(1, RELOADS + 1):
                    due = REQUESTS * n // (RELOADS + 1)
                    eventually(lambda: load.total() >= due or load.faults, "requests", 60)
                    put(gateway, **numbered(n))
                    done = reload(gateway)
                    equal((done["state"], done["unchanged"]), ("serving", False))
                    load.published, names[n] = n, done["hash"]
                eventually(lambda: load.total() >= REQUESTS or load.faults, "all requests", 60)
            equal(load.faults, [])
            check(load.total() >= REQUESTS, "too few requests")
            equal(load.seen, {n: "mine@" + names[n][:12] for n in load.seen}, "names")
            check(len(load.seen) > RELOADS * 0.9, f"only {len(load.seen)} generations answered")
            equal(reloads(gateway, "ok"), RELOADS + 1)
            all_freed(gateway, names[RELOADS])
            # one state a worker, with what it needs under load; all old ones were many times that
            eventually(lambda: lua_bytes(gateway) < heap + 6e6, "the old states' memory", 20)
            equal(gateway.log(level="error"), [])


def lua_bytes_at_rest(gateway):
    return eventually(lambda: lua_bytes(gateway), "a look at the workers", 10)


def all_freed(gateway, newest):
    def look():
        found = policies(gateway)["generations"]
        states = {g["state"] for g in found}
        return states <= {"serving", "kept"} and all(g["requests_in_flight"] == 0 for g in found)

    eventually(look, "no generation drains", 20)
    equal(serving(gateway)["hash"], newest)


# ---- what begins a load --------------------------------------------------------------------------


@contextlib.contextmanager
def plain(policies, workers=2, args=(), folder=None, **members):
    """A gateway whose policies answer by themselves."""
    text = config({"raw": provider("http://127.0.0.1:9/v1")}, **members)
    with Gateway(text, policies, workers=workers, args=args, folder=folder) as gateway:
        yield gateway


def swap_link(link, target):
    os.symlink(target, link + ".new")
    os.rename(link + ".new", link)


def test_files_are_loaded_when_they_change_however_they_change():
    with plain({"mine": says("one")}) as gateway:
        folder, aside = gateway.policies, os.path.join(gateway.dir, "aside")
        equal(text_of(gateway), "one")

        put(gateway, mine=says("in place"))
        says_soon(gateway, "in place")

        Path(folder, "mine.lua~tmp").write_text(says("renamed"))
        os.rename(Path(folder, "mine.lua~tmp"), Path(folder, "mine.lua"))
        says_soon(gateway, "renamed")

        write_policies(aside, {"mine": says("other folder")})
        os.rename(folder, folder + ".old")
        os.rename(aside, folder)
        says_soon(gateway, "other folder")

        for name in ("a", "b"):
            write_policies(os.path.join(gateway.dir, name), {"mine": says("link to " + name)})
        shutil.rmtree(folder)
        os.symlink("a", folder)
        says_soon(gateway, "link to a")
        swap_link(folder, "b")
        says_soon(gateway, "link to b")

        Path(gateway.dir, "b", "mine.lua").unlink()
        eventually(lambda: gateway.chat("mine").status == 404, "a policy that is gone", 20)
        put(gateway, mine=says("back"))
        says_soon(gateway, "back")
        Path(gateway.dir, "b", "lib").mkdir()
        Path(gateway.dir, "b", "lib", "word.lua").write_text('return "of a helper"')
        put(gateway, mine=policy('return llm.reply { text = require "lib.word" }'))
        says_soon(gateway, "of a helper")
        Path(gateway.dir, "b", "lib", "word.lua").write_text('return "of a changed helper"')
        says_soon(gateway, "of a changed helper")


def test_many_files_written_at_once_are_one_load():
    many = {f"p{i}": says("before", name=f"p{i}") for i in range(40)}
    with plain(many) as gateway:
        put(gateway, **{f"p{i}": says("after", name=f"p{i}") for i in range(40)})
        says_soon(gateway, "after", "p39")
        equal(text_of(gateway, "p0"), "after")
        equal(len(gateway.log(message="a generation was loaded")), 2, "loads")
        equal(reloads(gateway, "failed"), 0)


def test_a_signal_an_admin_call_and_a_command_reload():
    with plain({"mine": says("one")}, args=("--no-watch",)) as gateway:
        put(gateway, mine=says("by signal"))
        os.kill(gateway.pid, signal.SIGHUP)
        says_soon(gateway, "by signal")

        put(gateway, mine=says("by call"))
        equal(reload(gateway)["state"], "serving")
        equal(text_of(gateway), "by call")
        equal(reload(gateway)["unchanged"], True)

        put(gateway, mine=says("by command"))
        equal(baton("reload", "--admin", gateway.admin_address).returncode, 0)
        equal(text_of(gateway), "by command")

        done = baton("reload", "--admin", gateway.address)
        equal(done.returncode, 1)
        check("this is no admin API" in done.stderr, done.output)

        put(gateway, mine="\nreturn )\n")
        done = baton("reload", "--admin", gateway.admin_address)
        equal(done.returncode, 1)
        check("mine.lua:2:" in done.output, done.output)
        equal(text_of(gateway), "by command")


def test_reloads_asked_for_all_at_once_are_each_answered():
    with plain({"mine": says("start")}, args=("--no-watch",)) as gateway:
        put(gateway, mine=says("end"))
        clients = [Client(gateway.admin_address, timeout=60) for _ in range(40)]
        for client in clients:
            client.send_request("POST", "/admin/reload", b"{}")
        statuses = [client.answer().status for client in clients]
        check(set(statuses) <= {200, 503} and statuses.count(200) >= 16, repr(statuses))
        equal(text_of(gateway), "end")
        for client in clients:
            client.close()
        left = [Client(gateway.admin_address) for _ in range(3)]
        put(gateway, mine=says("for nobody"))
        for client in left:  # who asked is gone before the answer
            client.send_request("POST", "/admin/reload", b"{}")
            client.reset()
        says_soon(gateway, "for nobody")


# ---- what is broken ------------------------------------------------------------------------------


def broken_link(place):
    os.symlink("/no/such/file.lua", place)


BROKEN = {  # what is put at policies/bad.lua, and what must be said of it
    "a syntax error": ("local x =\nreturn )\n", "bad.lua:2: "),
    "half a file": (says("half")[:-20], "bad.lua:2: "),
    "an empty file": ("", "bad.lua"),
    "a check that fails": (
        says("x", name="bad", more='checks = { sums = function()\nassert(1 == 2, "no sum") end }'),
        "bad.lua:3: policy 'bad', check 'sums': no sum",
    ),
    "a module that is missing": ('local x = 1\nlocal y = require "nowhere"\n', "bad.lua:2: "),
    "an error": ('local x = 1\nerror "not today"\n', "bad.lua:2: not today"),
    "an endless loop": ("local x = 1\nwhile true do x = x + 1 end\n", "bad.lua:2: "),
    "memory without end": ("local x = {}\nwhile true do x[#x + 1] = {} end\n", "bad.lua: "),
    "a pattern without end": (
        'local s = ("a"):rep(1e5)\nreturn s:find(("a*"):rep(50) .. "b")\n',
        "bad.lua:2: ",
    ),
    "a name that is taken": (says("x", name="mine"), "mine"),
    "a link to nowhere": (broken_link, "bad.lua: "),
    "too long": ("-- " + "x" * (1 << 20) + "\n", "bad.lua: "),
}


def broken_one(gateway, what, content, message, failed):
    place = os.path.join(gateway.policies, "bad.lua")
    if callable(content):
        content(place)
    else:
        Path(place).write_text(content)
    answer = gateway.ask_admin("POST", "/admin/reload", {}, timeout=60)
    equal(answer.status, 422, f"{what}: {answer!r}")
    said = answer.json()["error"]["message"]
    check(message in said, f"{what}: {said}")
    equal(text_of(gateway), "good", what)
    equal(policies(gateway)["last_error"]["message"], said, what)
    equal(reloads(gateway, "failed"), failed, what)
    eventually(lambda: gateway.log(level="error", error=said), f"{what}: a line in the log", 10)
    os.unlink(place)


@alone  # files are tried at a low priority: 5 s of an endless loop last beyond 30 s where others work
def test_what_is_broken_is_refused_and_the_old_goes_on():
    with plain({"mine": says("good")}, args=("--no-watch",)) as gateway:
        before = serving(gateway)["hash"]
        for n, (what, (content, message)) in enumerate(BROKEN.items()):
            broken_one(gateway, what, content, message, n + 1)
        equal(serving(gateway)["hash"], before)
        workers = gateway.ask_admin("GET", "/admin/workers").json()["workers"]
        equal(len(workers), 2, "workers")
        equal(metric(gateway, 'baton_worker_restarts_total{reason="signal"}'), 0)
        put(gateway, mine=says("better"))
        reload(gateway)
        equal(text_of(gateway), "better")


def fails_soon(gateway, *parts):
    def look():
        error = policies(gateway)["last_error"]
        return error and all(p in error["message"] for p in parts)

    eventually(look, f"the error {parts}", 20)


def test_a_broken_change_on_disk_is_said_and_the_repair_is_loaded():
    with plain({"mine": says("good")}) as gateway:
        whole = says("whole")
        for end in (30, len(whole) - 15):  # a slow editor
            put(gateway, mine=whole[:end])
            fails_soon(gateway, "mine.lua")
            equal(text_of(gateway), "good")
        put(gateway, mine=whole)
        says_soon(gateway, "whole")

        aside = gateway.policies + ".aside"
        os.rename(gateway.policies, aside)
        os.symlink("/no/such/folder", gateway.policies)
        fails_soon(gateway, gateway.policies)
        equal(text_of(gateway), "whole")
        os.unlink(gateway.policies)
        os.rename(aside, gateway.policies)
        put(gateway, mine=says("home again"))
        says_soon(gateway, "home again")


def test_a_reload_that_takes_long_keeps_nobody_waiting():
    """Whoever asks meanwhile is answered by the old one, and the operator's pages go on."""
    slow_check = "checks = { slow = function() for i = 1, 3e7 do end end }"
    with plain({"mine": says("old")}, args=("--no-watch",)) as gateway:
        put(gateway, mine=says("new", more=slow_check))
        with Client(gateway.admin_address, timeout=60) as admin:
            admin.send_request("POST", "/admin/reload", b"{}")
            seen = text_of(gateway)
            check(seen in ("old", "new"), seen)
            policies(gateway)
            check(admin.answer().status in (200, 422), "an answer to the reload")


def test_an_engine_that_is_told_to_stop_does_not_wait_for_a_trial():
    with plain({"mine": says("good")}, args=("--no-watch",)) as gateway:
        put(gateway, bad="while true do end\n")
        admin = Client(gateway.admin_address, timeout=60)
        admin.send_request("POST", "/admin/reload", b"{}")
        eventually(lambda: children(gateway) == 3, "the trial", 20)
    equal(admin.answer().status, 503, "who waited for it")
    admin.close()


def children(gateway):
    path = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children")
    return len(path.read_text().split())


# ---- configuration -------------------------------------------------------------------------------


def rewrite(gateway, text):
    Path(gateway.dir, "baton.lua").write_text(text)


def tagged(name):
    def play(x):
        x.reply(completion(f"{name} {x.headers.get('authorization')}"))

    return play


def test_providers_models_keys_and_limits_change_without_a_restart():
    with Provider(tagged("first")) as first, Provider(tagged("second")) as second:
        start = config({"raw": provider(first.base_url, key="k1")}, limits={"body": 5000})
        with Gateway(start, {}, workers=2, args=("--no-watch",)) as gateway:
            equal(gateway.chat("raw/x").text(), "first Bearer k1")
            before = serving(gateway)["hash"]

            rewrite(gateway, config({"raw": provider(first.base_url, key="k2")}))
            equal(reload(gateway)["unchanged"], False)
            equal(gateway.chat("raw/x").text(), "first Bearer k2")
            equal(serving(gateway)["hash"], before, "the policies are the same")

            rewrite(gateway, config({"new": provider(second.base_url)}))
            reload(gateway)
            equal(gateway.chat("new/x").text(), "second None")
            equal(gateway.chat("raw/x").status, 404)

            prices = {"new/x": {"input": 100, "output": 1000, "tier": "fast"}}
            rewrite(gateway, config({"new": provider(second.base_url)}, models=prices))
            reload(gateway)
            cost = float(gateway.chat("new/x").header("x-baton-cost-usd"))
            check(abs(cost - (10 * 100 + 5 * 1000) / 1e6) < 1e-9, f"it costs {cost}")

            equal(gateway.chat("new/x", "x" * 6000).status, 200)
            rewrite(gateway, config({"new": provider(second.base_url)}, limits={"body": 5000}))
            reload(gateway)
            equal(gateway.chat("new/x", "x" * 6000).status, 413)

            rewrite(gateway, config({"new": provider(second.base_url)}, keys=["secret"]))
            reload(gateway)
            equal(gateway.chat("new/x").status, 401)
            equal(gateway.chat("new/x", headers={"Authorization": "Bearer secret"}).status, 200)


def test_limits_of_tasks_change_for_new_requests():
    spin = policy("for i = 1, 1e9 do end return llm.reply { text = 'x' }")
    with plain({"mine": spin}, limits={"cpu_slice_ms": 30}) as gateway:
        check("30 ms" in gateway.chat("mine").error()["message"], "the limit")
        rewrite(
            gateway,
            config({"raw": provider("http://127.0.0.1:9/v1")}, limits={"cpu_slice_ms": 50}),
        )  # the file is watched
        eventually(
            lambda: "50 ms" in gateway.chat("mine").error()["message"], "the new limit", 20
        )


def fixed_fields(other):
    return {
        "listen": {"listen": "127.0.0.1:1"},
        "admin.listen": {"admin": {"listen": "127.0.0.1:2"}},
        "workers": {"workers": 3},
        "state": {"state": other},
        "tls": {"tls": {"certificate": "cert.pem", "key": "key.pem"}},
    }


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_what_cannot_change_is_refused_by_name_and_the_old_configuration_goes_on():
    with Provider(tagged("p")) as upstream, tempfile.TemporaryDirectory() as d:
        base = {
            "listen": f"127.0.0.1:{free_port()}",
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
            "workers": 2,
            "state": os.path.join(d, "state"),
        }
        raw = {"raw": provider(upstream.base_url)}
        start = config(raw, **base)
        args = ("--no-watch",)
        with Gateway(start, {}, workers=None, args=args, listen=None) as gateway:
            make_certificate(gateway.dir)
            for field, change in fixed_fields(d).items():
                rewrite(gateway, config({"x": provider(upstream.base_url)}, **{**base, **change}))
                error = reload(gateway, 422)["error"]["message"]
                check("baton.lua" in error and field in error, f"{field}: {error}")
                equal(gateway.chat("raw/x").status, 200, field)
                equal(gateway.chat("x/x").status, 404, field)
            rewrite(gateway, "return {\n   workers = 2,\n   limits = { bdy = 1 },\n}\n")
            error = reload(gateway, 422)["error"]["message"]
            check("baton.lua:3: limits.bdy" in error, error)
            os.unlink(Path(gateway.dir, "baton.lua"))
            error = reload(gateway, 422)["error"]["message"]
            check("baton.lua" in error, error)
            rewrite(gateway, start + "-- a comment\n")
            equal(reload(gateway)["unchanged"], False)


def serial_of(address, folder):
    context = ssl.create_default_context(cafile=f"{folder}/cert.pem")
    with Client(address, tls=context) as client:
        client.send_request("GET", "/health")
        equal(client.answer().status, 200)
        return client.sock.getpeercert()["serialNumber"]


def test_a_renewed_certificate_is_used_after_a_reload():
    with tempfile.TemporaryDirectory() as d:
        make_certificate(d)
        tls = {"certificate": f"{d}/cert.pem", "key": f"{d}/key.pem"}
        with plain({}, args=("--no-watch",), tls=tls) as gateway:
            old = ssl.create_default_context(cafile=f"{d}/cert.pem")
            first = serial_of(gateway.address, d)
            with Client(gateway.address, tls=old) as kept:
                make_certificate(d)
                os.kill(gateway.pid, signal.SIGHUP)  # as the tools that renew certificates do
                eventually(lambda: reloads(gateway, "ok") == 2, "a reload", 20)
                check(serial_of(gateway.address, d) != first, "the old certificate")
                kept.send_request("GET", "/health")
                equal(kept.answer().status, 200, "on a connection from before")
            second = serial_of(gateway.address, d)
            Path(d, "cert.pem").write_text("half\n")
            error = reload(gateway, 422)["error"]["message"]
            check("tls.certificate" in error and "cert.pem" in error, error)
            os.kill(gateway.pid, signal.SIGHUP)
            with socket.create_connection(gateway.address.rsplit(":", 1)) as s:
                context = ssl._create_unverified_context()
                with context.wrap_socket(s) as wrapped:
                    check(wrapped.getpeercert(binary_form=True), "a certificate")
            check(second != first, "it is another one")
