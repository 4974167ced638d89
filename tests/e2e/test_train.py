"""baton train: from a file of examples to a model that policies ask, damaged ones, and how good they are on public data.

The settings (pieces of 2 to 5 bytes that count half, C = 1, 65,536 buckets) were chosen on CLINC150's training rows
judged on its own "val" rows, and on random fifths of Banking77's and HWU64's training rows. The bounds below are for
rows that no model here learned from; the data sets' test rows are not in the folder at all.
SPDX-License-Identifier: MIT
"""

import json
import os
import random
import re
import subprocess
import tempfile
from pathlib import Path

from base import check, equal, eventually, vectors
from harness import Gateway, baton

FRUIT = ("apple", "pear", "plum", "cherry", "melon", "grape")
TOOLS = ("hammer", "saw", "drill", "wrench", "pliers", "chisel")
NOISE = ("weather", "music", "poem", "river", "cloud", "letter")


def rows(seed=1, n=300):
    draw = random.Random(seed)
    for i in range(n):
        label, words = (("fruit", FRUIT), ("tools", TOOLS), ("neither", NOISE))[i % 3]
        first, second = draw.choice(words), draw.choice(words)
        yield {"text": f'tell me, "please", about the {first} and\nthe {second} {i % 7}',
               "label": label, "hard": int(label == "tools"), "gain": (i % 3) / 2}


def write_csv(path, data):
    quoted = [[f'"{str(v).replace(chr(34), chr(34) * 2)}"' for v in row.values()] for row in data]
    names = "text,label,hard,gain\r\n"
    path.write_bytes((names + "".join(",".join(row) + "\r\n" for row in quoted)).encode())


def train(folder, *options, data="data.csv", model="kinds.model", status=0):
    done = baton("train", *map(str, options), "-o", str(Path(folder, model)), str(Path(folder, data)), timeout=120)
    equal(done.returncode, status, done.stdout + done.stderr)
    return done.stdout + done.stderr


HEADS = ("--label", "label", "--label", "hard", "--number", "gain", "--other", "neither")


def script(folder, text):
    with tempfile.TemporaryDirectory() as elsewhere:
        path = Path(elsewhere, "script.lua")
        path.write_text(text, encoding="utf-8")
        return baton("run", "--policies", str(folder), str(path), cwd=elsewhere)


ASK = """
local classify = require "classify"
local m = classify.linear{ model = "kinds" }
print(m:label "about a pear and a plum", m:label("the saw", "hard"))
print(select("#", m:label "the river, the cloud"), m:label "the river, the cloud")
print(m:values("a drill and a wrench").hard > 0.5, m:value("a drill and a wrench", "gain") < 0.8)
print(#m.heads, m.heads[1].name, #m.heads[1].labels, m.heads[1].other, m.heads[3].labels)
print(pcall(m.label, m, "x", "nothing"))
print(pcall(m.label, m, "x", "gain"))
print(pcall(classify.linear, { model = "absent" }))
"""


def test_a_model_of_several_heads_is_trained_and_asked():
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), rows())
        said = train(folder, *HEADS)
        for part in ("label: 3 labels", "out of scope found", "hard: 2 labels", "gain: a number", "calibration error"):
            check(part in said, said)
        check(Path(folder, "kinds.model").stat().st_size <= 262144, said)
        done = script(folder, ASK)
        lines = done.stdout.splitlines()
        equal(done.returncode, 0, done.stdout + done.stderr)
        check(lines[0].startswith("fruit\t") and "\t1\t" in lines[0], lines)
        check(lines[1].startswith("3\tnil\t"), lines)
        equal(lines[2:4], ["true\ttrue", "3\tlabel\t3\tneither\tnil"])
        for line, words in zip(lines[4:], ("no head 'nothing'", "'gain' is a number", "no model 'absent.model'")):
            check(line.startswith("false") and words in line, line)


