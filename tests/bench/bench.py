#!/usr/bin/env python3
"""bench - what a request through Baton costs beside an nginx reverse proxy, in one run.

SPDX-License-Identifier: MIT

    bench.py [--rounds N] [--seconds N] [--only TEXT…] [--targets NAME…] [--growth N] [--quick]
             [--json FILE]

Rows are named like whole-1k-64 (kind, size of the request, connections); --only takes parts of such
names, or `memory` and `growth`. Each round measures every target once for every row, so that a
change of the machine's mood meets all of them; the table shows medians. The target runs alone on
core 0; load (wrk) and upstream (nginx) share core 1. CPU is the target's own run time over the
requests that ended. Nothing is judged here: read the ratios, not the absolute numbers of a shared
machine.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from base import eventually  # noqa: E402
from client import request  # noqa: E402
from harness import Gateway, config, many_descriptors, provider  # noqa: E402
from upstream import event, words  # noqa: E402
from test_memory import Hole, wait_many  # noqa: E402

KINDS, SIZES, CONNECTIONS = ("whole", "stream"), {"1k": 1000, "100k": 100_000}, (1, 64)
ROWS = [(k, s, c) for s in SIZES for k in KINDS for c in CONNECTIONS]
TARGETS = ("direct", "nginx", "baton")


# ---- the processes ------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def pin(pid, core):
    """All threads of a process on one core, where there is more than one."""
    if (os.cpu_count() or 1) < 2:
        return
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {core})


def cpu_us(pid):
    """The run time of all threads so far, in microseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    if total:
        return total / 1000
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 18000; }}
http {{
    access_log off; default_type application/octet-stream; keepalive_requests 1000000000;
    keepalive_timeout 600; client_body_buffer_size 256k; client_max_body_size 32m; tcp_nodelay on;
    open_file_cache max=10; types {{ }}
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
{servers}
}}
"""

UPSTREAM = """
    server {{ listen 127.0.0.1:{whole} backlog=4096; 
        location / {{ default_type application/json; return 200 '{answer}'; }} }}
    server {{ listen 127.0.0.1:{stream} backlog=4096; root {dir};
        location / {{ error_page 418 =200 /answer.sse; return 418; }}
        location = /answer.sse {{ default_type text/event-stream; }} }}
