"""Workers: they die, hang, leave and come back, and only what a dead one held is lost.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import random
import signal
import socket
import tempfile
import threading
import time

from base import alone, check, equal, eventually
from client import Client, Stream, chat_body, request_bytes
from crew import (
    Load,
    admin_workers,
    alive,
    ask,
    connections,
    descriptors,
    kill_at_rest,
    metrics,
    port_of,
    replaced,
    total,
    workers,
)
from harness import Gateway, baton, config, provider, sanitized, stage
from upstream import DONE, Provider, completion, event

ECHO = """
local llm = require "llm"
return require "policy".define {
   name = "quick", run = function() return llm.reply { text = "hello" } end,
}
"""



class Held:
    """A provider that answers nothing until .release(); then everything, also what comes later."""

    def __init__(self):
        self.open = threading.Event()

    def __call__(self, exchange):
        stream = exchange.json().get("stream")
        if stream:
            exchange.stream(event({"role": "assistant", "content": "one "}), end=False)
        self.open.wait(60)
        if not stream:
            exchange.reply(completion("ok"))
            return
        for part in (event({"content": "two"}), event(finish="stop"), DONE):
            exchange.part(part)
        exchange.send(b"0\r\n\r\n")

    def release(self):
        self.open.set()


@contextlib.contextmanager
def held(workers=2, args=(), **members):
    """A gateway whose provider holds every request: (provider's play, provider, gateway)."""
    play = Held()
    members.setdefault("default_model", "raw/echo")
    members.setdefault("watchdog", 60)
    with Provider(play) as upstream:
        text = config({"raw": provider(upstream.base_url)}, **members)
        with Gateway(text, workers=workers, args=args) as gateway:
            try:
                yield play, upstream, gateway
            finally:
                play.release()


def quick(workers=2, args=(), **members):
    """A gateway with a policy that answers at once, and no provider that is ever called."""
    text = config({"raw": provider("http://127.0.0.1:9/v1")}, **members)
    return Gateway(text, policies={"quick": ECHO}, workers=workers, args=args)


def port(client):
    return client.sock.getsockname()[1]


# ---- killed -------------------------------------------------------------------------------------


def test_a_killed_worker_takes_only_its_own_requests_with_it():
    with held(workers=3) as (play, upstream, gateway):
        clients = [gateway.open_chat("raw/echo", stream=i % 2 == 0, timeout=40) for i in range(48)]
        upstream.received(48, 20)
        victim = workers(gateway)[1]
        lost = kill_at_rest(gateway, victim)
        check(0 < len(lost) < 48, f"{len(lost)} of 48 at one of three workers")
        replaced(gateway, [victim], 3)
        later = [gateway.open_chat("raw/echo", timeout=40) for _ in range(12)]
        play.release()
        for client in clients + later:
            answer = client.answer()
            if port(client) in lost:
                check(answer is None or not answer.complete, lambda: f"from a dead worker: {answer!r}")
                continue
            check(answer and answer.status == 200 and answer.complete, lambda: f"lost: {answer!r}")
        values = metrics(gateway)
        equal(total(values, "baton_worker_restarts_total", 'reason="signal"'), 1)
        counted = total(values, "baton_requests_total")
        check(60 - len(lost) <= counted <= 60, f"{counted} counted, {len(lost)} of 60 lost")


def test_connections_that_wait_for_a_dead_worker_are_served_by_the_next():
    with quick() as gateway:
        victim = workers(gateway)[0]
        os.kill(victim, signal.SIGSTOP)
        clients = [gateway.open_chat("quick", timeout=30) for _ in range(40)]
        taken = connections(port_of(gateway.address))
        check(any(taken.get(port(c)) == 0 for c in clients), "no connection waits at the socket of the stopped worker")
        os.kill(victim, signal.SIGKILL)
        for client in clients:
            answer = client.answer()
            check(answer and answer.status == 200, lambda: f"not served: {answer!r}")
        replaced(gateway, [victim], 2)


def test_workers_killed_at_random_under_load():
    sim, _ = stage()
    text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
    with Gateway(text, workers=3) as gateway:
        lost, killed = set(), []
        with Load(gateway, "sim/mini", n=6) as plain, Load(gateway, "sim/mini", 4, True) as streams:
            with Load(gateway, "sim/mini", n=3, connects=1) as fresh:
                while len(killed) < 9:
                    plain.grown(10)
                    victim = eventually(
                        lambda: grown_up(gateway, killed), "one that is old enough"
                    )
                    lost |= kill_at_rest(gateway, victim)
                    killed.append(victim)
                replaced(gateway, killed, 3, 15)
                for load in (plain, streams, fresh):
                    load.grown(20)
        loads = (plain, streams, fresh)
        for load in loads:
            check(not load.refused, lambda: f"refused: {load!r}")
            strange = [f for f in load.failures if f[0] not in lost]
            check(not strange, lambda: f"failed elsewhere: {strange[:5]} of {load!r}")
        answers, failures = sum(x.answers for x in loads), sum(len(x.failures) for x in loads)
        values = metrics(gateway)
        counted = total(values, "baton_requests_total", 'code="200"')
        check(
            answers <= counted <= answers + failures,
            f"{answers} answers, {failures} failures, {counted} counted",
        )
        equal(total(values, "baton_worker_restarts_total", 'reason="signal"'), len(killed))
        print(f"    {len(killed)} kills, {answers} answers, {failures} requests lost")


def grown_up(gateway, killed):
    """Some worker that did not come just now: the death of those holds the next ones back."""
    old = [w["pid"] for w in admin_workers(gateway) if w["age_s"] > 1.1]
    pids = [p for p in old if p not in killed]
    return random.choice(pids) if pids else None


@alone
def test_a_replacement_serves_within_a_second():
    with quick() as gateway:
        eventually(lambda: min(w["age_s"] for w in admin_workers(gateway)) > 1.1, "grown workers")
        slowest = 0
        for _ in range(3):
            victim = workers(gateway)[0]
            begin = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            replaced(gateway, [victim], 2)
            slowest = max(slowest, time.monotonic() - begin)
            eventually(
                lambda: min(w["age_s"] for w in admin_workers(gateway)) > 1.1, "grown workers"
            )
        print(f"    {slowest:.3f} s at most from death to the next")
        check(sanitized() or slowest < 1, f"{slowest:.1f} s")


def test_workers_that_die_young_are_held_back():
    """Each is killed as soon as it is there: the pauses grow."""
    with quick(workers=1) as gateway:
        births, seen = [], set(workers(gateway))
        os.kill(list(seen)[0], signal.SIGKILL)
        for _ in range(5):
            pid = eventually(
                lambda: next((p for p in workers(gateway) if p not in seen), None), "the next", 20
            )
            births.append(time.monotonic())
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
        pauses = [b - a for a, b in zip(births, births[1:])]
        check(pauses[-1] > 0.5 and pauses[-1] > 2 * pauses[0], f"pauses: {pauses}")
        eventually(lambda: gateway.chat("quick").status == 200, "an answer", 20)


# ---- hung ---------------------------------------------------------------------------------------


def test_a_worker_that_hangs_is_replaced():
    with quick(watchdog=1) as gateway:
        victim = workers(gateway)[0]
        os.kill(victim, signal.SIGSTOP)
        clients = [gateway.open_chat("quick", timeout=30) for _ in range(20)]
        for client in clients:
            answer = client.answer()
            check(answer and answer.status == 200, lambda: f"not served: {answer!r}")
        replaced(gateway, [victim], 2, 20)
        check("does not answer and is ended" in gateway.stderr, "it is not in the log")
        equal(total(metrics(gateway), "baton_worker_restarts_total", 'reason="stuck"'), 1)


def test_an_engine_that_was_stopped_does_not_end_its_workers():
    """As Ctrl-Z and fg do it, or a frozen container."""
    with quick(watchdog=1) as gateway:
        before = workers(gateway)
        for pid in (*before, gateway.pid):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.6)
        os.kill(gateway.pid, signal.SIGCONT)
        time.sleep(0.3)
        for pid in before:
            os.kill(pid, signal.SIGCONT)
        for _ in range(10):
            equal(gateway.chat("quick").status, 200)
        eventually(lambda: max(w["beat_s"] for w in admin_workers(gateway)) < 1, "beats")
        equal(sorted(workers(gateway)), sorted(before))


