"""production - what the benchmark measures of an engine in production: more workers, reloads under
load, hostile neighbours, memory.

SPDX-License-Identifier: MIT

Each section prints what it measured, and beside a figure that has a bound whether it held. The
engine, the load and the upstream share all cores here. A load "at half" is that of pace.c: requests
are due at fixed times at half of the rate that wrk reached just before, and what they take counts
from then.
"""

import collections
import contextlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from base import eventually
from client import Client, chat_body, request, request_bytes
from harness import Gateway, config, provider
from stand import HERE, Engine, body_file, cpu_us, load, pss, pss_all, say, tree
from test_isolation import define
from test_memory import Hole

FILES = 100  # policies that are reloaded
SETTLED = 15  # seconds until what a burst took is given back


def report(what, figure, bound=None, held=None):
    tail = "" if bound is None else f"   bound {bound}: {'held' if held else 'NOT HELD'}"
    print(f"  {what:58}{figure:>18}{tail}")


def title(text):
    say("")
    print(f"\n{text}; load average before {os.getloadavg()[0]:.1f}")


def median(values):
    return statistics.median(values)


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


# ---- a load at a fixed rate ---------------------------------------------------------------------


class Pacer:
    """pace.c, compiled; run(engine, rate, seconds) -> [(second it was due, µs it took, status)]."""

    def __init__(self, folder):
        self.folder, self.path = folder, str(Path(folder, "pace"))
        compiler = os.environ.get("CC", "cc")
        flags = ["-std=c11", "-D_GNU_SOURCE", "-O2"]
        subprocess.run([compiler, *flags, "-o", self.path, HERE / "pace.c"], check=True)

    def start(self, engine, rate, seconds, connections=32, **members):
        port = engine.address("whole").rsplit(":", 1)[1]
        body = body_file(self.folder, "whole", "1k", **members)
        words = [port, body, f"{rate:.0f}", seconds, connections]
        return subprocess.Popen([self.path, *map(str, words)], stdout=subprocess.PIPE, text=True)

    def result(self, process):
        out = process.communicate()[0]
        if process.returncode != 0:
            raise SystemExit(f"bench: pace ended with {process.returncode}")
        rows = [tuple(map(int, line.split())) for line in out.splitlines()]
        return [(ms / 1000, us, status) for ms, us, status in rows]

    def run(self, *args, **members):
        return self.result(self.start(*args, **members))


def figures(rows):
    times = [us for _, us, _ in rows]
    return quantile(times, 0.5), quantile(times, 0.99), sum(s != 200 for _, _, s in rows)


# ---- two workers beside one ---------------------------------------------------------------------


def rounds_of_500_us(engine, folder):
    """How far the policy `burn` must count to take 500 µs of CPU."""
    n = 20000

    def cost(count):
        return load(engine, folder, "whole", "1k", 1, 1, model="burn", seed=count)["cpu"]

    return int(500 / max(1, cost(n) - cost(0)) * n)


def workers(upstream, folder, a):
    title("two workers beside one (cores shared with load and upstream)")
    pacer = Pacer(folder)
    with contextlib.ExitStack() as stack:
        one = Engine(upstream, workers=1)
        stack.callback(one.stop)
        two = Engine(upstream, workers=2)
        stack.callback(two.stop)
        engines = (one, two)
        n = rounds_of_500_us(one, folder)
        runs = collections.defaultdict(list)
        rate = load(one, folder, "whole", "1k", 64, 1)["rps"] / 2
        for r in range(a.rounds):
            for e in engines:
                runs["full", e].append(load(e, folder, "whole", "1k", 64, a.seconds))
            for e in engines:
                before, rows = cpu_us(e.pid), pacer.run(e, rate, a.seconds)
                runs["half", e].append({"cpu": (cpu_us(e.pid) - before) / len(rows)})
            for e in engines:
                runs["burn", e].append(
                    load(e, folder, "whole", "1k", 16, a.seconds, model="burn", seed=n)
                )
            say(f"round {r + 1} of {a.rounds}: workers")

        def both(kind, what):
            return [median([run[what] for run in runs[kind, e]]) for e in engines]

        def ratio(kind, what):
            pairs = zip(runs[kind, one], runs[kind, two])
            return median([second[what] / first[what] for first, second in pairs])

        x, y = both("half", "cpu")
        report(
            f"CPU a request at {rate:.0f} req/s, 1 -> 2 workers, µs",
            f"{x:.1f} -> {y:.1f}: {ratio('half', 'cpu'):.2f} x",
            "1.15 x",
            ratio("half", "cpu") <= 1.15,
        )
        x, y = (min(run["cpu"] for run in runs["half", e]) for e in engines)
        report("the best rounds of each: others only take away", f"{y / x:.2f} x")
        x, y = both("full", "cpu")
        report(
            "CPU a request with as many requests as they take",
            f"{x:.1f} -> {y:.1f}: {ratio('full', 'cpu'):.2f} x",
        )
        x, y = both("full", "rps")
        report("requests a second then", f"{x:.0f} -> {y:.0f}: {ratio('full', 'rps'):.2f} x")
        x, y = both("burn", "rps")
        report(
            f"requests a second with 500 µs of Lua each ({n} rounds)",
            f"{x:.0f} -> {y:.0f}: {ratio('burn', 'rps'):.2f} x",
            "1.6 x",
            ratio("burn", "rps") >= 1.6,
        )
        x, y = (max(run["rps"] for run in runs["burn", e]) for e in engines)
        report("the best rounds of each", f"{x:.0f} -> {y:.0f}: {y / x:.2f} x")
        x, y = both("burn", "cpu")
        report("CPU a request then, µs", f"{x:.0f} -> {y:.0f}")


