"""baton eval: real policies on recorded outcomes; figures worked out by hand, settings found, errors counted.

SPDX-License-Identifier: MIT
"""

import csv
import gzip
import html.parser
import io
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

from base import ROOT, check, equal, vectors
from harness import baton, write_policies

# weak is right where the prompt is short; it costs 1, strong 3.
ROWS = [
    {"prompt": "x" * n, "score:weak": int(n < 6), "score:strong": int(n != 3), "cost:weak": 1, "cost:strong": 3}
    for n in range(1, 11)
]

BY_LENGTH = """
local llm, policy, text, trace = require "llm", require "policy", require "text", require "trace"
return policy.define { name = "length", params = { threshold = 4, tell = true }, run = function(req, p)
   local score = #text.of(req)
   if p.tell then trace.decide { score = score } end
   return llm.stream({ tier = score >= p.threshold and "expert" or "fast" }, req)
end }
"""


def policy(name, body, params=""):
    return (
        'local llm, policy, text, task = require "llm", require "policy", require "text", require "task"\n'
        f'return policy.define {{ name = "{name}", params = {{ {params} }}, run = function(req, p)\n{body}\nend }}\n'
    )


def csv_text(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


class Folder:
    """A folder with data, policies and what else a run needs."""

    def __init__(self, rows=ROWS, policies=None, **files):
        self.kept = tempfile.TemporaryDirectory(prefix="baton-eval-")
        self.path = Path(self.kept.name)
        Path(self.path, "data.csv").write_text(csv_text(rows), encoding="utf-8")
        Path(self.path, "mine").mkdir()
        write_policies(Path(self.path, "mine"), policies or {"length": BY_LENGTH})
        for name, text in files.items():
            Path(self.path, name + ".lua").write_text(text, encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kept.cleanup()

    def run(self, *args, data="data.csv", status=0, stdin=None):
        done = baton("eval", "--policies", "mine", *args, data, cwd=self.path, timeout=120, stdin=stdin)
        equal(done.returncode, status, done.output)
        return done.output

    def json(self, *args, **more):
        result = json.loads(self.run("--json", *args, **more))
        return {line["name"]: line for line in result["lines"]}, result


def near(got, want, what=""):
    check(got is not None and abs(got - want) < 1e-9, f"{what}: {got} is not {want}")


def values(line, *names):
    return [round(line[name]["value"], 9) if line[name]["value"] is not None else None for name in names]


def test_figures_are_those_worked_out_by_hand():
    with Folder() as folder:
        lines, result = folder.json("-p", "length", "-p", "oracle/strong")
        names = ("quality", "cost", "strong_share", "pgr")
        equal(values(lines["always weak"], *names), [0.5, 1, 0, 0])
        equal(values(lines["always strong"], *names), [0.9, 3, 1, 1])
        equal(values(lines["oracle/strong"], *names), [0.9, 3, 1, 1])
        equal(values(lines["oracle"], *names), [1, 2, 0.5, 1.25])
        equal(values(lines["random"], *names, "apgr", "cpt50", "cpt80"), [0.7, 2, 0.5, 0.5, 0.5, 0.5, 0.8])
        # seven of ten go to the strong model; of the other three all are right
        equal(values(lines["length"], *names), [1, 2.4, 0.7, 1.25])
        # 10, 9, ... 6 are gains of 0.25, 5 and 4 are none, 3 is a loss, 2 and 1 are none
        pgr = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.25, 1.25, 1, 1, 1]
        area = sum((a + b) / 20 for a, b in zip(pgr, pgr[1:]))
        for name in ("length", "prompt length"):
            near(lines[name]["apgr"]["value"], area, name)
            near(lines[name]["cpt50"]["value"], 0.2, name)
            near(lines[name]["cpt80"]["value"], 0.32, name)
        near(lines["length"]["curve"][3]["quality"], 0.8)
        equal([p["at"] for p in lines["length"]["curve"]], [None, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
        equal((result["data"]["weak"], result["data"]["strong"]), ("oracle/weak", "oracle/strong"))
        equal(lines["length"]["sweep"], {"param": "threshold", "value": 4, "exact": True})


def test_a_score_tells_what_runs_at_all_thresholds_tell():
    with Folder() as folder:
        exact, _ = folder.json("-p", "length", "--bootstrap", "0")
        tried, _ = folder.json("-p", "length", "--bootstrap", "0", "--grid", "0.5:10.5:11")
        check(not tried["length"]["sweep"]["exact"], tried["length"]["sweep"])
        for name in ("apgr", "cpt50", "cpt80", "aiq"):
            near(exact["length"][name]["value"], tried["length"][name]["value"], name)


def test_an_oracle_of_all_takes_the_cheapest_of_the_best():
    """By hand: right are middle, middle, dear, nobody (the cheapest), both cheap and dear; 'middle' is not in the last row."""
    table = (((0, 1, 1), (1, 2, 3)), ((0, 1, 0), (1, 2, 3)), ((0, 0, 1), (1, 2, 3)), ((0, 0, 0), (2, 1, 3)), ((1, "", 1), (1, 2, 3)))
    models = ("cheap", "middle", "dear")
    rows = [{"prompt": "x" * n, **{f"score:{m}": s for m, s in zip(models, scores)}, **{f"cost:{m}": c for m, c in zip(models, costs)}}
            for n, (scores, costs) in enumerate(table, 1)]  # fmt: skip
    with Folder(rows) as folder:
        lines, _ = folder.json("-p", "length", "--weak", "cheap", "--strong", "dear", "--bootstrap", "0")
        equal(values(lines["oracle of all"], "quality", "cost", "strong_share"), [0.8, (2 + 2 + 3 + 1 + 1) / 5, 0.2])
    with Folder() as folder:
        lines, _ = folder.json("-p", "length", "--bootstrap", "0")
        check("oracle of all" not in lines and "oracle" in lines, "of two models there is one oracle")


def test_a_grid_has_even_distances_or_even_ratios():
    with Folder() as folder:
        for grid, values_ in (("1:9:3", [1, 5, 9]), ("1:9:3:log", [1, 3, 9]), ("0.01:100:5:log", [0.01, 0.1, 1, 10, 100])):
            lines, _ = folder.json("-p", "length", "--bootstrap", "0", "--grid", grid)
            tried = sorted(p["at"] for p in lines["length"]["curve"] if p["at"] is not None)
            check(len(tried) == len(values_) and all(abs(a - b) < 1e-9 * b for a, b in zip(tried, values_)), (grid, tried))


def test_a_score_that_does_not_tell_all_is_not_believed():
    """It does another thing at one threshold, tells two scores, or none."""
    liar = BY_LENGTH.replace("score >= p.threshold", "score >= p.threshold and p.threshold ~= 6").replace("length", "liar")
    double = BY_LENGTH.replace("trace.decide { score = score }", "trace.decide { score = score } trace.decide { score = 3 }")
    silent = BY_LENGTH.replace("tell = true", "tell = false")
    policies = {"liar": liar, "double": double.replace("length", "double"), "silent": silent.replace("length", "silent")}
    with Folder(policies=policies) as folder:
        lines, _ = folder.json("-p", "liar", "-p", "double", "-p", "silent", "--bootstrap", "0")
        for name in policies:
            check(not lines[name]["sweep"]["exact"], name)
            check(len(lines[name]["curve"]) > 1, name)


def test_a_setting_is_found_and_can_be_pasted():
    with Folder() as folder:
        said = folder.run("-p", "length", "--target-quality", "1")
        found = re.search(r"policies = \{\n   length = \{ threshold = (\S+) \}, -- 100.0 % .*, (\S+) %", said)
        check(found, said)
        equal(found.groups(), ("6.5", "60.0"))  # four rows to the strong model: quality 0.9
        config = "return { policies = { length = { threshold = 6.5 } } }"
        Path(folder.path, "found.lua").write_text(config)
        lines, _ = folder.json("-p", "length", "-c", "found.lua", "--bootstrap", "0")
        equal(values(lines["length"], "quality", "cost", "strong_share"), [0.9, 1.8, 0.4])
        lines, _ = folder.json("-p", "length", "--target-cost", "0.6", "--bootstrap", "0")
        equal({k: round(v, 9) for k, v in lines["length"]["found"].items() if k != "param"},
              {"value": 6.5, "quality": 0.9, "cost": 1.8, "share": 0.4})
        said = folder.run("-p", "length", "-p", "direct", "--target-quality", "1.2", "--bootstrap", "0")
        check("length: no setting reaches it" in said and "direct: no parameter was varied" in said, said)


def test_what_goes_wrong_is_counted():
    rows = [dict(row) for row in ROWS]
    rows[0]["score:other"], rows[0]["cost:other"] = "1", "2"
    for row in rows[1:]:
        row["score:other"] = row["cost:other"] = ""
    policies = {
        "gap": policy("gap", 'return llm.chat("oracle/other", req)'),
        "raises": policy("raises", 'if #text.of(req) == 2 then error "on purpose" end\nreturn llm.chat("oracle/weak", req)'),
        "unknown": policy("unknown", 'return llm.chat("oracle/nobody", req)'),
        "rewords": policy("rewords", 'return llm.chat("oracle/weak", "How do you do?")'),
        "makes_up": policy("makes_up", 'return llm.reply { text = "something" }'),
        "net": policy("net", 'return nil, select(2, require("http").fetch("http://example.com/"))'),
    }
    with Folder(rows, policies) as folder:
        names = [part for name in policies for part in ("-p", name)]
        lines, _ = folder.json(*names, "--weak", "weak", "--strong", "strong", "--bootstrap", "0")
        equal([lines["gap"][k] for k in ("errors", "missing")], [9, 9])
        check("no outcome in line 3" in lines["gap"]["error"], lines["gap"]["error"])
        equal(values(lines["gap"], "quality", "cost"), [0.1, 0.2])
        equal([lines["raises"][k] for k in ("errors", "missing")], [1, 0])
        check("line 3: " in lines["raises"]["error"] and "on purpose" in lines["raises"]["error"], lines["raises"])
        equal([lines["unknown"][k] for k in ("errors", "missing")], [10, 10])
        equal([lines["rewords"][k] for k in ("errors", "reworded", "missing", "unjudged")], [0, 10, 0, 0])
        equal(lines["raises"]["reworded"], 0)
        equal([lines["makes_up"][k] for k in ("errors", "unjudged")], [0, 10])
        equal(lines["net"]["errors"], 10)


def test_an_answer_counts_as_what_it_says_whoever_returns_it():
    rows = [
        {"prompt": f"q{i}", "reference": str(i), "answer:a": str(i), "answer:b": str(i % 2), "answer:c": f" {i % 2}\n",
         "score:a": 1, "score:b": int(i < 2), "score:c": int(i < 2), "cost:a": 4, "cost:b": 1, "cost:c": 1}
        for i in range(8)
    ]  # fmt: skip
    policies = {
        "vote": policy("vote", """
            local consensus = require "consensus"
            local replies = task.all {
               function() return llm.chat("oracle/a", req) end, function() return llm.chat("oracle/b", req) end,
               function() return llm.chat("oracle/c", req) end,
            }
            return (consensus.majority(replies))"""),
        "rewrite": policy("rewrite", """
            local reply = llm.chat("oracle/b", req)
            reply.text = text.of(req):sub(2)
            return reply"""),
        "streams": policy("streams", """
            local stream = llm.stream("oracle/a", req, { stream = true })
            local parts = {}
            for event in stream:events() do if event.kind == "text" then parts[#parts + 1] = event.text end end
            return stream:reply()"""),
    }  # fmt: skip
    with Folder(rows, policies) as folder:
        lines, _ = folder.json("-p", "vote", "-p", "rewrite", "-p", "streams", "--bootstrap", "0")
        equal(values(lines["vote"], "quality", "cost", "strong_share"), [0.25, 6, 1])
        near(lines["vote"]["calls"], 3)
        equal(values(lines["rewrite"], "quality", "cost", "strong_share"), [1, 1, 0])
        equal(values(lines["streams"], "quality", "cost"), [1, 4])
        equal([lines[n]["unjudged"] for n in ("vote", "rewrite", "streams")], [0, 0, 0])


def test_time_is_recorded_too():
    """A slow model times out, a sleep costs nothing, and a hedge takes the faster one."""
    rows = [dict(row, **{"latency:weak": 5 if i < 3 else 0.5, "latency:strong": 2}) for i, row in enumerate(ROWS)]
    policies = {
        "hurry": policy("hurry", 'return llm.chat("oracle/weak", req, { timeout = 1 })'),
        "race": policy("race", """
            return task.race { function() return llm.chat("oracle/weak", req) end,
               function() task.sleep(1) return llm.chat("oracle/strong", req) end }"""),
        "clock": policy("clock", """
            local clock = require "clock"
            local begun = clock.monotonic()
            local reply = llm.chat("oracle/weak", req)
            assert(math.abs(clock.monotonic() - begun - reply.latency) < 0.001 and reply.latency >= 0.5)
            return reply"""),
    }  # fmt: skip
    with Folder(rows, policies) as folder:
        lines, _ = folder.json("-p", "hurry", "-p", "race", "-p", "clock", "--bootstrap", "0")
        equal(lines["hurry"]["errors"], 3)
        check("line 2" in lines["hurry"]["error"], lines["hurry"])
        equal([lines["race"]["errors"], lines["clock"]["errors"]], [0, 0])
        near(lines["race"]["strong_share"]["value"], 0.3)


def test_rows_have_nothing_to_do_with_each_other():
    """A model that always fails is asked in each row, and no rate is reached."""
    rows = [dict(ROWS[0], **{"latency:weak": 9, "prompt": f"q{i}"}) for i in range(200)]
    config = 'return { models = { ["oracle/strong"] = { requests_per_minute = 1 } }, providers = { oracle = { base_url = "http://x.invalid" } } }'
    tries = policy("tries", """
       local reply, err = llm.chat("oracle/weak", req, { timeout = 1 })
       assert(err.code == "timeout" and not err.refused, err.message)
       return llm.chat("oracle/strong", req)""")
    with Folder(rows, {"tries": tries}, baton=config) as folder:
        line = folder.json("-p", "tries", "--bootstrap", "0")[0]["tries"]
        equal([line["errors"], line["calls"]], [0, 2], line.get("error"))


def test_configuration_and_description_name_the_models():
    described = """return { prompt = "question", group = "topic", columns = { score = "right *" }, only = { "s", "b" },
       models = { s = { as = "openai/small", cost = "usd", input = 1 }, b = { as = "anthropic/big", per_call = 2 } } }"""
    config = """return { aliases = { cheap = "openai/small", gone = "openai/other", top = { tier = "expert" } },
       providers = { openai = { base_url = "https://example.com/v1", key = env "NO_SUCH_KEY" } },
       policies = { named = { target = "top" } }, models = { ["openai/small"] = { context = 5000 } } }"""
    named = policy("named", """
        assert(#require("models").find {} == 2 and require("models").resolve("cheap").context == 5000)
        return llm.chat(p.target, req)""", 'target = "cheap"')
    rows = [{"question": "q", "topic": i % 5, "right s": 0, "right b": 1, "right x": 1, "usd": 0.5} for i in range(20)]
    with Folder(rows, {"named": named}, described=described, baton=config) as folder:
        lines, result = folder.json("-p", "named", "-d", "described.lua")
        equal(values(lines["named"], "quality", "cost"), [1, 2])
        equal((result["data"]["weak"], result["data"]["strong"], result["data"]["groups"]),
              ("openai/small", "anthropic/big", 5))
        equal([m["name"] for m in result["data"]["models"]], ["openai/small", "anthropic/big"])


def test_files_come_packed_in_lines_and_by_standard_input():
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    with Folder() as folder:
        wanted, _ = folder.json("-p", "length", "--bootstrap", "20")
        Path(folder.path, "data.csv.gz").write_bytes(gzip.compress(csv_text(ROWS).encode()))
        Path(folder.path, "data.jsonl").write_text(lines)
        Path(folder.path, "lines.gz").write_bytes(gzip.compress(lines.encode()))
        for name in ("data.csv.gz", "data.jsonl", "lines.gz"):
            equal(folder.json("-p", "length", "--bootstrap", "20", data=name)[0], wanted, name)
        equal(folder.json("-p", "length", "--bootstrap", "20", data="-", stdin=csv_text(ROWS).encode())[0], wanted)


def test_policies_that_learn_are_told_how_good_they_were():
    """The strong model is the one that is right; without feedback the bandit cannot know."""
    rows = [{"prompt": f"q{i}", "score:a": 0, "score:b": 1, "cost:a": 0.001, "cost:b": 0.001} for i in range(300)]
    config = 'return { policies = { bandit = { arms = { "fast", "expert" }, by = "none" } } }'
    with Folder(rows, baton=config) as folder:
        args = ("-p", "bandit", "--bootstrap", "0", "--weak", "a", "--strong", "b")
        without = folder.json(*args)[0]["bandit"]
        told = folder.json(*args, "--feedback")[0]["bandit"]
        check(told["quality"]["value"] > 0.85 > without["quality"]["value"], (told["quality"], without["quality"]))
        equal([told["errors"], told["unjudged"]], [0, 0])


def test_the_same_seed_gives_the_same_bytes():
    with Folder() as folder:
        first = folder.run("--json", "-p", "length", "-p", "ensemble", "--seed", "3")
        equal(folder.run("--json", "-p", "length", "-p", "ensemble", "--seed", "3"), first)
        check(folder.run("--json", "-p", "length", "-p", "ensemble", "--seed", "4") != first, "another seed")


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("meta", "line", "rect", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "rect", "circle", "polyline"):
            equal(self.open.pop(), tag)


def test_the_picture_and_the_page_are_well_formed():
    rows = [{k.replace("strong", 'a<b>&"c'): v for k, v in row.items()} for row in ROWS]
    with Folder(rows) as folder:
        folder.run("-p", "length", "-p", 'oracle/a<b>&"c', "--svg", "p.svg", "--html", "p.html", "--target-quality", "1")
        root = xml.etree.ElementTree.parse(Path(folder.path, "p.svg")).getroot()
        space = "{http://www.w3.org/2000/svg}"
        equal(root.tag, space + "svg")
        width, height = float(root.get("width")), float(root.get("height"))
        curves = root.findall(f"{space}polyline")
        equal(len(curves), 5)  # random, prompt length, keywords, oracle, length
        for curve in curves:
            for point in curve.get("points").split():
                x, y = map(float, point.split(","))
                check(0 <= x <= width and 0 <= y <= height, point)
        check('oracle/a<b>&"c: 0.900' in [t.text for t in root.iter(space + "title")], "a title with its name")
        page = Page()
        text = Path(folder.path, "p.html").read_text(encoding="utf-8")
        page.feed(text)
        equal(page.open, [])
        check(page.seen.count("table") == 2 and "svg" in page.seen and "pre" in page.seen, page.seen)
        check("<b>" not in text, "a name that is markup")


def test_the_legend_says_what_each_dot_is():
    with Folder([{**row, "score:third": 1, "cost:third": 2} for row in ROWS]) as folder:
        folder.run("-p", "length", "--weak", "weak", "--strong", "strong", "--svg", "p.svg")
        check("other models" in Path(folder.path, "p.svg").read_text(), "a third model")
    with Folder() as folder:
        folder.run("-p", "length", "--svg", "p.svg")
        check("other models" not in Path(folder.path, "p.svg").read_text(), "none but the two")


def test_without_costs_the_share_is_the_cost():
    rows = [{k: v for k, v in row.items() if not k.startswith("cost")} for row in ROWS]
    with Folder(rows) as folder:
        said = folder.run("-p", "length", "--target-cost", "0.4", "--svg", "p.svg")
        check("no costs are known" in said and "length = { threshold = 6.5 }" in said, said)
        check("share of rows" in Path(folder.path, "p.svg").read_text(), "the axis")


def test_what_is_wrong_is_told():
    with Folder(bad='return { columns = { score = "x" } }', worse="return { modles = {} }", none="return 1",
                broken="return {", far='return { prompt = "q" }', price="return { models = { weak = { input = -1 } } }",
                ) as folder:  # fmt: skip
        for args, status, words in (
            (("--bootstrap", "0"), 2, "which policy?"),
            (("-p", "length", "--grid", "1:0:5"), 2, "--grid is FROM:TO:STEPS"),
            (("-p", "length", "--grid", "0:1:5:log"), 2, "FROM above 0"),
            (("-p", "length", "--grid", "1:2:5:lin"), 2, "--grid is FROM:TO:STEPS"),
            (("-p", "length", "--grid", "1:2:202"), 2, "from 2 to 201 steps"),
            (("-p", "length", "--bootstrap", "-1"), 2, "--bootstrap goes from"),
            (("-p", "length", "--target-quality", "7"), 2, "--target-quality is a share"),
            (("-p", "length", "--nonsense"), 2, "--nonsense"),
            (("-p", "nobody"), 1, "there is no policy 'nobody'"),
            (("-p", "length", "--weak", "w"), 1, "weak: the data have no model 'w' (they have: oracle/weak, oracle/strong)"),
            (("-p", "length", "--weak", "weak", "--strong", "weak"), 1, "are the same, 'oracle/weak'"),
            (("-p", "length", "--sweep", "speed"), 1, "no policy has a parameter 'speed'"),
            (("-p", "length", "--where", "fold=1"), 1, "data.csv: line 1: there is no column 'fold'"),
            (("-p", "length", "-d", "bad.lua"), 1, "columns.score must hold one '*'"),
            (("-p", "length", "-d", "worse.lua"), 1, "unknown field 'modles'"),
            (("-p", "length", "-d", "none.lua"), 1, "it must return a table"),
            (("-p", "length", "-d", "broken.lua"), 1, "broken.lua:1:"),
            (("-p", "length", "-d", "far.lua"), 1, "there is no column 'q'"),
            (("-p", "length", "-d", "price.lua"), 1, "models.weak.input must be a number from 0"),
            (("-p", "length", "-d", "absent.lua"), 1, "absent.lua: No such file"),
            (("-p", "length", "-c", "absent.lua"), 1, "absent.lua: No such file"),
            (("-p", "length", "--svg", "no/such/p.svg"), 1, "no/such/p.svg: No such file"),
        ):
            said = folder.run(*args, status=status)
            check(words in said, f"{args}: {said}")
        said = folder.run("-p", "length", data="absent.csv", status=1)
        check("absent.csv: No such file" in said, said)
        Path(folder.path, "bad.csv").write_text("prompt,score:a,score:b\np,1,0\nq,1,x\n")
        said = folder.run("-p", "length", data="bad.csv", status=1)
        check("bad.csv: line 3, column 'score:b': no number: 'x'" in said, said)
        Path(folder.path, "cut.csv.gz").write_bytes(gzip.compress(csv_text(ROWS).encode())[:-20])
        said = folder.run("-p", "length", data="cut.csv.gz", status=1)
        check("cut.csv.gz: the packed bytes are cut off" in said, said)
        equal(baton("eval", "-p", "a").returncode, 2)
        equal(baton("eval", "-p", "a", "b", "c").returncode, 2)


def test_the_description_in_the_policies_page_is_one():
    text = re.search(r"```lua\n-- example: describe.lua\n(.*?)```", (ROOT / "policies/README.md").read_text(), re.S).group(1)
    rows = [{"question": f"q{i}", "topic": i, "ok:small": i % 2, "ok:large": 1, "ans:small": "a", "ans:large": "b",
             "out_chars:small": 40, "out_chars:large": 80, "ok:other": 1} for i in range(6)]  # fmt: skip
    with Folder(rows, described=text) as folder:
        lines, result = folder.json("-p", "length", "-d", "described.lua", "--bootstrap", "0")
        equal([m["name"] for m in result["data"]["models"]], ["openai/gpt-4o-mini", "oracle/large"])
        equal(values(lines["always strong"], "quality", "cost"), [1, 0.002])
        near(lines["always weak"]["cost"]["value"], round(10 * 0.6e-6, 12))


def test_the_example_can_be_recorded_and_evaluated():
    done = baton("run", "--allow-read", "examples", "examples/record_outcomes.lua", "examples/workload.jsonl", cwd=ROOT,
                 timeout=120)  # fmt: skip
    equal(done.returncode, 0, done.output)
    kept = [json.loads(line) for line in (ROOT / "examples/outcomes.jsonl").read_text().splitlines()]
    fresh = [json.loads(line) for line in done.stdout.splitlines()]

    def without_time(rows):
        return [{k: v for k, v in row.items() if not k.startswith("latency:")} for row in rows]

    equal(without_time(fresh), without_time(kept))
    with Folder() as folder:
        data = ROOT / "examples/outcomes.jsonl"
        lines, _ = folder.json("-d", ROOT / "examples/outcomes.data.lua", "-p", "cascade", "-p", "sim/pro", data=data)
        check(lines["cascade"]["sweep"]["exact"], lines["cascade"]["sweep"])
        check(lines["cascade"]["apgr"]["value"] > 0.6, lines["cascade"]["apgr"])  # broken answers can be told
        equal(values(lines["sim/pro"], "quality"), values(lines["always strong"], "quality"))


# ---- public data ----


def converted(name):
    data = vectors("routing-data")
    done = subprocess.run([sys.executable, ROOT / "tests/eval/convert.py", name, "--data", data], check=True,
                          stdout=subprocess.PIPE)  # fmt: skip
    return done.stdout


def independent_apgr(rows, weak, strong):
    """By prompt length, as the paper says it, in other words than the engine's."""
    scored = sorted(((len(r["prompt"]), float(r[weak]), float(r[strong])) for r in rows), key=lambda r: -r[0])
    n, base = len(scored), sum(r[1] for r in scored)
    gap = sum(r[2] for r in scored) - base
    points, at, sum_ = [(0, 0)], 0, 0
    while at < n:
        end = at
        while end < n and scored[end][0] == scored[at][0]:
            sum_ += scored[end][2] - scored[end][1]
            end += 1
        at = end
        points.append((at / n, sum_ / gap))
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:]))


