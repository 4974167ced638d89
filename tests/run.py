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


def ended(command, environment, seconds):
    """What it said and its status. One that takes too long is asked to end, so that it ends what it has started."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        return process.communicate(timeout=seconds)[0], process.returncode
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        output = process.communicate(timeout=20)[0]
    except subprocess.TimeoutExpired as late:
        process.kill()
        output = (late.stdout or b"").decode(errors="replace")
    return f"{output}\nstill running after {seconds} s", -1


def run(name, command, environment, seconds):
    output, status = ended(command, environment, seconds)
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
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="programs at once [one a processor]")
    parser.add_argument(
        "--waiting", type=int, default=min(8, 2 * os.cpu_count()),
        help="end-to-end tests at once, which wait more than they work [two a processor, up to 8]; those that measure"
        " come last, one by one",
    )
    options = parser.parse_args()
    build = (ROOT / options.build).resolve()
    environment = dict(os.environ, BATON=str(build / "baton"), PYTHONDONTWRITEBYTECODE="1")
    results, total = [], [0, 0, 0]
    if options.only != "e2e":
        programs = [p for p in sorted((build / "unit").glob("test_*")) if p.suffix == ""]
        with ThreadPoolExecutor(options.jobs) as pool:
            results += pool.map(lambda p: run(p.name, [str(p)], environment, 300), programs)
    if options.only != "unit":
        for part in (["--alone", "no", "--jobs", str(options.waiting)], ["--alone", "yes"]):
            results.append(run("e2e", [sys.executable, "tests/e2e/run.py", *part], environment, 1500))
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
