"""A new binary takes over (SIGUSR2): the same process id and sockets, nothing refused, nothing lost.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import shutil
import signal
import tempfile

from base import ROOT, check, equal, eventually
from client import Stream
from crew import Load, admin_workers, alive, children, descriptors, metrics, replaced, total, workers
from harness import BATON, Gateway, config, provider, stage
from test_workers import ECHO, Held
from upstream import Provider

COUNT = """
local llm, kv = require "llm", require "kv"
return require "policy".define {
   name = "count", run = function() return llm.reply { text = tostring(kv.incr("n")) } end,
}
"""


def install(path, data=None, mode=0o755):
    """Puts a program there as a package manager does it: written beside it, then renamed."""
    fresh = path + ".new"
    if data is None:
        shutil.copyfile(BATON, fresh)
    else:
        with open(fresh, "wb") as f:
            f.write(data)
    os.chmod(fresh, mode)
    os.rename(fresh, path)


@contextlib.contextmanager
def engine(members, providers=None, policies=None, **kw):
    """A gateway from a binary of its own: (the binary's path, gateway)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "baton")
        install(path)
        text = config(providers or {"raw": provider("http://127.0.0.1:9/v1")}, **members)
        files = {"quick": ECHO, "count": COUNT, **(policies or {})}
        with Gateway(
            text,
            policies=files,
            env={"BATON_HOME": str(ROOT)},
            program=kw.pop("program", path),
            workers=2,
            **kw,
        ) as gateway:
            yield path, gateway


def upgrade(gateway, settled=True):
    """Asks for it and waits until the new workers serve and, if so wanted, the old ones are gone."""
    old = workers(gateway)
    gateway.popen.send_signal(signal.SIGUSR2)
    if settled:
        replaced(gateway, old, 2, 20)
        eventually(lambda: not any(alive(p) for p in old), "the old workers left", 20)
    else:
        eventually(lambda: serving(gateway) and not set(old) & set(workers(gateway)), "it", 20)
    return old


def serving(gateway):
    return [w["state"] for w in admin_workers(gateway)].count("serving") == 2


def program_of(pid):
    return os.readlink(f"/proc/{pid}/exe")


def test_a_new_binary_takes_over_under_load_twice():
    sim, _ = stage()
    members = {"default_model": "sim/mini", "log": "warn"}
    with engine(members, {"sim": provider(sim.base_url)}) as (path, gateway):
        counted = int(gateway.chat("count").text())
        with (
            Load(gateway, "sim/mini", n=5) as plain,
            Load(gateway, "sim/mini:drip=5", n=3, streams=True) as streams,
            Load(gateway, "quick", n=2, connects=1) as fresh,
        ):
            for _ in range(2):
                plain.grown(50)
                inode = os.stat(path).st_ino
                install(path)
                check(os.stat(path).st_ino != inode, "the file is not another one")
                upgrade(gateway)
                equal(program_of(gateway.pid), path)
                for pid in workers(gateway):
                    equal(program_of(pid), path)
                for load in (plain, streams, fresh):
                    load.grown(5)
        for load in (plain, streams, fresh):
            load.clean()
        equal(int(gateway.chat("count").text()), counted + 1)
        # The last request's account may be a moment behind its answer.
        answers = sum(x.answers for x in (plain, streams, fresh)) + 2
        eventually(
            lambda: total(metrics(gateway), "baton_requests_total", 'code="200"') == answers,
            f"{answers} requests counted",
        )
        equal(total(metrics(gateway), "baton_worker_restarts_total"), 0)
        check(gateway.stdout.count("listening on") == 1, "it said so twice")
        only_what_is_needed(gateway)


def only_what_is_needed(gateway):
    """Descriptors neither pile up in the master nor reach the workers."""
    master = descriptors(gateway.pid)
    check(len(master) < 40, lambda: f"descriptors of the master: {master}")
    for pid in workers(gateway):
        mine = descriptors(pid)
        memory = [t for t in mine.values() if "memfd:" in t]
        equal(len(memory), 1, f"memory files of a worker: {memory}")
        check(len(mine) < 30, lambda: f"descriptors of a worker: {mine}")
    equal(sorted(children(gateway.pid)), sorted(workers(gateway)), "processes")


# Seconds in which a new master is there, with a sanitizer, beside other tests, and at a trial's low priority.
SLOW_START = 90
HELD = {"connect": 2, "first_byte": 400, "stall": 400, "total": 400}  # held streams outlive that


def test_old_streams_end_in_their_old_workers():
    play = Held()
    with Provider(play) as upstream:
        members = {"default_model": "raw/echo"}
        with engine(members, {"raw": provider(upstream.base_url, timeouts=HELD)}) as (_, gateway):
            clients = [gateway.open_chat("raw/echo", stream=True, timeout=200) for _ in range(6)]
            upstream.received(6)
            first = upgrade(gateway, settled=False)
            clients += [gateway.open_chat("raw/echo", stream=True, timeout=200) for _ in range(6)]
            upstream.received(12, SLOW_START)
            second = upgrade(gateway, settled=False)
            clients += [gateway.open_chat("raw/echo", stream=True, timeout=200) for _ in range(6)]
            upstream.received(18, SLOW_START)
            check(any(alive(p) for p in first), "the first workers left their streams")
            check(any(alive(p) for p in second), "the second workers left their streams")
            play.release()
            for client in clients:
                answer = client.answer()
                check(answer.complete and Stream(answer.body).done, lambda: f"cut: {answer!r}")
            eventually(
                lambda: not any(alive(p) for p in first + second), "the old workers are gone", 20
            )
            equal(gateway.chat("quick").status, 200)


def test_a_binary_of_another_version_takes_over():
    """It lays its memory out anew; what runs ends in what it has."""
    with open(BATON, "rb") as f:
        data = f.read()
    check(data.count(b"0.1.0\0"), "no version in the binary")
    play = Held()
    with Provider(play) as upstream:
        members = {"default_model": "raw/echo", "watchdog": 1}
        with engine(members, {"raw": provider(upstream.base_url)}) as (path, gateway):
            client = gateway.open_chat("raw/echo", stream=True, timeout=60)
            upstream.received(1)
            install(path, data.replace(b"0.1.0\0", b"0.1.9\0"))
            old = upgrade(gateway, settled=False)
            check('version="0.1.9"' in "".join(metrics(gateway)), "it is not the new one")
            check("begin anew" in gateway.stderr, "it does not say that counters begin anew")
            # Longer than the watchdog waits, which no longer sees how the old ones are.
            eventually(lambda: max(w["age_s"] for w in admin_workers(gateway)) > 2, "some time")
            check(any(alive(p) for p in old), "the old worker left its stream")
            play.release()
            answer = client.answer()
            check(answer.complete and Stream(answer.body).done, lambda: f"cut: {answer!r}")
            eventually(lambda: not any(alive(p) for p in old), "the old workers are gone", 20)
            equal(gateway.chat("quick").status, 200)


def test_a_link_to_the_binary_may_be_turned():
    """As deployments with a folder for each version do it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two"):
            install(os.path.join(folder, name))
        link = os.path.join(folder, "current")
        os.symlink("one", link)
        with engine({}, program=link) as (_, gateway):
            equal(program_of(gateway.pid), os.path.join(folder, "one"))
            os.symlink("two", link + ".new")
            os.rename(link + ".new", link)
            upgrade(gateway)
            equal(program_of(gateway.pid), os.path.join(folder, "two"))
            equal(gateway.chat("quick").status, 200)


BROKEN = {  # program, mode, a part of what is said
    "is not executable": (b"", 0o644, "Permission denied"),
    "is no program": (b"\0\1\2 garbage", 0o755, "Exec format error"),
    "ends at once": (b"#!/bin/sh\nexit 3\n", 0o755, "exit status 3"),
    "crashes": (b"#!/bin/sh\nkill -SEGV $$\n", 0o755, "signal 11"),
    "prints garbage": (b"#!/bin/sh\nseq 100000\nseq 1000 >&2\n", 0o755, "exit status 0"),
}


def test_a_binary_that_cannot_start_changes_nothing():
    with engine({}) as (path, gateway):
        before = sorted(workers(gateway))
        for name, (data, mode, said) in BROKEN.items():
            install(path, data, mode)
            refused(gateway, f"a binary that {name}", said)
        os.unlink(path)
        refused(gateway, "a binary that is not there", "No such file")
        equal(sorted(workers(gateway)), before)
        install(path)
        upgrade(gateway)
        equal(gateway.chat("quick").status, 200)


def refused(gateway, what, said):
    def errors():
        return [e["error"] for e in gateway.log(why="SIGUSR2") if e["level"] == "error"]

    n = len(errors())
    gateway.popen.send_signal(signal.SIGUSR2)
    eventually(lambda: len(errors()) > n, what + " is refused")
    check(said in errors()[-1], lambda: f"{what}: {errors()[-1]}")
    last = gateway.ask_admin("GET", "/admin/policies").json()["last_error"]
    check(said in last["message"], lambda: f"{what}: {last}")
    equal(gateway.chat("quick").status, 200)


def test_broken_files_stop_an_upgrade():
    with engine({}) as (_, gateway):
        before = sorted(workers(gateway))
        with open(gateway.policies + "/quick.lua", "a", encoding="utf-8") as f:
            f.write("\nthis is no Lua\n")
        gateway.popen.send_signal(signal.SIGUSR2)
        eventually(lambda: gateway.log(why="SIGUSR2", level="error"), "it is refused")
        check("quick.lua:" in gateway.log(why="SIGUSR2")[-1]["error"], "no file and line")
        equal(sorted(workers(gateway)), before)
        equal(gateway.chat("quick").status, 200)


def test_while_a_canary_runs_no_new_binary_takes_over():
    with engine({}, args=("--no-watch",)) as (_, gateway):
        generations = gateway.ask_admin("GET", "/admin/policies").json()["generations"]
        base = next(g["hash"] for g in generations if g["state"] == "serving")
        with open(gateway.policies + "/quick.lua", "a", encoding="utf-8") as f:
            f.write("\n-- another one\n")
        answer = gateway.ask_admin("POST", "/admin/reload", {"share": 0.5})
        equal(answer.json().get("state"), "canary", answer)
        refused(gateway, "an upgrade beside a canary", "a canary is under way")
        equal(gateway.ask_admin("POST", "/admin/use", {"hash": base}).status, 200)
        upgrade(gateway)


def test_a_state_folder_of_no_use_does_not_end_what_serves():
    with tempfile.TemporaryDirectory() as state, engine({"state": state}) as (_, gateway):
        os.chmod(state, 0o777)
        upgrade(gateway)
        check("others may write" in gateway.stderr, "it does not say why nothing is kept")
        equal(gateway.chat("quick").status, 200)


def test_signals_while_a_new_binary_takes_over():
    """Whenever they come, they are neither lost nor the end of it, unless they ask for that."""
    with engine({}) as (_, gateway):
        old = workers(gateway)
        for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR2, signal.SIGHUP):
            gateway.popen.send_signal(number)
        replaced(gateway, old, 2, 20)
        with Load(gateway, "quick", n=2, connects=1) as load:
            for _ in range(30):
                gateway.popen.send_signal(signal.SIGUSR2)
                gateway.popen.send_signal(signal.SIGHUP)
                load.grown(5)
            load.grown(100)
        load.clean()
        # All that was begun is over: one more, from beginning to end, works.
        eventually(lambda: len(admin_workers(gateway)) == 2 and serving(gateway), "calm", 30)
        upgrade(gateway)
        gateway.popen.send_signal(signal.SIGUSR2)
        gateway.popen.send_signal(signal.SIGTERM)
        gateway.ends(20)


def test_a_change_that_waits_is_made_before_a_new_binary_takes_over():
    with engine({}) as (_, gateway):
        old = workers(gateway)
        with open(gateway.policies + "/quick.lua", "w", encoding="utf-8") as f:
            f.write(ECHO.replace("hello", "hello again"))
        gateway.popen.send_signal(signal.SIGHUP)
        gateway.popen.send_signal(signal.SIGUSR2)
        replaced(gateway, old, 2, 20)
        equal(gateway.chat("quick").text(), "hello again")
        with open(gateway.policies + "/quick.lua", "w", encoding="utf-8") as f:
            f.write(ECHO.replace("hello", "and again"))
        eventually(lambda: gateway.chat("quick").text() == "and again", "files are watched", 10)


def test_files_that_change_while_a_new_binary_takes_over_are_seen():
    with engine({}) as (_, gateway):
        old = workers(gateway)
        gateway.popen.send_signal(signal.SIGUSR2)
        for i in range(200):
            fresh = gateway.policies + "/quick.tmp"
            with open(fresh, "w", encoding="utf-8") as f:
                f.write(ECHO.replace("hello", f"hello {i}"))
            os.rename(fresh, gateway.policies + "/quick.lua")
            if not set(old) & {w["pid"] for w in admin_or_none(gateway)}:
                break
        eventually(lambda: gateway.chat("quick").text() == f"hello {i}", "the last file", 10)


def admin_or_none(gateway):
    """The admin API's connections end when a new binary takes over."""
    try:
        return admin_workers(gateway)
    except (AssertionError, OSError):
        return []


