"""base - what every test uses: conditions, deadlines, skips, the public vectors.

SPDX-License-Identifier: MIT

VECTORS names the folder of public test data (../shared); REQUIRE_ALL=1 turns every skip into a
failure.
"""

import os
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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


def alone(test):
    """Marks a test that measures time and so wants the machine for itself (run.py --alone)."""
    test.alone = True
    return test


SLOW = 1.0  # run.py raises it for a sanitized binary: every deadline is multiplied with it


def set_slow(factor):
    global SLOW
    SLOW = factor


def slow():
    return SLOW


def eventually(question, what, within=20.0):
    """Asks until the answer is true (and returns it) or the deadline is over: no measure of speed, other tests run
    beside this one."""
    end = time.monotonic() + within * slow()
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
