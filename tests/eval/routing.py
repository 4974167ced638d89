"""routing - routing policies on recorded outcomes of real models, cross-validated: trained by "baton train", run by
"baton eval", figures beside those of others.

    python3 tests/eval/routing.py [--data DIR] [--only TASK] [--seed N] [--choose]

Five folds by the hash of the question's stem and the seed: what is the same question is in one fold. For each fold a
classifier is trained on the other four, and the policy runs on the rows of the fold. A figure is the mean over the
folds; its interval (95 %) comes from the bootstrap intervals of the folds, which share no row: half widths are added
as independent errors are. Settings of a task (TASKS) are those that did best in --choose: there the rows of the first
training part alone (four folds) are divided once more, and no row that judges is seen.
SPDX-License-Identifier: MIT
"""

import argparse
import csv
import hashlib
import io
import itertools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import convert

ROOT = Path(__file__).resolve().parents[2]
BATON = os.environ.get("BATON", str(ROOT / "build/baton"))
FOLDS = 5
QUESTION = ("characters words length stops commas questions numbers given largest decimals percents slashes dollars "
            "parts relations").split()  # fmt: skip
ANSWER = ("calculations wrong_calculations unused_results given unused unused_share final_odd final_given final_differs "
          "final_size unannounced answer_length length_ratio answer_lines hedges").split()  # fmt: skip


@dataclass(frozen=True)
class Task:
    name: str
    data: str  # a set of convert.py
    policy: str
    weak: str = ""
    strong: str = ""
    heads: tuple = ("weak", "strong")
    inputs: tuple = ()
    options: tuple = ()  # of "baton train"
    params: dict = field(default_factory=dict)
    sweep: str = ""  # a parameter that is varied for the curve
    grid: str = ""  # at these values, as --grid has them
    among: tuple = ()  # of agreement: cheap models, of which 'members' are chosen on the rows learned from
    members: int = 0
    by: str = ""
    tries: tuple = ()  # (what is changed) of --choose
    figures: tuple = ("apgr", "cpt50", "cpt80")
    bounds: tuple = ()
    beside: str = ""


PAIR = {"weak": "mixtral-8x7b", "strong": "gpt-4-1106"}
FLASH = {"weak": "gemini-1.5-flash-002", "strong": "gemini-1.5-pro-002"}
WORDS = ("--pieces-to", "0")
ONCE = (*WORDS, "--once")
SMALL = (*WORDS, "--max-bytes", "262144")

CHEAP = ("gemini-1.5-flash-002", "Meta-Llama-3.1-70B-Instruct", "Meta-Llama-3-70B", "DeepSeek-Coder-V2", "Qwen1.5-72B-Chat",
         "Meta-Llama-3.1-8B-Instruct", "Mixtral-8x7B-Instruct-v0.1", "Phi-3-mini-4k-instruct", "mathstral-7B")  # fmt: skip
CHEAP_GSM = ("gpt-4o-mini-2024-07-18", "claude-3-haiku-20240307", "gemini-1.5-flash", "Meta-Llama-3.1-70B-Instruct",
             "Meta-Llama-3.1-8B-Instruct", "gemma-2-27b-it@together", "gemma-2-9b-it", "deepseek-chat",
             "Phi-3.5-mini-instruct", "Qwen2-7B-Instruct")  # fmt: skip
PRO, GPT4O = "gemini-1.5-pro-002", "gpt-4o-2024-08-06"

