"""The example workflows: what they print on the simulated models, with files, and when something fails.

SPDX-License-Identifier: MIT
"""

import json
import re
import struct
import tempfile
import threading
import time
import zlib
from pathlib import Path

from base import ROOT, check, equal
from harness import Gateway, Sim, baton, clean_env, config, provider
from upstream import Provider, completion


def folder():
    return tempfile.TemporaryDirectory(prefix="baton-e2e-")


def example(name, *arguments, options=(), cwd=None, status=0):
    with folder() as home:
        done = baton(
            "run", *options, ROOT / f"examples/{name}.lua", *arguments, cwd=cwd or home,
            env=clean_env(HOME=home), timeout=60,
        )
    equal(done.returncode, status, f"{name}: {done.output}")
    return done


def readable(directory):
    return ("--allow-read", directory)


def has(done, *parts):
    for part in parts:
        check(part in done.stdout, f"{part!r} is not in\n{done.output}")


# ---- documents ----------------------------------------------------------------------------------


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\1\2\0\3\4")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


def test_a_document_is_analysed_step_by_step():
    done = example("analyse_document")
    has(done, "names: Ashford", "dates: 4 May; numbers: 1.2", "SUMMARY\n   The town library", "REPORT\n   # Report")
    check(re.search(r"SENTIMENT\n   (positive|negative|neutral)\n", done.stdout), done.stdout)


def test_a_picture_and_a_pdf_page_go_to_a_model_that_can_see_them():
    with folder() as d:
        for name, data, kind in (("a.png", png(), "image/png"), ("a.pdf", PDF, "application/pdf")):
            Path(d, name).write_bytes(data)
            done = example("analyse_document", name, options=readable(d), cwd=d)
            has(done, f"sim/pro read {len(data)} bytes of {kind}\n", "REPORT")
        done = example("analyse_document", "a.png", cwd=d, status=1)
        check("cannot read a.png" in done.stderr, done.output)