"""

PROXY = """
    upstream whole {{ server 127.0.0.1:{up_whole}; keepalive 512; keepalive_requests 1000000000; }}
    upstream stream {{ server 127.0.0.1:{up_stream}; keepalive 512; keepalive_requests 1000000000; }}
    proxy_http_version 1.1; proxy_set_header Connection "";
    server {{ listen 127.0.0.1:{whole} backlog=4096; location / {{ proxy_pass http://whole; }} }}
    server {{ listen 127.0.0.1:{stream} backlog=4096;
        location / {{ proxy_pass http://stream; proxy_buffering off; }} }}
"""

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A word and a word. " * 40},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 250, "completion_tokens": 160, "total_tokens": 410},
    },
    separators=(",", ":"),
)

STREAM = b"".join(
    words(*["A word "] * 40, done=False)
    + [
        event(
            choices=[], usage={"prompt_tokens": 250, "completion_tokens": 160, "total_tokens": 410}
        ),
        b"data: [DONE]\n\n",
    ]
)


class Nginx:
    """One nginx process: .ports by kind, .pid."""

    def __init__(self, servers, core, **names):
        self.dir = tempfile.mkdtemp(prefix="baton-bench-")
        os.chmod(self.dir, 0o755)
        self.ports = {"whole": free_port(), "stream": free_port()}
        Path(self.dir, "answer.sse").write_bytes(STREAM)
        text = servers.format(dir=self.dir, answer=ANSWER, **self.ports, **names)
        Path(self.dir, "nginx.conf").write_text(NGINX.format(dir=self.dir, servers=text))
        self.popen = subprocess.Popen(
            ["nginx", "-p", self.dir, "-c", f"{self.dir}/nginx.conf"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self.popen.pid
        eventually(lambda: self.popen.poll() is not None or self.answers(), "nginx answering", 10)
        if self.popen.poll() is not None:
            raise SystemExit(
                "bench: nginx did not start: " + Path(self.dir, "error.log").read_text()
            )
        pin(self.pid, core)

    def answers(self):
        try:
            return all(
                request(f"127.0.0.1:{p}", "POST", "/", b"{}").status == 200
                for p in self.ports.values()
            )
        except OSError:
            return False

    def address(self, kind):
        return f"127.0.0.1:{self.ports[kind]}"

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Engine:
    """Baton with the policy of this folder in front of the same upstream."""

    def __init__(self, upstream, core):
        price = {"tier": "fast", "input": 0.15, "output": 0.6}
        models = {f"{p}/{m}": price for p in ("up", "flow") for m in ("small", "large")}
        text = config(
            {
                "up": provider(f"http://{upstream.address('whole')}/v1"),
                "flow": provider(f"http://{upstream.address('stream')}/v1"),
            },
            models=models,
            default_model="up/small",
        )
        self.gateway = Gateway(text, args=("--policies", str(HERE / "policies")))
        self.pid = self.gateway.pid
        pin(self.pid, core)

    def address(self, kind):
        return self.gateway.address

    def stop(self):
        self.gateway.stop()


# ---- measuring ----------------------------------------------------------------------------------


def prompt(kind, size):
    body = {
        "model": "bench",
        "messages": [
            {"role": "system", "content": "Answer in short words."},
            {"role": "user", "content": ""},
        ],
        "temperature": 0.5,
    }
    if kind == "stream":
        body["stream"] = True
    body["messages"][1]["content"] = "Once upon a time, " * (size // 18 + 1)
    body["messages"][1]["content"] = body["messages"][1]["content"][
        : size - len(json.dumps(body)) + len(body["messages"][1]["content"])
    ]
    return json.dumps(body).encode()


def load(target, folder, kind, size, connections, seconds):
    """One run of wrk: requests, failures, CPU a request, latencies; microseconds."""
    path = Path(folder, f"{kind}-{size}.json")
    if not path.exists():
        path.write_bytes(prompt(kind, SIZES[size]))
    before = cpu_us(target.pid)
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "30s",
            "-s",
            str(HERE / "load.lua"),
            f"http://{target.address(kind)}/v1/chat/completions",
        ],
        env={**os.environ, "BODY_FILE": str(path)},
        capture_output=True,
        text=True,
    )
    spent = cpu_us(target.pid) - before
    line = next((t for t in done.stdout.splitlines() if t.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(f"bench: wrk failed: {done.stdout}{done.stderr}")
    r = json.loads(line.removeprefix("RESULT "))
    n = max(1, r["requests"])
    return {
        "rps": r["requests"] * 1e6 / r["us"],
        "cpu": spent / n,
        "p50": r["p50"],
        "p99": r["p99"],
        "requests": r["requests"],
        "failed": r["status"] + r["failed"],
    }


def right_answers(targets):
    """Every target must answer both kinds correctly before it is measured."""
    for name, target in targets.items():
        for kind in KINDS:
            answer = request(
                target.address(kind), "POST", "/v1/chat/completions", prompt(kind, 1000)
            )
            wanted = b"[DONE]" if kind == "stream" else b'"choices"'
            if answer.status != 200 or wanted not in answer.body or not answer.complete:
                raise SystemExit(
                    f"bench: {name} gives a wrong {kind} answer: {answer}\n"
                    + (target.gateway.stderr[-2000:] if name == "baton" else "")
                )


def measure(targets, rows, rounds, seconds, folder):
    samples = {}
    for r in range(rounds):
        for row in rows:
            for name, target in targets.items():
                samples.setdefault((row, name), []).append(load(target, folder, *row, seconds))
            say(f"round {r + 1} of {rounds}: {'-'.join(map(str, row))}")
    say("")
    return {
        key: {m: statistics.median(s[m] for s in runs) for m in runs[0]}
        | {"failed": sum(s["failed"] for s in runs)}
        for key, runs in samples.items()
    }


def say(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r", file=sys.stderr, flush=True)


def table(results, rows, targets):
    print(
        f"{'row':16}{'target':8}{'req/s':>9}{'CPU µs':>9}{'p50 µs':>9}{'p99 µs':>9}"
        f"{'CPU/nginx':>11}{'req/s /nginx':>14}  failed"
    )
    for row in rows:
        for name in targets:
            r, base = results[row, name], results.get((row, "nginx"))
            ratios = (
                f"{r['cpu'] / base['cpu']:11.2f}{r['rps'] / base['rps']:14.2f}"
                if base and base["cpu"] and base["rps"]
                else f"{'':25}"
            )
            title = "-".join(map(str, row)) if name == next(iter(targets)) else ""
            print(
                f"{title:16}{name:8}{r['rps']:9.0f}{r['cpu']:9.1f}{r['p50']:9.0f}{r['p99']:9.0f}{ratios}"
                + (f"  {r['failed']:.0f}" if r["failed"] else "")
            )


# ---- memory -------------------------------------------------------------------------------------


def memory():
    """What a request that waits for a slow provider holds."""
    patient = {"connect": 10, "first_byte": 300, "stall": 300, "total": 600}
    limit = many_descriptors()
    with Hole() as hole:
        text = config({"hole": provider(hole.base_url)}, default_model="hole/x", timeouts=patient)
        with Gateway(text) as gateway:
            release(wait_many(gateway, hole, 20), hole)
            print(
                f"idle: {gateway.rss() / 1e6:.1f} MB resident, {gateway.descriptors()} descriptors"
            )
            for n in (1000, 5000):
                if limit < 4 * n + 200:
                    print(f"{n} waiting requests: not measured, {limit} descriptors")
                    continue
                before = gateway.rss()
                clients = wait_many(gateway, hole, n)
                each = (gateway.rss() - before) / n / 1024
                print(f"{n} waiting requests: {each:.1f} KB each")
                release(clients, hole)


def release(clients, hole):
    for client in clients:
        client.close()
    eventually(lambda: hole.open == 0, "the provider's connections closed", 30)


def growth(engine, folder, n):
    """Resident memory after a tenth of the requests, and after all of them."""

    def send(wanted):
        count = 0
        while count < wanted:
            for kind in KINDS:
                count += load(engine, folder, kind, "1k", 64, 2)["requests"]
        return count

    first = send(n // 10)
    before = engine.gateway.rss()
    more = send(n)
    print(
        f"growth: {(engine.gateway.rss() - before) / 1e6:+.2f} MB over {more} requests after the first {first}"
    )


# ---- main ---------------------------------------------------------------------------------------


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=int, default=2, help="of one measurement [2]")
    p.add_argument(
        "--only", nargs="*", default=[], help="rows whose name holds one of these; memory; growth"
    )
    p.add_argument("--targets", nargs="*", default=list(TARGETS), choices=TARGETS)
    p.add_argument(
        "--growth", type=int, default=100_000, help="requests of the growth check [100000]"
    )
    p.add_argument("--quick", action="store_true", help="the 1 KB rows with 64 connections, once")
    p.add_argument("--json", help="writes the medians there as well")
    a = p.parse_args()
    if a.quick:
        a.rounds, a.only = 1, a.only or ["1k-64"]
    return a


def wanted(name, only):
    return not only or any(part in name for part in only)


def main():
    a = arguments()
    missing = [
        t for t in ("nginx", "wrk") if not shutil.which(t, path=os.environ["PATH"] + ":/usr/sbin")
    ]
    if missing:
        raise SystemExit(f"bench: {' and '.join(missing)} missing: apt-get install nginx-light wrk")
    os.environ["PATH"] += ":/usr/sbin"
    many_descriptors()
    if (os.cpu_count() or 1) >= 2:
        os.sched_setaffinity(0, {1})
    rows = [r for r in ROWS if wanted("-".join(map(str, r)), [o for o in a.only])]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="baton-bench-"))

        def started(thing):
            stack.callback(thing.stop)
            return thing

        upstream = started(Nginx(UPSTREAM, 1))
        make = {
            "direct": lambda: Nginx(UPSTREAM, 0),
            "nginx": lambda: Nginx(
                PROXY, 0, up_whole=upstream.ports["whole"], up_stream=upstream.ports["stream"]
            ),
            "baton": lambda: Engine(upstream, 0),
        }
        targets = {name: started(make[name]()) for name in TARGETS if name in a.targets}
        right_answers(targets)
        if rows:
            for name, target in targets.items():
                load(target, folder, *rows[0], 1)  # warm
            results = measure(targets, rows, a.rounds, a.seconds, folder)
            table(results, rows, targets)
            if a.json:
                Path(a.json).write_text(
                    json.dumps(
                        {f"{'-'.join(map(str, r))} {t}": v for (r, t), v in results.items()},
                        indent=1,
                    )
                )
        if "baton" in targets and wanted("growth", a.only):
            growth(targets["baton"], folder, a.growth)
    if "baton" in a.targets and wanted("memory", a.only):
        memory()


if __name__ == "__main__":
    main()
