#!/usr/bin/env python3
"""intents - how often `baton train` and classify.linear tell what people want, on four public sets of labelled prompts.

    python3 tests/eval/intents.py --build build [--sets snips,hwu64] [--seed 7] [--json FILE]

Seeded five-fold cross-validation over the rows of VECTORS/routing-data/intent_*.csv: texts with the same letters and
digits fall into one fold, each fold is judged by a model that the real binary trained on the other four, asked by the
real engine. The bound holds for the mean. Intervals: 95 %, bootstrap over groups of texts. The constants of
core/train_narrow.c and core/train_fit.c were those that did best in --choose on Banking77 and HWU64: there the rows of the
first training part alone (four folds) are divided once more, two fifths of them judge, and none of the first fold is
seen (the other four folds judge rows that had a say); change a constant, build, and compare. Published figures are of the official test
rows, which are not in the folder. Where scikit-learn is there, an n-gram SVM is trained on the same folds.

SPDX-License-Identifier: MIT
"""

import argparse
import csv
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDS = 5
CHOOSING = 2  # of five inner folds judge in --choose
DRAWS = 400
OTHER = "oos"
OFFICIAL = (4500, 1000)  # rows in and out of scope of CLINC150's official test

# set, what is asked of it, bound, the published figure of an n-gram SVM
ROWS = (
    ("clinc150", "in scope", 93.5, 92.9),
    ("clinc150_oos", "in scope", 93.5, 92.9),
    ("clinc150_oos", "overall", 89.9, 88.9),
    ("clinc150_oos", "out of scope found", 75.0, None),
    ("banking77", "right", 92.0, 91.5),
    ("hwu64", "right", 90.0, 89.1),
    ("snips", "right", 98.3, 98.0),
)

ASK = """
local classify, fs, json = require "classify", require "fs", require "json"
local m, n = classify.linear { model = "m" }, classify.neighbours { model = "n" }
for line in assert(fs.read(arg[1])):gmatch "[^\\n]+" do
   local text = json.decode(line)
   local label, p, best = m:label(text)
   print(json.encode { label or best, label ~= nil, p, n:label(text) or "" })
end
"""


def stem(text):
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def rows_of(name, folder):
    with open(Path(folder, f"intent_{name.split('_')[0]}.csv"), encoding="utf-8", newline="") as f:
        rows = [(r["text"], r["intent"]) for r in csv.DictReader(f)]
    return rows if name != "clinc150" else [r for r in rows if r[1] != OTHER]


def folds_of(rows, seed):
    stems = sorted({stem(text) for text, _ in rows})
    random.Random(seed).shuffle(stems)
    place = {s: i % FOLDS for i, s in enumerate(stems)}
    return [place[stem(text)] for text, _ in rows]