# ---- asked to leave -----------------------------------------------------------------------------


def test_a_worker_that_is_asked_to_leave_loses_nothing():
    sim, _ = stage()
    text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
    with Gateway(text, workers=2) as gateway:
        with Load(gateway, "sim/mini", n=6) as plain, Load(gateway, "sim/mini", 4, True) as streams:
            for _ in range(4):
                plain.grown(50)
                victim = random.choice(workers(gateway))
                os.kill(victim, signal.SIGTERM)
                eventually(lambda: not alive(victim), "it left", 20)
                replaced(gateway, [victim], 2)
            plain.grown(50)
        plain.clean()
        streams.clean()
        equal(total(metrics(gateway), "baton_worker_restarts_total"), 0)


def test_a_worker_that_leaves_ends_its_streams_first_and_is_replaced_at_once():
    with held() as (play, upstream, gateway):
        clients = [gateway.open_chat("raw/echo", stream=True, timeout=40) for _ in range(10)]
        upstream.received(10)
        old = workers(gateway)
        for pid in old:
            os.kill(pid, signal.SIGTERM)
        eventually(
            lambda: [w["state"] for w in admin_workers(gateway)].count("serving") == 2,
            "two new workers beside the old ones",
        )
        fresh = gateway.open_chat("raw/echo", stream=True, timeout=40)
        upstream.received(11)
        check(any(alive(p) for p in old), "the old workers left their streams")
        play.release()
        for client in (*clients, fresh):
            answer = client.answer()
            check(answer.complete and Stream(answer.body).done, lambda: f"cut: {answer!r}")
        eventually(lambda: not any(alive(p) for p in old), "the old workers are gone")


