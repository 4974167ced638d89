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
        check(level >= 0.6, f"complexity: {level:.3f} right (0.66 when it was made; always 'simple' is 0.44)")


# Prompts in eight other languages, by kind: written after models/prompts/_abroad.lua, which was not changed for them.
ABROAD = {
    "summarisation": [
        "Gib mir eine Kurzfassung des folgenden Vertrags.",
        "Peux-tu me donner l'essentiel de ce rapport ?",
        "Haz una síntesis breve de la noticia.",
        "总结一下这封邮件的要点",
        "Vat dit verslag kort samen",
    ],
    "code": [
        "Wie kann ich in Rust einen String in eine Zahl umwandeln?",
        "Pourquoi ma boucle for ne s'arrête jamais en JavaScript ?",
        "Necesito una consulta SQL que cuente los pedidos por cliente",
        "用JavaScript写一个倒计时函数",
        "Pythonで素数を判定するプログラムを書いて",
    ],
    "translation": [
        "Bitte übersetze: The meeting is postponed.",
        "Traduis en français : where is the library?",
        "¿Cómo se dice 'cuchara' en alemán?",
        "请把这段中文翻成德语",
        "Come si dice 'arrivederci' in tedesco?",
    ],
    "analysis": [
        "Welche Nachteile hat Homeoffice für kleine Firmen? Vergleiche mit dem Büro.",
        "Quels sont les risques de cette stratégie ? Évalue-les.",
        "Evalúa los riesgos de lanzar el producto en otoño",
        "分析这家公司利润下降的原因",
    ],
    "extraction": [
        "Gib alle Telefonnummern aus der Nachricht als JSON zurück",
        "Liste toutes les adresses e-mail présentes dans ce message",
        "Saca todos los precios de la factura",
        "提取文中的电话号码",
    ],
    "creative": [
        "Dichte einen Limerick über einen Bäcker",
        "Imagine une chanson sur la pluie",
        "Inventa un eslogan para una panadería",
        "写一首关于春天的诗",
        "Escreva uma piada sobre gatos",
    ],
    "chat": [
        "Guten Morgen, wie war dein Wochenende?",
        "Salut, tu fais quoi ?",
        "Estoy un poco triste hoy",
        "你好，最近怎么样？",
        "おはようございます！",
    ],
    "qa": [
        "Wie hoch ist der Mount Everest?",
        "Combien de pays y a-t-il en Afrique ?",
        "¿Cuándo terminó la Segunda Guerra Mundial?",
        "水的沸点是多少？",
        "Qual è il fiume più lungo d'Europa?",
    ],
    "mathematics": [
        "Berechne die Ableitung von sin(x) * x",
        "Quel est le périmètre d'un carré de côté 7 ?",
        "Si compro 3 kilos a 2,50 euros, ¿cuánto pago?",
        "求x^2+3x的导数",
    ],
    "reasoning": [
        "Wenn alle Raben schwarz sind und Max ein Rabe ist, welche Farbe hat Max? Begründe logisch.",
        "Si tous les oiseaux volent et que le manchot est un oiseau, que peut-on conclure ?",
        "Pedro es mayor que Luis y Luis mayor que Ana. ¿Quién es el menor?",
        "甲说乙在说谎，乙说丙在说谎，谁说真话？请推理",
    ],
}


def test_the_shipped_model_on_prompts_in_other_languages():
    with tempfile.TemporaryDirectory() as folder:
        path, prompts = Path(folder, "script.lua"), Path(folder, "prompts.jsonl")
        path.write_text(JUDGE)
        rows = [{"text": text, "task": kind} for kind, texts in ABROAD.items() for text in texts]
        prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = baton("run", "--allow-read", folder, path, prompts, cwd=folder)
        equal(done.returncode, 0, done.output)
        n, task, _ = map(float, done.stdout.split())
        equal(int(n), len(rows))
        check(task >= 0.6, f"kinds of work: {task:.3f} right (0.70 when it was made, 0.37 of English prompts alone)")


def test_the_shipped_model_is_made_of_its_prompts_each_time_the_same():
    with tempfile.TemporaryDirectory() as folder:
        made = baton("run", "--policies", ROOT / "models/prompts", ROOT / "models/generate.lua", cwd=folder)
        equal(made.returncode, 0, made.stderr)
        rows = [json.loads(line) for line in made.stdout.splitlines()]
        check(len(rows) > 3000 and len({r["text"] for r in rows}) == len(rows), "some thousand different prompts")
        held_back = {json.loads(line)["text"] for line in (ROOT / "tests/eval/prompts.jsonl").open()}
        held_back |= {text for texts in ABROAD.values() for text in texts}
        check(not held_back & {r["text"] for r in rows}, "what judges is not learned")
        Path(folder, "p.jsonl").write_text(made.stdout)
        options = ("--label", "task", "--label", "complexity", "--group", "template", "--hold-back", "0.25",
                   "--max-bytes", "262144")
        train(folder, *options, data="p.jsonl", model="tasks.model")
        shipped = (ROOT / "scripts/tasks.model").read_bytes()
        check(len(shipped) <= 262144, f"{len(shipped)} bytes")
        equal(Path(folder, "tasks.model").read_bytes() == shipped, True, "the shipped model is of other prompts")
