#!/usr/bin/env python3
"""demo - what `make demo` shows: the same prompts through every policy, and what each costs and gets right.

SPDX-License-Identifier: MIT

Starts `baton sim` (simulated models that differ in price, speed and skill) and `baton serve` in front of it,
sends the prompts as an ordinary HTTP client, and prints a table. Standard library only; ends by itself.
"""

import argparse
import collections
import concurrent.futures
import csv
import gzip
import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT_KINDS = {"summarisation", "extraction", "analysis"}
DOCUMENT_LENGTH = 400  # characters from which a prompt of --data counts as a document
LONGEST = 60_000       # characters; longer prompts of --data do not fit the smallest model
CLIENTS = 16
STREAMED = 3           # every third request is streamed
STRONGEST = "always the strongest"

# what the table calls it, what the client asks for, only for prompts with a document
ROWS = [
    ("always the cheapest", "sim/mini", False),
    (STRONGEST, "sim/pro", False),
    *((name, name, False) for name in (
        "complexity", "task", "tiers", "intent", "balanced", "local_first", "fallback", "guardrail", "hedged",
        "cascade", "confidence", "agreement", "ensemble", "consensus", "best_of_n", "cross_check", "panel")),
    ("chain (documents)", "chain", True),
]

CONFIG = """return {
   listen = "127.0.0.1:0",
   default_policy = "cascade",
   providers = { sim = { codec = "openai", base_url = "http://%s/v1" } },
   models = { -- USD per million tokens
      ["sim/mini"] = { tier = "fast", input = 0.15, output = 0.60, context = 32000, where = "local",
         capabilities = { "logprobs" } },
      ["sim/base"] = { tier = "standard", input = 0.80, output = 3.20, context = 64000 },
      ["sim/pro"] = { tier = "expert", input = 5.00, output = 20.00, context = 128000 },
      ["sim/coder"] = { tier = "specialist", good_at = { "code" }, input = 0.90, output = 3.60,
         context = 64000 },
      ["sim/math"] = { tier = "specialist", good_at = { "mathematics", "reasoning" }, input = 1.10,
         output = 4.40, context = 64000 },
   },
}
"""


# ---- the prompts --------------------------------------------------------------------------------


def workload():
    with open(ROOT / "examples/workload.jsonl", encoding="utf-8") as lines:
        questions = [json.loads(line) for line in lines if line.strip()]
    for q in questions:
        q["document"] = q["kind"] in DOCUMENT_KINDS
    return questions