# ---- reloads ------------------------------------------------------------------------------------

POLICY = """-- One of many: a policy as people write them, with two rungs and a look at the question.
local llm, log, policy, trace = require "llm", require "log", require "policy", require "trace"

local HOPELESS = { bad_request = true, cancelled = true, budget = true }
local WORDS = { "prove", "derive", "compare", "explain", "why", "step by step", "edition %(edition)d" }

local function hard(text, p)
   if #text > p.long then return true end
   local lower = text:lower()
   for _, word in ipairs(WORDS) do
      if lower:find(word, 1, true) then return true end
   end
   return false
end

local function last_text(req)
   local last = req.messages[#req.messages]
   return type(last.content) == "string" and last.content or ""
end

local function run(req, p)
   local model = hard(last_text(req), p) and p.strong or p.cheap
   trace.decide { model = model, reason = model == p.strong and "hard" or "easy" }
   local reply, err = llm.stream(model, req)
   if reply then return reply end
   if HOPELESS[err.code] or model == p.strong then return nil, err end
   log.info("the cheap model failed", { code = err.code })
   return llm.stream(p.strong, req)
end

return policy.define {
   name = "p%(number)03d",
   about = "Policy %(number)d of many.",
   params = { long = 2000, cheap = "up/small", strong = "up/large" },
   run = run,
}
"""