def run(*command, cwd=None):
    done = subprocess.run([str(c) for c in command], cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def answers(binary, train, test):
    """What the engine says of each text: (label, known, p, the nearest examples' label); bytes; seconds of training."""
    with tempfile.TemporaryDirectory() as folder:
        with open(Path(folder, "train.csv"), "w", encoding="utf-8", newline="") as f:
            csv.writer(f).writerows([("text", "intent"), *train])
        Path(folder, "test.jsonl").write_text("".join(json.dumps(t) + "\n" for t, _ in test), encoding="utf-8")
        Path(folder, "mine").mkdir()
        Path(folder, "ask.lua").write_text(ASK, encoding="utf-8")
        other = ("--other", OTHER, "--other-share", OFFICIAL[1] / sum(OFFICIAL)) if any(
            label == OTHER for _, label in train) else ()
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run(binary, "train", "--label", "intent", *other, "-o", "mine/m.model", "train.csv", cwd=folder)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        run(binary, "train", "--neighbours", "--label", "intent", "-o", "mine/n.model", "train.csv", cwd=folder)
        said = run(binary, "run", "--allow-read", folder, "--policies", "mine", "ask.lua", f"{folder}/test.jsonl",
                   cwd=folder)
        size = Path(folder, "mine/m.model").stat().st_size
    return [json.loads(line) for line in said.splitlines()], size, seconds


def svm(train, test):
    """The usual baseline: words and pairs, pieces of 2 to 5 letters, TF-IDF, one linear SVM against the rest."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.svm import LinearSVC
    except ImportError:
        return None
    model = make_pipeline(
        make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                   TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)), LinearSVC())
    model.fit([t for t, _ in train], [label for _, label in train])
    return list(model.predict([t for t, _ in test]))


def judged(binary, name, rows, seed, judges=FOLDS):
    """Of each row of the first folds: stem, true label, our label ('oos' where unknown), probability, neighbours', the
    SVM's or None."""
    folds, out, sizes, seconds = folds_of(rows, seed), [], [], []
    scope = any(label == OTHER for _, label in rows)
    for k in range(judges):
        train = [r for r, f in zip(rows, folds) if f != k]
        test = [r for r, f in zip(rows, folds) if f == k]
        said, size, spent = answers(binary, train, test)
        other = svm(train, test) or [None] * len(test)
        sizes.append(size)
        seconds.append(spent)
        for (text, label), (ours, known, p, near), theirs in zip(test, said, other):
            out.append((stem(text), label, ours if known or not scope else OTHER, p, near, theirs))
        print(f"  {name}: fold {k + 1} of {judges}, {size} bytes, {spent:.1f} s", file=sys.stderr, flush=True)
    return out, max(sizes), max(seconds)


# ---- figures: of a list of (stem, true label, said label, …) ----


def share(good, count):
    return 100 * good / count if count else float("nan")


def figure(what, hits):
    """hits: counts { (out of scope?, right?): n }"""
    inside = share(hits[False, True], hits[False, True] + hits[False, False])
    found = share(hits[True, True], hits[True, True] + hits[True, False])
    if what == "overall":
        return (OFFICIAL[0] * inside + OFFICIAL[1] * found) / sum(OFFICIAL)
    return found if what == "out of scope found" else inside


def tally(pairs):
    hits = {(a, b): 0 for a in (False, True) for b in (False, True)}
    for truth, said in pairs:
        hits[truth == OTHER, truth == said] += 1
    return hits


def add(total, part):
    for key, n in part.items():
        total[key] += n


def interval(what, verdicts, column, seed):
    """95 %: groups of the same stem are drawn, with replacement."""
    groups = {}
    for v in verdicts:
        groups.setdefault(v[0], []).append((v[1], v[column]))
    parts, draw, values = [tally(g) for g in groups.values()], random.Random(seed), []
    for _ in range(DRAWS):
        total = tally(())
        for part in draw.choices(parts, k=len(parts)):
            add(total, part)
        values.append(figure(what, total))
    values.sort()
    return values[int(0.025 * DRAWS)], values[int(0.975 * DRAWS)]


def calibration(verdicts):
    """The mean difference between what is said (in ten bins) and how often it is right."""
    bins = [[0, 0, 0] for _ in range(10)]
    for _, truth, ours, p, *_ in verdicts:
        if ours != OTHER:
            b = bins[min(9, int(p * 10))]
            b[0], b[1], b[2] = b[0] + 1, b[1] + p, b[2] + (truth == ours)
    return sum(abs(b[1] - b[2]) for b in bins) / max(1, sum(b[0] for b in bins))


def row(name, what, bound, published, verdicts, seed):
    value = figure(what, tally((v[1], v[2]) for v in verdicts))
    low, high = interval(what, verdicts, 2, seed)
    out = {"set": name, "what": what, "value": value, "low": low, "high": high, "bound": bound, "published": published,
           "neighbours": figure(what, tally((v[1], v[4]) for v in verdicts)),
           "svm": figure(what, tally((v[1], v[5]) for v in verdicts)) if verdicts[0][5] else None}
    rival, whose = out["svm"] or published, "SVM" if out["svm"] else "published SVM"
    out["verdict"] = ("reached" if value >= bound else "not reached") + (
        "" if rival is None else f", tie with the {whose}" if low <= rival <= high else
        f", above the {whose}" if value > rival else f", below the {whose}")
    return out


def line(r):
    show = lambda x: "     -" if x is None else f"{x:6.2f}"  # noqa: E731
    return (f"{r['set']:<13} {r['what']:<19} {r['value']:6.2f} [{r['low']:.2f}, {r['high']:.2f}]  {r['bound']:6.1f}"
            f"  {show(r['svm'])} {show(r['neighbours'])} {show(r['published'])}  {r['verdict']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default="build", help="the folder of the build [build]")
    parser.add_argument("--sets", help="only these, with commas between")
    parser.add_argument("--seed", type=int, default=7, help="of the folds and the bootstrap [7]")
    parser.add_argument("--choose", action="store_true", help="judge on rows of the first training part only")
    parser.add_argument("--json", help="writes the rows to this file, too")
    options = parser.parse_args()
    binary = (ROOT / options.build / "baton").resolve()
    folder = Path(os.environ.get("VECTORS", ROOT / "../shared"), "routing-data").resolve()
    if not Path(folder, "intent_snips.csv").exists():
        print(f"no data in {folder}: skipped (VECTORS names the folder)")
        return
    wanted = options.sets.split(",") if options.sets else sorted({r[0] for r in ROWS})
    found, notes = [], []
    for name in wanted:
        rows = rows_of(name, folder)
        if options.choose:
            rows = [r for r, fold in zip(rows, folds_of(rows, options.seed)) if fold > 0]
            verdicts, size, seconds = judged(binary, name, rows, options.seed + 1, CHOOSING)
        else:
            verdicts, size, seconds = judged(binary, name, rows, options.seed)
        found += [row(*r, verdicts, options.seed) for r in ROWS if r[0] == name]
        notes.append(f"{name}: model {size} bytes, training {seconds:.1f} s of processor at most, "
                     f"calibration error {calibration(verdicts):.3f}")
    print(f"{'set':<13} {'%':<19} {'ours, interval':<22} {'bound':>7}  {'SVM':>6} {'near':>6} {'publ.':>6}")
    for r in found:
        print(line(r))
    print("\n".join(notes))
    what = f"the first training part, divided by seed {options.seed + 1}" if options.choose else f"{FOLDS} folds"
    print(f"{what}, seed {options.seed}; SVM: scikit-learn on the same folds; near: classify.neighbours on the "
          "same folds;\npubl.: an n-gram SVM on the official test rows")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