# ---- without a master ---------------------------------------------------------------------------


def test_workers_without_a_master_finish_and_leave():
    play = Held()
    with Provider(play) as upstream:
        text = config({"raw": provider(upstream.base_url)}, default_model="raw/echo")
        gateway = Gateway(text, workers=2)
        try:
            clients = [gateway.open_chat("raw/echo", stream=True, timeout=40) for _ in range(8)]
            upstream.received(8)
            orphans = workers(gateway)
            os.kill(gateway.pid, signal.SIGKILL)
            gateway.popen.wait()
            eventually(lambda: not reachable(gateway.address), "the port closed")
            with listening_at(gateway.address):  # the next engine can begin at once
                pass
            check(all(alive(p) for p in orphans), "the workers left their streams")
            play.release()
            for client in clients:
                answer = client.answer()
                check(answer.complete and Stream(answer.body).done, lambda: f"cut: {answer!r}")
            eventually(lambda: not any(alive(p) for p in orphans), "no orphan is left", 10)
        finally:
            play.release()
            for pid in orphans:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            gateway.kill()


def test_orphans_end_when_their_time_is_up():
    play = Held()
    with Provider(play) as upstream:
        text = config(
            {"raw": provider(upstream.base_url)},
            default_model="raw/echo",
            limits={"drain_timeout": 0.5},
        )
        gateway = Gateway(text, workers=2)
        orphans = workers(gateway)
        try:
            client = gateway.open_chat("raw/echo", timeout=40)
            upstream.received(1)
            os.kill(gateway.pid, signal.SIGKILL)
            answer = client.answer()
            equal(answer.status, 503)
            check("stopping" in answer.error()["message"], lambda: repr(answer))
            eventually(lambda: not any(alive(p) for p in orphans), "no orphan is left", 10)
        finally:
            play.release()
            for pid in orphans:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            gateway.kill()


def reachable(address):
    try:
        Client(address).close()
        return True
    except ConnectionRefusedError:
        return False


@contextlib.contextmanager
def listening_at(address):
    host, _, number = address.rpartition(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(number)))
        sock.listen()
        yield sock


# ---- the end ------------------------------------------------------------------------------------