class Files:
    """A folder of FILES policies and that of the benchmark; touch() makes one of them differ."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="baton-bench-policies-")
        self.edition = 0
        for name in os.listdir(HERE / "policies"):
            shutil.copy(HERE / "policies" / name, self.folder)
        for number in range(FILES):
            self.write(number)

    def write(self, number):
        text = POLICY % {"number": number, "edition": self.edition}
        Path(self.folder, f"p{number:03d}.lua").write_text(text)

    def touch(self):
        self.edition += 1
        self.write(self.edition % FILES)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def reload(engine, files):
    """Seconds from the call to its answer."""
    files.touch()
    start = time.monotonic()
    answer = request(engine.admin, "POST", "/admin/reload", b"{}", timeout=60)
    took = time.monotonic() - start
    if answer.status != 200 or answer.json()["unchanged"]:
        raise SystemExit(f"bench: a reload failed: {answer}\n{engine.gateway.stderr[-2000:]}")
    return took


def generations_freed(engine):
    def old():
        listed = request(engine.admin, "GET", "/admin/policies").json()["generations"]
        return [g for g in listed if g["state"] in ("draining", "canary")]

    start = time.monotonic()
    eventually(lambda: not old(), "old generations freed", 30)
    return time.monotonic() - start


def reload_each_second(engine, files, process, times):
    """Beside a load that runs: a reload at the beginning of each second."""
    start, done = time.monotonic(), 0
    while process.poll() is None:
        times.append(reload(engine, files))
        done += 1
        while process.poll() is None and time.monotonic() < start + done:
            time.sleep(0.01)


def by_the_second(rows):
    seconds = collections.defaultdict(list)
    for at, us, _ in rows:
        seconds[int(at)].append(us)
    return [quantile(times, 0.99) for times in seconds.values()]


def with_and_without(engine, files, pacer, rate, a):
    """Blocks with a reload each second and blocks without, in turn: two lists of rows, times."""
    quiet, busy, times, seconds = [], [], [], []
    block, blocks = (4, 5) if a.rounds > 1 else (4, 2)
    for n in range(blocks):
        say(f"reload: {n + 1} of {blocks}")
        for rows, reloads in ((quiet, False), (busy, True)):
            process = pacer.start(engine, rate, block)
            reader = threading.Thread(target=lambda p=process, r=rows: r.append(pacer.result(p)))
            reader.start()
            if reloads:
                reload_each_second(engine, files, process, times)
            reader.join()
            time.sleep(0.5)  # what a reload leaves to do is not the other block's
    for rows in (quiet, busy):
        seconds.append([p for part in rows for p in by_the_second(part)])
    return sum(quiet, []), sum(busy, []), times, seconds


def reloads_under_load(upstream, folder, a):
    title(f"reload of {FILES} policies under load, two workers")
    files, pacer = Files(), Pacer(folder)
    engine = Engine(upstream, workers=2, policies=files.folder)
    try:
        for _ in range(3):
            reload(engine, files)
        full = load(engine, folder, "whole", "1k", 64, a.seconds)["rps"]
        generations_freed(engine)
        time.sleep(1)
        before = pss_all(engine.pid)
        quiet, busy, times, seconds = with_and_without(engine, files, pacer, full / 2, a)
        freed = generations_freed(engine)
        time.sleep(1)
        after = pss_all(engine.pid)
        (p50, p99, failed), (busy50, busy99, busy_failed) = figures(quiet), figures(busy)
        n = len(busy)
        report("saturating rate, half of it, req/s", f"{full:.0f}, {full / 2:.0f}")
        report(f"failed of {n} beside {len(times)} reloads", busy_failed, "0", busy_failed == 0)
        report(f"failed of {len(quiet)} without", failed)
        report("p50 without, with a reload a second, µs", f"{p50:.0f}, {busy50:.0f}")
        x, y = map(median, seconds)
        report(
            "p99 of a second without, with, µs: medians",
            f"{x:.0f}, {y:.0f}: {y / x:.2f} x",
            "2 x",
            y <= 2 * x,
        )
        report("p99 of all without, with, µs", f"{p99:.0f}, {busy99:.0f}: {busy99 / p99:.2f} x")
        idle = median([reload(engine, files) for _ in range(5)])
        report("a reload without load takes", f"{idle * 1e3:.0f} ms")
        report(
            "under that load: median, longest",
            f"{median(times) * 1e3:.0f} ms, {max(times) * 1e3:.0f} ms",
        )
        report("old generations freed after the last reload within", f"{freed:.2f} s")
        report("PSS of all processes before, after", f"{before:.1f} -> {after:.1f} MB")
    finally:
        engine.stop()
        files.remove()


def reloads_in_a_row(upstream, folder, a, n=200):
    title(f"{n} reloads in a row of {FILES} policies, two workers")
    files = Files()
    engine = Engine(upstream, workers=2, policies=files.folder)
    try:
        for _ in range(20):
            reload(engine, files)
        load(engine, folder, "whole", "1k", 64, 1)
        generations_freed(engine)
        time.sleep(1)
        before = [pss(p, "Pss_Dirty") for p in tree(engine.pid)]
        whole = pss_all(engine.pid)
        for i in range(n):
            reload(engine, files)
            if i % 10 == 0:
                say(f"reload {i} of {n}")
        generations_freed(engine)
        time.sleep(1)
        after = [pss(p, "Pss_Dirty") for p in tree(engine.pid)]
        each = ", ".join(f"{x:.1f} -> {y:.1f}" for x, y in zip(before, after))
        grown = sum(after) - sum(before)
        report("PSS growth after the first 20", f"{pss_all(engine.pid) - whole:+.2f} MB")
        report("of it what they wrote themselves", f"{grown:+.2f} MB", "1 MB", grown < 1)
        report("that of master and workers, MB", each)
    finally:
        engine.stop()
        files.remove()


# ---- hostile neighbours -------------------------------------------------------------------------

HOSTILE = {  # what hits which limit
    "slice": "while true do end",
    "memory": "local t = {} while true do t[#t + 1] = {} end",
    "strings": 'local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1e6 + i) end',
    "patterns": 'while true do pcall(string.find, ("a"):rep(5000), ("a-"):rep(20) .. "b") end',
    "json": 'local d = {} for i = 1, 60 do d = { d, d } end return json.encode(d)',
}


def hostile_stream(engine, name, ended):
    """One after the other, each with its error in the end. How many; must be ended by the test."""
    count = 0
    while not ended.is_set():
        answer = request(engine.address("whole"), "POST", "/v1/chat/completions", chat_body(name))
        if answer.status < 500:
            raise SystemExit(f"bench: the hostile policy {name} answered {answer}")
        count += 1
    return count


def beside(engine, pacer, name, rate, seconds):
    """Rows of plain requests beside a hostile stream (None: alone); hostile requests a second."""
    ended, counts = threading.Event(), []
    thread = threading.Thread(target=lambda: counts.append(hostile_stream(engine, name, ended)))
    process = pacer.start(engine, rate, seconds, connections=256)
    if name:
        thread.start()
    rows = pacer.result(process)
    ended.set()
    if name:
        thread.join()
    return rows, sum(counts) / seconds


def neighbours(upstream, folder, a):
    title("plain requests beside hostile policies, one worker, 100 req/s; limits as shipped")
    pacer = Pacer(folder)
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as policies:
        shutil.copy(HERE / "policies" / "bench.lua", policies)
        for name, body in HOSTILE.items():
            Path(policies, name + ".lua").write_text(define(name, body))
        engine = Engine(upstream, workers=1, policies=policies)
        try:
            runs, hostile = collections.defaultdict(list), collections.defaultdict(list)
            for _ in range(a.rounds):
                for name in (None, *HOSTILE):
                    say(f"beside {name}")
                    rows, rate = beside(engine, pacer, name, 100, a.seconds)
                    runs[name].append(figures(rows))
                    hostile[name].append(rate)
            for name in (None, *HOSTILE):
                p50, p99, failed = (median(v) for v in zip(*runs[name]))
                who = f"{name} ({median(hostile[name]):.1f}/s)" if name else "alone"
                report(
                    f"{who}: p50, p99, failed", f"{p50 / 1e3:.2f}, {p99 / 1e3:.1f} ms, {failed:.0f}"
                )
        finally:
            engine.stop()


# ---- memory -------------------------------------------------------------------------------------


def hole_process(pipe, taken, open_now):
    """A provider that answers nothing, in a process of its own: its sockets are not ours."""
    with Hole() as hole:
        pipe.send(hole.base_url)
        while not pipe.poll(0.02):
            taken.value, open_now.value = hole.taken, hole.open


@contextlib.contextmanager
def far_hole():
    """Its URL, and how many requests it took and connections it has (multiprocessing values)."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    taken, open_now = fork.Value("i", 0), fork.Value("i", 0)
    process = fork.Process(target=hole_process, args=(theirs, taken, open_now))
    process.start()
    try:
        yield ours.recv(), taken, open_now
    finally:
        ours.send("end")
        process.join()


