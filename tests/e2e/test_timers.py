"""Timers in the real engine: on one worker or on each, over the death of a worker, until their generation ends.

SPDX-License-Identifier: MIT
"""

import os
import signal
import tempfile
import time
from pathlib import Path

from base import alone, check, equal, eventually, slow
from harness import Gateway, baton, config, provider

TIMERS = """
local timer, log = require "timer", require "log"
timer.every(0.2, function() log.warn "%s one" end)
timer.every(0.2, function() log.warn "%s each" end, { on = "each" })
timer.after(0.1, function() log.warn "%s once" end)
return require "policy".define { name = "ticks", run = function() return nil end }
"""


def text(word):
    return TIMERS.replace("%s", word)


def gateway(workers, word="tick"):
    text_of_config = config({"raw": provider("http://127.0.0.1:9/v1")}, log="warn")
    return Gateway(text_of_config, policies={"ticks": text(word)}, workers=workers)


def count(g, word):
    return g.stderr.count(f'"message":"{word}"')


def test_a_turn_runs_on_one_worker_or_on_each():
    with gateway(2) as g:
        eventually(lambda: count(g, "tick one") >= 10, "ten turns", 10)
        one, each = count(g, "tick one"), count(g, "tick each")
        check(1.5 * one <= each <= 2.5 * one + 4, f"{one} turns on one, {each} on each")
        equal(count(g, "tick once"), 1)


def test_a_dead_worker_is_not_missed():
    with gateway(2) as g:
        eventually(lambda: count(g, "tick one") >= 2, "turns", 10)
        os.kill(g.processes()[1], signal.SIGKILL)
        before, begin = count(g, "tick one"), time.monotonic()
        eventually(lambda: count(g, "tick one") >= before + 5, "turns after the death", 10)
        check(time.monotonic() - begin < 4 * slow(), "turns were missed")
        equal(count(g, "tick once"), 1, "the new worker does not begin anew")


def test_timers_end_with_their_generation():
    with gateway(2, "old") as g:
        eventually(lambda: count(g, "old one") >= 2, "turns of the old", 10)
        path = Path(g.dir, "policies", "ticks.lua")
        path.write_text(text("new"), encoding="utf-8")
        eventually(lambda: count(g, "new one") >= 2, "turns of the new", 15)
        before = count(g, "old one"), count(g, "old each")
        eventually(lambda: count(g, "new one") >= 6, "more turns of the new", 10)
        equal((count(g, "old one"), count(g, "old each")), before)
        equal((count(g, "old once"), count(g, "new once")), (1, 1))


def test_timers_do_not_run_in_a_check_and_a_wrong_zone_is_told():
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        path = Path(folder, "ticks.lua")
        path.write_text(text("tick").replace("0.2", "0.1"), encoding="utf-8")
        done = baton("check", path, cwd=folder)
        equal(done.returncode, 0, done.output)
        check("tick" not in done.output.replace(str(path), ""), done.output)
        path.write_text(
            'require "timer".at("03:00", print, { tz = "Europe/Atlantis" })\n' + text("tick"), encoding="utf-8"
        )
        done = baton("check", path, cwd=folder)
        equal(done.returncode, 1, done.output)
        check("ticks.lua:1: timer.at: there is no time zone 'Europe/Atlantis'" in done.output, done.output)


FLOOD = """
local timer, policy = require "timer", require "policy"
local function again() for i = 1, 3 do timer.after(0, again) end end
return policy.define { name = "floods", run = function()
   timer.every(0.1, function() while true do end end)
   for i = 1, 2000 do if not timer.after(0, again) then break end end
   return require "llm".reply { text = "set" }
end }
"""


@alone
def test_a_flood_of_timers_does_not_stop_requests():
    text_of_config = config({"raw": provider("http://127.0.0.1:9/v1")}, log="none", limits={"cpu_slice_ms": 50})
    answers = """return require "policy".define { name = "fine", run = function()
       return require "llm".reply { text = "ok" } end }"""
    with Gateway(text_of_config, policies={"floods": FLOOD, "fine": answers}) as g:
        equal(g.chat("floods").status, 200)
        slowest = 0.0
        for _ in range(100):
            at = time.monotonic()
            equal(g.chat("fine").status, 200)
            slowest = max(slowest, time.monotonic() - at)
        check(slowest < 1.0 * slow(), f"{slowest:.2f} s")
