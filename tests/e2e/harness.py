"""harness - starts the real binary, talks to it as a client, and plays the provider behind it.

SPDX-License-Identifier: MIT

Everything here is the standard library. Nothing waits a fixed time: `eventually` asks again until a
deadline. BATON names the binary (build/baton), VECTORS the folder of public test data (../shared),
REQUIRE_ALL=1 turns every skip into a failure.
"""

import atexit
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATON = str((ROOT / os.environ.get("BATON", "build/baton")).resolve())
VECTORS = (ROOT / os.environ.get("VECTORS", "../shared")).resolve()
REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"


class Skip(Exception):
    """A test that cannot run here, and why."""


def skip(why):
    if REQUIRE_ALL:
        raise AssertionError("REQUIRE_ALL=1 and cannot run: " + why)
    raise Skip(why)


def vectors(name):
    """The path of a public data set, or a skip where it is absent."""
    path = VECTORS / name
    if not path.exists():
        skip(f"{name} is not below VECTORS")
    return path


def sanitized():
    """Was the binary built with a sanitizer? Then memory and time are not to be judged."""
    with open(BATON, "rb") as f:
        data = f.read()
    return b"__asan_init" in data or b"__tsan_init" in data


SLOW = 1.0  # run.py raises it for a sanitized binary: every deadline is multiplied with it


def set_slow(factor):
    global SLOW
    SLOW = factor


def slow():
    return SLOW


def many_descriptors():
    """Lifts the soft limit on descriptors to the hard one, for us and our children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def eventually(question, what, within=5.0):
    """Asks until the answer is true (and returns it) or the deadline is over."""
    end = time.monotonic() + within * SLOW
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.01)


def check(condition, message):
    if not condition:
        raise AssertionError(message() if callable(message) else message)


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}\n  got:  {short(got)}\n  want: {short(want)}")


def short(value, limit=1500):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


# ---- processes ----------------------------------------------------------------------------------


def clean_env(**more):
    """Our environment without keys, proxies and anything that registers a provider."""
    banned = re.compile(r"(_API_KEY|_AUTH_TOKEN|_BASE_URL)$|^(OLLAMA_HOST|BATON_.*)$|_proxy$", re.I)
    env = {k: v for k, v in os.environ.items() if not banned.search(k)}
    env.update(more)
    return env


def baton(*args, env=None, cwd=None, timeout=30, stdin=None):
    """Runs a command to its end: .returncode, .stdout, .stderr, .output (both, as text)."""
    done = subprocess.run([BATON, *map(str, args)], env=env or clean_env(), cwd=cwd, input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOW)
    done.stdout = done.stdout.decode("utf-8", "replace")
    done.stderr = done.stderr.decode("utf-8", "replace")
    done.output = done.stdout + done.stderr
    no_sanitizer_report(done.stderr)
    return done


def no_sanitizer_report(text):
    found = re.search(r"(AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer).*", text)
    check(not found, lambda: "sanitizer: " + text[max(0, found.start() - 200):found.start() + 3000])


_running = set()


@atexit.register
def kill_what_is_left():
    for process in list(_running):
        process.kill()


class Process:
    """`baton sim` or `baton serve` on a free port: .address once ready, .stderr so far, stop()."""

    ready = re.compile(r"listening on (https?)://(\S+)")

    def __init__(self, args, env=None, cwd=None, within=10):
        self.args = [BATON, *map(str, args)]
        self.popen = subprocess.Popen(self.args, env=env or clean_env(), cwd=cwd,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        self.pid = self.popen.pid
        _running.add(self)
        self._out, self._err = [], []
        self._is_ready = threading.Event()
        self.scheme, self.address = None, None
        self._threads = [self._follow(self.popen.stdout, self._out),
                         self._follow(self.popen.stderr, self._err)]
        try:
            eventually(lambda: self._is_ready.is_set() or self.popen.poll() is not None,
                       "the ready line of " + " ".join(self.args), within)
            check(self.address, lambda: f"ended with {self.popen.wait()} before it was ready: "
                  + self._drained())
        except BaseException:
            self.kill()
            raise

    def _follow(self, pipe, lines):
        def run():
            for raw in pipe:
                line = raw.decode("utf-8", "replace")
                lines.append(line)
                found = self.ready.search(line) if lines is self._out else None
                if found and not self._is_ready.is_set():
                    self.scheme, self.address = found.group(1), found.group(2).rstrip("/")
                    self._is_ready.set()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    @property
    def stdout(self):
        return "".join(self._out)

    @property
    def stderr(self):
        return "".join(self._err)

    def _drained(self):
        for thread in self._threads:
            thread.join(2)
        return self.stdout + self.stderr

    def alive(self):
        return self.popen.poll() is None

    def rss(self):
        """Resident memory in bytes."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def kill(self):
        _running.discard(self)
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def stop(self, within=15):
        """SIGTERM; the process must end by itself, with status 0."""
        check(self.alive(), lambda: f"died with {self.popen.returncode}: {self._drained()[-3000:]}")
        self.popen.send_signal(signal.SIGTERM)
        try:
            status = self.popen.wait(within * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not end after SIGTERM: " + " ".join(self.args)) from None
        _running.discard(self)
        text = self._drained()
        no_sanitizer_report(text)
        check(status == 0, lambda: f"ended with {status} after SIGTERM: {text[-3000:]}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()


class Sim(Process):
    """`baton sim` without delays of its own (pace 0) and with a log: .log() reads what it saw."""

    def __init__(self, *args, pace=0, log=True):
        self.dir = tempfile.mkdtemp(prefix="baton-e2e-")
        self.log_path = os.path.join(self.dir, "sim.log")
        more = ["--log", self.log_path] if log else []
        try:
            super().__init__(["sim", "--listen", "127.0.0.1:0", "--pace", pace, *more, *args])
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    @property
    def base_url(self):
        return f"http://{self.address}/v1"

    def log(self, **wanted):
        """The entries of the log, in order, whose members equal those wanted."""
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, encoding="utf-8", errors="surrogateescape") as f:
            entries = [json.loads(line) for line in f.read().split("\n")[:-1] if line]
        return [e for e in entries if all(e.get(k) == v for k, v in wanted.items())]

    def kill(self):
        super().kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self, within=15):
        try:
            super().stop(within)
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)


