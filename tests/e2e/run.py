#!/usr/bin/env python3
"""run - finds the functions test_… in the files test_*.py beside it and runs them in turn.

SPDX-License-Identifier: MIT

    run.py [-v] [--part K/N] [--alone yes|no] [FILTER…]
                                           only tests whose "file.name" holds one of the filters; of these every
                                           N-th from the K-th on, for several processes at once; only those (or all
                                           but those) that measure and so want the machine for themselves: the files
                                           that say ALONE = True

The last line is `e2e: N passed, N failed, N skipped`; exit status 1 when one failed.
"""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import base  # noqa: E402
import harness  # noqa: E402


def find(filters, alone):
    for path in sorted(Path(__file__).resolve().parent.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        if alone and (alone == "yes") != getattr(module, "ALONE", False):
            continue
        own = [
            (name, f)
            for name, f in vars(module).items()
            if name.startswith("test_") and callable(f) and f.__module__ == path.stem
        ]
        for name, function in sorted(own, key=lambda pair: pair[1].__code__.co_firstlineno):
            title = f"{path.stem.removeprefix('test_')}.{name.removeprefix('test_')}"
            if not filters or any(f in title for f in filters):
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


def report(counts, title, outcome, text, seconds, verbose):
    counts[outcome] += 1
    if outcome == "failed":
        print(
            f"FAILED  {title} ({seconds:.1f} s)\n"
            + "\n".join("    " + t for t in text.splitlines())
        )
    elif outcome == "skipped" or verbose:
        print(f"{outcome:7} {title} ({seconds:.1f} s)" + (f": {text}" if text else ""))
    sys.stdout.flush()


def main(arguments):
    parser = argparse.ArgumentParser(description="runs end-to-end tests")
    parser.add_argument("-v", action="store_true", help="tell of each test")
    parser.add_argument("--part", default="1/1", metavar="K/N", help="every N-th test from the K-th on")
    parser.add_argument("--alone", choices=("yes", "no"), help="only tests that measure, or all others")
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="a part of file.name")
    options = parser.parse_args(arguments)
    part, parts = map(int, options.part.split("/"))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if not os.access(harness.BATON, os.X_OK):
        print(f"e2e: {harness.BATON} is not there; run make first")
        print("e2e: 0 passed, 1 failed, 0 skipped")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves through atexit: ends what runs
    harness.many_descriptors()
    if harness.sanitized():
        base.set_slow(4.0)
    for title, function in list(find(options.filters, options.alone))[part - 1 :: parts]:
        begin = time.monotonic()
        outcome, text = run(function)
        report(counts, title, outcome, text, time.monotonic() - begin, options.v)
    begin = time.monotonic()
    outcome, text = run(harness.stage_stop)
    report(
        counts,
        "the shared gateway and simulator end cleanly",
        outcome,
        text,
        time.monotonic() - begin,
        options.v,
    )
    print("e2e: {passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