def rows_of(path):
    """The records of a CSV or JSONL file, plain or .gz, as dictionaries."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as text:
        if ".csv" in Path(path).suffixes:
            csv.field_size_limit(1 << 27)
            yield from csv.DictReader(text)
        else:
            yield from (json.loads(line) for line in text if line.strip())


def column_of(row, wanted, path):
    if wanted:
        if wanted not in row:
            sys.exit(f"demo: {path} has no column '{wanted}'; there are: {', '.join(row)}")
        return wanted
    for name in ("prompt", "question", "text", "query", "instruction", "input", "turns"):
        if name in row:
            return name
    sys.exit(f"demo: which column of {path} holds the prompts? Say --column with one of: {', '.join(row)}")


def data_prompts(path, wanted, limit):
    """At most 'limit' different prompts, spread evenly over the file."""
    found, column = {}, None
    for row in rows_of(path):
        column = column or column_of(row, wanted, path)
        value = row.get(column)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value.strip() and len(value) <= LONGEST:
            found[value] = True
    prompts = list(found)
    if not prompts:
        sys.exit(f"demo: {path} has no prompts")
    count = min(limit, len(prompts))
    chosen = [prompts[i * len(prompts) // count] for i in range(count)]
    return [{"id": str(i), "prompt": p, "document": len(p) >= DOCUMENT_LENGTH} for i, p in enumerate(chosen)]


# ---- is an answer right? ------------------------------------------------------------------------


def last_number(text):
    found = re.findall(r"-?\d[\d,]*\.?\d*", text)
    return float(found[-1].replace(",", "").rstrip(".")) if found else None


def is_right(check, text):
    lower = text.casefold()
    if check["type"] == "contains":
        either = check.get("any")
        return all(w.casefold() in lower for w in check.get("all", [])) and (
            not either or any(w.casefold() in lower for w in either))
    if check["type"] == "number":
        number = last_number(text)
        return number is not None and abs(number - check["value"]) <= check.get("tolerance", 0)
    if check["type"] == "choice":
        named = re.findall("|".join(rf"\b{re.escape(o)}\b" for o in check["options"]), lower)
        return bool(named) and named[0] == check["value"]
    return re.search(check["pattern"], text, re.I | re.S) is not None


# ---- the processes ------------------------------------------------------------------------------


class Child:
    """`baton sim` or `baton serve`: .address once it is ready; ended when the block is left."""

    def __init__(self, folder, *args):
        self.errors = Path(folder, args[1] + ".err")
        with open(self.errors, "wb") as stderr:
            self.process = subprocess.Popen(args, cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=stderr)
        self.address = self._ready(10)

    def _ready(self, seconds):
        said, until = b"", time.monotonic() + seconds
        while select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
            part = os.read(self.process.stdout.fileno(), 4096)
            said += part
            found = re.search(rb"listening on https?://(\S+)\n", said)
            if found:
                return found.group(1).decode()
            if not part:
                break
        self.process.kill()
        self.process.wait()
        sys.exit(f"demo: {' '.join(self.process.args)} did not start:\n{self.last_words()}")

    def last_words(self):
        return self.errors.read_text("utf-8", "replace")[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


# ---- the client ---------------------------------------------------------------------------------


class Answer:
    def __init__(self):
        self.text, self.model, self.cost, self.tokens, self.calls = "", None, 0.0, 0, 1
        self.seconds, self.failure = 0.0, None


class Client:
    """One kept-alive connection a thread."""

    def __init__(self, address):
        self.address, self.mine = address, threading.local()

    def ask(self, model, prompt, stream):
        answer, begin = Answer(), time.monotonic()
        body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        if stream:
            body.update(stream=True, stream_options={"include_usage": True})
        try:
            response = self._send(json.dumps(body).encode())
            read = read_stream if response.status == 200 and stream else read_whole
            read(response, answer)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as problem:
            answer.failure = f"{type(problem).__name__}: {problem}"
            self._drop()
        answer.seconds = time.monotonic() - begin
        return answer

    def _send(self, body):
        if getattr(self.mine, "connection", None) is None:
            self.mine.connection = http.client.HTTPConnection(self.address, timeout=30)
        headers = {"Content-Type": "application/json", "x-baton-debug": "1"}
        self.mine.connection.request("POST", "/v1/chat/completions", body, headers)
        return self.mine.connection.getresponse()

    def _drop(self):
        if self.mine.connection:
            self.mine.connection.close()
        self.mine.connection = None


def read_whole(response, answer):
    body = json.loads(response.read())
    if response.status != 200:
        answer.failure = f"{response.status}: {body['error']['message']}"
        return
    answer.text = body["choices"][0]["message"]["content"] or ""
    answer.tokens = body["usage"]["total_tokens"]
    answer.model = response.getheader("x-baton-model")
    answer.cost = float(response.getheader("x-baton-cost-usd") or 0)
    answer.calls = int(response.getheader("x-baton-attempts") or 1)


def read_stream(response, answer):
    """The texts of the events; model, cost and tokens stand in the last comment."""
    parts, finished = [], False
    for raw in response:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line.startswith(": baton "):
            debug = json.loads(line[len(": baton "):])
            answer.model, answer.cost = debug["model"], float(debug["cost_usd"] or 0)
            answer.calls = int(debug.get("attempts") or 1)
            answer.tokens = (debug.get("usage") or {}).get("total_tokens", answer.tokens)
        elif line == "data: [DONE]":
            finished = True
        elif line.startswith("data: "):
            chunk = json.loads(line[len("data: "):])
            if chunk.get("error"):
                answer.failure = chunk["error"]["message"]
            if chunk.get("usage") and not answer.tokens:
                answer.tokens = chunk["usage"]["total_tokens"]
            parts += [c["delta"].get("content") or "" for c in chunk.get("choices", [])]
    response.read()  # nothing is left; but only this frees the connection for the next request
    answer.text = "".join(parts)
    if not finished and not answer.failure:
        answer.failure = "the stream ended without [DONE]"


# ---- one row of the table -----------------------------------------------------------------------


def run(client, model, prompts):
    """The answers by the prompts' ids."""
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        asked = {q["id"]: pool.submit(client.ask, model, q["prompt"], i % STREAMED == 0)
                 for i, q in enumerate(prompts)}
        return {key: future.result() for key, future in asked.items()}


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def shares(answers):
    counts = collections.Counter((a.model or "?").split("/")[-1] for a in answers if not a.failure)
    total = sum(counts.values())
    return ", ".join(f"{name} {100 * n / total:.0f}%" for name, n in counts.most_common()) or "-"