class Gateway(Process):
    """`baton serve` with the text of a baton.lua, files of policies by name, and environment."""

    def __init__(self, config, policies=None, env=None, args=()):
        self.dir = tempfile.mkdtemp(prefix="baton-e2e-")
        path = os.path.join(self.dir, "baton.lua")
        Path(path).write_text(config, encoding="utf-8")
        more = []
        if policies is not None:
            write_policies(os.path.join(self.dir, "policies"), policies)
            more = ["--policies", os.path.join(self.dir, "policies")]
        try:
            super().__init__(["serve", "--listen", "127.0.0.1:0", "-c", path, *more, *args],
                             env=clean_env(**(env or {})), cwd=self.dir)
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    def request(self, method="POST", path="/v1/chat/completions", body=None, headers=None, **kw):
        return request(self.address, method, path, body, headers, **kw)

    def chat(self, model, prompt="Say hello.", headers=None, timeout=20, **members):
        return self.request(body=chat_body(model, prompt, **members), headers=headers,
                            timeout=timeout)

    def open_chat(self, model, prompt="Say hello.", headers=None, timeout=20, **members):
        """Sends the request and returns the Client without reading an answer."""
        client = Client(self.address, timeout=timeout)
        client.send_request("POST", "/v1/chat/completions", chat_body(model, prompt, **members),
                            headers)
        return client

    def kill(self):
        super().kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self, within=15):
        try:
            super().stop(within)
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)


def write_policies(folder, files):
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        Path(folder, name + ".lua").write_text(text, encoding="utf-8")


def chat_body(model, prompt="Say hello.", **members):
    messages = members.pop("messages", None) or [{"role": "user", "content": prompt}]
    return json.dumps({"model": model, "messages": messages, **members}).encode()


# ---- configuration ------------------------------------------------------------------------------


def lua(value):
    """A Python value as Lua source. Lua(text) stays as it is."""
    if isinstance(value, Lua):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return '"' + "".join(c if c.isascii() and c.isprintable() and c not in '"\\'
                             else "".join(f"\\x{b:02x}" for b in c.encode()) for c in value) + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"[{lua(k)}] = {lua(v)}" for k, v in value.items()) + " }"
    return "{ " + ", ".join(lua(v) for v in value) + " }"


class Lua:
    def __init__(self, text):
        self.text = text


def provider(base_url, **more):
    return {"codec": "openai", "base_url": base_url, **more}


PRICES = {  # what `baton sim` says it costs, USD per million tokens
    "mini": ("fast", 0.15, 0.60),
    "base": ("standard", 0.80, 3.20),
    "pro": ("expert", 5.00, 20.00),
    "coder": ("specialist", 0.90, 3.60),
    "math": ("specialist", 1.10, 4.40),
}

TIMEOUTS = {"connect": 2, "first_byte": 10, "stall": 10, "total": 30}


