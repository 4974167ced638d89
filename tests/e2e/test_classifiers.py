"""Classifiers beside trained ones: files of examples, a small model that is down, vectors, and what is shipped.

tests/eval/prompts.jsonl was written by hand after the templates of models/prompts, and neither was changed for the
other since: what the shipped model makes of it is what to expect of prompts that it has not seen.
SPDX-License-Identifier: MIT
"""

import json
import tempfile
import time
from pathlib import Path

from base import ROOT, check, equal, eventually, slow
from harness import Gateway, baton

EXAMPLES = "text,label\n" + "".join(
    f"{text},{label}\n"
    for text, label in (
        ("I want my money back", "refund"), ("you charged me twice", "refund"), ("the invoice is wrong", "refund"),
        ("where is my parcel", "order"), ("track my delivery", "order"), ("change the address of my order", "order"),
    ) * 4
)

POLICY = """local classify, llm, policy = require "classify", require "llm", require "policy"
local n = classify.neighbours { model = "faq" }
return policy.define { name = "mine", run = function(req)
   return llm.reply { text = n:label(req) or "none" } end }
"""


def train(folder, *options, data="data.csv", model="faq.model", status=0):
    done = baton("train", *options, "-o", Path(folder, model), Path(folder, data), timeout=120)
    equal(done.returncode, status, done.output)
    return done.output


def test_examples_are_written_down_served_refused_when_damaged_and_taken_anew():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data.csv").write_text(EXAMPLES)
        mine = Path(folder, "policies")
        mine.mkdir()
        check("24 examples" in train(folder, "--neighbours", model="policies/faq.model"), "the number of examples")
        (mine / "mine.lua").write_text(POLICY)
        good = (mine / "faq.model").read_bytes()

        def answer(gateway):
            return gateway.chat("mine", "give me back the money").json()["choices"][0]["message"]["content"]

        with Gateway("return {}", folder=folder) as gateway:
            equal(answer(gateway), "refund")
            (mine / "faq.model").write_bytes(good[:-3])
            eventually(lambda: "faq.model: the examples are damaged" in gateway.stderr, "the refusal in the log")
            equal(answer(gateway), "refund")
            Path(folder, "data.csv").write_text(EXAMPLES.replace("refund", "money"))
            train(folder, "--neighbours", model="policies/faq.model")
            eventually(lambda: answer(gateway) == "money", "the new examples' answer")


def test_a_model_is_no_file_of_examples_and_back():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data.csv").write_text(EXAMPLES)
        train(folder, "--neighbours", model="faq.model")
        for name, words in (("linear", "no model 'faq.model'"), ("neighbours", "no examples 'tasks.model'")):
            model = "faq" if name == "linear" else "tasks"
            path = Path(folder, "script.lua")
            path.write_text(f'require("classify").{name} {{ model = "{model}" }}')
            done = baton("run", path, cwd=folder)
            check(done.returncode == 1 and words in done.stderr, done.output)
        said = baton("train", "--neighbours", "--folds", "3", "-o", Path(folder, "x.model"), Path(folder, "data.csv"))
        check(said.returncode == 2 and "--neighbours takes one --label" in said.stderr, said.output)


def test_rows_of_a_group_are_not_divided():
    """A label that only its group's word tells: judged without having seen the group, it cannot be known."""
    letters = "abcdefghijklmnopqrst"
    rows = "text,label,family\n" + "".join(
        f"{a * 4} {b * 3},{'yes' if letters.index(a) % 2 else 'no'},{a}\n" for a in letters for b in letters
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data.csv").write_text(rows)
        known = train(folder, "--folds", "4")
        apart = train(folder, "--folds", "4", "--group", "family")
        share = lambda said: float(said.split("right ")[1].split("%")[0])  # noqa: E731
        check(share(known) > 90 and share(apart) < 70, known + apart)


ASK = """
local classify = require "classify"
local words = classify.neighbours { examples = { refund = { "money back", "charged twice" }, order = { "my parcel" } } }
for _, fault in ipairs { "no-answer", "stall", "503", "wrong-json", "cut" } do
   local asked = classify.ask { labels = words.labels, model = "sim/mini:" .. fault, timeout = 0.3, fallback = words }
   local label, from = asked:label "you charged me twice"
   print(fault, label, from)
end
local near = classify.embedding { model = "sim/embed", examples = { refund = { "money back please",
   "charged twice for it" }, order = { "where is my parcel" } }, k = 1 }
print((near:label "I was charged twice"), (near:label "where is the parcel"))
local down = classify.embedding { model = "sim/embed:503", examples = { a = { "x" }, b = { "y" } }, fallback = "b" }
print(down:label "x")
"""


def test_no_outage_of_a_model_stops_a_classifier_with_a_fallback():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.lua")
        path.write_text(ASK)
        start = time.monotonic()
        done = baton("run", path, cwd=folder)
        equal(done.returncode, 0, done.output)
        check(time.monotonic() - start < 10 * slow(), "the timeouts hold")
        lines = done.stdout.splitlines()
        equal(lines[:5], [f"{f}\trefund\tfallback" for f in ("no-answer", "stall", "503", "wrong-json", "cut")])
        equal(lines[5:], ["refund\torder", "b\tfallback\tnil"])


# ---- the shipped model ---------------------------------------------------------------------------

JUDGE = """
local classify, fs, json = require "classify", require "fs", require "json"
local n, task, level = 0, 0, 0
for line in assert(fs.read(arg[1])):gmatch "[^\\n]+" do
   local d = json.decode(line)
   n = n + 1
   if classify.task(d.text) == d.task then task = task + 1 end
   if classify.level(d.text) == d.complexity then level = level + 1 end
end
print(n, task / n, level / n)
"""


def test_the_shipped_model_on_prompts_it_was_not_made_of():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.lua")
        path.write_text(JUDGE)
        held_back = ROOT / "tests/eval/prompts.jsonl"
        done = baton("run", "--allow-read", held_back.parent, path, held_back, cwd=folder)
        equal(done.returncode, 0, done.output)
        n, task, level = map(float, done.stdout.split())
        equal(int(n), len(held_back.read_text().splitlines()))
        check(task >= 0.6, f"kinds of work: {task:.3f} right (0.65 when it was made; a guess is 0.1)")
        check(level >= 0.6, f"complexity: {level:.3f} right (0.69 when it was made; always 'simple' is 0.44)")


def test_the_shipped_model_is_made_of_its_prompts_each_time_the_same():
    with tempfile.TemporaryDirectory() as folder:
        made = baton("run", "--policies", ROOT / "models/prompts", ROOT / "models/generate.lua", cwd=folder)
        equal(made.returncode, 0, made.stderr)
        rows = [json.loads(line) for line in made.stdout.splitlines()]
        check(len(rows) > 3000 and len({r["text"] for r in rows}) == len(rows), "some thousand different prompts")
        held_back = {json.loads(line)["text"] for line in (ROOT / "tests/eval/prompts.jsonl").open()}
        check(not held_back & {r["text"] for r in rows}, "what judges is not learned")
        Path(folder, "p.jsonl").write_text(made.stdout)
        options = ("--label", "task", "--label", "complexity", "--group", "template", "--hold-back", "0.25",
                   "--max-bytes", "262144")
        train(folder, *options, data="p.jsonl", model="tasks.model")
        shipped = (ROOT / "scripts/tasks.model").read_bytes()
        check(len(shipped) <= 262144, f"{len(shipped)} bytes")
        equal(Path(folder, "tasks.model").read_bytes() == shipped, True, "the shipped model is of other prompts")