def test_the_end_waits_for_streams_and_takes_what_waits_at_the_sockets():
    with held() as (play, upstream, gateway):
        streams = [gateway.open_chat("raw/echo", stream=True, timeout=40) for _ in range(8)]
        upstream.received(8)
        stopped = workers(gateway)[0]
        os.kill(stopped, signal.SIGSTOP)
        late = [gateway.open_chat("raw/echo", timeout=40) for _ in range(24)]
        waiting = connections(port_of(gateway.address))
        check(any(waiting.get(port(c)) == 0 for c in late), "nothing waits at its socket")
        gateway.popen.send_signal(signal.SIGTERM)
        eventually(lambda: '"draining"' in gateway.stderr, "it drains")
        equal(ask(gateway, "GET", "/livez").status, 200)
        equal(ask(gateway, "GET", "/readyz").status, 503)
        os.kill(stopped, signal.SIGCONT)
        upstream.received(32, 20)
        eventually(lambda: not reachable(gateway.address), "the port closed")
        check(gateway.alive(), "it ended before its streams")
        play.release()
        for client in streams:
            answer = client.answer()
            check(answer.complete and Stream(answer.body).done, lambda: f"cut: {answer!r}")
        for client in late:
            answer = client.answer()
            check(answer and answer.status == 200, lambda: f"not served: {answer!r}")
        gateway.ends(15)


def test_the_end_serves_what_waits_for_a_worker_that_just_died():
    with quick() as gateway:
        victim = workers(gateway)[0]
        os.kill(victim, signal.SIGSTOP)
        clients = [gateway.open_chat("quick", timeout=30) for _ in range(30)]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: not alive(victim), "it is dead")
        gateway.popen.send_signal(signal.SIGTERM)
        for client in clients:
            answer = client.answer()
            check(answer and answer.status == 200, lambda: f"not served: {answer!r}")
        gateway.ends(20)


def test_the_end_when_the_whole_group_is_asked():
    """As a terminal or a service manager does it, under load."""
    sim, _ = stage()
    text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
    with Gateway(text, workers=2) as gateway:
        with Load(gateway, "sim/mini:drip=20", n=4, streams=True) as load:
            load.grown(8)
            for pid in (*workers(gateway), gateway.pid):
                os.kill(pid, signal.SIGTERM)
            gateway.ends(20)
        check(load.refused, "the port is still open")
        check(not load.failures, lambda: f"answers were cut: {load!r}")


def test_a_second_signal_cuts_with_an_honest_error():
    with held() as (play, upstream, gateway):
        plain, stream = gateway.open_chat("raw/echo"), gateway.open_chat("raw/echo", stream=True)
        upstream.received(2)
        eventually(lambda: stream.more() and b"one " in stream.buffer, "the first words")
        gateway.popen.send_signal(signal.SIGTERM)
        eventually(lambda: '"draining"' in gateway.stderr, "it drains")
        gateway.popen.send_signal(signal.SIGTERM)
        cut_honestly(plain, stream)
        gateway.ends(15)


def test_the_end_of_patience_cuts_with_an_honest_error():
    with held(limits={"drain_timeout": 0.7}) as (play, upstream, gateway):
        plain, stream = gateway.open_chat("raw/echo"), gateway.open_chat("raw/echo", stream=True)
        upstream.received(2)
        gateway.popen.send_signal(signal.SIGTERM)
        cut_honestly(plain, stream)
        gateway.ends(15)


def cut_honestly(plain, stream):
    answer = plain.answer()
    equal(answer.status, 503)
    check("stopping" in answer.error()["message"], lambda: repr(answer))
    said = Stream(stream.answer().body)
    check(said.error and "stopping" in said.error["message"], lambda: f"{said.error}")


def test_signals_to_the_group_reach_the_master_only():
    with quick() as gateway:
        before = workers(gateway)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR2):
            for pid in before:
                os.kill(pid, number)
        equal(gateway.chat("quick").status, 200)
        eventually(lambda: min(w["age_s"] for w in admin_workers(gateway)) > 0.6, "some time")
        equal(sorted(workers(gateway)), sorted(before))


# ---- what they inherit --------------------------------------------------------------------------


def test_a_worker_has_only_its_own_descriptors():
    with quick(workers=3) as gateway:
        victim = workers(gateway)[0]
        os.kill(victim, signal.SIGKILL)  # the next one is born while the master has all it has
        replaced(gateway, [victim], 3)
        listening = {f"socket:[{i}]" for i in listeners(gateway.address)}
        equal(len(listening), 3)
        for pid in workers(gateway):
            mine = descriptors(pid)
            sockets = [t for t in mine.values() if t.startswith("socket:")]
            equal(len(listening & set(sockets)), 1, "listening sockets of a worker")
            memory = [t for t in mine.values() if "memfd:" in t]
            equal(len(memory), 1, f"memory files: {memory}")
            check(len(mine) < 20, lambda: f"descriptors of a worker: {mine}")
            check(not any("inotify" in t for t in mine.values()), lambda: f"{mine}")


