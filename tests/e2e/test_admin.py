"""The operators' side: health, metrics, requests in flight, breakers, and who may ask.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from base import check, equal, eventually, skip
from client import Client, Stream, chat_body, request, request_bytes
from crew import ask, descriptors, metrics, replaced, total, workers
from harness import Gateway, baton, config, provider, stage
from test_workers import ECHO, Held
from upstream import Provider, completion

SECRETS = {
    "provider": "sk-provider-8c1f5e7a90",
    "second": "sk-second-44d0b21c6f",
    "client": "client-key-2b9e6d71aa",
    "token": "admin-token-f3307cc1d9",
}


@contextlib.contextmanager
def engine(play=None, workers=2, args=(), env=None, listen="127.0.0.1:0", **members):
    """A gateway in front of a provider of the test: (provider, gateway)."""
    with Provider(play or (lambda x: x.reply(completion("ok")))) as upstream:
        members.setdefault("default_model", "raw/echo")
        text = config({"raw": provider(upstream.base_url)}, **members)
        with Gateway(
            text, policies={"quick": ECHO}, workers=workers, args=args, env=env, listen=listen
        ) as gateway:
            yield upstream, gateway


# ---- health and metrics -------------------------------------------------------------------------


def test_health():
    with engine() as (_, gateway):
        for path in ("/livez", "/readyz"):
            answer = gateway.ask_admin("GET", path)
            equal(answer.status, 200)
            equal(answer.header("content-type"), "application/json")
        for pid in workers(gateway):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: gateway.ask_admin("GET", "/readyz").status == 200, "ready again")


def test_promtool_accepts_the_metrics():
    if not shutil.which("promtool"):
        skip("no promtool (Debian package prometheus)")
    odd = 'strange "name" with \\ and\nlines'
    with engine(
        breaker={"failures": 2}, policies={"cascade": {"ladder": ["raw/echo"]}}
    ) as (_, gateway):
        for model in ("quick", "raw/echo", "nope", odd, "raw/" + odd):
            for stream in (False, True):
                gateway.chat(model, stream=stream)
        gateway.ask_admin("POST", "/admin/breakers", {"model": "raw/" + odd, "state": "open"})
        gateway.ask_admin("POST", "/admin/reload", {})
        for pid in workers(gateway)[:1]:
            os.kill(pid, signal.SIGKILL)
            replaced(gateway, [pid], 2)
        answer = gateway.ask_admin("GET", "/metrics")
        equal(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8")
        done = subprocess.run(
            ["promtool", "check", "metrics"],
            input=answer.body,
            capture_output=True,
            timeout=60,
            check=False,
        )
        check(done.returncode == 0, lambda: (done.stdout + done.stderr).decode()[:3000])
        check(not done.stderr, lambda: done.stderr.decode()[:3000])


def test_metrics_count_what_happened():
    sim, _ = stage()
    text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
    with Gateway(text, policies={"quick": ECHO}, workers=2) as gateway:
        for _ in range(5):
            equal(gateway.chat("sim/mini").status, 200)
        for _ in range(3):
            check(Stream(gateway.chat("sim/mini", stream=True).body).done, "no stream")
        gateway.chat("sim/mini:500")
        equal(gateway.chat("no-such-model").status, 404)
        gateway.chat("quick")
        values = eventually(lambda: counted(gateway, 11), "11 requests counted")
        equal(total(values, "baton_requests_total", 'code="200"'), 9)
        equal(total(values, "baton_requests_total", 'code="404"'), 1)
        equal(total(values, "baton_request_errors_total"), 2)
        equal(total(values, "baton_request_seconds_count", 'model="sim/mini"'), 8)
        equal(total(values, "baton_time_to_first_token_seconds_count", 'model="sim/mini"'), 3)
        equal(total(values, "baton_model_calls_total", 'model="sim/mini"', 'outcome="ok"'), 8)
        check(total(values, "baton_tokens_total", 'kind="output"') > 0, "no tokens")
        check(total(values, "baton_cost_usd_total") > 0, "no cost")
        equal(total(values, "baton_workers"), 2)
        equal(total(values, "baton_breaker_state", 'model="sim/mini"'), 0)
        equal(total(values, "baton_reloads_total", 'result="ok"'), 1)
        equal(total(values, "baton_generations", 'state="serving"'), 1)
        eventually(
            lambda: len([n for n in metrics(gateway) if n.startswith("baton_worker_memory")]) == 2
            and total(metrics(gateway), "baton_worker_memory_bytes") > 4e6,
            "memory of each worker",
        )


def counted(gateway, n):
    values = metrics(gateway)
    return values if total(values, "baton_requests_total") >= n else None


# ---- in flight ----------------------------------------------------------------------------------


def listed(gateway):
    return gateway.ask_admin("GET", "/admin/requests").json()


def test_requests_in_flight_are_listed_from_all_workers():
    play = Held()
    with engine(play) as (upstream, gateway):
        equal(listed(gateway), {"total": 0, "silent_workers": 0, "requests": []})
        clients = [
            gateway.open_chat(
                "raw/echo", stream=i % 2 == 1, headers={"X-Request-Id": f"mine-{i}"}, timeout=40
            )
            for i in range(20)
        ]
        upstream.received(20)
        said = eventually(lambda: all_there(gateway, 20), "20 requests")
        by_id = {r["request_id"]: r for r in said["requests"]}
        equal(len(by_id), 20)
        one = by_id["mine-3"]
        equal((one["path"], one["stream"], one["attempts"]), ("/v1/chat/completions", True, 1))
        check(one["peer"].startswith("127.0.0.1:"), one["peer"])
        check(0 < one["age_s"] < 60 and len(one["id"]) == 32 and one["generation"], one)
        states = gateway.ask_admin("GET", "/admin/policies").json()["generations"]
        eventually(
            lambda: gateway.ask_admin("GET", "/admin/policies").json()["generations"][0][
                "requests_in_flight"
            ]
            >= 20,
            f"20 in the generation: {states}",
        )
        play.release()
        for client in clients:
            equal(client.answer().status, 200)
        eventually(lambda: listed(gateway)["total"] == 0, "none is left")


def all_there(gateway, n):
    said = listed(gateway)
    return said if said["total"] == n == len(said["requests"]) else None


def test_more_requests_than_a_list_holds():
    """They are counted; a part of them is shown."""
    play = Held()
    with engine(play) as (_, gateway):
        clients = []
        for i in range(1200):
            headers = {"X-Request-Id": f"{i:04}" + "i" * 120}
            clients.append(gateway.open_chat("raw/echo", headers=headers, timeout=60))
        said = eventually(lambda: listed(gateway)["total"] == 1200 and listed(gateway), "all", 20)
        check(100 < len(said["requests"]) < 1200, f"{len(said['requests'])} are shown")
        for client in clients:
            client.close()
        eventually(lambda: listed(gateway)["total"] == 0, "none is left", 20)


def test_a_request_is_cancelled():
    play = Held()
    with engine(play) as (upstream, gateway):
        ids = ["plain-id", "a/b c%2F".replace(" ", "+"), "streamed"]
        clients = [
            gateway.open_chat(
                "raw/echo", stream=i == "streamed", headers={"X-Request-Id": i}, timeout=40
            )
            for i in ids
        ]
        upstream.received(3)
        eventually(lambda: all_there(gateway, 3), "three requests")
        eventually(lambda: clients[2].more() and b"one " in clients[2].buffer, "the first words")
        paths = ["plain-id", "a%2Fb%2Bc%252F"]
        for path, client in zip(paths, clients):
            answer = gateway.ask_admin("DELETE", "/admin/requests/" + path)
            equal((answer.status, answer.json()), (200, {"cancelled": 1}))
            told = client.answer()
            equal(told.status, 503)
            check("operator cancelled" in told.error()["message"], lambda: repr(told))
        trace = listed(gateway)["requests"][0]["id"]
        equal(gateway.ask_admin("DELETE", "/admin/requests/" + trace).json(), {"cancelled": 1})
        said = Stream(clients[2].answer().body)
        check("operator cancelled" in said.error["message"], lambda: f"{said.error}")
        for exchange in upstream.exchanges:
            check(exchange.wait_left(), "the provider is still asked")
        for path in ("plain-id", "nobody", "%00", "x" * 2000):
            answer = gateway.ask_admin("DELETE", "/admin/requests/" + path)
            equal((answer.status, answer.json()["error"]["code"]), (404, "not_found"))
        equal(gateway.chat("quick").status, 200)


def test_questions_to_workers_that_hang_or_die():
    with engine(watchdog=60) as (_, gateway):
        victim = workers(gateway)[0]
        os.kill(victim, signal.SIGSTOP)
        equal(listed(gateway)["silent_workers"], 1)
        equal(gateway.ask_admin("DELETE", "/admin/requests/x").status, 404)
        with contextlib.closing(Client(gateway.admin_address)) as client:
            client.send_request("GET", "/admin/requests")
            # Its question is on the way when the worker dies: no need to wait for it any longer.
            equal(gateway.ask_admin("GET", "/livez").status, 200)
            begin = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            equal(client.answer("GET").json()["total"], 0)
            check(time.monotonic() - begin < 60, "it waited for a dead worker")
        replaced(gateway, [victim], 2)
        for _ in range(20):  # who asks may leave before the answer
            with Client(gateway.admin_address) as client:
                client.send_request("GET", "/admin/requests")
                client.reset()
        equal(listed(gateway)["silent_workers"], 0)


# ---- breakers -----------------------------------------------------------------------------------


def force(gateway, state, model="raw/echo"):
    return gateway.ask_admin("POST", "/admin/breakers", {"model": model, "state": state})


def breaker(gateway, model="raw/echo"):
    found = gateway.ask_admin("GET", "/admin/breakers").json()["breakers"]
    return next((b for b in found if b["model"] == model), None)


def test_breakers_are_seen_and_forced():
    broken = []

    def play(exchange):
        exchange.reply({"error": {"message": "no"}} if broken else completion("ok"), 500 if broken else 200)

    with engine(play, breaker={"failures": 3, "cooldown": 300}) as (upstream, gateway):
        equal(gateway.chat("raw/echo").status, 200)
        equal((breaker(gateway)["state"], breaker(gateway)["forced"]), ("closed", "none"))
        equal(force(gateway, "open").status, 200)
        equal(breaker(gateway)["forced"], "open")
        asked = len(upstream.exchanges)
        for _ in range(6):  # whichever worker it is
            answer = gateway.chat("raw/echo")
            equal((answer.status, answer.error()["code"]), (502, "unavailable"))
            check("raw/echo" in answer.error()["message"], lambda: repr(answer))
        equal(len(upstream.exchanges), asked, "requests to a model forced open")
        equal(force(gateway, "auto").status, 200)
        equal(gateway.chat("raw/echo").status, 200)
        broken.append(True)
        for _ in range(8):
            gateway.chat("raw/echo")
        equal(breaker(gateway)["state"], "open")
        check(breaker(gateway)["open_for_s"] > 100, breaker(gateway))
        equal(total(metrics(gateway), "baton_breaker_state", "raw/echo"), 2)
        broken.clear()
        equal(gateway.chat("raw/echo").status, 502)
        equal(force(gateway, "closed").status, 200)
        equal(gateway.chat("raw/echo").status, 200)


def test_breakers_refuse_nonsense():
    with engine() as (_, gateway):
        for body in (
            {},
            {"model": "raw/echo"},
            {"model": "raw/echo", "state": "ajar"},
            {"model": "raw/echo", "state": None},
            {"model": "noslash", "state": "open"},
            {"model": "a/" + "x" * 5000, "state": "open"},
            {"model": 5, "state": "open"},
        ):
            answer = gateway.ask_admin("POST", "/admin/breakers", body)
            equal((answer.status, answer.json()["error"]["code"]), (400, "bad_request"), str(body)[:80])
        for i in range(2000):  # no end of names
            answer = force(gateway, "open", f"some/model-{i}")
            if answer.status != 200:
                break
        equal(answer.status, 409)
        equal(gateway.chat("raw/echo").status, 200)


# ---- who may ask --------------------------------------------------------------------------------


def test_a_token():
    with engine(admin={"token": SECRETS["token"]}) as (_, gateway):
        for path in ("/livez", "/readyz"):
            equal(gateway.ask_admin("GET", path).status, 200)
        right = {"Authorization": "Bearer " + SECRETS["token"]}
        for path in ("/metrics", "/admin/policies", "/admin/requests", "/admin/workers"):
            for headers in (
                None,
                {"Authorization": "Bearer wrong"},
                {"Authorization": "Bearer " + SECRETS["token"] + "x"},
                {"Authorization": "Bearer " + SECRETS["token"][:-1]},
                {"Authorization": "Bearer "},
                {"Authorization": SECRETS["token"]},
                {"X-Api-Key": SECRETS["token"]},
            ):
                answer = gateway.ask_admin("GET", path, headers=headers)
                equal((answer.status, answer.json()["error"]["code"]), (401, "auth"), f"{headers}")
            equal(gateway.ask_admin("GET", path, headers=right).status, 200)
            equal(gateway.ask_admin("GET", path, headers={**right, "Origin": "http://a"}).status, 200)
        before = sorted(workers_with(gateway, right))
        for method, path in (("POST", "/admin/reload"), ("POST", "/admin/breakers")):
            equal(gateway.ask_admin(method, path, {}).status, 401)
        equal(sorted(workers_with(gateway, right)), before)
        done = baton("policies", "--admin", gateway.admin_address)
        equal(done.returncode, 1)
        check("token" in done.stderr, lambda: done.output)
        done = baton("policies", "--admin", gateway.admin_address, "--token", SECRETS["token"])
        equal(done.returncode, 0, done.output)


def workers_with(gateway, headers):
    return [
        w["pid"] for w in gateway.ask_admin("GET", "/admin/workers", headers=headers).json()["workers"]
    ]


def own_address():
    """An address of this machine that is not the loopback's."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("198.51.100.1", 9))  # sends nothing
        found = sock.getsockname()[0]
        if not found.startswith("127."):
            return found
    return None