TASKS = (
    Task("RouteLLM MMLU", "routellm_mmlu", "gain", **PAIR, options=(*ONCE, "--c", "0.5"),
         tries=({"options": (*WORDS, "--c", "0.5")}, {"options": (*ONCE, "--c", "0.2")}, {"options": (*ONCE, "--c", "0.3")},
                {"options": ("--once", "--c", "0.2")}, {"options": ()}, {"heads": ("gain",)}),
         bounds=(0.69, 0.24, 0.57), beside="published best 0.603 / 35 % / 70 %"),
    Task("RouteLLM GSM8K, prompt only", "routellm_gsm8k", "gain", **PAIR, heads=("gain",), inputs=tuple(QUESTION),
         options=(*WORDS, "--input-share", "0.1", "--c", "0.1"),
         tries=({"inputs": ()}, {"options": (*WORDS, "--input-share", "0.05", "--c", "0.1")},
                {"options": (*WORDS, "--input-share", "0.05", "--c", "0.2")}, {"heads": ("weak", "strong")},
                {"options": (*ONCE, "--input-share", "0.1", "--c", "0.1")},
                {"options": (*ONCE, "--input-share", "0.1", "--c", "0.2")},
                {"options": (*ONCE, "--input-share", "0.2", "--c", "0.1")}),
         bounds=(0.67, None, 0.56), beside="published best 0.622 / - / 63 %"),
    Task("RouteLLM GSM8K, cascade", "routellm_gsm8k", "weak_score", **PAIR, heads=("gain",), inputs=tuple(ANSWER),
         options=(*WORDS, "--input-share", "0.2", "--c", "0.1"),
         tries=({"inputs": ()}, {"heads": ("weak",)}, {"options": (*WORDS, "--input-share", "0.1", "--c", "0.1")}),
         bounds=(0.78, None, 0.40)),
    Task("MMLU-Pro, flash to pro", "mmlupro", "gain", **FLASH, options=(*ONCE, "--c", "0.5"),
         tries=({"options": (*WORDS, "--c", "0.5")}, {"options": (*ONCE, "--c", "0.2")}, {"options": (*ONCE, "--c", "0.3")},
                {"heads": ("gain",)}),
         bounds=(0.78, None, None), beside="linear baseline 0.765"),
    Task("RouterDC, seven models", "routerdc", "expected", heads=("dataset",), options=SMALL, figures=("quality",),
         bounds=(0.590,), beside="linear baseline 0.587"),
    Task("LLMRouter, nine models", "llmrouter", "expected", heads=("task",), options=SMALL, figures=("quality",),
         bounds=(0.68,), beside="linear baseline 0.666"),
    Task("RouterBench part, eleven models", "routerbench", "expected", heads=("eval_name",), options=SMALL,
         sweep="price_weight", grid="0.1:100000:61:log", figures=("aiq", "quality"), bounds=(0.88, None), beside="linear baseline 0.874"),
    Task("MMLU-Pro, two agree", "mmlupro", "agreement", strong=PRO, heads=(), among=CHEAP, members=2, by="choice",
         figures=("quality", "strong_share"), bounds=("strong", 0.35)),
    Task("MMLU-Pro, two of three agree", "mmlupro", "agreement", strong=PRO, heads=(), among=CHEAP, members=3, by="choice",
         figures=("quality", "strong_share"), bounds=("strong", 0.35)),
    Task("GSM8K, two agree", "zeroeval_gsm", "agreement", strong=GPT4O, heads=(), among=CHEAP_GSM, members=2, by="number",
         figures=("quality", "strong_share"), bounds=("strong", 0.10)),
)  # fmt: skip


# ---- data ----


@dataclass
class Row:
    prompt: str
    outcomes: dict  # model: (score, cost, answer)
    columns: dict
    group: str
    fold: int
    learned: dict = field(default_factory=dict)  # what "baton train" sees


def fold_of(group, seed):
    return int(hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()[:8], 16) % FOLDS


def read(task, data, seed):
    rows = []
    for prompt, outcomes, columns in convert.SETS[task.data](data):
        group = hashlib.sha256(convert.stem(prompt, task.data == "routerbench").encode()).hexdigest()[:16]
        needed = {m for m in (task.weak, task.strong, *task.among) if m}
        if columns.get("contaminated") == "1" or not needed <= set(outcomes):
            continue
        rows.append(Row(prompt, outcomes, columns, group, fold_of(group, seed)))
    return rows


def baton(*args):
    done = subprocess.run([BATON, *map(str, args)], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"baton {' '.join(map(str, args))}: {done.stderr[-2000:]}")
    return done.stdout


def add_inputs(rows, folder):
    """The numbers that scripts/sums.lua finds, by the script itself."""
    source, out = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(r.learned) + "\n" for r in rows), encoding="utf-8")
    baton("run", "--allow-read", folder, "--allow-write", folder, ROOT / "tests/eval/inputs.lua", source, out)
    with open(out, encoding="utf-8") as f:
        for row, line in zip(rows, f):
            row.learned = json.loads(line)


