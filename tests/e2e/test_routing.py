"""tests/eval/routing.py, what "make eval" runs: its folds, its choices and its figures, on outcomes made up here.

SPDX-License-Identifier: MIT
"""

import csv
import random
import sys
import tempfile
from pathlib import Path

from base import ROOT, check, equal

sys.path.insert(0, str(ROOT / "tests/eval"))
import convert  # noqa: E402
import routing  # noqa: E402

KINDS = {  # words, right: weak, strong, other
    "sums": ("integral matrix theorem proof lemma", 0.1, 0.9, 0.2),
    "talk": ("hello weather music dinner holiday", 0.9, 0.9, 0.95),
    "riddles": ("riddle puzzle secret oracle sphinx", 0.1, 0.1, 0.1),
}


def made_up(_data):
    draw = random.Random(7)
    for i in range(600):
        kind, (words, *right) = list(KINDS.items())[i % 3]
        same = random.Random(i // 6 * 3 + i % 3)  # two rows have the same question, with other options
        prompt = " ".join(same.choices(words.split(), k=8)) + f"\nA. {i}\nB. none"
        outcomes = {}
        for model, p, cost in zip(("weak", "strong", "other"), right, (0.001, 0.01, 0.002)):
            good = int(draw.random() < p)
            outcomes[model] = (good, cost, f"{prompt.split()[good]} #### {42 if good else draw.randrange(9)}")
        yield prompt, outcomes, {"kind": kind}


class Made:
    """routing and convert with a set of their own."""

    def __enter__(self):
        csv.field_size_limit(1 << 30)
        convert.SETS["made_up"] = made_up

    def __exit__(self, *_):
        del convert.SETS["made_up"]


def task(policy, **more):
    return routing.Task("made up", "made_up", policy, **more)


def test_questions_with_one_stem_are_in_one_fold():
    with Made():
        rows = routing.read(task("gain"), Path("."), 0)
        folds = {}
        for r in rows:
            folds.setdefault(r.group, set()).add(r.fold)
        check(len(folds) < len(rows) and all(len(f) == 1 for f in folds.values()), len(folds))
        equal({r.fold for r in rows}, set(range(routing.FOLDS)))
        check([r.fold for r in rows] != [r.fold for r in routing.read(task("gain"), Path("."), 1)], "another seed")


def test_gain_is_learned_and_the_same_twice():
    with Made():
        one = task("gain", weak="weak", strong="strong", options=("--pieces-to", "0"))
        lines, size, rows = routing.cross_validate(one, Path("."), 0)
        equal(rows, 600)
        check(lines["gain"]["apgr"][0] > 0.75 > lines["prompt length"]["apgr"][0], lines)
        check(lines["gain"]["cpt50"][0] < 0.4 and 0 < lines["gain"]["apgr"][1] < 0.5, lines["gain"])
        check(0 < size <= 262144, size)
        equal(routing.cross_validate(one, Path("."), 0)[0], lines)


def test_weak_answers_are_read():
    with Made():
        one = task("weak_score", weak="weak", strong="strong", heads=("weak",), inputs=("final_size", "final_odd"),
                   options=("--pieces-to", "0", "--input-share", "0.5"))  # fmt: skip
        lines, _, _ = routing.cross_validate(one, Path("."), 0)
        check(lines["weak_score"]["apgr"][0] > 0.8, lines)  # only right answers are large


def test_models_are_expected_to_be_as_good_as_at_their_kind_of_task():
    with Made():
        one = task("expected", heads=("kind",), options=("--max-bytes", "262144"), figures=("quality",))
        lines, _, _ = routing.cross_validate(one, Path("."), 0)
        check(lines["expected"]["quality"][0] > lines["always strong"]["quality"][0], lines)


def test_members_that_agree_are_chosen_on_the_rows_learned_from():
    with Made():
        one = task("agreement", strong="strong", heads=(), among=("weak", "other"), members=2, by="number",
                   figures=("quality", "strong_share"), bounds=("strong", 0.9))  # fmt: skip
        rows = routing.read(one, Path("."), 0)
        equal(set(routing.choose_members(one, rows)), {"weak", "other"})
        lines, _, _ = routing.cross_validate(one, Path("."), 0)
        right, share = routing.agreement(one, rows, ("other", "weak"))
        check(abs(lines["agreement"]["strong_share"][0] - share) < 0.02, (lines, share))
        check(abs(lines["agreement"]["quality"][0] - right) < 0.02, (lines, right))


def test_a_bound_that_is_missed_is_told():
    lines = {"always strong": {"quality": (0.7, 0.01)}}
    check(routing.verdict("apgr", 0.68, 0.69, lines).startswith("apgr: NOT REACHED (at least 0.690)"), "apgr")
    check(routing.verdict("cpt80", 0.5, 0.57, lines).startswith("cpt80: reached (at most"), "cpt80")
    check(routing.verdict("quality", 0.7, "strong", lines).startswith("quality: reached (at least 0.700)"), "quality")


def test_a_mean_over_folds_has_a_smaller_interval_than_each():
    fold = {"apgr": {"value": 0.5, "low": 0.4, "high": 0.6}}
    value, half = routing.mean([fold] * 4, "apgr")
    check(abs(value - 0.5) < 1e-9 and abs(half - 0.05) < 1e-9, (value, half))
    equal(routing.mean([fold, {"apgr": {"value": None, "low": None, "high": None}}], "apgr"), None)
    with tempfile.TemporaryDirectory() as folder:
        rows = [routing.Row("a, \"b\"\nc", {"m": (1, 2, "x"), "n": (0, 1, "y")}, {}, "g", 0)]
        routing.write_outcomes(rows, Path(folder, "out.csv"))
        with open(Path(folder, "out.csv"), newline="", encoding="utf-8") as f:
            equal(list(csv.DictReader(f))[0]["prompt"], "a, \"b\"\nc")