def test_the_provider_of_a_picture_gets_its_bytes():
    with folder() as d, Sim() as sim:
        Path(d, "a.png").write_bytes(png())
        Path(d, "baton.lua").write_text(f"""return {{
           providers = {{ eyes = {{ codec = "openai", base_url = "http://{sim.address}/v1" }} }},
           models = {{
              ["eyes/pro"] = {{ tier = "standard", capabilities = {{ "vision", "json_schema" }} }},
              ["eyes/mini"] = {{ tier = "fast" }},
           }},
        }}""")
        example("analyse_document", "a.png", options=readable(d), cwd=d)
        first = json.loads(sim.log()[0]["body"])["messages"][0]["content"]
    check(first[0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR"), first)


def test_reviewers_of_a_contract_disagree_visibly():
    done = example("legal_review")
    has(done, "4 clauses, reviewed by sim/mini, sim/base, sim/coder")
    rows = re.findall(r"^ +\d  (low|medium|high) +(33|67|100) % agree ", done.stdout, flags=re.M)
    equal(len(rows), 4, done.stdout)
    unsure = sum(share != "100" for _, share in rows)
    check(unsure > 0, done.stdout)
    report = done.stdout.split("DISAGREEMENT")[1]
    equal(len(re.findall(r"^     sim/\w+ +(?:low|medium|high)", report, flags=re.M)), 3 * unsure, report)
    has(done, f"-- {unsure} of 4 clauses for a lawyer")
    with folder() as d:
        Path(d, "contract.txt").write_text("One clause.\n\n\n \nAnother\nclause.\n")
        done = example("legal_review", "contract.txt", options=readable(d), cwd=d)
    has(done, "2 clauses, reviewed by", "Another clause.")


def test_a_literature_review_reads_many_files_and_names_those_that_fail():
    done = example("literature_review")
    has(done, "papers: 6 of 6 (100 %)", "- bikes.txt: After cycle lanes", "TOGETHER", "-- 6 papers")
    with folder() as d:
        for i in range(30):
            Path(d, f"{i}.txt").write_text(f"Paper {i} found {i + 100} things. They were new.")
        files = [f"{i}.txt" for i in range(30)]
        done = example("literature_review", *files, options=readable(d), cwd=d)
        has(done, "papers: 30 of 30 (100 %)", "- 29.txt: Paper 29 found 129 things.", "-- 30 papers")
        check(len(re.findall(r"^papers: ", done.stdout, flags=re.M)) <= 11, done.stdout)
        done = example("literature_review", "1.txt", "none.txt", options=readable(d), cwd=d, status=1)
        has(done, "-- 1 papers", "failed: none.txt: ")
        check("1 of 2 papers failed" in done.stderr, done.output)


def test_a_translation_that_lost_something_is_made_again():
    done = example("translate")
    lines = done.stdout.splitlines()
    check(re.match(r"fast +sim/mini, back by .*drifted: of 3 sentences 2 are left$", lines[0]), done.stdout)
    check(re.match(r"standard +sim/base, back by .* 100 % alike, faithful$", lines[1]), done.stdout)
    equal(lines[3], "[German] We meet at noon. The room is on floor 2. Bring your notes.")
    done = example("translate", "French", "The key is under the mat.")
    has(done, "[French] The key is under the mat.", "-- 2 calls")


# ---- tools and people ---------------------------------------------------------------------------


def test_a_review_of_code_runs_the_tools_that_the_model_calls():
    done = example("code_review")
    has(done, "turn 1: list_functions {} -> 20 bytes", "turn 1: read_lines {", "1: total 7: discount", "-- 2 calls")
    with folder() as d:
        Path(d, "a.py").write_text("def first(x):\n    return x\n\n\ndef second():\n    pass\n")
        done = example("code_review", "a.py", options=readable(d), cwd=d)
        has(done, "1: first 5: second")
        example("code_review", "b.py", options=readable(d), cwd=d, status=1)


def tool_call(number, name, arguments):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


CALLS = (("read_lines", '{"first": 2, "last": 3}'), ("delete_file", "{}"), ("read_lines", '{"first": 0, "last": 1}'),
         ("read_lines", "no JSON"), ("read_lines", '{"first": 99, "last": 99}'))


def test_a_review_of_code_answers_every_call_and_ends_after_its_turns():
    def play(exchange):
        body = exchange.json()
        if body.get("tool_choice") == "none":
            exchange.reply(completion("Line 3 starts at 0."))
            return
        name, arguments = CALLS[min(len(exchanges), len(CALLS) - 1)]
        exchanges.append(body)
        answer = completion("")
        answer["choices"][0]["message"]["tool_calls"] = [tool_call(len(exchanges), name, arguments)]
        answer["choices"][0]["finish_reason"] = "tool_calls"
        exchange.reply(answer)

    exchanges = []
    with folder() as d, Provider(play) as upstream:
        Path(d, "baton.lua").write_text(config({"raw": provider(upstream.base_url)},
            models={"raw/echo": {"tier": "standard", "capabilities": ["tools"]}}))
        done = example("code_review", cwd=d)
    equal(len(exchanges), 7)  # the eighth turn is without tools
    has(done, "Line 3 starts at 0.", "-- 8 calls of the model")
    results = [m["content"] for m in exchanges[-1]["messages"] if m["role"] == "tool"]
    equal(results[0], "2:    local sum = 0\n3:    for i = 0, #items do sum = sum + items[i].price end")
    check(results[1] == "error: there is no tool of this name", results[1])
    check(results[2].startswith("error: ") and results[3].startswith("error: "), results)
    equal(results[4], "the file has 11 lines")


def test_tickets_about_money_wait_for_a_person():
    done = example("support_desk")
    has(done, "[money] I was charged twice", "waiting: nobody decided (unavailable)", "-- 2 answered, 0 refused, 2 waiting")
    done = example("support_desk", options=("--answer", "send", "--answer", "refuse"))
    has(done, "refused: a person writes the answer", "-- 3 answered, 1 refused, 0 waiting")
    has(example("support_desk", "Where is my refund?", options=("--answer", "hold")), "waiting: put aside")


def test_personal_data_stay_local_and_the_hard_rest_goes_to_the_cloud():
    lines = example("local_and_cloud").stdout.splitlines()
    where = [(line.split()[0], lines[i + 1].split(":")[0].strip()) for i, line in enumerate(lines[:8]) if i % 2 == 0]
    equal([w for w, _ in where], ["local", "local", "cloud", "local"])
    check(all(model in ("sim/mini", "sim/base") for w, model in where if w == "local"), where)
    equal(where[2][1], "sim/pro")
    check("(holds email, iban)" in lines[2], lines[2])
    equal(lines[8][:30], "-- 3 local, 1 in the cloud, 0.")


def test_a_nightly_job_takes_a_turn_and_ends():
    done = example("nightly")
    has(done, " turn 1: 4 messages", "positive  1", "negative  2")


# ---- batches ------------------------------------------------------------------------------------


def batch(d, *arguments, status=0):
    return example("batch", *arguments, options=(*readable(d), "--allow-write", d), cwd=d, status=status)


def answers(d):
    return [json.loads(line) for line in Path(d, "out.jsonl").read_text().splitlines() if line != CUT]


CUT = '{"id":"3","mod'  # what a break in the middle of a line leaves


def test_a_batch_without_files_shows_its_sample():
    done = example("batch")
    has(done, '"id":"capital"', "Canberra", "batch: 4 of 4 (100 %)", "-- 4 answers, 0 failures, ")
    check(done.stdout.index("batch: 4 of 4") < done.stdout.index('"id":'), done.stdout)  # not inside of the bar


def test_a_batch_goes_on_where_it_stopped():
    with folder() as d:
        rows = [{"prompt": f"What is {i} + 3?"} for i in range(1, 21)]
        Path(d, "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
        Path(d, "out.jsonl").write_text('{"id":"1","text":"kept"}\n{"id":"2","text":"kept"}\n' + CUT)
        done = batch(d, "in.jsonl", "out.jsonl", "--concurrency", "3")
        has(done, "2 of 20 are done already", "-- 18 answers, 0 failures")
        texts = {row["id"]: row["text"] for row in answers(d)}
        equal(len(answers(d)), 20)
        equal((texts["1"], texts["3"], texts["20"]), ("kept", "6", "23"))
        done = batch(d, "in.jsonl", "out.jsonl")
        has(done, "20 of 20 are done already", "-- 0 answers, 0 failures")
        equal(len(answers(d)), 20)


def test_a_batch_asks_as_many_at_a_time_as_it_was_told():
    running, most, lock = 0, 0, threading.Lock()

    def play(exchange):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        exchange.reply(completion("ok"))

    with folder() as d, Provider(play) as upstream:
        Path(d, "baton.lua").write_text(config({"raw": provider(upstream.base_url)}))
        Path(d, "in.jsonl").write_text('{"prompt": "a"}\n' * 12)
        batch(d, "in.jsonl", "out.jsonl", "--concurrency", "3", "--model", "raw/echo")
        equal((most, len(answers(d))), (3, 12))


def test_a_batch_lists_its_failures_and_ends_with_1():
    with folder() as d:
        Path(d, "in.jsonl").write_text(
            '{"id": "a", "prompt": "What is 1 + 1?"}\n\n{"id": 7, "prompt": "Hi", "model": "sim/mini:401"}\n'
        )
        done = batch(d, "in.jsonl", "out.jsonl", status=1)
        has(done, "failed: 7: auth: ", "-- 1 answers, 1 failures")
        check("1 of 2 failed" in done.stderr, done.output)
        equal([row["id"] for row in answers(d)], ["a"])
        done = batch(d, "in.jsonl", "out.jsonl", status=1)  # what failed is tried again
        has(done, "1 of 2 are done already", "-- 0 answers, 1 failures")


def test_a_batch_says_what_is_wrong_before_it_costs():
    with folder() as d:
        for text, wanted in (
            ('{"prompt": "a"}\n{', "in.jsonl:2: invalid JSON"),
            ('[1]', "in.jsonl:1: no JSON object"),
            ('{"id": 1}', "in.jsonl:1: no prompt, no messages"),
            ('{"id": 1, "prompt": "a"}\n{"id": "1", "prompt": "b"}', "in.jsonl:2: the id '1' stands there twice"),
        ):
            Path(d, "in.jsonl").write_text(text)
            done = batch(d, "in.jsonl", "out.jsonl", status=1)
            check(wanted in done.stderr, done.output)
            check(not Path(d, "out.jsonl").exists(), text)
        for arguments, wanted in (
            (("in.jsonl",), "usage: "),
            (("--concurrency", "0"), "an integer from 1 to 64"),
            (("--concurrency",), "an integer from 1 to 64"),
            (("--colour",), "unknown option --colour"),
            (("none.jsonl", "out.jsonl"), "cannot read none.jsonl"),
        ):
            done = batch(d, *arguments, status=1)
            check(wanted in done.stderr, done.output)


# ---- judgement ----------------------------------------------------------------------------------


def test_an_intent_is_found_by_examples_then_by_a_model():
    has(
        example("route_by_intent"),
        "order      (examples", "refund     (examples", "technical  (examples", "person     (examples",
        "(model)  What colour goes", "a person will call you back",
    )
    has(example("route_by_intent", "I was charged twice"), "refund     (examples")


def test_an_answer_has_the_form_that_was_asked_for():
    done = example("enforce_schema")
    value = json.loads(re.search(r"^value +(.*)$", done.stdout, re.M)[1])
    equal(sorted(value), ["city", "customer", "items", "urgent"])
    has(done, "wrong      /items/0/quantity: must be an integer", "beginning  true", "/price: is not allowed here")


def test_what_is_learned_from_feedback_is_unlearned_when_a_model_breaks():
    done = example("learn_from_feedback")
    rows = re.findall(r"^ +\d .*?%  .*?%  .*?%  .*math +(\d+)%  pro +\d+% +(\d+)%", done.stdout, re.M)
    math, right = zip(*[map(int, row) for row in rows])
    equal(len(math), 9)
    check(math[3] >= 50, f"the model that is good at sums answers them: {math}")
    check(max(math[6:]) <= 40 and math[8] <= math[3] - 30, f"and no more when it is broken: {math}")
    check(right[4] < right[3], f"which shows in the answers: {right}")


# ---- the trace log ------------------------------------------------------------------------------


def test_the_trace_log_says_why_and_at_what_cost():
    has(example("read_trace"), "sim/mini: not good enough; score = 0.5", "       1       0    0.000810  cascade")
    with folder() as logs:
        path = Path(logs, "trace.jsonl")
        with Gateway("return {}", args=("--trace-log", path)) as gateway:
            trace = gateway.chat("cascade", "What is the capital of Australia?").header("x-baton-trace")
            gateway.chat("sim/mini:503")
        with path.open("a", encoding="utf-8") as log:
            log.write('{"trace": "cu')
        allowed = readable(logs)
        shown = example("read_trace", path, trace[:12], options=allowed)
        has(shown, f"{trace}: ok, sim/mini, $0.0000", "policy cascade", "call    sim/mini: ok", "sim/mini: good enough")
        check("requests" not in shown.stdout, shown.stdout)
        sums = example("read_trace", path, options=allowed)
        has(sums, " cascade              sim/mini", "       1       1    0.000000  direct")
        check("no request has the trace zz" in example("read_trace", path, "zz", options=allowed, status=1).stderr, "zz")
