#!/usr/bin/env python3
"""bench - what a request through Baton costs beside an nginx reverse proxy, in one run.

SPDX-License-Identifier: MIT

    bench.py [--rounds N] [--seconds N] [--only TEXT…] [--targets NAME…] [--growth N] [--quick]
             [--json FILE]

Rows are named like whole-1k-64 (kind, size of the request, connections); --only takes parts of such
names, or of those of the other parts (production.py, translation.py, verbs.py): growth, workers,
reload, again, neighbours, memory, translation, verbs. Each round measures every target once for every
row, so that a change of the machine's mood meets all of them; the table shows medians. The target runs alone on core 0; load (wrk) and upstream
(nginx) share core 1. CPU is the run time of the target's whole process tree (of Baton a master and
one worker) over the requests that ended. Where there is a bound, the output says whether it held;
nothing fails. Read the ratios, not the absolute numbers of a shared machine.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import production  # noqa: E402
import translation  # noqa: E402
import verbs  # noqa: E402
from client import request  # noqa: E402
from harness import many_descriptors  # noqa: E402
from stand import (  # noqa: E402
    CONNECTIONS,
    KINDS,
    PROXY,
    SIZES,
    UPSTREAM,
    Engine,
    Nginx,
    cores,
    load,
    pin,
    prompt,
    pss_all,
    say,
)

ROWS = [(k, s, c) for s in SIZES for k in KINDS for c in CONNECTIONS]
TARGETS = ("direct", "nginx", "baton")


# ---- cost of a request --------------------------------------------------------------------------


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


# ---- growth -----------------------------------------------------------------------------------


def growth(engine, folder, n):
    """Resident memory after a tenth of the requests, and after all of them."""

    def send(wanted):
        count = 0
        while count < wanted:
            for kind in KINDS:
                count += load(engine, folder, kind, "1k", 64, 2)["requests"]
        return count

    first = send(n // 10)
    before = pss_all(engine.pid)
    more = send(n)
    grown = pss_all(engine.pid) - before
    print(f"\ngrowth: {grown:+.2f} MB over {more} requests after the first {first}")


# ---- main ---------------------------------------------------------------------------------------


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=int, default=2, help="of one measurement [2]")
    p.add_argument(
        "--only", nargs="*", default=[], help="rows and parts whose name holds one of these"
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
    everywhere = os.sched_getaffinity(0)
    if cores() >= 2:
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
        os.sched_setaffinity(0, everywhere)
        pin(upstream.pid, *everywhere)
        for name, section in {**production.SECTIONS, **translation.SECTIONS, **verbs.SECTIONS}.items():
            if "baton" in a.targets and wanted(name, a.only):
                section(upstream, folder, a)
    if "baton" in a.targets and wanted("memory", a.only):
        production.memory(many_descriptors())


if __name__ == "__main__":
    main()
