"""test_admin_client - the commands reload, policies and use against a small server that plays the engine.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import os
import socket
import tempfile
import threading

from base import check, equal
from harness import baton, clean_env

HASH = "3f2a9c81d04e" + "0" * 52


class Engine:
    """Answers each connection with the next of `answers` (bytes, or status and JSON); keeps what was asked."""

    def __init__(self, *answers, path=None):
        self.answers = list(answers)
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(8)
        self.address = f"unix:{path}" if path else "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        for answer in self.answers:
            connection, _ = self.listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                self.asked.append(read_request(connection))
                connection.sendall(answer if isinstance(answer, bytes) else packed(*answer))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join(10)
        self.listener.close()


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    while len(body) < int(fields.get("content-length", 0)):
        body += connection.recv(65536)
    plain = dict(line.split(": ", 1) for line in lines[1:])
    return lines[0], plain, json.loads(body) if body else None


def packed(status, value):
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def served(state="serving", unchanged=False):
    return 200, {"hash": HASH, "serial": 3, "state": state, "unchanged": unchanged}


def run(engine, *args, code=0, **env):
    done = baton(*args, "--admin", engine.address, env=clean_env(**env))
    equal(done.returncode, code, done.output)
    return done.output


def test_reload_says_what_serves():
    with Engine(served(), served(unchanged=True), served("staged"), served("canary")) as engine:
        equal(run(engine, "reload"), "serving 3f2a9c81d04e\n")
        equal(run(engine, "reload"), "serving 3f2a9c81d04e (unchanged)\n")
        equal(run(engine, "reload", "--stage"), "staged 3f2a9c81d04e\n")
        out = run(engine, "reload", "--share", "5%", "--promote-after", "10m")
        equal(out, "canary 3f2a9c81d04e: gets 5% of the requests\n")
    equal([line for line, _, _ in engine.asked], ["POST /admin/reload HTTP/1.1"] * 4)
    equal([body for _, _, body in engine.asked], [{}, {}, {"stage": True}, {"share": 0.05, "promote_after": 600}])


def test_use_sends_the_hash():
    with Engine(served(), served("canary")) as engine:
        equal(run(engine, "use", "3f2a9c"), "serving 3f2a9c81d04e\n")
        run(engine, "use", "3f2a9c", "--share", "0.5")
    equal(engine.asked[0][0], "POST /admin/use HTTP/1.1")
    equal([body for _, _, body in engine.asked], [{"hash": "3f2a9c"}, {"hash": "3f2a9c", "share": 0.5}])


def test_what_the_engine_refuses_is_told_with_status_1():
    said = "mine/x.lua:3: '=' expected near 'y'"
    with Engine((422, {"error": {"message": said, "code": "internal"}}), (404, {"error": {"message": "none"}}),
                (500, {"x": 1}), (401, {})) as engine:
        equal(run(engine, "reload", code=1), f"baton reload: {said}\n")
        equal(run(engine, "use", "abcdef", code=1), "baton use: none\n")
        equal(run(engine, "policies", code=1), "baton policies: the engine answered with status 500\n")
        check("--token or BATON_ADMIN_TOKEN" in run(engine, "policies", code=1), "the token")


def test_the_token_and_the_address_come_from_options_or_the_environment():
    with Engine(served(), served(), served(), served()) as engine:
        run(engine, "reload")
        done = baton("reload", "--admin", "http://" + engine.address, env=clean_env())
        equal(done.returncode, 0, done.output)  # as "baton serve" prints it
        run(engine, "reload", BATON_ADMIN_TOKEN="from the environment")
        done = baton("reload", "--token", "t", env=clean_env(BATON_ADMIN=engine.address, BATON_ADMIN_TOKEN="x"))
        equal(done.returncode, 0, done.output)
    got = [fields.get("authorization") for _, fields, _ in engine.asked]
    equal(got, [None, None, "Bearer from the environment", "Bearer t"])
    equal(engine.asked[0][1]["host"], engine.address)


def test_a_unix_socket_is_asked():
    with tempfile.TemporaryDirectory(prefix="baton-admin-") as folder:
        with Engine(served(), path=os.path.join(folder, "admin")) as engine:
            equal(run(engine, "reload"), "serving 3f2a9c81d04e\n")
        equal(engine.asked[0][1]["host"], "localhost")


LISTING = {
    "generations": [
        {"hash": HASH, "state": "serving", "loaded_at": "2026-07-25T00:00:00Z", "age_s": 65.2,
         "requests_in_flight": 12, "policies": ["cascade", "direct"], "note": ""},
        {"hash": "a" * 64, "state": "kept", "loaded_at": "2026-07-24T00:00:00Z", "age_s": 90000,
         "requests_in_flight": 0, "policies": [f"policy-{i}" for i in range(40)], "note": "rolled back: slow"},
        {"hash": "b" * 64, "state": "canary", "age_s": 10, "requests_in_flight": 1, "policies": [], "note": ""},
    ],
    "canary": {"hash": "b" * 64, "share": 0.05, "for_s": 600, "promote_after_s": 1200,
               "base": {"requests": 1000, "error_rate": 0.01, "p95_s": 1.25, "cost_usd_per_request": 0.002},
               "canary": {"requests": 50, "error_rate": 0, "p95_s": 1.5, "cost_usd_per_request": 0.0015}},
    "last_error": {"time": "2026-07-25T00:00:01Z", "message": "mine/x.lua:3: no"},
}


def test_policies_are_listed():
    empty = {"generations": [], "canary": None, "last_error": None}
    with Engine((200, LISTING), (200, LISTING), (200, empty)) as engine:
        lines = run(engine, "policies").split("\n")
        equal(json.loads(run(engine, "policies", "--json")), LISTING)
        equal(len(run(engine, "policies").strip().split("\n")), 1, "only the head")
    equal(engine.asked[0][0], "GET /admin/policies HTTP/1.1")
    equal(lines[1].split(), ["3f2a9c81d04e", "serving", "65s", "12", "cascade,", "direct"])
    check("policy-0, policy-1" in lines[2] and "more; rolled back: slow" in lines[2], lines[2])
    check(all(len(line) < 160 for line in lines), lines)
    check(lines[5] == "canary bbbbbbbbbbbb: 5% of the requests, for 10m", lines)
    check(lines[6].split() == "base 1000 requests 1.0% failed p95 1.25 s 0.002 USD a request".split(), lines)
    equal(lines[-2], "the last load was refused, 2026-07-25T00:00:01Z: mine/x.lua:3: no")


def test_answers_that_are_none():
    long_head = b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100000
    cases = [
        (b"", "no HTTP, or was cut"),
        (b"SSH-2.0-x\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", "was cut"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno", "the answer is no JSON"),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", ""),
        (packed(200, []), ""),
        (packed(200, {"generations": 7, "canary": [], "last_error": "x"}), ""),
        (packed(200, {"generations": [7, None, {"policies": [1, {}], "hash": 2}]}), ""),
        (long_head, "no HTTP"),
    ]
    with Engine(*[answer for answer, _ in cases]) as engine:
        for _, want in cases:
            out = run(engine, "policies", code=1 if want else 0)
            check(want in out, f"{out} is not: {want}")


def test_wrong_usage_asks_nobody():
    for args, want in (
        (["reload", "x"], "no operands"), (["use"], "which generation"), (["use", "a", "b"], "which generation"),
        (["reload", "--share", "5"], "write 5% or 0.05"), (["reload", "--stage", "--share", "5%"], "exclude"),
        (["use", "abcdef", "--promote-after", "10m"], "goes with --share"), (["policies", "x"], "no operands"),
        (["use", "abcdef", "--share", "5%", "--promote-after", "soon"], "is no time"),
    ):
        done = baton(*args, "--admin", "127.0.0.1:1")
        equal(done.returncode, 2, done.output)
        check(want in done.output, f"{done.output} is not: {want}")
    done = baton("policies", "--admin", "127.0.0.1:1")
    equal((done.returncode, done.output),
          (1, "baton policies: cannot reach the engine at 127.0.0.1:1 (--admin): Connection refused\n"))
