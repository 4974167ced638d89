"""harness - starts the real binary with a configuration of the test, and ends it in good order.

SPDX-License-Identifier: MIT

Everything here is the standard library. Nothing waits a fixed time: `eventually` asks again until a
deadline. BATON names the binary (build/baton).
"""

import atexit
import contextlib
import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from base import ROOT, check, eventually, skip, slow
from client import Client, chat_body, request
from upstream import Provider

BATON = str((ROOT / os.environ.get("BATON", "build/baton")).resolve())


@functools.cache
def sanitized():
    """Was the binary built with a sanitizer? Then memory and time are not to be judged."""
    with open(BATON, "rb") as f:
        data = f.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def many_descriptors():
    """Lifts the soft limit on descriptors to the hard one, for us and our children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# ---- processes ----------------------------------------------------------------------------------


STATE = Path(tempfile.mkdtemp(prefix="baton-e2e-state-"))
atexit.register(shutil.rmtree, STATE, ignore_errors=True)


def clean_env(**more):
    """Our environment without keys, proxies and anything that registers a provider."""
    banned = re.compile(r"(_API_KEY|_AUTH_TOKEN|_BASE_URL)$|^(OLLAMA_HOST|BATON_.*)$|_proxy$", re.I)
    env = {k: v for k, v in os.environ.items() if not banned.search(k)}
    env["XDG_STATE_HOME"] = str(STATE)  # nothing of a test stays in the user's home
    env.update(more)
    return env


def baton(*args, env=None, cwd=None, timeout=120, stdin=None):
    """Runs a command to its end: .returncode, .stdout, .stderr, .output (both, as text)."""
    done = subprocess.run(
        [BATON, *map(str, args)],
        env=env or clean_env(),
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=timeout * slow(),
    )
    done.stdout = done.stdout.decode("utf-8", "replace")
    done.stderr = done.stderr.decode("utf-8", "replace")
    done.output = done.stdout + done.stderr
    no_sanitizer_report(done.stderr)
    return done


def no_sanitizer_report(text):
    found = re.search(r"(AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer).*", text)
    check(
        not found, lambda: "sanitizer: " + text[max(0, found.start() - 200) : found.start() + 3000]
    )


_running = set()


@atexit.register
def kill_what_is_left():
    for process in list(_running):
        process.kill()


class Process:
    """`baton sim` or `baton serve` on a free port: .address once ready, .stderr so far, stop()."""

    ready = re.compile(r"listening on (?:(https?)://)?(\S+)")
    admin = re.compile(r"admin API on (?:http://)?(\S+)")  # said before

    def __init__(self, args, env=None, cwd=None, within=10, program=BATON):
        self.args = [program, *map(str, args)]
        self.is_over = False
        self.popen = subprocess.Popen(
            self.args,
            env=env or clean_env(),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.pid = self.popen.pid
        _running.add(self)
        self._out, self._err = [], []
        self._is_ready = threading.Event()
        self.scheme, self.address, self.admin_address = None, None, None
        self._threads = [
            self._follow(self.popen.stdout, self._out),
            self._follow(self.popen.stderr, self._err),
        ]
        try:
            eventually(
                lambda: self._is_ready.is_set() or self.popen.poll() is not None,
                "the ready line of " + " ".join(self.args),
                within,
            )
            check(
                self.address,
                lambda: f"ended with {self.popen.wait()} before it was ready: " + self._drained(),
            )
        except BaseException:
            self.kill()
            raise

    def _follow(self, pipe, lines):
        def run():
            for raw in pipe:
                line = raw.decode("utf-8", "replace")
                lines.append(line)
                admin = self.admin.search(line) if lines is self._out else None
                if admin:
                    self.admin_address = admin.group(1)
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

    def processes(self):
        """The process and its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def rss(self):
        """Resident memory in bytes, of the master and its workers."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/status").read_text()
                total += int(re.search(r"VmRSS:\s+(\d+) kB|$", text).group(1) or 0) * 1024
        return total

    def descriptors(self):
        """How many are open, of the master and its workers."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                total += len(os.listdir(f"/proc/{pid}/fd"))
        return total

    def kill(self):
        _running.discard(self)
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def stop(self, within=15):
        """SIGTERM; the process must end by itself, with status 0. Unless that was seen already."""
        if self.is_over:
            return
        check(self.alive(), lambda: f"died with {self.popen.returncode}: {self._drained()[-3000:]}")
        self.popen.send_signal(signal.SIGTERM)
        self.ends(within)

    def ends(self, within=15):
        """It must end by itself, with status 0."""
        try:
            status = self.popen.wait(within * slow())
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not end after SIGTERM: " + " ".join(self.args)) from None
        _running.discard(self)
        self.is_over = True
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
    """`baton serve` with the text of a baton.lua, files of policies by name, and environment.

    With `folder` the files are put there and stay when it ends; None for a text or for the policies
    means: those that are there already. None for `listen` or `workers`: as the configuration says.
    """

    def __init__(
        self,
        config,
        policies=None,
        env=None,
        args=(),
        workers=1,
        folder=None,
        listen="127.0.0.1:0",
        program=BATON,
    ):
        self.dir, self.keep = folder or tempfile.mkdtemp(prefix="baton-e2e-"), bool(folder)
        self.policies = os.path.join(self.dir, "policies")
        path, more = os.path.join(self.dir, "baton.lua"), []
        if config is not None:
            Path(path).write_text(config, encoding="utf-8")
        if policies is not None:
            write_policies(self.policies, policies)
        if os.path.lexists(self.policies):
            more += ["--policies", self.policies]
        if workers:
            more += ["--workers", workers]
        if listen:
            more += ["--listen", listen]
        try:
            super().__init__(
                ["serve", "-c", path, *more, *args],
                env=clean_env(**(env or {})),
                cwd=self.dir,
                program=program,
            )
        except BaseException:
            self._clear()
            raise

    def _clear(self):
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def ask_admin(self, method, path, body=None, headers=None, **kw):
        """The answer of the admin API; `body` is an object."""
        raw = None if body is None else json.dumps(body).encode()
        return request(self.admin_address, method, path, raw, headers, **kw)

    def log(self, holding="", **wanted):
        """The lines of the log so far whose members equal those wanted, of those that hold this text."""
        entries = []
        for line in [line for line in list(self._err) if holding in line]:
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
        objects = [e for e in entries if isinstance(e, dict)]
        return [e for e in objects if all(e.get(k) == v for k, v in wanted.items())]

    def request(self, method="POST", path="/v1/chat/completions", body=None, headers=None, **kw):
        return request(self.address, method, path, body, headers, **kw)

    def chat(self, model, prompt="Say hello.", headers=None, timeout=20, **members):
        return self.request(
            body=chat_body(model, prompt, **members), headers=headers, timeout=timeout
        )

    def open_chat(self, model, prompt="Say hello.", headers=None, timeout=20, **members):
        """Sends the request and returns the Client without reading an answer."""
        client = Client(self.address, timeout=timeout)
        client.send_request(
            "POST", "/v1/chat/completions", chat_body(model, prompt, **members), headers
        )
        return client

    def kill(self):
        super().kill()
        self._clear()

    def stop(self, within=15):
        try:
            super().stop(within)
        finally:
            self._clear()


def write_policies(folder, files):
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        Path(folder, name + ".lua").write_text(text, encoding="utf-8")


def make_certificate(folder):
    """A new cert.pem and key.pem for "localhost"."""
    if not shutil.which("openssl"):
        skip("no openssl program")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            f"{folder}/key.pem",
            "-out",
            f"{folder}/cert.pem",
        ],
        check=True,
        capture_output=True,
    )


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
        return (
            '"'
            + "".join(
                (
                    c
                    if c.isascii() and c.isprintable() and c not in '"\\'
                    else "".join(f"\\x{b:02x}" for b in c.encode())
                )
                for c in value
            )
            + '"'
        )
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
    text = "\n".join(
        f"{' '.join(p.args)} died with {p.popen.returncode}: {p._drained()[-3000:]}" for p in dead
    )
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


@contextlib.contextmanager
def behind(play, policies=None, env=None, args=(), provider_members=None, **members):
    """A Provider called `raw` and a Gateway in front of it: (provider, gateway)."""
    with Provider(play) as upstream:
        members.setdefault("default_model", "raw/echo")
        text = config({"raw": provider(upstream.base_url, **(provider_members or {}))}, **members)
        with Gateway(text, policies=policies, env=env, args=args) as gateway:
            yield upstream, gateway
