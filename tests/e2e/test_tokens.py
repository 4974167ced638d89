"""classify.tokens beside a published tokenizer of npm, on texts written for this; skipped where npm cannot be had.

The texts in tests/npm/tokens/samples are named KIND_WHAT. The bound of 10% is for each kind, its texts together; one text
alone may be off by 15%. No weight was fitted on them, but two kinds of pieces (Japanese scripts apart, endings of long
English words) were told apart after a first look at twelve of the fifteen.

SPDX-License-Identifier: MIT
"""

import collections
import os
import subprocess
import tempfile
from pathlib import Path

from base import ROOT, check, equal
from harness import baton
from test_npm import have_packages

FOLDER = ROOT / "tests" / "npm" / "tokens"

ESTIMATE = """
local fs, classify = require "fs", require "classify"
for _, file in ipairs(arg) do
   local s = assert(fs.read(file))
   for _, family in ipairs { "o200k", "cl100k" } do
      local n, verified = classify.tokens(s, family)
      assert(verified == true and classify.token_families[family].verified)
      print(family, n, file)
   end
end
"""


def numbers(output):
    """{(family, file): number} of lines 'FAMILY NUMBER FILE'."""
    rows = [line.split() for line in output.splitlines()]
    return {(family, os.path.basename(file)): int(n) for family, n, file in rows}


def test_estimates_are_within_a_tenth_of_a_published_tokenizer():
    have_packages(FOLDER)
    files = [str(p) for p in sorted((FOLDER / "samples").glob("*.txt"))]
    with tempfile.TemporaryDirectory(prefix="baton-tokens-") as folder:
        script = Path(folder, "estimate.lua")
        script.write_text(ESTIMATE, encoding="utf-8")
        ours = baton("run", "--allow-read", FOLDER / "samples", script, *files)
    equal(ours.returncode, 0, ours.output)
    command = ["node", str(FOLDER / "count.mjs"), *files]
    theirs = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120)
    equal(theirs.returncode, 0, theirs.stderr)
    ours, theirs = numbers(ours.stdout), numbers(theirs.stdout)
    equal(len(theirs), 2 * len(files))
    equal(set(ours), set(theirs))
    sums = collections.defaultdict(lambda: [0, 0])
    for (family, file), real in theirs.items():
        mine = ours[family, file]
        check(abs(mine / real - 1) <= 0.15, f"{file}: {mine}, not {real} tokens of {family}")
        total = sums[family, file.split("_")[0]]
        total[0] += mine
        total[1] += real
    equal({kind for _, kind in sums}, {"english", "code", "chinese", "japanese", "korean"})
    for (family, kind), (mine, real) in sums.items():
        check(abs(mine / real - 1) <= 0.10, f"{kind}: {mine}, not {real} tokens of {family}")
