"""classify - what the classifiers take of a processor: a decision about 500 bytes, a search of 100 KB.

A model with three heads is trained on examples/workload.jsonl (would a weak model do, would a middling one, how hard
is it); what it says does not matter here. Then tests/unit/bench_classify.c runs everything many times, and the least and
the median time of several runs are printed. `python3 tests/bench/classify.py [BUILD]`.

SPDX-License-Identifier: MIT
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RUNS = 5
NAMES = {
    "features": "classify.features, 500 bytes",
    "ngrams+linear": "n-grams and three linear heads",
    "decision": "both: one routing decision",
    "tokens": "classify.tokens, 500 bytes",
    "language": "classify.language, 500 bytes",
    "pii": "personal data in 100 KB",
    "keywords": "10,000 keywords in 100 KB",
    "pii+keywords": "both",
    "pii-digits": "personal data in 100 KB of digits",
    "pii-separators": "... of digits and what parts them",
    "pii-base64": "... of random letters",
    "pii-emails": "... of addresses",
}


def train(build, folder):
    rows = Path(folder, "rows.jsonl")
    with open(ROOT / "examples/workload.jsonl", encoding="utf-8") as lines, open(rows, "w", encoding="utf-8") as out:
        for question in map(json.loads, lines):
            hard = question["difficulty"]
            row = {"prompt": question["prompt"], "weak": int(hard < 0.35), "middling": int(hard < 0.6), "hard": hard}
            out.write(json.dumps(row) + "\n")
    model = Path(folder, "bench.model")
    heads = ["--label", "weak", "--label", "middling", "--number", "hard"]
    subprocess.run(
        [build / "baton", "train", rows, "--text", "prompt", *heads, "-o", model], check=True, capture_output=True
    )
    return model


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    times = {}
    with tempfile.TemporaryDirectory(prefix="baton-classify-") as folder:
        model = train(build, folder)
        for _ in range(RUNS):
            done = subprocess.run([build / "unit/bench_classify", model], check=True, capture_output=True, text=True)
            for line in done.stdout.splitlines():
                name, least, median = line.split()
                times.setdefault(name, []).append((float(least), float(median)))
    print(f"{'':34} {'least':>9} {'median':>9}   (microseconds of CPU)")
    for name, pairs in times.items():
        least, median = min(p[0] for p in pairs), statistics.median(p[1] for p in pairs)
        print(f"{NAMES[name]:34} {least:9.1f} {median:9.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