def row(name, prompts, answers, strongest):
    """The cells; 'strongest' are the answers of the strongest model, to compare with on the same prompts."""
    good = [a for a in answers.values() if not a.failure]
    cost = sum(a.cost for a in answers.values())
    reference = sum(strongest[key].cost for key in answers)
    checked = [q for q in prompts if "check" in q]
    right = sum(not answers[q["id"]].failure and is_right(q["check"], answers[q["id"]].text) for q in checked)
    seconds = [a.seconds for a in good]
    return [
        name, str(len(answers)), f"{sum(a.calls for a in good) / len(good):.1f}" if good else "-",
        shares(answers.values()), f"{sum(a.tokens for a in good):,}", f"{cost:.5f}",
        f"{100 * (1 - cost / reference):.0f}%" if reference and name != STRONGEST else "-",
        f"{100 * right / len(checked):.0f}%" if checked else "-",
        f"{1000 * percentile(seconds, 0.5):.0f}", f"{1000 * percentile(seconds, 0.95):.0f}",
        str(len(answers) - len(good)),
    ]


HEAD = ["policy", "requests", "calls", "models that answered", "tokens", "cost $", "saving", "right", "p50 ms",
        "p95 ms", "failures"]
TO_THE_LEFT = {0, 3}


def show(rows):
    widths = [max(len(r[i]) for r in [HEAD, *rows]) for i in range(len(HEAD))]

    def line(cells):
        return "  ".join(c.ljust(w) if i in TO_THE_LEFT else c.rjust(w)
                         for i, (c, w) in enumerate(zip(cells, widths))).rstrip()

    print(line(HEAD))
    print("  ".join("-" * w for w in widths))
    for cells in rows:
        print(line(cells))


# ---- all of it ----------------------------------------------------------------------------------


def measure(client, prompts):
    """The rows of the table, and what failed."""
    results = {}
    for name, model, documents in ROWS:
        mine = [q for q in prompts if q["document"] or not documents]
        if mine:
            results[name] = (mine, run(client, model, mine))
    strongest = results[STRONGEST][1]
    rows = [row(name, mine, answers, strongest) for name, (mine, answers) in results.items()]
    failures = [f"{name}, prompt {key}: {a.failure}" for name, (_, answers) in results.items()
                for key, a in answers.items() if a.failure]
    return rows, failures


def explain(prompts, data):
    documents = sum(q["document"] for q in prompts)
    print("\ncalls   to models, for a request")
    print(f"saving  against {STRONGEST}, on the same prompts")
    if data:
        print("right   not known for prompts of your own. The simulated models do not understand them:\n"
              "        connect real ones (OPENAI_API_KEY, for one) to compare answers")
    else:
        print("right   every prompt of examples/workload.jsonl has an answer that is checked; the simulated\n"
              "        models err by skill and by kind of task")
    print(f"chain   a workflow for documents (extract, summarise, judge the sentiment, report): it gets the\n"
          f"        {documents} prompts that carry one, and makes four calls for an answer")


def suggest(data):
    tips = [
        ("build/baton ask -p cascade \"Why is the sky blue?\"", "one question, and what it cost"),
        ("build/baton serve", "the gateway, for any OpenAI client"),
        ("build/baton sim --help", "the simulator and its faults"),
        ("policies/cascade.lua", "change the threshold, and run this again"),
    ]
    if not data:
        tips.insert(0, ("python3 tests/demo/demo.py --data FILE", "your own prompts: CSV or JSONL, .gz too"))
    print("\nTry next:")
    for command, about in tips:
        print(f"  {command:<52}{about}")


def arguments():
    parser = argparse.ArgumentParser(description="Sends prompts through every policy and compares them.")
    parser.add_argument("--data", metavar="FILE", help="prompts: CSV or JSONL, plain or .gz")
    parser.add_argument("--column", metavar="NAME", help="the column of FILE that holds them")
    parser.add_argument("--limit", metavar="N", type=int, default=80, help="at most N prompts of FILE [80]")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="the simulator's seed [1]")
    options = parser.parse_args()
    if options.limit < 1:
        parser.error("--limit wants at least 1")
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the children are ended
    baton = str((ROOT / os.environ.get("BATON", "build/baton")).resolve())
    data = options.data and os.path.abspath(options.data)
    prompts = data_prompts(data, options.column, options.limit) if data else workload()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="baton-demo-") as folder, \
            Child(folder, baton, "sim", "--listen", "127.0.0.1:0", "--seed", str(options.seed)) as sim:
        config = Path(folder, "baton.lua")
        config.write_text(CONFIG % sim.address, encoding="utf-8")
        with Child(folder, baton, "serve", "--listen", "127.0.0.1:0", "-c", str(config)) as gateway:
            print(f"{len(prompts)} prompts through {len(ROWS)} rows, {CLIENTS} clients at once, "
                  f"every {STREAMED}rd request streamed ...\n", flush=True)
            rows, failures = measure(Client(gateway.address), prompts)
            show(rows)
            if failures:
                print("\nfailed:\n  " + "\n  ".join(failures[:10]) + "\n" + gateway.last_words())
    explain(prompts, data)
    print(f"time: {time.monotonic() - begin:.1f} s")
    suggest(data)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
