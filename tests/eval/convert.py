"""convert - recorded outcomes of ../shared/routing-data in the form that "baton eval" reads.

    python3 tests/eval/convert.py SET [--data DIR] [--folds 5] [--seed 0] > SET.csv

SET is one of those in SETS. Each row gets a 'group' (a hash of the question's stem: what is the same question has the
same one, whatever its options) and a 'fold' (0 to folds - 1, by group and seed), for "--where fold=0". Costs that are
not recorded are tokens (characters / 4) times PRICES, the public list prices of 2024 in USD per million tokens.
SPDX-License-Identifier: MIT
"""

import argparse
import csv
import gzip
import hashlib
import json
import os
import re
import sys
from pathlib import Path

# model (a part of its name): input, output
PRICES = [
    ("gpt-4o-mini", 0.15, 0.6), ("gpt-4o", 2.5, 10), ("gpt-4-1106", 10, 30), ("gpt-4-turbo", 10, 30),
    ("gpt-4", 30, 60), ("gpt4_1106", 10, 30), ("gpt4", 30, 60), ("gpt-3.5", 0.5, 1.5), ("gpt35", 0.5, 1.5),
    ("o1-mini", 3, 12), ("o1-preview", 15, 60),
    ("haiku-2024102", 0.8, 4), ("haiku", 0.25, 1.25), ("sonnet", 3, 15), ("opus", 15, 75), ("claude", 8, 24),
    ("gemini-1.5-flash", 0.075, 0.3), ("gemini-1.5-pro", 1.25, 5), ("gemini-2.0-flash", 0.1, 0.4),
    ("405B", 3, 3), ("110B", 1.2, 1.2), ("Large-2", 2, 6), ("jamba-1.5-large", 2, 8), ("8x22", 1.2, 1.2),
    ("8x7", 0.6, 0.6), ("mixtral", 0.6, 0.6), ("deepseek", 0.14, 0.28),
    ("72B", 0.9, 0.9), ("70B", 0.9, 0.9), ("65b", 0.9, 0.9), ("51b", 0.8, 0.8), ("49b", 0.8, 0.8),
    ("40b", 0.8, 0.8), ("34B", 0.8, 0.8), ("27b", 0.8, 0.8), ("30b", 0.8, 0.8), ("33b", 0.8, 0.8),
    ("13B", 0.3, 0.3), ("14b", 0.3, 0.3), ("10.7B", 0.3, 0.3), ("12", 0.2, 0.2),
]  # fmt: skip
OTHER = (0.2, 0.2)


def price_of(model):
    for part, *prices in PRICES:
        if part.lower() in model.lower():
            return prices
    return OTHER


def cost_of(model, prompt, chars):
    into, out = price_of(model)
    return f"{(len(prompt) / 4 * into + chars / 4 * out) / 1e6:.9f}"


def stem(prompt, examples):
    """The question without options and examples (all but the last paragraph), its letters and digits only."""
    text = re.split(r"\n\s*[(]?A[.):]\s", prompt.rsplit("\n\n", 1)[-1] if examples else prompt)[0]
    return re.sub(r"[\W_]+", " ", text.lower()).strip() or re.sub(r"\W+", " ", prompt.lower())


def rows_of(path):
    opened = gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else open(path, encoding="utf-8", newline="")
    with opened as f:
        yield from csv.DictReader(f)


# ---- one function a set: yields (prompt, {model: (score, cost, answer)}, more columns) ----


def routellm_mmlu(data):
    for row in rows_of(data / "routellm_mmlu.csv.gz"):
        models = {"mixtral-8x7b": row["weak_correct"], "gpt-4-1106": row["strong_correct"]}
        yield row["prompt"], {m: (s, cost_of(m, row["prompt"], 4), "") for m, s in models.items()}, {
            "domain": row["domain"], "contaminated": row["contaminated"]}  # fmt: skip


def routellm_gsm8k(data):
    for row in rows_of(data / "routellm_gsm8k.csv"):
        prompt, out = row["prompt"], {}
        for model, side in (("mixtral-8x7b", "weak"), ("gpt-4-1106", "strong")):
            answer = row[side + "_response"]
            out[model] = (row[side + "_correct"], cost_of(model, prompt, len(answer)), answer)
        yield prompt, out, {"contaminated": row["contaminated"]}


def routellm_mtbench(data):
    for line in open(data / "routellm_mtbench.jsonl", encoding="utf-8"):
        row = json.loads(line)
        yield row["prompt"], {m: (sum(s.values()) / len(s), "", "") for m, s in row["scores"].items()}, {
            "category": row["category"], "contaminated": row["contaminated"]}  # fmt: skip


