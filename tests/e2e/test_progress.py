"""Long work shows how far it is: one line drawn anew on a terminal, plain lines elsewhere.

SPDX-License-Identifier: MIT
"""

import os
import pty
import re
import subprocess
import tempfile
from pathlib import Path

from base import check, equal
from harness import BATON, baton, clean_env

SCRIPT = """local llm, progress, task, terminal = require "llm", require "progress", require "task", require "terminal"

print("width", terminal.width())
local p = progress.new(5, "sums")
task.map({ 1, 2, 3, 4, 5 }, 2, function(n)
   task.sleep(0.12)
   local reply = assert(llm.chat("sim/mini", "What is 2 + " .. n .. "?"))
   p:step("no. " .. n)
   return reply
end)
p:finish()
print "done"
"""


def script(folder):
    path = Path(folder, "script.lua")
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def on_a_terminal(arguments, folder, columns=None):
    """What the command wrote to a terminal of its own, and its exit status."""
    master, slave = pty.openpty()
    if columns:
        subprocess.run(["stty", "cols", str(columns)], stdin=slave, check=True)
    process = subprocess.Popen(
        [BATON, *arguments], cwd=folder, env=clean_env(HOME=folder), stdin=subprocess.DEVNULL,
        stdout=slave, stderr=slave,
    )
    os.close(slave)
    out = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end has closed
            break
        if not chunk:
            break
        out += chunk
    os.close(master)
    return out.decode(), process.wait(timeout=60)


def test_a_terminal_sees_one_line_drawn_anew():
    for columns, width, bar in ((None, 80, " [   "), (66, 66, " 0/5")):  # no room for a bar in the second
        with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
            out, status = on_a_terminal(("run", script(folder)), folder, columns)
        equal(status, 0, out)
        lines = out.split("\r\n")
        equal(lines[0].split(), ["width", str(width)])
        drawings = [d.removesuffix("\x1b[K") for d in lines[1].split("\r") if d]
        check(len(drawings) >= 3, drawings)
        check(drawings[0].startswith("sums" + bar) and " 0/5  0 %" in drawings[0], drawings[0])
        check(re.search(r"^sums( \[=+\])? 5/5  100 %  took 0:0\d  0\.0000\d\d USD$", drawings[-1]), drawings[-1])
        check(all(len(d) < width for d in drawings), drawings)
        equal(lines[2], "done")


def test_elsewhere_there_are_plain_lines():
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        done = baton("run", script(folder), cwd=folder, env=clean_env(HOME=folder))
    equal(done.returncode, 0, done.output)
    lines = done.stdout.splitlines()
    equal((lines[0], lines[-1], len(lines)), ("width\tnil", "done", 7))
    check(re.fullmatch(r"sums: 1 of 5 \(20 %\), 0:0\d left, 0\.0000\d\d USD, no\. \d", lines[1]), lines[1])
    check(re.fullmatch(r"sums: 5 of 5 \(100 %\), took 0:0\d, 0\.0000\d\d USD", lines[5]), lines[5])
    check("\r" not in done.stdout and "\x1b" not in done.stdout, done.stdout)