def config(providers, **members):
    """The text of a baton.lua."""
    members.setdefault("timeouts", TIMEOUTS)
    return "return " + lua({"providers": providers, **members}) + "\n"


_stage = None


def stage():
    """One simulator and one gateway in front of it, shared by the tests that change nothing."""
    global _stage
    if _stage is None:
        sim = Sim()
        try:
            _stage = sim, Gateway(config({"sim": provider(sim.base_url)}, default_model="sim/mini"))
        except BaseException:
            sim.kill()
            raise
    return _stage


def stage_broken():
    """Why the shared processes cannot be used any more; they are started anew afterwards."""
    global _stage
    if _stage is None:
        return None
    dead = [p for p in _stage if not p.alive()]
    if not dead:
        return None
    text = "\n".join(f"{' '.join(p.args)} died with {p.popen.returncode}: {p._drained()[-3000:]}"
                     for p in dead)
    for p in _stage:
        p.kill()
    _stage = None
    return text


def stage_stop():
    global _stage
    if _stage is not None:
        sim, gateway = _stage
        _stage = None
        try:
            gateway.stop()
        finally:
            sim.stop()


# ---- a tiny HTTP client -------------------------------------------------------------------------


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
            raise AssertionError(f"{self.status} with a body that is no JSON: {short(self.body)}") \
                from None

    def error(self):
        """The error object of an OpenAI-shaped error answer."""
        body = self.json()
        check(isinstance(body, dict) and isinstance(body.get("error"), dict),
              lambda: f"{self.status} without an error object: {short(self.body)}")
        error = body["error"]
        for name in ("message", "type", "param", "code"):
            check(name in error, lambda: f"the error object lacks {name}: {short(self.body)}")
        check(isinstance(error["message"], str) and error["message"],
              lambda: f"an error without a message: {short(self.body)}")
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
        self.comments = [line[1:].strip() for line in raw.decode("utf-8", "replace").splitlines()
                         if line.startswith(":")]
        self.chunks, self.error, self.usage, self.finish_reason, self.text = [], None, None, None, ""
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
                self.text += choice.get("delta", {}).get("content") or ""
                self.finish_reason = choice.get("finish_reason") or self.finish_reason


class Client:
    """One connection. Bytes are read as they come; answers are parsed strictly enough for tests."""

    def __init__(self, address, timeout=20, tls=None, receive_buffer=None):
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            target = address[5:]
        else:
            self.sock = socket.socket(socket.AF_INET)
            host, port = address.rsplit(":", 1)
            target = host, int(port)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout * SLOW)
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


def request(address, method="POST", path="/", body=None, headers=None, timeout=20, tls=None):
    """One request on a connection of its own; the answer, which must come."""
    with Client(address, timeout=timeout, tls=tls) as client:
        client.send_request(method, path, body, headers)
        answer = client.answer(method)
    check(answer is not None, f"{method} {path}: the connection ended without an answer")
    return answer


# ---- a provider that plays what a test says -----------------------------------------------------


class Exchange:
    """A request that a Provider received, as it came, and the connection to answer on."""

    def __init__(self, sock, head, body):
        self.sock, self.raw_head, self.body = sock, head, body
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path = lines[0].split(" ")[:2]
        self.headers = {k.strip().lower(): v.strip() for k, v in
                        (line.split(":", 1) for line in lines[1:] if ":" in line)}
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
        self.send(f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{more}"
                  f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def stream(self, *parts, end=True):
        """An event stream in chunks, one a part."""
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
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
        self.sock.settimeout(timeout * SLOW)
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

    def received(self, n=1, within=5):
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
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, **members}


def event(delta=None, finish=None, **members):
    """One event of an OpenAI stream, compact, as bytes."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000,
             "model": "echo", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}]}
    chunk.update(members)
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def words(*texts, finish="stop", done=True):
    """The events of a stream that says these texts."""
    parts = [event({"role": "assistant", "content": ""})]
    parts += [event({"content": t}) for t in texts]
    parts += [event(finish=finish)] if finish else []
    return parts + ([DONE] if done else [])


@contextlib.contextmanager
def behind(play, policies=None, env=None, args=(), provider_members=None, **members):
    """A Provider called `raw` and a Gateway in front of it: (provider, gateway)."""
    with Provider(play) as upstream:
        members.setdefault("default_model", "raw/echo")
        text = config({"raw": provider(upstream.base_url, **(provider_members or {}))}, **members)
        with Gateway(text, policies=policies, env=env, args=args) as gateway:
            yield upstream, gateway