def mmlupro(data):
    names = json.load(open(data / "mmlupro_models.json"))["models"]
    for row in rows_of(data / "mmlupro_outcomes.csv.gz"):
        out = {}
        for model, said, chars in zip(names, row["preds"], row["out_chars"].split()):
            if said != "?":
                right = int(said == row["answer"])
                out[model] = (right, cost_of(model, row["prompt"], float(chars)), "" if said == "-" else said)
        yield row["prompt"], out, {"category": row["category"], "reference": row["answer"]}


def zeroeval(name):
    def read(data):
        for row in rows_of(data / f"zeroeval_{name}.csv"):
            out = {}
            for column in row:
                if column.startswith("ok:") and row[column] != "":
                    m = column[3:]
                    said = row["ans:" + m]
                    out[m] = (row[column], cost_of(m, row["prompt"], float(row["out_chars:" + m] or 0)), "" if said == "-" else said)
            yield row["prompt"], out, {"reference": row["answer"]}

    return read


def scores_and_costs(file, more):
    def read(data):
        for row in rows_of(data / file):
            out = {c[6:]: (row[c], row["cost:" + c[6:]], "") for c in row if c.startswith("score:") and row[c] != ""}
            yield row["prompt"], out, {m: row[m] for m in more}

    return read


def routerdc(data):
    for row in rows_of(data / "routerdc_7b.csv"):
        out = {}
        for m in list(row)[3:]:
            if row[m] != "":
                score = float(row[m])
                score = int(score > 0) if row["dataset"] in ("mmlu", "cmmlu", "arc_c") else score
                out[m] = (score, cost_of(m, row["prompt"], 200), "")
        yield row["prompt"], out, {"dataset": row["dataset"]}


def llmrouter(data):
    for row in rows_of(data / "llmrouter_9models.csv"):
        out = {m: (row[m], cost_of(m, row["prompt"], 400), "") for m in list(row)[4:] if row[m] != ""}
        yield row["prompt"], out, {"task": row["task"]}


def alpaca(n):
    def read(data):
        for row in rows_of(data / f"alpaca_eval{n}.csv"):
            out = {}
            for column in row:
                if column.startswith("win:") and row[column] != "":
                    m = column[4:]
                    out[m] = (row[column], cost_of(m, row["prompt"], float(row["out_chars:" + m] or 0)), "")
            yield row["prompt"], out, {"dataset": row["dataset"]}

    return read


SETS = {
    "routellm_mmlu": routellm_mmlu,
    "routellm_gsm8k": routellm_gsm8k,
    "routellm_mtbench": routellm_mtbench,
    "mmlupro": mmlupro,
    "zeroeval_gsm": zeroeval("gsm"),
    "zeroeval_math_l5": zeroeval("math_l5"),
    "zeroeval_crux": zeroeval("crux"),
    "routerbench": scores_and_costs("routerbench_part.csv.gz", ["eval_name"]),
    "routerarena": scores_and_costs("routerarena_sub10.csv", ["dataset"]),
    "routerdc": routerdc,
    "llmrouter": llmrouter,
    "alpaca1": alpaca(1),
    "alpaca2": alpaca(2),
}


def convert(name, data, folds, seed, out):
    rows = list(SETS[name](data))
    models = list(dict.fromkeys(m for _, outcomes, _ in rows for m in outcomes))
    more = list(rows[0][2])
    parts = ["score", "cost"] + (["answer"] if any(o[2] for _, os_, _ in rows for o in os_.values()) else [])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "fold", *more, "prompt"] + [f"{part}:{m}" for part in parts for m in models])
    for prompt, outcomes, columns in rows:
        group = hashlib.sha256(stem(prompt, name == "routerbench").encode()).hexdigest()[:16]
        fold = int(hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()[:8], 16) % folds
        cells = [outcomes.get(m, ("", "", ""))[i] for i in range(len(parts)) for m in models]
        writer.writerow([group, fold, *columns.values(), prompt] + cells)


def main():
    parser = argparse.ArgumentParser(description="Recorded outcomes in the form that 'baton eval' reads.")
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--data", default=os.environ.get("VECTORS", "../shared") + "/routing-data")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    csv.field_size_limit(1 << 30)
    convert(args.set, Path(args.data), args.folds, args.seed, sys.stdout)


if __name__ == "__main__":
    main()
