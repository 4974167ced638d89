#!/usr/bin/env python3
"""run - finds the functions test_… in the files test_*.py beside it and runs them in turn.

SPDX-License-Identifier: MIT

    run.py [-v] [--jobs N] [--alone yes|no] [FILTER…]
                                           only tests whose "file.name" holds one of the filters; N processes at once,
                                           each taking the next test that nobody has taken [1]; only those (or all
                                           but those) that measure and so want the machine for themselves: the files
                                           that say ALONE = True and the tests that say @alone

With -v each line tells the seconds, and those of CPU: of the test and of what it has started and ended.
The last line is `e2e: N passed, N failed, N skipped`; exit status 1 when one failed.
"""

import argparse
import importlib
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import base  # noqa: E402
import harness  # noqa: E402


LINE = re.compile(r"^e2e: (\d+) passed, (\d+) failed, (\d+) skipped\n$")


def find(filters, alone):
    for path in sorted(Path(__file__).resolve().parent.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        own = [
            (name, f)
            for name, f in vars(module).items()
            if name.startswith("test_") and callable(f) and f.__module__ == path.stem
        ]
        for name, function in sorted(own, key=lambda pair: pair[1].__code__.co_firstlineno):
            title = f"{path.stem.removeprefix('test_')}.{name.removeprefix('test_')}"
            measures = getattr(module, "ALONE", False) or getattr(function, "alone", False)
            if (not alone or (alone == "yes") == measures) and (
                not filters or any(f in title for f in filters)
            ):
                yield title, function


def run(function):
    """(outcome, text) of one test."""
    try:
        function()
        text = harness.stage_broken()
        return ("failed", text) if text else ("passed", "")
    except base.Skip as e:
        return "skipped", str(e)
    except Exception:
        text = traceback.format_exc()
        return "failed", text + (harness.stage_broken() or "")


def timed(counts, title, function, verbose):
    """Runs it, counts its outcome and tells of it."""
    begin, spent = time.monotonic(), sum(os.times()[:4])
    outcome, text = run(function)
    seconds = f"{time.monotonic() - begin:.1f} s"
    counts[outcome] += 1
    if outcome == "failed":
        print(f"FAILED  {title} ({seconds})\n" + "\n".join("    " + t for t in text.splitlines()))
    elif outcome == "skipped" or verbose:
        cpu = f", {sum(os.times()[:4]) - spent:.1f} s of CPU" if verbose else ""
        print(f"{outcome:7} {title} ({seconds}{cpu})" + (f": {text}" if text else ""))
    sys.stdout.flush()


def taken(tests, queue):
    """The tests in turn; from a queue those that no other process has taken."""
    if queue is None:
        yield from tests
        return
    while number := os.read(queue, 4):
        yield tests[int(number)]


def one_part(process):
    """Passes on what it says; its counts."""
    counts = None
    for line in process.stdout:
        if found := LINE.match(line):
            counts = [int(n) for n in found.groups()]
        else:
            print(line, end="", flush=True)
    if process.wait() and not (counts and counts[1]):
        print(f"FAILED  a part ended with status {process.returncode}", flush=True)
        return [0, 1, 0]
    return counts


def in_parts(tests, options):
    """This program several times, on one queue of the tests' numbers; the counts of all."""
    queue, writable = os.pipe()
    os.write(writable, b"".join(b"%4d" % i for i in range(len(tests))))  # a pipe holds 64 KiB
    os.close(writable)
    command = [sys.executable, __file__, *options.filters, "--queue", str(queue)]
    command += ["-v"] * options.v + (["--alone", options.alone] if options.alone else [])
    say = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    parts = [subprocess.Popen(command, pass_fds=[queue], **say) for _ in range(options.jobs)]
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            counts = list(pool.map(one_part, parts))
    finally:
        for part in parts:
            part.terminate()
    return dict(zip(("passed", "failed", "skipped"), map(sum, zip(*counts))))


def in_turn(tests, options):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for title, function in taken(tests, options.queue):
        timed(counts, title, function, options.v)
    timed(counts, "the shared gateway and simulator end cleanly", harness.stage_stop, options.v)
    return counts


def main(arguments):
    parser = argparse.ArgumentParser(description="runs end-to-end tests")
    parser.add_argument("-v", action="store_true", help="tell of each test")
    parser.add_argument("--jobs", type=int, default=1, help="tests at once [1]")
    parser.add_argument("--alone", choices=("yes", "no"), help="only tests that measure, or all others")
    parser.add_argument("--queue", type=int, help=argparse.SUPPRESS)  # of --jobs: a descriptor
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="a part of file.name")
    options = parser.parse_args(arguments)
    if not os.access(harness.BATON, os.X_OK):
        print(f"e2e: {harness.BATON} is not there; run make first")
        print("e2e: 0 passed, 1 failed, 0 skipped")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves through atexit: ends what runs
    harness.many_descriptors()
    if harness.sanitized():
        base.set_slow(4.0)
    tests = list(find(options.filters, options.alone))
    if not tests and not options.alone:
        print(f"e2e: no test's name holds {' or '.join(options.filters)}")
        print("e2e: 0 passed, 1 failed, 0 skipped")
        return 1
    counts = (in_parts if options.jobs > 1 else in_turn)(tests, options)
    print("e2e: {passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
