"""Memory and descriptors: what a waiting request costs, and that nothing is kept.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import selectors
import socket
import subprocess
import sys
import threading
from pathlib import Path

from base import check, equal, eventually, skip
from client import Client, chat_body, request_bytes
from crew import admin_workers, engine_pss, pss, workers
from harness import Gateway, config, many_descriptors, provider, sanitized, stage, write_policies
from test_workers import ECHO
from upstream import completion

ALONE = True  # memory is measured


class Hole:
    """A provider that takes any number of requests; .taken counts them, .answer() answers all."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.server.setblocking(False)
        self.base_url = "http://127.0.0.1:%d/v1" % self.server.getsockname()[1]
        self.taken, self.open = 0, 0
        self.answering, self.waiting = threading.Event(), set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.server, selectors.EVENT_READ)
            while not self.ended.is_set():
                for key, _ in selector.select(0.1):
                    if key.fileobj is self.server:
                        self._accept(selector)
                    else:
                        self._read(selector, key.fileobj)
                if self.answering.is_set():
                    self._answer_all()

    def answer(self):
        """From now on each request is answered."""
        self.answering.set()

    def _answer_all(self):
        body = json.dumps(completion("at last")).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        for sock in self.waiting:
            with contextlib.suppress(OSError):
                sock.send(head.encode() + body)
        self.waiting.clear()

    def _accept(self, selector):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self.server.accept()
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ)
                self.open += 1

    def _read(self, selector, sock):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            selector.unregister(sock)
            self.waiting.discard(sock)
            sock.close()
            self.open -= 1
        elif b"POST /" in data:
            self.waiting.add(sock)
        self.taken += data.count(b"POST /")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.server.close()


def wait_many(gateway, hole, n, **members):
    raw = request_bytes("POST", "/v1/chat/completions", chat_body("hole/x", "x" * 900, **members))
    start, clients = hole.taken, []
    for _ in range(n):
        client = Client(gateway.address)
        client.send(raw)
        clients.append(client)
    eventually(lambda: hole.taken >= start + n, f"{n} requests at the provider", 30)
    return clients


def test_a_waiting_request_takes_at_most_40_kb():
    if sanitized():
        skip_quietly()
    if many_descriptors() < 5000:
        skip("fewer than 5000 descriptors")
    patient = {"connect": 10, "first_byte": 300, "stall": 300, "total": 600}
    with Hole() as hole:
        text = config({"hole": provider(hole.base_url)}, default_model="hole/x", timeouts=patient)
        with Gateway(text) as gateway:
            for client in wait_many(gateway, hole, 20):
                client.close()
            eventually(lambda: hole.open == 0, "the warm-up's connections closed")
            descriptors = gateway.descriptors()
            for stream in (False, True):
                before = gateway.rss()
                clients = wait_many(gateway, hole, 1000, stream=stream)
                each = (gateway.rss() - before) / 1000
                check(
                    each <= 40 * 1024, f"{each / 1024:.1f} KB a waiting request (stream={stream})"
                )
                equal(gateway.request("GET", "/livez").status, 200)
                for client in clients:
                    client.close()
                eventually(lambda: hole.open == 0, "1,000 connections to the provider closed", 10)
                eventually(
                    lambda: gateway.descriptors() <= descriptors, "descriptors as at the start", 10
                )


def test_what_a_burst_took_goes_back_when_it_is_over():
    if sanitized():
        skip_quietly()
    if many_descriptors() < 8500:
        skip("fewer than 8500 descriptors")
    patient = {"connect": 10, "first_byte": 300, "stall": 300, "total": 600}
    with Hole() as hole:
        text = config({"hole": provider(hole.base_url)}, default_model="hole/x", timeouts=patient)
        with Gateway(text) as gateway:
            idle = gateway.rss()
            clients = wait_many(gateway, hole, 4000)
            burst = gateway.rss() - idle
            for client in clients:
                client.close()
            eventually(
                lambda: gateway.rss() - idle < burst * 0.7,
                f"a third of the {burst / 1e6:.0f} MB of a burst given back",
                30,
            )


def test_ten_thousand_requests_wait_at_once_over_two_workers():
    """At most 400 MB more than idle, all processes together; some leave, the others are answered."""
    if sanitized():
        skip_quietly()
    if many_descriptors() < 20000:
        skip("fewer than 20,000 descriptors a process")
    n, leaving = 10000, 2000
    patient = {"connect": 30, "first_byte": 300, "stall": 300, "total": 600}
    with Hole() as hole:
        text = config({"hole": provider(hole.base_url)}, default_model="hole/x", timeouts=patient)
        with Gateway(text, workers=2) as gateway:
            for client in wait_many(gateway, hole, 20):
                client.close()
            eventually(lambda: hole.open == 0, "the warm-up's connections closed")
            idle, start = engine_pss(gateway), hole.taken
            with crowd(gateway, n, leaving) as (say, hear):
                equal(hear(), "sent")
                eventually(lambda: hole.taken >= start + n, f"{n} requests at the provider", 60)
                more = engine_pss(gateway) - idle
                print(f"    idle {idle / 1e6:.1f} MB, {more / 1e6:.0f} MB more with {n} waiting")
                check(more <= 400e6, f"{more / 1e6:.0f} MB more")
                equal(gateway.request("GET", "/livez").status, 200)
                equal(
                    eventually(lambda: listed(gateway) == n and n, "all of them in flight"), n
                )
                say()
                equal(hear(), "left")
                eventually(lambda: hole.open <= n - leaving, "those that left are aborted", 60)
                hole.answer()
                equal(json.loads(hear()), {"200": n - leaving})
            eventually(lambda: in_flight(gateway) == 0, "nothing in flight", 20)
            eventually(
                lambda: engine_pss(gateway) - idle < more * 0.7, "some of it is given back", 30
            )


