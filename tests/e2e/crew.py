"""crew - the processes of an engine seen from outside: who they are, what they hold, what they count.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import re
import signal
import threading
import time
from pathlib import Path

from base import check, eventually
from client import Client, chat_body, request, request_bytes

# ---- processes ----------------------------------------------------------------------------------


def children(pid):
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def workers(gateway):
    """The processes that serve, or will in a moment."""
    return [w["pid"] for w in admin_workers(gateway) if w["state"] != "draining"]


def alive(pid):
    """Runs, and is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def pss(*pids):
    """Bytes of memory, shared pages divided by their users."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) * 1024
    return total


def engine_pss(gateway):
    return pss(gateway.pid, *children(gateway.pid))


def descriptors(pid):
    """What each descriptor of a process is: {number: "socket:[123]"}."""
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def connections(port):
    """The server's side of connections to a port: {client's port: inode}; 0: nobody took it yet."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            parts = line.split()
            local, remote = (int(p.rpartition(":")[2], 16) for p in parts[1:3])
            if local == port and remote:
                found[remote] = int(parts[9])
    return found


def port_of(address):
    return int(address.rpartition(":")[2])


def held_by(gateway, pid):
    """The clients' ports of the connections that a worker has."""
    mine = {t for t in descriptors(pid).values() if t.startswith("socket:")}
    return {
        port
        for port, inode in connections(port_of(gateway.address)).items()
        if f"socket:[{inode}]" in mine
    }


def kill_at_rest(gateway, pid):
    """Stops it, notes whose connections it has, kills it: their ports."""
    os.kill(pid, signal.SIGSTOP)
    held = held_by(gateway, pid)
    os.kill(pid, signal.SIGKILL)
    return held


def replaced(gateway, gone, n, within=20):
    """Waits until n workers serve and none of those gone is one."""
    eventually(
        lambda: [w["state"] for w in admin_workers(gateway)] == ["serving"] * n
        and not set(gone) & set(workers(gateway)),
        f"{n} workers without {gone}",
        within,
    )


# ---- the operators' side ------------------------------------------------------------------------


def ask(gateway, method, path, body=None, headers=None, **kw):
    """As gateway.ask_admin, but `body` is bytes."""
    return request(gateway.admin_address, method, path, body, headers, **kw)


def admin_workers(gateway):
    """What the engine says of them. A connection that a new binary cut by taking over is made again."""
    with Client(gateway.admin_address) as client:
        client.send_request("GET", "/admin/workers")
        answer = client.answer("GET")
    return (answer or ask(gateway, "GET", "/admin/workers")).json()["workers"]


def metrics(gateway, **kw):
    """{'name{labels}': value}"""
    text = ask(gateway, "GET", "/metrics", **kw).body.decode()
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, _, value in pairs}


def total(values, family, *having):
    """The sum of a family's samples whose labels hold all of these texts."""
    return sum(
        v
        for name, v in values.items()
        if name.partition("{")[0] == family and all(h in name for h in having)
    )


# ---- load ---------------------------------------------------------------------------------------


class Load:
    """n clients, each with one request after the other on a connection that it keeps.

    .answers counts what was answered as it should be, .failures has (client's port, what happened).
    """

    def __init__(self, gateway, model, n=8, streams=False, pause=0, headers=None, connects=None):
        self.gateway, self.pause = gateway, pause
        self.raw = request_bytes(
            "POST", "/v1/chat/completions", chat_body(model, stream=streams), headers
        )
        self.connects = connects  # requests a connection; None: as many as the server takes
        self.streams = streams
        self.answers, self.failures, self.refused = 0, [], []
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(n)]

    def _run(self):
        client, port, done = None, 0, 0
        while not self.ended.is_set():
            if client is None:
                try:
                    client, done = Client(self.gateway.address, timeout=30), 0
                except OSError as e:
                    self._note(self.refused, repr(e))
                    time.sleep(0.05)
                    continue
                name = client.sock.getsockname()
                port = name[1] if isinstance(name, tuple) else 0
            answer, why = self._one(client)
            done += 1
            if why:
                self._note(self.failures, (port, why))
            else:
                with self.lock:
                    self.answers += 1
            if (
                why
                or (answer.header("connection") or "").lower() == "close"
                or done == self.connects
            ):
                client.close()
                client = None
            if self.pause:
                self.ended.wait(self.pause)
        if client:
            client.close()

    def _one(self, client):
        try:
            client.send(self.raw)
            answer = client.answer()
        except OSError as e:
            return None, repr(e)
        if answer is None:
            return None, "the connection ended without an answer"
        if answer.status != 200 or not answer.complete:
            return answer, repr(answer)
        if self.streams and b"data: [DONE]" not in answer.body:
            return answer, "a stream without its end: " + repr(answer)
        return answer, None

    def _note(self, where, what):
        with self.lock:
            where.append(what)

    def grown(self, by, within=20):
        """Waits until there are that many answers more."""
        start = self.answers
        eventually(lambda: self.answers >= start + by, f"{by} answers more ({self!r})", within)

    def __repr__(self):
        return (
            f"<{self.answers} answers, {len(self.failures)} failures {self.failures[:3]}, "
            f"{len(self.refused)} refused {self.refused[:3]}>"
        )

    def clean(self):
        check(not self.failures and not self.refused, lambda: f"requests failed: {self!r}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(40)
