"""HTTP as the real binary speaks it: framing, limits, slow and hostile clients, TLS.

SPDX-License-Identifier: MIT
"""

import base64
import json
import re
import socket
import ssl
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from base import alone, check, equal, eventually, slow, vectors
from client import Client, Stream, chat_body, request_bytes
from harness import Gateway, behind, config, make_certificate, provider, sanitized, stage
from upstream import completion, event

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(gateway, **more):
    return Client(gateway.address, **more)


def post(body, extra=b"", framing=None):
    framing = framing if framing is not None else b"Content-Length: %d\r\n" % len(body)
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + framing
        + extra
        + b"\r\n"
        + body
    )


# ---- connections --------------------------------------------------------------------------------


def test_a_connection_is_kept_over_many_requests():
    _, gateway = stage()
    with connect(gateway) as client:
        for i in range(50):
            body = chat_body("sim/mini", f"q{i}", stream=bool(i % 2)) if i % 3 else b"no json"
            client.send(post(body))
            answer = client.answer()
            equal((answer.status, answer.complete), (200 if i % 3 else 400, True), repr(answer))


def test_connection_close_and_http_1_0_are_honoured():
    _, gateway = stage()
    for raw in (
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /livez HTTP/1.0\r\n\r\n",
    ):
        with connect(gateway) as client:
            client.send(raw)
            equal(client.answer().status, 200)
            check(not client.more(), "the connection stayed open")
    with connect(gateway) as client:
        client.send(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        equal(client.answer().status, 200)


def test_a_stream_to_http_1_0_ends_with_the_connection():
    _, gateway = stage()
    body = chat_body("sim/mini", stream=True)
    with connect(gateway) as client:
        client.send(post(body).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = client.answer()
        check(answer.header("transfer-encoding") is None, "chunked for HTTP/1.0")
        check(Stream(answer.body).done, repr(answer))


def test_pipelined_requests_are_answered_in_order():
    def play(exchange):
        exchange.reply(completion(exchange.json()["messages"][-1]["content"]))

    with behind(play) as (_, gateway), connect(gateway) as client:
        client.send(b"".join(post(chat_body("raw/echo", f"q{i}")) for i in range(30)))
        for i in range(30):
            equal(client.answer().text(), f"q{i}")


def test_a_slow_answer_does_not_let_a_later_one_pass():
    _, gateway = stage()
    with connect(gateway) as client:
        client.send(post(chat_body("sim/mini:latency=300")) + GET + post(b"no json") + GET)
        equal([client.answer().status for _ in range(4)], [200, 200, 400, 200])


def test_requests_come_in_any_pieces():
    _, gateway = stage()
    raw = post(chat_body("sim/mini", "in pieces"))
    with connect(gateway) as client:
        for i in range(len(raw)):
            client.send(raw[i : i + 1])
        equal(client.answer().status, 200)


# ---- bodies -------------------------------------------------------------------------------------


def chunked(body, size, extension=b"", trailer=b""):
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return (
        b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in parts)
        + b"0\r\n"
        + trailer
        + b"\r\n"
    )


def test_chunked_bodies_are_read():
    def play(exchange):
        exchange.reply(completion())

    body = chat_body("raw/echo", "\u00e9" * 3000)
    with behind(play) as (upstream, gateway), connect(gateway) as client:
        for n, coded in enumerate(
            (
                chunked(body, 1),
                chunked(body, 1000, b";a=b"),
                chunked(body, len(body)),
                chunked(body, 7, b"", b"X-Trailer: 1\r\n"),
            ),
            1,
        ):
            client.send(post(b"", framing=b"Transfer-Encoding: chunked\r\n") + coded)
            equal(client.answer().status, 200)
            equal(upstream.received(n).body, body.replace(b"raw/echo", b"echo"))


def test_expect_100_continue_is_answered_before_the_body():
    _, gateway = stage()
    body = chat_body("sim/mini")
    raw = post(body, b"Expect: 100-continue\r\n")
    with connect(gateway) as client:
        client.send(raw[: -len(body)])
        equal(client.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(body)
        equal(client.answer().status, 200)


def test_expectations_over_the_limit_are_refused_before_the_body():
    _, gateway = stage()
    with connect(gateway) as client:
        client.send(post(b"", b"Expect: 100-continue\r\n", b"Content-Length: 999999999999\r\n"))
        equal(client.head().status, 413)


def test_large_bodies_arrive_whole():
    def play(exchange):
        exchange.reply(completion(str(len(exchange.body))))

    with behind(play) as (upstream, gateway):
        body = chat_body("raw/echo", "x" * 20_000_000)
        answer = gateway.request(body=body)
        equal(answer.status, 200, repr(answer))
        equal(upstream.received().body, body.replace(b"raw/echo", b"echo"))


# ---- limits -------------------------------------------------------------------------------------


def test_limits_have_their_status():
    _, gateway = stage()
    many = b"".join(b"X-%d: 1\r\n" % i for i in range(300))
    for raw, status in (
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (post(b"", framing=b"Content-Length: 99999999999\r\n"), 413),
        (post(b"", framing=b"Transfer-Encoding: gzip, chunked\r\n") + b"0\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
    ):
        with connect(gateway) as client:
            try:
                client.send(raw)
            except OSError:
                pass  # refused and closed while we were still sending
            answer = client.answer()
            equal(answer.status if answer else None, status, repr(raw[:60]))


def test_slow_clients_are_cut_and_others_served():
    """Half a head, and half a body: each has its own limit."""
    sim, _ = stage()
    limits = {"header_timeout": 1, "body_timeout": 3}
    with Gateway(config({"sim": provider(sim.base_url)}, limits=limits)) as gateway:
        begin = time.monotonic()
        with connect(gateway, timeout=60) as head, connect(gateway, timeout=60) as body:
            head.send(b"GET /livez HTTP/1.1\r\nHost:")
            body.send(post(b"", framing=b"Content-Length: 100\r\n") + b"{")
            equal(gateway.request("GET", "/livez").status, 200)
            for client, seconds in ((head, 1), (body, 3)):
                answer = client.answer()
                check(answer is None or answer.status == 408, repr(answer))
                check(not client.more(), "a slow client's connection stays open")
                took = time.monotonic() - begin
                check(took > 0.9 * seconds, f"cut off after {took:.2f} s of {seconds}")


@alone
def test_idle_connections_cost_no_one_anything():
    _, gateway = stage()
    idle = [connect(gateway) for _ in range(300)]
    begin = time.monotonic()
    equal(gateway.chat("sim/mini").status, 200)
    check(time.monotonic() - begin < slow(), "slow beside idle connections")
    for client in idle:
        client.close()


# ---- slow readers -------------------------------------------------------------------------------


@alone
def test_a_client_that_does_not_read_holds_its_provider_back():
    part = event({"content": "x" * 16000})
    total = 3000  # 48 MB

    def play(exchange):
        exchange.stream(end=False)
        for _ in range(total):
            exchange.part(part)
        exchange.part(event(finish="stop") + b"data: [DONE]\n\n")
        exchange.send(b"0\r\n\r\n")

    with behind(play) as (upstream, gateway):
        gateway.request("GET", "/livez")
        before = gateway.rss()
        with Client(gateway.address, receive_buffer=65536, timeout=60) as client:
            client.send_request("POST", "/v1/chat/completions", chat_body("raw/echo", stream=True))
            exchange = upstream.received()
            standing(exchange)
            check(
                exchange.sent < 30e6, f"{exchange.sent / 1e6:.0f} MB were taken from the provider"
            )
            grown = gateway.rss() - before
            check(sanitized() or grown < 8e6, f"{grown / 1e6:.1f} MB for one slow reader")
            begin = time.monotonic()
            equal(gateway.request("GET", "/livez").status, 200)
            check(time.monotonic() - begin < slow(), "another request waits for the slow reader")
            answer = client.answer()
        equal(
            (answer.complete, len(answer.body) > total * 16000),
            (True, True),
            f"{len(answer.body)} bytes",
        )
        check(Stream(answer.body).done, "the end is missing")


def standing(exchange):
    """Waits until the provider has sent nothing more for half a second."""
    seen, since = -1, time.monotonic()

    def stands():
        nonlocal seen, since
        if exchange.sent != seen:
            seen, since = exchange.sent, time.monotonic()
        return seen > 0 and time.monotonic() - since > 0.5

    eventually(stands, "the provider being held back", 30)


# ---- public vectors -----------------------------------------------------------------------------


def torture():
    with open(vectors("http-torture/requests.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def responses(address, raw, quiet=0.7):
    """The statuses answered to these bytes until close or silence; whether it was closed."""
    got, closed = b"", False
    with socket.create_connection(address, 5) as sock:
        sock.settimeout(quiet * slow())
        try:
            sock.sendall(raw)
            while True:
                data = sock.recv(65536)
                if not data:
                    closed = True
                    break
                got += data
        except TimeoutError:
            pass
        except OSError:
            closed = True
    statuses = [int(s) for s in re.findall(rb"HTTP/1\.[01] (\d{3}) ?[^\r\n]*\r\n", got)]
    return [s for s in statuses if s >= 200], closed


def wrong(case, statuses, closed):
    """What is wrong with this outcome, or None."""
    expect, most = case["expect"], case.get("max_responses")
    if most is not None and len(statuses) > most:
        return f"{len(statuses)} answers"
    if expect == "reject" and not all(400 <= s < 500 or s in (501, 505) for s in statuses):
        return "not refused"
    if expect == "reject" and not closed:
        return "the connection stays open"
    if expect == "accept" and len(statuses) < case["requests"]:
        return "not answered"
    if expect == "accept" and any(s in (400, 501, 505) for s in statuses):
        return "refused"
    if expect == "incomplete" and any(s < 300 for s in statuses):
        return "answered"
    return None


def test_hostile_requests_end_as_the_vectors_say():
    cases = torture()
    sim, _ = stage()
    with Gateway(config({"sim": provider(sim.base_url)}, default_model="sim/mini")) as gateway:
        host, port = gateway.address.rsplit(":", 1)
        with ThreadPoolExecutor(24) as pool:
            outcomes = list(
                pool.map(
                    lambda c: responses((host, int(port)), base64.b64decode(c["raw_b64"])), cases
                )
            )
        problems = [
            f"{c['id']} ({c['expect']}): {why}: {outcome} {c['raw_text'][:150]!r} {c['why']}"
            for c, outcome in zip(cases, outcomes)
            if (why := wrong(c, *outcome))
        ]
        check(gateway.alive(), lambda: "the gateway died: " + gateway._drained()[-3000:])
        check("/smuggled" not in gateway.stderr, "a smuggled request was taken for one")
        check(not problems, lambda: f"{len(problems)} of {len(cases)}:\n" + "\n".join(problems))
        equal(gateway.chat("sim/mini").status, 200)


OWN = [  # one of each class, so that the vectors' absence does not leave a hole
    {
        "expect": "reject",
        "max_responses": 1,
        "raw": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    },
    {"expect": "reject", "max_responses": 1, "raw": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"},
    {"expect": "accept", "requests": 2, "raw": GET + GET},
    {
        "expect": "one-response",
        "max_responses": 1,
        "raw": b"POST /livez HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 44\r\nContent-Length: 0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    },
    {"expect": "either", "raw": b"GET /livez HTTP/1.1\nHost: x\n\n"},
    {"expect": "incomplete", "raw": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"},
]


def test_a_case_of_each_class_ends_as_it_should():
    _, gateway = stage()
    host, port = gateway.address.rsplit(":", 1)
    for case in OWN:
        outcome = responses((host, int(port)), case["raw"], 0.3)
        why = wrong(case, *outcome)
        check(not why, f"{case['raw']}: {why}: {outcome}")


def test_random_bytes_do_no_harm():
    import random

    rng = random.Random(4)
    _, gateway = stage()
    raw = post(chat_body("sim/mini"))
    for _ in range(200):
        bent = bytearray(raw)
        for _ in range(rng.randint(1, 6)):
            bent[rng.randrange(len(bent))] = rng.randrange(256)
        with connect(gateway) as client:
            client.send(bytes(bent))
            client.close()
    equal(gateway.chat("sim/mini").status, 200)


# ---- TLS ----------------------------------------------------------------------------------------


def test_tls_clients_are_served_whole_and_streamed():
    sim, _ = stage()
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        make_certificate(folder)
        text = config(
            {"sim": provider(sim.base_url)},
            default_model="sim/mini",
            tls={"certificate": f"{folder}/cert.pem", "key": f"{folder}/key.pem"},
        )
        context = ssl.create_default_context(cafile=f"{folder}/cert.pem")
        with Gateway(text) as gateway:
            equal(gateway.scheme, "https")
            with Client(gateway.address, tls=context) as client:
                for stream in (False, True, False):
                    client.send(post(chat_body("sim/mini", "x" * 50_000, stream=stream)))
                    answer = client.answer()
                    equal((answer.status, answer.complete), (200, True), repr(answer))
                client.send(GET * 3)
                equal([client.answer().status for _ in range(3)], [200] * 3)
            tls_mistakes(gateway)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            with Client(gateway.address, tls=old) as client:
                client.send(GET)
                equal(client.answer().status, 200)


def tls_mistakes(gateway):
    """Plain text, a broken handshake, and a handshake that never ends must not disturb."""
    for raw in (GET, b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01", b"\x00" * 1000):
        with connect(gateway) as client:
            client.send(raw)
    with connect(gateway) as client:
        client.send(request_bytes("GET", "/livez"))
        try:
            client.more()
        except TimeoutError:
            pass
        check(b"200" not in client.buffer, "plain HTTP was served on the TLS port")