def listed(gateway):
    return gateway.ask_admin("GET", "/admin/requests").json()["total"]


def in_flight(gateway):
    return sum(w["requests_in_flight"] + w["tasks"] for w in admin_workers(gateway))


@contextlib.contextmanager
def crowd(gateway, n, leaving):
    program = Path(__file__).with_name("crowd.py")
    process = subprocess.Popen(
        [sys.executable, program, gateway.address, str(n), str(leaving)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def say(line=b""):
        process.stdin.write(line + b"\n")
        process.stdin.flush()

    try:
        say(chat_body("hole/x", "x" * 900))
        yield say, lambda: process.stdout.readline().decode().strip()
        equal(process.wait(20), 0)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_two_hundred_reloads_leave_nothing_behind():
    if sanitized():
        skip_quietly()
    sim, _ = stage()
    text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
    files = {"quick": ECHO, **{f"p{i}": ECHO.replace("quick", f"p{i}") for i in range(20)}}
    with Gateway(text, policies=files, workers=2, args=["--no-watch"]) as gateway:

        def reload(first, n):
            for i in range(first, first + n):
                write_policies(
                    gateway.policies, {"quick": ECHO.replace("hello", f"hello {i}")}
                )
                answer = gateway.ask_admin("POST", "/admin/reload", {}, timeout=60)
                equal((answer.status, answer.json()["unchanged"]), (200, False), repr(answer))
                equal(gateway.chat("quick").text(), f"hello {i}")
                equal(gateway.chat("sim/mini").status, 200)

        def settled():
            eventually(lambda: generations(gateway) == ["serving"], "old generations are freed", 20)
            return engine_pss(gateway), gateway.descriptors()

        print(f"    idle: master {pss(gateway.pid) / 1e6:.1f} MB, workers "
              + ", ".join(f"{pss(p) / 1e6:.1f} MB" for p in workers(gateway)))
        reload(0, 20)
        before, descriptors = settled()
        reload(20, 200)
        after, now = settled()
        grown = after - before
        print(f"    {before / 1e6:.2f} MB after 20 reloads, {grown / 1e6:+.2f} MB after 200 more")
        check(grown < 2e6, f"{grown / 1e6:.2f} MB more after 200 reloads")
        eventually(lambda: gateway.descriptors() <= descriptors + 2, f"{now} descriptors")


def generations(gateway):
    """The states of those that some worker has."""
    found = gateway.ask_admin("GET", "/admin/policies").json()["generations"]
    return [g["state"] for g in found if g["state"] not in ("kept", "staged")]


def skip_quietly():
    """Sanitizers keep freed memory: nothing to judge, and REQUIRE_ALL does not mean this."""
    from base import Skip

    raise Skip("built with a sanitizer")


def many(gateway, n, stream):
    """n requests over one connection, eight ahead."""
    raw = request_bytes(
        "POST", "/v1/chat/completions", chat_body("sim/mini", "x" * 500, stream=stream)
    )
    with Client(gateway.address, timeout=60) as client:
        for _ in range(n // 8):
            client.send(raw * 8)
            for _ in range(8):
                equal(client.answer().status, 200)


def test_thousands_of_requests_leave_no_memory_behind():
    if sanitized():
        skip_quietly()
    sim, _ = stage()
    with Gateway(config({"sim": provider(sim.base_url)}, default_model="sim/mini")) as gateway:

        def rounds(n):
            for stream in (False, True):
                many(gateway, n, stream)

        rounds(1500)
        before, descriptors = gateway.rss(), gateway.descriptors()
        rounds(3000)
        grown = gateway.rss() - before
        check(grown < 1.5e6, f"{grown / 1e6:.2f} MB more after 6,000 requests")
        eventually(lambda: gateway.descriptors() <= descriptors + 1, "descriptors as before")


def test_failures_leave_no_memory_behind():
    if sanitized():
        skip_quietly()
    sim, _ = stage()
    with Gateway(config({"sim": provider(sim.base_url)}, default_model="sim/mini")) as gateway:

        def rounds(n):
            for _ in range(n):
                for fault in ("500", "reset", "cut", "wrong-json", "truncated", "no-finish"):
                    for stream in (False, True):
                        gateway.chat("sim/mini:" + fault, stream=stream)

        rounds(1000)  # the collector has gone through what is only loaded and sized once several times
        before, descriptors = gateway.rss(), gateway.descriptors()
        rounds(40)
        grown = gateway.rss() - before
        check(grown < 1e6, f"{grown / 1e6:.2f} MB more after 480 failures")
        eventually(lambda: gateway.descriptors() <= descriptors + 2, "descriptors as before")
