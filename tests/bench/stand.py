"""stand - what the benchmark measures with: nginx, the engine, loads, CPU and memory of processes.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from base import eventually  # noqa: E402
from client import request  # noqa: E402
from harness import Gateway, config, provider  # noqa: E402
from upstream import event, words  # noqa: E402

KINDS, SIZES, CONNECTIONS = ("whole", "stream"), {"1k": 1000, "100k": 100_000}, (1, 64)


# ---- the processes ------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def tree(pid):
    """A process and its children: the master and its workers."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


def tasks(pid):
    """Every thread of a process and its children, as (process, thread)."""
    for p in tree(pid):
        with contextlib.suppress(OSError):
            yield from [(p, int(t)) for t in os.listdir(f"/proc/{p}/task")]


def cores():
    return os.cpu_count() or 1


def pin(pid, *wanted):
    """All threads of a process and its children on these cores (none: on all)."""
    if wanted and cores() >= 2:
        for _, task in list(tasks(pid)):
            os.sched_setaffinity(task, set(wanted))


def cpu_us(pid):
    """The run time so far of all threads of a process and its living children, in microseconds."""
    total = 0
    for process, task in tasks(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{process}/task/{task}/schedstat").read_text()
            total += int(text.split()[0])
    return total / 1000


def pss(pid, what="Pss"):
    """Resident memory of one process in MB, what it shares with others divided among them. What it
    wrote itself ("Pss_Dirty") does not depend on who else has the program's file mapped."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{what}:\s+(\d+) kB", text, re.M).group(1)) / 1024


def pss_all(pid, what="Pss"):
    return sum(pss(p, what) for p in tree(pid))


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

    def __init__(self, servers, *on, **names):
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
        pin(self.pid, *on)

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
    """Baton with the policies of a folder in front of the same upstream, on these cores."""

    def __init__(self, upstream, *on, workers=1, policies=HERE / "policies", args=(), **members):
        price = {"tier": "fast", "input": 0.15, "output": 0.6}
        models = {f"{p}/{m}": price for p in ("up", "flow") for m in ("small", "large")}
        text = config(
            {
                "up": provider(f"http://{upstream.address('whole')}/v1"),
                "flow": provider(f"http://{upstream.address('stream')}/v1"),
            },
            models=models,
            default_model="up/small",
            **members,
        )
        more = ("--policies", str(policies), "--no-watch", *args)
        self.gateway = Gateway(text, args=more, workers=workers)
        self.pid = self.gateway.pid
        self.workers = workers
        pin(self.pid, *on)

    def address(self, kind):
        return self.gateway.address

    @property
    def admin(self):
        """The address of the admin API."""
        return re.search(r"admin API on http://(\S+)", self.gateway.stdout).group(1)

    def stop(self):
        self.gateway.stop()


# ---- measuring ----------------------------------------------------------------------------------


def prompt(kind, size, **members):
    body = {
        "model": "bench",
        "messages": [
            {"role": "system", "content": "Answer in short words."},
            {"role": "user", "content": ""},
        ],
        "temperature": 0.5,
        **members,
    }
    if kind == "stream":
        body["stream"] = True
    body["messages"][1]["content"] = "Once upon a time, " * (size // 18 + 1)
    body["messages"][1]["content"] = body["messages"][1]["content"][
        : size - len(json.dumps(body)) + len(body["messages"][1]["content"])
    ]
    return json.dumps(body).encode()


def body_file(folder, kind, size, **members):
    name = "-".join([kind, size, *(f"{k}-{v}" for k, v in members.items())])
    path = Path(folder, name + ".json")
    if not path.exists():
        path.write_bytes(prompt(kind, SIZES[size], **members))
    return path


def load(target, folder, kind, size, connections, seconds, **members):
    """One run of wrk: requests, failures, CPU a request, latencies; microseconds."""
    path = body_file(folder, kind, size, **members)
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


def say(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r", file=sys.stderr, flush=True)