INPUTS = """
local classify = require "classify"
local m = classify.linear{ model = "kinds" }
print(#m.inputs, m.inputs[1], m.inputs[2])
local few = m:value("the same words", nil, { size = 1, noise = 0, x = "y" })
print(m:value("the same words", nil, { size = 9, noise = 0 }) > 0.8, few < 0.2)
print(m:values("the same words", { size = 9, noise = 0 }).large > 0.8)
print(pcall(m.value, m, "x"))
print(pcall(m.value, m, "x", nil, { size = 1 }))
"""


def test_numbers_beside_the_text_count():
    draw = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        lines = ["text,large,size,noise"]
        for _ in range(300):
            size = draw.randrange(10)
            lines.append(f"the {draw.choice(FRUIT)} and the {draw.choice(TOOLS)},{int(size >= 5)},{size},{'' if draw.random() < 0.1 else draw.random()}")
        Path(folder, "data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        heads = ("--label", "large", "--input", "size", "--input", "noise", "--input-share", "1")
        train(folder, *heads, "--seed", "5", "--c", "1")
        done = script(folder, INPUTS)
        equal(done.returncode, 0, done.stdout + done.stderr)
        said = done.stdout.splitlines()
        equal(said[:3], ["2\tsize\tnoise", "true\ttrue", "true"])
        check("the model has inputs ('size', ...): a table of numbers is missing" in said[3], said)
        check("the model's input 'noise' must be a number" in said[4], said)
        said = train(folder, "--label", "large", "--input", "sice", status=1)
        check("there is no column 'sice'" in said, said)
        said = train(folder, "--label", "size", "--input", "text", status=1)
        check("line 2: 'text' is no number" in said, said)
        said = train(folder, "--label", "large", "--input", "size", "--input-share", "0", status=2)
        check("--input-share goes from above 0 to 10" in said, said)


REPEATED = """
local classify = require "classify"
local m = classify.linear{ model = "kinds" }
local function gain(text) return m:value(text, "gain") end
print(gain "saw saw saw" == gain "saw saw saw saw saw")
"""


def test_a_word_counts_once_where_that_is_wanted():
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), rows())
        said = {}
        for options in ((), ("--once",)):
            train(folder, *HEADS, "--c", "1", *options)
            done = script(folder, REPEATED)
            equal(done.returncode, 0, done.stdout + done.stderr)
            said[options] = done.stdout.strip()
        equal(list(said.values()), ["false", "true"])


BOTH = """
local m = require("classify").linear{ model = "kinds" }
for _, text in ipairs{ "a drill and a saw", "a pear and a plum" } do
   local p = m:values(text)
   print(p.hard > 0.5, p.gain > 0.5)
end
"""


def test_heads_of_two_labels_learn_together_from_words():
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), ({**row, "gain": int(row["gain"] > 0.2)} for row in rows()))
        pair = ("--label", "hard", "--label", "gain")
        for options, owned in ((pair, 0), ((*pair, "--pieces-to", "0"), 64), ((*pair[:2], "--pieces-to", "0"), 0)):
            train(folder, *options)
            equal(Path(folder, "kinds.model").read_bytes()[24] & 64, owned, options)  # its buckets have owners
        train(folder, *pair, "--pieces-to", "0")
        done = script(folder, BOTH)
        equal(done.stdout.splitlines(), ["true\ttrue", "false\tfalse"], done.stderr)