def test_from_another_address_a_token_is_needed():
    host = own_address()
    if not host:  # a machine with nothing but the loopback: what an operator is told of a wide address
        with engine(args=["--admin", ":0"]) as (_, gateway):
            eventually(lambda: "token" in gateway.stderr, "the warning about a wide address")
        return
    with engine(args=["--admin", ":0"]) as (_, gateway):
        port = gateway.admin_address.rpartition(":")[2]
        outside, inside = f"{host}:{port}", f"127.0.0.1:{port}"
        for path in ("/livez", "/readyz"):
            equal(request(outside, "GET", path).status, 200)
        for method, path in (
            ("GET", "/metrics"),
            ("GET", "/admin/policies"),
            ("GET", "/admin/requests"),
            ("DELETE", "/admin/requests/x"),
            ("POST", "/admin/reload"),
            ("POST", "/admin/use"),
            ("POST", "/admin/breakers"),
        ):
            answer = request(outside, method, path)
            equal((answer.status, answer.json()["error"]["code"]), (403, "auth"), path)
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
            equal(request(outside, "GET", "/metrics", headers={name: "127.0.0.1"}).status, 403)
        equal(request(inside, "GET", "/metrics").status, 200)
    with engine(args=["--admin", ":0"], admin={"token": SECRETS["token"]}) as (_, gateway):
        outside = f"{host}:{gateway.admin_address.rpartition(':')[2]}"
        right = {"Authorization": "Bearer " + SECRETS["token"]}
        equal(request(outside, "GET", "/metrics").status, 401)
        equal(request(outside, "GET", "/metrics", headers=right).status, 200)


