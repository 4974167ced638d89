"""verbs - what the verbs for scripts cost: strategies on an instant provider, beside single calls.

SPDX-License-Identifier: MIT

The upstream is nginx with one answer. CPU is that of the engine alone, for each request that ended; rounds are
interleaved. Instructions of user space stand beside where the machine counts them.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from base import eventually
from client import request
from harness import Gateway, config, provider
from production import median, report, title
from stand import HERE, NGINX, cores, cpu_us, free_port, pin, say, tree

CONNECTIONS, SECONDS = 32, 1
QUESTION = "What is the capital of Australia, and since when? " * 20
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Canberra. It was founded in 1913 as the seat of the federal government, halfway between "
                "Sydney and Melbourne, and parliament moved there from Melbourne in 1927.",
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 250, "completion_tokens": 40, "total_tokens": 290},
}

FIVE = "{ " + ", ".join(f'"up/m{i}"' for i in range(5)) + " }"

POLICIES = {
    "single": 'return function(req) return llm.chat("up/m0", req) end',
    "all": "return function(req) return (task.all(asking(req, FIVE)))[1] end",
    "vote": "return function(req) return (consensus.majority((task.all(asking(req, FIVE))))) end",
    "quorum": "return function(req)\n"
    "   local values, err = task.quorum(5, asking(req, FIVE), function(a, b) return a.text == b.text end)\n"
    "   return values and values[1], err\n"
    "end",
    "race": 'return function(req) return (task.race(asking(req, { "up/m0" }))) end',
    "hedge": 'return function(req)\n   local f = asking(req, { "up/m0" })[1]\n'
    '   return (task.hedge(5, f, f, { model = "up/m0" }))\nend',
    "spawn": 'return function(req) return (task.spawn(asking(req, { "up/m0" })[1]):join()) end',
    "careful": 'return function(req)\n   return llm.chat("up/m0", req, { deadline = 20, fallback = { "up/m1" } })\nend',
}
HELPER = """
local llm, task, consensus, policy = require "llm", require "task", require "consensus", require "policy"
local FIVE = %s
local function asking(req, names)
   local calls = {}
   for i, name in ipairs(names) do calls[i] = function() return llm.chat(name, req) end end
   return calls
end
local make = function() %s end
return policy.define { name = "%s", run = make() }
"""


def policy_text(name, body):
    unused = "local _ = llm, task, consensus, FIVE, asking\n"
    return HELPER.replace("local make", unused + "local make") % (FIVE, body, name)


class Upstream:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="baton-bench-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        place = "location / {{ default_type application/json; return 200 '{}'; }}".format(json.dumps(ANSWER))
        server = f"server {{ listen 127.0.0.1:{self.port} backlog=4096; {place} }}"
        Path(self.dir, "nginx.conf").write_text(NGINX.format(dir=self.dir, servers=server))
        self.popen = subprocess.Popen(
            ["nginx", "-p", self.dir, "-c", f"{self.dir}/nginx.conf"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self.answers, "nginx answering", 10)

    def answers(self):
        try:
            return request(f"127.0.0.1:{self.port}", "POST", "/x", b"{}").status == 200
        except OSError:
            return False

    def stop(self):
        self.popen.terminate()
        self.popen.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Counter:
    """Instructions of user space of some processes, while it runs. None where the machine does not count."""

    def __init__(self, pids):
        self.popen = None
        if shutil.which("perf"):
            command = ["perf", "stat", "-x,", "-e", "instructions:u", "-p", ",".join(map(str, pids))]
            self.popen = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def stop(self):
        if not self.popen:
            return None
        self.popen.send_signal(2)
        first = self.popen.communicate()[1].split(",")[0]
        return int(first) if first.isdigit() else None


class Stand:
    def __init__(self, upstream, folder):
        models = {f"up/m{i}": {"tier": "fast", "input": 1, "output": 2} for i in range(5)}
        models["up/strong"] = {"tier": "expert", "input": 10, "output": 20}
        text = config({"up": provider(f"http://127.0.0.1:{upstream.port}/v1")}, models=models)
        policies = {name: policy_text(name, body) for name, body in POLICIES.items()}
        self.gateway = Gateway(text, policies, args=("--no-watch",), workers=1)
        self.folder = folder

    def measure(self, model):
        """CPU in microseconds and instructions (or None) of a request."""
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
        file = Path(self.folder, "verbs.json")
        file.write_text(json.dumps(body))
        path = "/v1/chat/completions"
        answer = request(self.gateway.address, "POST", path, file.read_bytes())
        if answer.status != 200 or b"Canberra" not in answer.body:
            raise SystemExit(f"bench: {model}: {answer}")
        counter, before = Counter(tree(self.gateway.pid)), cpu_us(self.gateway.pid)
        done = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "30s", "-s", str(HERE / "load.lua")]
            + [f"http://{self.gateway.address}{path}"],
            env={**os.environ, "BODY_FILE": str(file)},
            capture_output=True,
            text=True,
        )
        spent, counted = cpu_us(self.gateway.pid) - before, counter.stop()
        line = next((t for t in done.stdout.splitlines() if t.startswith("RESULT ")), None)
        if line is None:
            raise SystemExit(f"bench: wrk failed: {done.stdout}{done.stderr}")
        result = json.loads(line.removeprefix("RESULT "))
        if result["status"] + result["failed"]:
            raise SystemExit(f"bench: {model}: {result}")
        requests = max(1, result["requests"])
        return spent / requests, counted and counted / requests

    def stop(self):
        self.gateway.stop()


# What is compared: how many single calls it is worth, and the bound on that, where there is one.
ROWS = {
    "up/m0": (1, None, "a model by its name, in C"),
    "single": (1, None, "llm.chat of one model"),
    "all": (5, 1.3, "task.all of five"),
    "vote": (5, 1.3, "task.all of five and a vote"),
    "quorum": (5, 1.3, "task.quorum of five that agree"),
    "race": (1, None, "task.race of one"),
    "spawn": (1, None, "task.spawn and join of one"),
    "hedge": (1, None, "task.hedge that need not"),
    "careful": (1, None, "with a fallback and a deadline"),
    "cascade": (1, 1.5, "cascade that stops at its first step"),
}


def verbs(_upstream, folder, a):
    title("verbs: CPU of a strategy on an instant provider, beside single calls; one worker")
    everywhere = os.sched_getaffinity(0)
    if cores() >= 2:
        os.sched_setaffinity(0, {1})  # load and upstream; the engine has core 0
    upstream = Upstream()
    stand = Stand(upstream, folder)
    pin(stand.gateway.pid, 0)
    found = {name: [] for name in ROWS}
    try:
        for n in range(a.rounds):
            for name in ROWS:
                say(f"verbs: round {n + 1} of {a.rounds}, {name}")
                found[name].append(stand.measure(name))
        cost = {name: median([us for us, _ in all]) for name, all in found.items()}
        for name, (calls, bound, what) in ROWS.items():
            ratio = cost[name] / (calls * cost["single"])
            counted = [n for _, n in found[name] if n]
            more = f", {median(counted) / 1000:.0f} k instructions" if counted else ""
            text = f"{cost[name]:.0f} µs: {ratio:.2f} x {calls} single{more}"
            report(what, text, bound and f"{bound} x", bound is None or ratio <= bound)
    finally:
        stand.stop()
        upstream.stop()
        os.sched_setaffinity(0, everywhere)


SECTIONS = {"verbs": verbs}