def test_the_same_rows_as_jsonl_make_the_same_bytes():
    with tempfile.TemporaryDirectory() as folder:
        data = list(rows())
        write_csv(Path(folder, "data.csv"), data)
        Path(folder, "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
        train(folder, *HEADS)
        train(folder, *HEADS, data="data.jsonl", model="again.model")
        equal(Path(folder, "kinds.model").read_bytes(), Path(folder, "again.model").read_bytes())


def test_what_is_wrong_with_the_data_is_told():
    cases = {
        "there is no column 'label' (there are: text, lable)": ("text,lable\na,b\n", ()),
        "(there are: text;label; columns are separated by commas, not by ';')": ("text;label\na;b\n", ()),
        "columns are separated by commas, not by tabs)": ("text\tlabel\na\tb\n", ()),
        "no row has 'text' (the first one has: prompt, label)": ('{"prompt": "a", "label": "b"}\n', ()),
        "no row has 'kind' (the first one has: text, label)": (
            '{"text": "a", "label": "b"}\n' * 30, ("--label", "kind")),
        "no row is as --where label=z wants it\n": ("text,label\n" + "a,x\nb,y\n" * 30, ("--where", "label=z")),
        "0 rows are too few to learn from: others have no text": ("text,label\n" + ",x\n ,y\n" * 30, ()),
        "the first line must name the columns": ("", ()),
        "too few": ("text,label\na,b\n", ()),
        "line 3: 3 fields, not 2": ("text,label\na,b\na,b,c\n", ()),
        "line 2: a quote": ('text,label\n"a,b\n', ()),
        "fewer than two labels": ("text,label\n" + "a b c,same\n" * 30, ()),
        "has the label 'none'": ("text,label\n" + "a,x\nb,y\nc,z\n" * 30, ("--other", "none")),
        "is no number": ("text,label\n" + "a,x\n" * 30, ("--number", "label")),
        "line 1: no JSON object": ("{]\n", ()),
    }
    with tempfile.TemporaryDirectory() as folder:
        for words, (text, options) in cases.items():
            Path(folder, "data").write_text(text, encoding="utf-8")
            said = train(folder, *options, data="data", status=1)
            check(words in said, said)
            check(f"baton train: {folder}/data: " in said, said)
            check(not Path(folder, "kinds.model").exists(), words)


def test_rows_that_are_odd_are_told():
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), rows())
        there = Path(folder, "data.csv").read_bytes().replace(b"\n", b" ").replace(b"\r ", b"\n")
        Path(folder, "data.csv").write_bytes(there)
        said = train(folder, "--label", "label")
        check("the first in line" not in said, said)
        odd = (b",fruit,1,0", b"  ,fruit,1,0", b"caf\xe9,fruit,1,0", b"pear,,1,0", b"pear,fruit,1,0")
        Path(folder, "data.csv").write_bytes(there + b"\n".join(odd))
        said = train(folder, "--label", "label")
        for line in ("2 rows without text passed over, the first in line 302",
                     "1 row not in UTF-8 (iconv converts files), the first in line 304",
                     "1 row without a value of 'label', the first in line 305",
                     "training 'label': 303 rows"):
            check(line in said, (line, said))


def test_a_place_that_cannot_be_written_is_told_before_anything_is_learned():
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), rows())
        Path(folder, "there").mkdir()
        for model, why in (("missing/kinds.model", "No such file or directory"), ("there", "Is a directory")):
            said = train(folder, "--label", "label", model=model, status=1)
            equal(said, f"baton train: {folder}/{model}: {why}\n")


CERTAIN = """
local m = require("classify").linear{ model = "kinds" }
local label, p, best = m:label "the pear and the plum"
print(best, p > 0.9, p < 0.999)
print((m:label ""), (m:label "  \\n"), (m:label "?"))
"""


def test_nobody_is_certain_after_a_few_rows():
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), rows())
        for options, nothing in (((), "fruit"), (("--other", "neither"), "nil")):
            said = train(folder, "--label", "label", *options)
            check("right 100.00%" in said, said)
            done = script(folder, CERTAIN)
            lines = done.stdout.splitlines()
            equal(lines[0], "fruit\ttrue\ttrue", done.stdout + done.stderr)
            if options:
                equal(lines[1].split("\t")[:2], [nothing, nothing], lines)


def test_a_label_of_one_question_is_learned_and_not_held_back():
    with tempfile.TemporaryDirectory() as folder:
        lines = ["text,label"]
        for i in range(40):
            lines += [f"the {FRUIT[i % 6]} and the {FRUIT[i % 5]},fruit", f"the {TOOLS[i % 6]} and a {TOOLS[i % 5]},tools",
                      f"where is order {i % 10},order"]
        Path(folder, "data.csv").write_text("\n".join(lines), encoding="utf-8")
        for seed in range(12):
            said = train(folder, "--label", "label", "--seed", seed)
            check("order taken for" not in said, (seed, said))


