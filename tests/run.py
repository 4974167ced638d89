"""run - every test, and one line that counts them.

Each program prints a last line 'NAME: N passed, N failed, N skipped'. A program that ends without one, or with another
status than its line says, counts as one failure.
SPDX-License-Identifier: MIT
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(r"^[\w./-]+: (\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def run(name, command, environment, seconds):
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, timeout=seconds, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode(errors="replace") + f"\nstill running after {seconds} s", -1
    lines = [line for line in output.strip().splitlines() if LINE.match(line)]
    counts = [int(n or 0) for n in LINE.match(lines[-1]).groups()] if lines else [0, 1, 0]
    if status != 0 and counts[1] == 0:
        counts[1] = 1
    print(lines[-1] if lines else f"{name}: ended with status {status} and no count", flush=True)
    if counts[1]:
        print("    " + "\n    ".join(output.strip().splitlines()[-60:]), flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description="runs every test")
    parser.add_argument("--build", default="build", help="the folder of the build to test")
    parser.add_argument("--only", choices=("unit", "e2e"), help="a part of them")
    parser.add_argument("--parts", type=int, default=1, help="tests that run at once, but for those that measure [1]")
    options = parser.parse_args()
    build = (ROOT / options.build).resolve()
    environment = dict(os.environ, BATON=str(build / "baton"), PYTHONDONTWRITEBYTECODE="1")
    total = [0, 0, 0]
    programs, together, alone = [], [], []
    if options.only != "e2e":
        programs += [
            (p.name, [str(p)], 300) for p in sorted((build / "unit").glob("test_*")) if p.suffix == ""
        ]
    if options.only != "unit":
        for k in range(1, options.parts + 1):
            part = ["--part", f"{k}/{options.parts}", "--alone", "no"]
            together.append(("e2e", [sys.executable, "tests/e2e/run.py", *part], 1500))
        alone.append(("e2e", [sys.executable, "tests/e2e/run.py", "--alone", "yes"], 1500))
    results = []
    with ThreadPoolExecutor(options.parts) as pool:
        for group in (programs, together):
            results += pool.map(lambda p: run(p[0], p[1], environment, p[2]), group)
    results += [run(name, command, environment, seconds) for name, command, seconds in alone]
    for counts in results:
        total = [a + b for a, b in zip(total, counts)]
    if environment.get("REQUIRE_ALL") == "1" and total[2]:
        print(f"REQUIRE_ALL: {total[2]} skipped tests count as failures")
        total = [total[0], total[1] + total[2], 0]
    skipped = f", {total[2]} skipped" if total[2] else ""
    print(f"{total[0]} passed, {total[1]} failed{skipped}")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