def prepare(task, rows, folder):
    for r in rows:
        r.learned = {"prompt": r.prompt}
        if task.weak:
            weak, strong = float(r.outcomes[task.weak][0]), float(r.outcomes[task.strong][0])
            r.learned |= {"weak": int(weak), "strong": int(strong), "gain": strong - weak}
        r.learned |= {h: r.columns[h] for h in task.heads if h in r.columns}
        if task.policy == "weak_score":
            r.learned["answer"] = r.outcomes[task.weak][2]
    if task.inputs:
        add_inputs(rows, folder)


def write_outcomes(rows, path):
    models = list(dict.fromkeys(m for r in rows for m in r.outcomes))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "prompt"] + [f"{part}:{m}" for part in ("score", "cost", "answer") for m in models])
    for r in rows:
        cells = [r.outcomes.get(m, ("", "", ""))[i] for i in range(3) for m in models]
        writer.writerow([r.group, r.prompt, *cells])
    path.write_text(out.getvalue(), encoding="utf-8", newline="")


# ---- one fold ----


def lua(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"[{json.dumps(k)}]={lua(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(lua, value)) + "}"
    return json.dumps(value)


def models_of(rows):
    return list(dict.fromkeys(m for r in rows for m in r.outcomes))


def means(values):
    """{key: mean} of (key, value)."""
    sums = {}
    for key, value in values:
        sums.setdefault(key, []).append(value)
    return {key: sum(v) / len(v) for key, v in sums.items()}


def qualities(task, rows):
    """Of each model at each label, drawn to its mean over all by ten rows."""
    head = task.heads[0]
    overall = means((m, float(o[0])) for r in rows for m, o in r.outcomes.items())
    count = means((r.columns[head], 1) for r in rows)
    by_label = {label: [r for r in rows if r.columns[head] == label] for label in count}
    return {label: {m: (sum(float(r.outcomes[m][0]) for r in own) + 10 * q) / (len(own) + 10) for m, q in overall.items()}
            for label, own in by_label.items()}  # fmt: skip


def said(task, outcome):
    return re.sub(r"[,$]|\.0*$", "", outcome[2]) if task.by == "number" else outcome[2]


def agreement(task, rows, members):
    """(right, share of the strong model) of two that agree among these members, asked in turn."""
    right = asked = 0
    for r in rows:
        answers = [said(task, r.outcomes[m]) for m in members]
        pair = next((m for i, m in enumerate(members) if answers[i] and answers[i] in answers[:i] + answers[i + 1 :]), None)
        right += float(r.outcomes[pair or task.strong][0])
        asked += pair is None
    return right / len(rows), asked / len(rows)


def choose_members(task, rows):
    """The most right ones that ask the strong model no more often than is wanted; the two best alone come first."""
    alone = means((m, float(r.outcomes[m][0])) for r in rows for m in task.among)
    best, most = None, -1
    for members in itertools.combinations(sorted(task.among, key=lambda m: -alone[m]), task.members):
        right, share = agreement(task, rows, members)
        if share <= task.bounds[1] and right > most:
            best, most = members, right
    return best


def settings(task, rows):
    """Parameters of the policy, as the rows it learns from have them."""
    params = {"model": "routing"} if task.heads else {}
    if task.policy == "expected":
        prices = means((m, float(o[1])) for r in rows for m, o in r.outcomes.items())
        params |= {"targets": {m: f"oracle/{m}" for m in prices}, "prices": prices, "qualities": qualities(task, rows)}
    if task.policy == "agreement":
        members = choose_members(task, rows)
        params |= {"models": [f"oracle/{m}" for m in members], "by": task.by}
    return params


def train(task, rows, folder):
    data, model = folder / "train.jsonl", folder / "policies/routing.model"
    data.write_text("".join(json.dumps(r.learned) + "\n" for r in rows), encoding="utf-8")
    heads = [o for h in task.heads for o in ("--number" if h == "gain" else "--label", h)]
    inputs = [o for name in task.inputs for o in ("--input", name)]
    text = "answer" if task.policy == "weak_score" else "prompt"
    baton("train", "--text", text, *heads, *inputs, *task.options, "-o", model, data)
    return model.stat().st_size


