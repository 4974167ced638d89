"""client - a tiny HTTP client that sees every byte.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import re
import socket
import ssl
import struct

from base import check, short, slow


class Answer:
    """A status, headers (list of name, value) and body. `complete`: ended as the framing says."""

    def __init__(self, status, headers, head):
        self.status, self.headers, self.head = status, headers, head
        self.body, self.complete = b"", False

    def header(self, name):
        found = [v for n, v in self.headers if n.lower() == name.lower()]
        return ", ".join(found) if found else None

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(
                f"{self.status} with a body that is no JSON: {short(self.body)}"
            ) from None

    def error(self):
        """The error object of an OpenAI-shaped error answer."""
        body = self.json()
        check(
            isinstance(body, dict) and isinstance(body.get("error"), dict),
            lambda: f"{self.status} without an error object: {short(self.body)}",
        )
        error = body["error"]
        for name in ("message", "type", "param", "code"):
            check(name in error, lambda: f"the error object lacks {name}: {short(self.body)}")
        check(
            isinstance(error["message"], str) and error["message"],
            lambda: f"an error without a message: {short(self.body)}",
        )
        return error

    def text(self):
        return self.json()["choices"][0]["message"]["content"]

    def events(self):
        return sse_events(self.body)

    def __repr__(self):
        return f"<{self.status} {'complete' if self.complete else 'cut'} {short(self.body, 600)}>"


def sse_events(raw):
    """The data of each event, in order."""
    events, data = [], []
    for line in raw.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n"):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line == "" and data:
            events.append("\n".join(data))
            data = []
    return events


class Stream:
    """What a streamed answer said: chunks, text, finish_reason, usage, error, done, comments."""

    def __init__(self, raw):
        events = sse_events(raw)
        self.done = bool(events) and events[-1] == "[DONE]"
        self.comments = [
            line[1:].strip()
            for line in raw.decode("utf-8", "replace").splitlines()
            if line.startswith(":")
        ]
        self.chunks, self.error, self.usage, self.finish_reason = [], None, None, None
        texts = []
        for event in events:
            if event == "[DONE]":
                continue
            chunk = json.loads(event)
            if chunk.get("error"):
                self.error = chunk["error"]
                continue
            self.chunks.append(chunk)
            self.usage = chunk.get("usage") or self.usage
            for choice in chunk.get("choices", []):
                texts.append(choice.get("delta", {}).get("content") or "")
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.text = "".join(texts)


class Client:
    """One connection. Bytes are read as they come; answers are parsed strictly enough for tests."""

    def __init__(self, address, timeout=20, tls=None, receive_buffer=None):
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            target = address[5:]
        else:
            host, port = address.rsplit(":", 1)
            self.sock = socket.socket(socket.AF_INET6 if host[0] == "[" else socket.AF_INET)
            target = host.strip("[]"), int(port)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout * slow())
        self.sock.connect(target)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.buffer, self.eof = b"", False

    def send(self, raw):
        self.sock.sendall(raw)

    def send_request(self, method, path, body=None, headers=None):
        self.send(request_bytes(method, path, body, headers))

    def more(self):
        """Reads what is there (at least a byte, unless the end). False at the end."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            data = b""
        if not data:
            self.eof = True
        self.buffer += data
        return bool(data)

    def until(self, needle):
        """Everything up to and with the needle; None when the connection ended before."""
        while needle not in self.buffer:
            if not self.more():
                return None
        at = self.buffer.index(needle) + len(needle)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self.more():
                return None
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def head(self):
        """The next answer's head, 1xx skipped unless it is all that comes. None at the end."""
        while True:
            raw = self.until(b"\r\n\r\n")
            if raw is None:
                return None
            lines = raw.decode("latin-1").split("\r\n")
            found = re.match(r"HTTP/1\.[01] (\d{3})( |$)", lines[0])
            check(found, lambda: f"no status line: {short(raw)}")
            if found.group(1).startswith("1"):
                continue
            pairs = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:] if line]
            return Answer(int(found.group(1)), pairs, raw)

    def answer(self, method="POST"):
        """The next answer, whole; .complete says whether its framing was kept. None at the end."""
        answer = self.head()
        if answer is None:
            return None
        if method == "HEAD" or answer.status in (204, 304):
            answer.complete = True
        elif (answer.header("transfer-encoding") or "").lower() == "chunked":
            self._chunked(answer)
        elif answer.header("content-length") is not None:
            n = int(answer.header("content-length"))
            body = self.exactly(n)
            answer.complete = body is not None
            answer.body = self.buffer if body is None else body
        else:
            while self.more():
                pass
            answer.body, self.buffer, answer.complete = self.buffer, b"", True
        return answer

    def _chunked(self, answer):
        parts = []
        try:
            while True:
                line = self.until(b"\r\n")
                if line is None:
                    return
                n = int(line.split(b";")[0], 16)
                part = self.exactly(n + 2)
                if part is None:
                    parts.append(self.buffer)
                    return
                check(part.endswith(b"\r\n"), "a chunk without its CRLF")
                if n == 0:
                    answer.complete = True
                    return
                parts.append(part[:-2])
        finally:
            answer.body = b"".join(parts)

    def chunk(self):
        """The next chunk of a chunked body; None at its end or where the connection ends."""
        line = self.until(b"\r\n")
        if line is None:
            return None
        n = int(line.split(b";")[0], 16)
        part = self.exactly(n + 2)
        return part[:-2] if part and n else None

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def reset(self):
        """Closes by RST."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, path, body=None, headers=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    names = {name.lower() for name in (headers or {})}
    if body is not None:
        if "content-type" not in names:
            lines.append("Content-Type: application/json")
        if not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
    lines += [f"{n}: {v}" for n, v in (headers or {}).items()]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def chat_body(model, prompt="Say hello.", **members):
    messages = members.pop("messages", None) or [{"role": "user", "content": prompt}]
    return json.dumps({"model": model, "messages": messages, **members}).encode()


def request(address, method="POST", path="/", body=None, headers=None, timeout=20, tls=None):
    """One request on a connection of its own; the answer, which must come."""
    with Client(address, timeout=timeout, tls=tls) as client:
        client.send_request(method, path, body, headers)
        answer = client.answer(method)
    check(answer is not None, f"{method} {path}: the connection ended without an answer")
    return answer