def test_figures_on_public_outcomes_are_those_of_another_calculation():
    text = converted("routellm_gsm8k")
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    weak, strong = "score:mixtral-8x7b", "score:gpt-4-1106"
    with Folder() as folder:
        Path(folder.path, "gsm.csv").write_bytes(text)
        lines, result = folder.json("-p", "length", "--bootstrap", "100", data="gsm.csv")
        equal(result["data"]["rows"], len(rows))
        near(lines["always weak"]["quality"]["value"], sum(float(r[weak]) for r in rows) / len(rows))
        near(lines["prompt length"]["apgr"]["value"], independent_apgr(rows, weak, strong), "apgr")
        half = sum(float(r["cost:gpt-4-1106"]) for r in rows) / len(rows)
        check(abs(lines["always strong"]["cost"]["value"] - half) < 1e-9, "cost")
        length = lines["length"]["quality"]
        check(length["low"] < length["value"] < length["high"], length)


def test_naughty_prompts_are_prompts():
    text = (vectors("naughty-strings") / "blns.json").read_text(encoding="utf-8")
    rows = [{"prompt": s + "?", "score:weak": 1, "score:strong": 1, "answer:weak": s, "answer:strong": s + "!"}
            for s in json.loads(text) if s.strip()]  # fmt: skip
    with Folder() as folder:
        Path(folder.path, "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        args = ("-p", "length", "-p", "complexity", "-p", "cascade", "-p", "ensemble", "--weak", "weak", "--strong", "strong")
        lines, result = folder.json(*args, "--bootstrap", "0", data="n.jsonl")
        check(result["data"]["rows"] > 400, result["data"]["rows"])
        for name in ("length", "complexity", "cascade"):
            equal([lines[name][k] for k in ("errors", "reworded", "unjudged")], [0, 0, 0], name)
            near(lines[name]["quality"]["value"], 1, name)


def test_many_models_and_ten_thousand_rows_take_seconds():
    text = converted("mmlupro")
    with Folder() as folder:
        Path(folder.path, "pro.csv").write_bytes(text)
        lines, result = folder.json("-p", "length", "-p", "complexity", "-p", "oracle/gemini-1.5-flash-002",
                                    "--weak", "gemini-1.5-flash-002", "--bootstrap", "100", data="pro.csv")  # fmt: skip
        equal(len(result["data"]["models"]), 29)
        check(result["data"]["left_out"] > 0, result["data"]["left_out"])
        near(lines["oracle/gemini-1.5-flash-002"]["quality"]["value"], lines["always weak"]["quality"]["value"])
        check(lines["length"]["sweep"]["exact"], lines["length"]["sweep"])
        check(lines["mix of models"]["aiq"]["value"] > 0.6, lines["mix of models"])
