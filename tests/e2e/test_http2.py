"""HTTP/2 towards providers: an nginx that speaks it, before the simulator.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from base import check, equal, eventually, skip, slow
from client import Stream
from harness import Gateway, Sim, config, provider
from test_http import make_certificate
from upstream import Provider, words

SIDE_BY_SIDE = 20

CONF = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format short "$server_protocol $status $connection"; access_log {dir}/access.log short;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
        location / {{
            proxy_pass http://{server}; proxy_http_version 1.1; proxy_buffering off;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Nginx:
    """.port takes HTTP/2 over TLS for the server behind; .log() has a list of fields a request."""

    def __init__(self, folder, server):
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            skip("no nginx program")
        self.dir, self.port = folder, free_port()
        text = CONF.format(dir=folder, port=self.port, server=server.address)
        Path(folder, "nginx.conf").write_text(text, encoding="utf-8")
        self.popen = subprocess.Popen(
            [program, "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self):
        eventually(
            lambda: listens(self.port) or self.popen.poll() is not None, "nginx listening", 10
        )
        check(self.popen.poll() is None, lambda: Path(self.dir, "error.log").read_text())

    def log(self):
        return [line.split() for line in Path(self.dir, "access.log").read_text().splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(10 * slow())
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextlib.contextmanager
def behind_http2(server):
    """(nginx, gateway): the provider `two` is the server by HTTP/2, `one` the same without."""
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        os.chmod(folder, 0o755)
        make_certificate(folder)
        with Nginx(folder, server) as nginx:
            nginx.wait()
            text = config(
                {
                    "two": provider(f"https://localhost:{nginx.port}/v1", http2=True),
                    "one": provider(server.base_url),
                },
                default_model="two/mini",
            )
            with Gateway(text, env={"CURL_CA_BUNDLE": f"{folder}/cert.pem"}) as gateway:
                yield nginx, gateway


def text_of(answer, stream):
    equal((answer.status, answer.complete), (200, True), repr(answer))
    if not stream:
        return answer.text()
    said = Stream(answer.body)
    equal((said.error, said.done, said.finish_reason), (None, True, "stop"), repr(answer))
    return said.text


def side_by_side(gateway, stream):
    """What each of many requests at once was answered; each waits so long that all overlap."""

    def ask(n):
        answer = gateway.chat("two/mini:latency=300", f"Tell me about river {n}.", stream=stream)
        return text_of(answer, stream)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(ask, range(SIDE_BY_SIDE)))


def check_log(nginx, n):
    """Were there n requests, and all of them HTTP/2?"""
    eventually(lambda: len(nginx.log()) >= n, f"{n} lines in nginx's log")
    equal([line[:2] for line in nginx.log()], [["HTTP/2.0", "200"]] * n)


def test_http2_requests_side_by_side_get_their_own_answers():
    with Sim() as sim, behind_http2(sim) as (nginx, gateway):
        want = [
            text_of(gateway.chat("one/mini", f"Tell me about river {n}."), False)
            for n in range(SIDE_BY_SIDE)
        ]
        check(len(set(want)) > 1, f"the simulator says the same to all: {want[0]}")
        for turn, stream in enumerate((False, True, False, True), 1):
            equal(side_by_side(gateway, stream), want, f"stream = {stream}")
            check_log(nginx, turn * SIDE_BY_SIDE)
        connections = {line[2] for line in nginx.log()}
        check(len(connections) < SIDE_BY_SIDE, f"{len(connections)} connections: none is shared")


def test_http2_a_cut_stream_never_looks_complete():
    with Sim() as sim, behind_http2(sim) as (nginx, gateway):
        answer = gateway.chat("two/mini:cut", "Tell me about rivers.", stream=True)
        said = Stream(answer.body)
        check(said.error and not said.done, repr(answer))
        equal(said.error["code"], "bad_response", repr(answer))
        whole = gateway.chat("two/mini:cut", "Tell me about rivers.")
        equal(whole.status, 502, repr(whole))
        whole.error()
        text_of(gateway.chat("two/mini", stream=True), True)  # the connection or a new one serves
        eventually(lambda: len(nginx.log()) == 3, "3 lines in nginx's log")
        equal({line[0] for line in nginx.log()}, {"HTTP/2.0"})


def leaves(server, gateway, stream):
    """A client goes away while it waits; the provider's exchange."""
    n = len(server.exchanges)
    client = gateway.open_chat("two/leaves", stream=stream)
    exchange = server.received(n + 1)
    if stream:
        check(client.until(b"one"), "no event came")
    client.close()
    return exchange


def test_http2_a_client_that_leaves_stops_the_provider_at_once():
    def play(exchange):
        if exchange.json().get("stream"):
            exchange.stream(*words("one")[:2], end=False)
        exchange.wait_left(20)
        exchange.close()

    with Provider(play) as server, behind_http2(server) as (nginx, gateway):
        for stream in (True, False):
            exchange = leaves(server, gateway, stream)
            check(exchange.left.wait(2 * slow()), f"stream = {stream}: not seen in 2 s")
        eventually(lambda: len(nginx.log()) == 2, "2 lines in nginx's log")
        equal({line[0] for line in nginx.log()}, {"HTTP/2.0"})


def test_http2_a_client_that_leaves_stops_nobody_else():
    first, second, *rest = words("one", "two")
    go_on = threading.Event()

    def play(exchange):
        exchange.stream(first, end=False)
        if exchange.json()["model"] == "leaves":
            exchange.part(second)
            exchange.wait_left(20)
            exchange.close()
            return
        check(go_on.wait(20 * slow()), "the test forgot to go on")
        for part in (second, *rest):
            exchange.part(part)
        exchange.send(b"0\r\n\r\n")

    with Provider(play) as server, behind_http2(server) as (nginx, gateway):
        try:
            other = gateway.open_chat("two/stays", stream=True)
            server.received()
            gone = [leaves(server, gateway, True) for _ in range(3)]
        finally:
            go_on.set()
        equal(text_of(other.answer(), True), "onetwo")
        other.close()
        for exchange in gone:  # at the latest with the next bytes on the connection they shared
            check(exchange.left.wait(2 * slow()), "a cancelled request goes on")
        eventually(lambda: len(nginx.log()) == 4, "4 lines in nginx's log")
        equal({line[0] for line in nginx.log()}, {"HTTP/2.0"})
