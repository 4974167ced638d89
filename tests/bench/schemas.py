"""schemas - validation of raw JSON bytes beside JSON.parse and a compiled ajv validator (npm), in one run.

For each schema of tests/bench/schemas (real-life ones: requests, events, configurations, answers of models) documents
are made from its example: valid ones of several sizes, and broken ones. Both sides check all of them again and again,
in turns; what is printed are medians of the time for each document. `python3 tests/bench/schemas.py [BUILD]`.

SPDX-License-Identifier: MIT
"""

import copy
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ROUNDS = 5


def leaves(value, path=()):
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], path + (key,))
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from leaves(value[i], path + (i,))
    else:
        yield path


def broken(document, chance):
    """A copy with one value of another type, somewhere."""
    twin = copy.deepcopy(document)
    path = chance.choice(list(leaves(twin)))
    at = twin
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = {"unexpected": True}
    return twin


def larger(document, times):
    """Arrays with more of the same in them."""
    if isinstance(document, dict):
        return {key: larger(value, times) for key, value in document.items()}
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return [larger(value, 1) for value in document] * times
    return document


def documents(examples, chance):
    made = list(examples)
    made += [larger(example, 6) for example in examples]
    made += [broken(example, chance) for example in examples]
    return made


def write_set(folder, path):
    """One line a document; the first line is the schema."""
    case = json.loads(path.read_text(encoding="utf-8"))
    chance = random.Random(1)
    lines = [json.dumps(case["schema"], separators=(",", ":"))]
    lines += [json.dumps(d, ensure_ascii=False) for d in documents(case["examples"], chance)]
    target = Path(folder, path.stem + ".txt")
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def run(command, cwd):
    """{name: (nanoseconds a document, verdicts)} of lines 'NAME NS VERDICTS'."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines() if line.count(" ") == 2]
    return {name: (float(ns), verdicts) for name, ns, verdicts in rows}


def ajv():
    folder = ROOT / "tests" / "npm"
    if not shutil.which("node") or not (folder / "node_modules" / "ajv").exists():
        if not shutil.which("npm"):
            return None
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True)
    return ["node", str(folder / "bench_ajv.mjs")]


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build")
    with tempfile.TemporaryDirectory(prefix="baton-schemas-") as folder:
        sets = [str(write_set(folder, p)) for p in sorted((HERE / "schemas").glob("*.json"))]
        native = [str((build / "unit" / "bench_schema").resolve()), *sets]
        other = ajv()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(run(native, ROOT))
            if other:
                theirs.append(run(other + sets, ROOT / "tests" / "npm"))
    print(f"{'schema':24} {'baton':>10} {'ajv':>10}   ratio  (ns a document; JSON bytes to verdict)")
    ratios = []
    for name in ours[0]:
        mine = statistics.median(r[name][0] for r in ours)
        line = f"{name:24} {mine:10.0f}"
        if theirs:
            if theirs[0][name][1] != ours[0][name][1]:
                print(f"{name}: the verdicts differ: {ours[0][name][1]} {theirs[0][name][1]}")
                return 1
            his = statistics.median(r[name][0] for r in theirs)
            ratios.append(mine / his)
            line += f" {his:10.0f}   {mine / his:.2f}"
        print(line)
    if ratios:
        print(f"{'geometric mean':24} {'':10} {'':10}   {statistics.geometric_mean(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