def test_web_pages_are_refused():
    with engine() as (_, gateway):
        port = gateway.admin_address.rpartition(":")[2]
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://127.0.0.1:{port}"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "evil.example"},
            {"Host": f"evil.example:{port}"},
            {"Host": "localhost.evil.example"},
            {"Host": "localhost-evil.example"},
            {"Host": "127.0.0.1.evil.example"},
        ):
            for method, path in (("POST", "/admin/reload"), ("GET", "/admin/requests")):
                answer = request_as(gateway.admin_address, method, path, headers)
                equal((answer.status, answer.json()["error"]["code"]), (403, "auth"), f"{headers}")
        for host in (f"127.0.0.1:{port}", "localhost", f"localhost:{port}", f"[::1]:{port}", "LOCALHOST"):
            answer = request_as(gateway.admin_address, "GET", "/admin/requests", {"Host": host})
            equal(answer.status, 200, host)


def request_as(address, method, path, headers):
    """With that Host instead of the usual one."""
    headers = {"Host": "localhost", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    with Client(address) as client:
        client.send("\r\n".join(lines).encode() + b"\r\nContent-Length: 0\r\n\r\n")
        return client.answer(method)


# ---- bad input ----------------------------------------------------------------------------------


def test_bad_requests():
    with engine() as (_, gateway):
        for body in (b"{", b"[]", b"5", b'"x"', b"\xff", b"nonsense", b"[" * 5000, b'{"a":1,}', b"{}{}"):
            for path in ("/admin/reload", "/admin/use", "/admin/breakers"):
                answer = ask(gateway, "POST", path, body)
                equal((answer.status, answer.json()["error"]["code"]), (400, "bad_request"), f"{body}")
        for body in ({}, {"hash": 5}, {"hash": "abc"}, {"hash": "xyzxyzxyz"}, {"hash": "a" * 200}):
            equal(gateway.ask_admin("POST", "/admin/use", body).status, 400, f"{body}")
        equal(gateway.ask_admin("POST", "/admin/use", {"hash": "abcdef012345"}).status, 404)
        for share in (0, 1, -0.5, 2, "5%", None, [], 1e300):
            for path in ("/admin/reload", "/admin/use"):
                body = {"hash": "abcdef012345", "share": share}
                equal(gateway.ask_admin("POST", path, body).status, 400, f"{body}")
        large = b'{"hash":"' + b"a" * 70000 + b'"}'
        answer = ask(gateway, "POST", "/admin/use", large)
        equal(answer.status, 413)
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/admin", 404),
            ("GET", "/admin/", 404),
            ("GET", "/admin/requests/", 404),
            ("GET", "/../etc/passwd", 404),
            ("POST", "/metrics", 405),
            ("PUT", "/admin/reload", 405),
            ("GET", "/admin/reload", 405),
            ("GET", "/admin/requests/x", 405),
            ("DELETE", "/admin/policies", 405),
        ):
            answer = ask(gateway, method, path, b"" if method in ("POST", "PUT") else None)
            equal(answer.status, status, f"{method} {path}")
            check(answer.json()["error"]["message"], "an error without a message")
        with Client(gateway.admin_address) as client:  # it is the same strict parser
            client.send(b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            equal(client.answer("GET").status, 400)
        equal(gateway.chat("quick").status, 200)


def test_many_idle_connections_do_not_lock_operators_out():
    """More than it takes at once wait; when some leave, their turn comes. Requests of clients go on."""
    with engine() as (_, gateway):
        idle = [Client(gateway.admin_address) for _ in range(300)]
        equal(gateway.chat("quick").status, 200)
        with Client(gateway.admin_address) as client:
            client.send_request("GET", "/livez")
            for other in idle[:100]:
                other.close()
            equal(client.answer("GET").status, 200)
        for other in idle:
            other.close()
        eventually(lambda: gateway.ask_admin("GET", "/livez").status == 200, "an answer")


# ---- where it listens ---------------------------------------------------------------------------


def test_a_unix_socket():
    with tempfile.TemporaryDirectory() as folder:
        path = f"unix:{folder}/admin.sock"
        with engine(args=["--admin", path]) as (_, gateway):
            equal(gateway.admin_address, path)
            equal(gateway.ask_admin("GET", "/readyz").status, 200)
            equal(len(gateway.ask_admin("GET", "/admin/workers").json()["workers"]), 2)
            done = baton("policies", "--admin", path, "--json")
            equal(done.returncode, 0, done.output)
            equal(json.loads(done.stdout)["generations"][0]["state"], "serving")
            # others of this machine must not get in by the file
            check(os.stat(f"{folder}/admin.sock").st_mode & 0o022 == 0, "everybody may ask")
        equal(os.listdir(folder), [])


def test_none():
    with engine(args=["--admin", "none"]) as (_, gateway):
        equal(gateway.admin_address, None)
        equal(gateway.chat("quick").status, 200)
        sockets = [t for t in descriptors(gateway.pid).values() if t.startswith("socket:")]
        listening = listening_of(sockets)
        equal(len(listening), 2, "sockets the master listens at")
        done = baton("policies", "--admin", "127.0.0.1:1")
        equal(done.returncode, 1)


def listening_of(sockets):
    with open("/proc/net/tcp", encoding="ascii") as f:
        lines = [line.split() for line in f][1:]
    return [x for x in lines if x[3] == "0A" and f"socket:[{x[9]}]" in sockets]


# ---- secrets ------------------------------------------------------------------------------------


def test_secrets_are_never_shown():
    """Neither by the API nor in the log, when all goes well and when nothing does."""

    def play(exchange):
        key = exchange.headers.get("authorization", "")
        if "second" in key:
            exchange.reply(completion("ok"))
        else:  # some providers repeat the key that they refuse
            exchange.reply({"error": {"message": "Incorrect API key provided: " + key[7:]}}, 401)

    with Provider(play) as upstream:
        keys = [SECRETS["provider"], SECRETS["second"]]
        text = config(
            {"raw": provider(upstream.base_url, key=keys)},
            default_model="raw/echo",
            keys=[SECRETS["client"]],
            admin={"token": SECRETS["token"]},
            log="debug",
        )
        with Gateway(text, policies={"quick": ECHO}, workers=2) as gateway:
            key = {"Authorization": "Bearer " + SECRETS["client"]}
            token = {"Authorization": "Bearer " + SECRETS["token"]}
            shown = []
            for headers in (key, {"Authorization": "Bearer wrong"}, {"X-Api-Key": SECRETS["client"]}):
                for stream in (False, True):
                    shown.append(gateway.chat("raw/echo", headers=headers, stream=stream))
            equal(shown[0].status, 200, repr(shown[0]))
            path = gateway.dir + "/baton.lua"
            with open(path, encoding="utf-8") as f:
                good = f.read()
            for broken in (good + "}", good.replace("return", "retrun"), good.replace("keys", "kyes")):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(broken)
                answer = gateway.ask_admin("POST", "/admin/reload", {}, token)
                equal(answer.status, 422)
                shown.append(answer)
            with open(path, "w", encoding="utf-8") as f:
                f.write(good)
            for where in ("/metrics", *(f"/admin/{x}" for x in ("policies", "requests", "workers"))):
                shown.append(gateway.ask_admin("GET", where, headers=token))
            breakers = gateway.ask_admin("GET", "/admin/breakers", headers=token)
            check(breakers.json()["keys"], lambda: f"no key was benched: {breakers!r}")
            shown += [breakers, gateway.ask_admin("GET", "/admin/policies", headers=key)]
        texts = [a.head + a.body for a in shown] + [gateway.stderr.encode(), gateway.stdout.encode()]
        for what, secret in SECRETS.items():
            for t in texts:
                check(secret.encode() not in t, lambda: f"the {what} key is shown in {t[-3000:]}")
