"""upstream - a provider that plays what a test says, and keeps what it received.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import re
import socket
import threading

from base import check, eventually, slow


class Exchange:
    """A request that a Provider received, as it came, and the connection to answer on."""

    def __init__(self, sock, head, body):
        self.sock, self.raw_head, self.body = sock, head, body
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path = lines[0].split(" ")[:2]
        self.headers = {
            k.strip().lower(): v.strip()
            for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)
        }
        self.left = threading.Event()  # the peer closed while we listened
        self.sent = 0
        self.ended = False

    def json(self):
        return json.loads(self.body)

    def send(self, raw):
        self.sock.sendall(raw)
        self.sent += len(raw)

    def reply(self, body, status=200, headers=None, content_type="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        self.send(
            f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        )

    def stream(self, *parts, end=True):
        """An event stream in chunks, one a part."""
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for part in parts:
            self.part(part)
        if end:
            self.send(b"0\r\n\r\n")

    def part(self, raw):
        raw = raw if isinstance(raw, bytes) else raw.encode()
        self.send(b"%x\r\n%s\r\n" % (len(raw), raw))

    def close(self):
        self.ended = True

    def wait_left(self, timeout=20):
        """Listens until the peer closes."""
        self.sock.settimeout(timeout * slow())
        try:
            while self.sock.recv(4096):
                pass
            self.left.set()
        except ConnectionError:
            self.left.set()
        except TimeoutError:
            pass
        return self.left.is_set()


class Provider:
    """A server on loopback: play(exchange) answers each request, in a thread a connection."""

    def __init__(self, play):
        self.play, self.exchanges, self.connections, self._sockets = play, [], 0, set()
        self.errors = []
        self.server = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def base_url(self):
        return f"http://{self.address}/v1"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.server.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._sockets.add(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            buffer = b""
            while True:
                exchange, buffer = self._read(sock, buffer)
                if exchange is None:
                    return
                self.exchanges.append(exchange)
                self.play(exchange)
                if exchange.ended:
                    return
        except OSError:
            pass
        except Exception as e:  # a test's own mistake: seen by the test that looks at .errors
            self.errors.append(e)
        finally:
            self._sockets.discard(sock)
            sock.close()

    def _read(self, sock, buffer):
        while b"\r\n\r\n" not in buffer:
            data = sock.recv(65536)
            if not data:
                return None, b""
            buffer += data
        head, buffer = buffer.split(b"\r\n\r\n", 1)
        if re.search(rb"\r\nexpect:\s*100-continue", head, re.I):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"\r\ncontent-length:\s*(\d+)", head, re.I)
        n = int(length.group(1)) if length else 0
        while len(buffer) < n:
            data = sock.recv(65536)
            if not data:
                return None, b""
            buffer += data
        return Exchange(sock, head, buffer[:n]), buffer[n:]

    def received(self, n=1, within=20):
        """The n-th request, once it is there."""
        eventually(lambda: len(self.exchanges) >= n, f"request {n} at the provider", within)
        return self.exchanges[n - 1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        check(not self.errors, lambda: f"the provider of the test failed: {self.errors[0]!r}")


def completion(text="ok", model="echo", **members):
    """An OpenAI answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        **members,
    }


def event(delta=None, finish=None, **members):
    """One event of an OpenAI stream, compact, as bytes."""
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "echo",
        "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}],
    }
    chunk.update(members)
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def words(*texts, finish="stop", done=True):
    """The events of a stream that says these texts."""
    parts = [event({"role": "assistant", "content": ""})]
    parts += [event({"content": t}) for t in texts]
    parts += [event(finish=finish)] if finish else []
    return parts + ([DONE] if done else [])