def listeners(address):
    from pathlib import Path

    number = "%04X" % port_of(address)
    lines = [x.split() for x in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [x[9] for x in lines if x[1].endswith(":" + number) and x[3] == "0A"]


# ---- sockets ------------------------------------------------------------------------------------


def test_a_unix_socket_is_shared_and_goes_with_the_engine():
    text = config({"raw": provider("http://127.0.0.1:9/v1")})
    with tempfile.TemporaryDirectory() as folder:
        address, admin = f"unix:{folder}/baton.sock", f"unix:{folder}/admin.sock"
        args = ["--admin", admin]
        with Gateway(
            text, policies={"quick": ECHO}, workers=2, listen=address, args=args
        ) as gateway:
            equal(sorted(os.listdir(folder)), ["admin.sock", "baton.sock"])
            victim = workers(gateway)[0]
            os.kill(victim, signal.SIGSTOP)
            clients = [gateway.open_chat("quick") for _ in range(10)]
            os.kill(victim, signal.SIGKILL)
            replaced(gateway, [victim], 2)
            for client in clients:
                answer = client.answer()
                check(answer and answer.status in (200,), lambda: f"not served: {answer!r}")
            second = engine_that_ends("--listen", address, "--admin", "none")
            check("in use" in second.stderr, lambda: second.stderr)
            second = engine_that_ends("--listen", f"unix:{folder}/other.sock", *args)
            check("in use" in second.stderr, lambda: second.stderr)
            equal(gateway.chat("quick").status, 200)
        equal(os.listdir(folder), [])


def engine_that_ends(*args):
    done = baton("serve", "--state", "none", *args, cwd="/")
    equal(done.returncode, 1)
    return done


def test_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:  # a machine without IPv6 says so
        ended = engine_that_ends("--listen", "[::1]:0", "--admin", "none")
        check("[::1]:0" in ended.stderr, lambda: ended.stderr)
        return
    text = config({"raw": provider("http://127.0.0.1:9/v1")})
    with Gateway(text, policies={"quick": ECHO}, workers=2, listen="[::1]:0") as gateway:
        check(gateway.address.startswith("[::1]:"), gateway.address)
        for _ in range(8):
            equal(gateway.chat("quick").status, 200)


def test_a_second_engine_at_the_same_port_is_refused():
    with quick() as gateway:
        for address in (gateway.address, f":{port_of(gateway.address)}"):
            second = engine_that_ends("--listen", address, "--admin", "none")
            check("in use" in second.stderr, lambda: second.stderr)
        for _ in range(8):
            equal(gateway.chat("quick").status, 200)


# ---- clients that trouble two workers -----------------------------------------------------------


def test_slow_deaf_and_vanishing_clients_are_freed_by_all_workers():
    text = config(
        {"raw": provider("http://127.0.0.1:9/v1")},
        limits={"header_timeout": 0.7, "body_timeout": 0.7, "idle_timeout": 0.7, "write_timeout": 0.7},
    )
    long = ECHO.replace("quick", "long").replace('"hello"', '("word "):rep(200000)')
    with Gateway(text, policies={"quick": ECHO, "long": long}, workers=2) as gateway:
        whole = request_bytes("POST", "/v1/chat/completions", chat_body("quick"))
        clients = []
        for i in range(60):
            client = Client(gateway.address, receive_buffer=4096 if i % 4 == 2 else None)
            clients.append(client)
            if i % 4 == 0:
                client.send(whole[:10])
            elif i % 4 == 1:
                client.send(whole[:-10])
            elif i % 4 == 2:  # asks for megabytes and reads nothing
                client.send(
                    request_bytes("POST", "/v1/chat/completions", chat_body("long")) * 4
                )
        for client in clients[3::4]:
            client.reset()
        equal(gateway.chat("quick").status, 200)
        eventually(
            lambda: sum(w["connections"] for w in admin_workers(gateway)) >= 30, "they are there"
        )
        eventually(
            lambda: sum(w["connections"] for w in admin_workers(gateway)) == 0,
            "no connection is left",
            20,
        )
        eventually(
            lambda: sum(w["requests_in_flight"] + w["tasks"] for w in admin_workers(gateway)) == 0,
            "no request is left",
            20,
        )
        for client in clients:
            client.close()