def test_what_is_no_file_is_written_to_and_not_replaced():
    how = ("--label", "label", "--neighbours")
    with tempfile.TemporaryDirectory() as folder:
        there, link, pipe = (Path(folder, name) for name in ("there.model", "link.model", "pipe"))
        write_csv(Path(folder, "data.csv"), rows())
        train(folder, *how, model=there.name)
        expected = there.read_bytes()
        there.write_bytes(b"old")
        link.symlink_to(there.name)
        train(folder, *how, model=link.name)
        equal((link.is_symlink(), there.read_bytes()), (True, expected))
        os.mkfifo(pipe)
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
        try:
            train(folder, *how, model=pipe.name)
            check(pipe.is_fifo(), "the pipe was replaced")
            equal(reader.communicate(timeout=20)[0], expected)
        finally:
            reader.kill()


def test_a_broken_model_is_refused_and_a_good_one_is_taken_while_it_serves():
    policy = """local classify, llm, policy = require "classify", require "llm", require "policy"
local m = classify.linear{ model = "kinds" }
return policy.define { name = "mine", run = function(req)
   return llm.reply { text = m:label(req) or "none" } end }
"""
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "data.csv"), rows())
        mine = Path(folder, "policies")
        mine.mkdir()
        train(folder, "--label", "label", model="policies/kinds.model")
        (mine / "mine.lua").write_text(policy, encoding="utf-8")
        good = (mine / "kinds.model").read_bytes()
        for path in (mine, mine / "mine.lua"):
            equal(baton("check", str(path)).returncode, 0)

        def answer(gateway):
            return gateway.chat("mine", "the plum and the grape").json()["choices"][0]["message"]["content"]

        with Gateway("return {}", folder=folder) as gateway:
            equal(answer(gateway), "fruit")
            (mine / "kinds.model").write_bytes(good[:-1])
            done = baton("check", str(mine))
            check(done.returncode == 1 and "kinds.model: the model is damaged" in done.stderr, done.stderr)
            eventually(lambda: "kinds.model: the model is damaged" in gateway.stderr, "the refusal in the log")
            equal(answer(gateway), "fruit")
            data = [dict(row, label=row["label"].replace("fruit", "sweet")) for row in rows()]
            write_csv(Path(folder, "data.csv"), data)
            train(folder, "--label", "label", model="policies/kinds.model")
            eventually(lambda: answer(gateway) == "sweet", "the new model's answer")


# ---- public data: split, bound of the share that is right, bytes -----------------------------------


def share(said, pattern):
    return float(re.search(pattern, said.split("rows of --test")[1]).group(1))


def judge(name, *options):
    data = vectors(f"routing-data/intent_{name}.csv")
    with tempfile.TemporaryDirectory() as folder:
        said = train(folder, "--label", "intent", *options, data=data)
        return said, Path(folder, "kinds.model").stat().st_size


def test_hwu64_as_its_own_split_judges():
    said, size = judge("hwu64", "--test", "split=valid")
    check(share(said, r"right ([\d.]+)%") >= 90.0 and size <= 1500000, said)


def test_snips_as_its_own_split_judges():
    said, size = judge("snips", "--test", "split=valid")
    check(share(said, r"right ([\d.]+)%") >= 98.3 and size <= 262144, said)


def test_clinc150_with_out_of_scope_as_its_own_split_judges():
    said, size = judge("clinc150", "--other", "oos", "--test", "split=val", "--test", "split=oos_val")
    inside, found = share(said, r"in scope ([\d.]+)%"), share(said, r"scope found ([\d.]+)%")
    overall = (4500 * inside + 1000 * found) / 5500  # as many of each as the official test has
    check(overall >= 89.9 and found >= 75 and size <= 1500000, said)