def wait_many(gateway, taken, n):
    """n requests that wait, on a connection each."""
    raw = request_bytes("POST", "/v1/chat/completions", chat_body("hole/x", "x" * 900))
    start, clients = taken.value, []
    for _ in range(n):
        client = Client(gateway.address, timeout=60)
        client.send(raw)
        clients.append(client)
    eventually(lambda: taken.value >= start + n, f"{n} requests at the provider", 60)
    return clients


def release(clients, open_now):
    for client in clients:
        client.close()
    eventually(lambda: open_now.value == 0, "the provider's connections closed", 60)


def to_the_first_answer(text, n):
    start = time.monotonic()
    with Gateway(text, workers=n) as gateway:
        gateway.request("GET", "/v1/models")
        return time.monotonic() - start


def memory(limit):
    title("memory: PSS, what processes share divided among them")
    patient = {"connect": 10, "first_byte": 300, "stall": 300, "total": 600}
    with far_hole() as (url, taken, open_now):
        text = config({"hole": provider(url)}, default_model="hole/x", timeouts=patient)
        for n in (1, 2):
            ms = median([to_the_first_answer(text, n) * 1e3 for _ in range(5)])
            report(f"from start to first answer, {n} worker(s)", f"{ms:.0f} ms")
        with Gateway(text, workers=2) as gateway:
            release(wait_many(gateway, taken, 20), open_now)
            idle = [pss(p) for p in tree(gateway.pid)]
            report("idle: master; each worker", f"{idle[0]:.1f}; {max(idle[1:]):.1f} MB")
            for n in (1000, 10000):
                if limit < n + 1000:
                    report(f"{n} waiting requests", f"{limit} descriptors")
                    continue
                before = pss_all(gateway.pid)
                clients = wait_many(gateway, taken, n)
                time.sleep(0.3)
                more = pss_all(gateway.pid) - before
                report(
                    f"{n} waiting requests over two workers: more, each",
                    f"{more:.0f} MB, {more * 1024 / n:.1f} KB",
                    *(("400 MB", more <= 400) if n == 10000 else ()),
                )
                release(clients, open_now)
            time.sleep(SETTLED)
            over = pss_all(gateway.pid) - sum(idle)
            report(f"{SETTLED} s after they left, over idle", f"{over:+.1f} MB")


SECTIONS = {
    "workers": workers,
    "reload": reloads_under_load,
    "again": reloads_in_a_row,
    "neighbours": neighbours,
}