def judge(task, params, rows, folder, replicates=1000):
    data, config = folder / "fold.csv", folder / "baton.lua"
    write_outcomes(rows, data)
    config.write_text(f"return {{ policies = {{ [{json.dumps(task.policy)}] = {lua(params)} }} }}", encoding="utf-8")
    weak = task.weak or params.get("models", [""])[0].removeprefix("oracle/")
    pair = ("--weak", weak, "--strong", task.strong) if task.strong else ()
    result = baton("eval", data, "-p", task.policy, "-c", config, "--policies", folder / "policies", *pair,
                 *(("--sweep", task.sweep, "--grid", task.grid) if task.sweep else ()),
                 "--bootstrap", replicates, "--json")  # fmt: skip
    return {line["name"]: line for line in json.loads(result)["lines"]}


def one_fold(task, learn, fold, folder, replicates=1000):
    (folder / "policies").mkdir(exist_ok=True)
    size = train(task, learn, folder) if task.heads else 0
    return judge(task, settings(task, learn), fold, folder, replicates), size


# ---- all folds ----


def mean(lines, figure):
    """(mean, half of the interval) over the folds; None where a fold has none."""
    parts = [line.get(figure) for line in lines]
    if any(p is None or p["value"] is None for p in parts):
        return None
    half = math.sqrt(sum(((p["high"] - p["low"]) / 2) ** 2 for p in parts)) / len(parts)
    return sum(p["value"] for p in parts) / len(parts), half


def cross_validate(task, data, seed):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = read(task, data, seed)
        prepare(task, rows, folder)
        results, size = [], 0
        for k in range(FOLDS):
            result, bytes_ = one_fold(task, [r for r in rows if r.fold != k], [r for r in rows if r.fold == k], folder)
            results.append(result)
            size = max(size, bytes_)
    lines = {n: {f: mean([r[n] for r in results], f) for f in task.figures} for n in results[0]}
    return lines, size, len(rows)


def choose(task, data, seed):
    """Each of task.tries on the first training part, divided once more."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [r for r in read(task, data, seed) if r.fold != 0]
        for tried in (task, *(replace(task, **change) for change in task.tries)):
            prepare(tried, rows, folder)
            parts = [fold_of(r.group, f"inner{seed}") for r in rows]
            results = [one_fold(tried, [r for r, p in zip(rows, parts) if p != k],
                                [r for r, p in zip(rows, parts) if p == k], folder, 20)[0] for k in range(FOLDS)]  # fmt: skip
            said = [mean([r[task.policy] for r in results], f) for f in task.figures]
            print(task.name, tried.heads, "inputs" if tried.inputs else "", tried.options,
                  " ".join(f"{s[0]:.4f}" for s in said if s), flush=True)  # fmt: skip


def show(figure, value):
    if value is None:
        return "-"
    if figure.startswith("cpt") or figure == "strong_share":
        return f"{value[0] * 100:.1f} ± {value[1] * 100:.1f} %"
    return f"{value[0]:.3f} ± {value[1]:.3f}"


def verdict(figure, value, bound, lines):
    if bound == "strong":
        bound = lines["always strong"][figure][0]
    less = figure.startswith("cpt") or figure == "strong_share"
    good = value <= bound if less else value >= bound
    return f"{figure}: {'reached' if good else 'NOT REACHED'} ({'at most' if less else 'at least'} {bound:.3f})"


def report(task, lines, size, rows):
    print(f"\n{task.name}: {rows} rows, model of {size} bytes; {task.beside}".rstrip("; "))
    width = max(map(len, lines))
    print(f"{'':{width}}  " + "  ".join(f"{f:>16}" for f in task.figures))
    for name, figures in lines.items():
        if any(figures.values()):
            print(f"{name:{width}}  " + "  ".join(f"{show(f, figures[f]):>16}" for f in task.figures))
    for figure, bound in zip(task.figures, task.bounds):
        if bound is not None:
            print("  " + verdict(figure, lines[task.policy][figure][0], bound, lines))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default=os.environ.get("VECTORS", "../shared") + "/routing-data")
    parser.add_argument("--only", default="", help="a part of the name of a task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", action="store_true", help="try the settings on training rows instead")
    args = parser.parse_args()
    csv.field_size_limit(1 << 30)
    for task in TASKS:
        if args.only.lower() not in task.name.lower():
            continue
        if args.choose:
            choose(task, Path(args.data), args.seed)
        else:
            report(task, *cross_validate(task, Path(args.data), args.seed))


if __name__ == "__main__":
    main()
