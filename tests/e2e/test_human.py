"""Questions to people: parked requests, the admin API of two workers, the webhook, ends, the command line.

SPDX-License-Identifier: MIT
"""

import contextlib
import json
import os
import pty
import re
import signal
import tempfile
import threading
import time
from pathlib import Path

from base import check, equal, eventually, slow
from harness import BATON, Gateway, baton, clean_env, config, lua, provider
from upstream import Provider

ASKING = """
local human, llm, policy = require "human", require "llm", require "policy"
local function run(req, p)
   local ask = { question = req.text, within = p.within, details = { amount = 300 } }
   if p.options then ask.options = { "yes", "no" } end
   if p.otherwise ~= "" then ask.otherwise = p.otherwise end
   local answer, about = human.ask(ask)
   if not answer then return nil, about end
   return llm.reply { text = ("%s by %s VERSION"):format(answer, tostring(about.by)) }
end
return policy.define { name = "asking", run = run,
   params = { within = 60, options = false, otherwise = "" }, open = { "within", "options", "otherwise" } }
"""


def engine(workers=1, args=(), **members):
    return Gateway(
        config({"none": provider("http://127.0.0.1:9/v1")}, **members),
        policies={"asking": ASKING},
        workers=workers,
        args=args,
    )


def params(**values):
    return {f"x-baton-param-{name}": str(value) for name, value in values.items()}


class Asked(threading.Thread):
    """A request that waits for somebody; .answer() is what came of it."""

    def __init__(self, gateway, question, **values):
        super().__init__(daemon=True)
        self.gateway, self.question, self.values, self.got = gateway, question, values, None
        self.start()

    def run(self):
        with contextlib.suppress(OSError, AssertionError):
            self.got = self.gateway.chat("asking", self.question, params(**self.values), timeout=60)

    def answer(self):
        self.join(30 * slow())
        check(self.got is not None, f"no answer to {self.question}")
        return self.got


def questions(gateway):
    answer = gateway.ask_admin("GET", "/admin/questions")
    equal(answer.status, 200, answer)
    return answer.json()["questions"]


def wait_for_questions(gateway, n=1):
    return eventually(lambda: (found := questions(gateway)) and len(found) == n and found, f"{n} questions")


def reply(gateway, id, text, **more):
    return gateway.ask_admin("POST", f"/admin/questions/{id}", {"answer": text, **more})


def test_an_operator_answers_whichever_worker_asks():
    with engine(workers=2) as gateway:
        asked = [Asked(gateway, f"question {i}") for i in range(12)]
        found = wait_for_questions(gateway, 12)
        holders = [w["requests_in_flight"] for w in gateway.ask_admin("GET", "/admin/workers").json()["workers"]]
        equal(gateway.ask_admin("GET", "/admin/questions").json()["total"], 12)
        check(len(holders) == 2, holders)
        one = found[0]
        equal({k: one[k] for k in ("policy", "details")}, {"policy": "asking", "details": {"amount": 300}})
        check(re.fullmatch(r"q_[0-9a-f]{16}", one["id"]) and 50 < one["left_s"] <= 60, one)
        for question in found:
            done = reply(gateway, question["id"], "re: " + question["question"], by="ada")
            equal((done.status, done.json()), (200, {"answered": 1}))
        for i, request in enumerate(asked):
            equal(request.answer().text(), f"re: question {i} by ada VERSION")
        equal(questions(gateway), [])


def test_answers_that_are_none():
    with engine() as gateway:
        asked = Asked(gateway, "refund?", options="true")
        (one,) = wait_for_questions(gateway)
        path = f"/admin/questions/{one['id']}"
        for body, status, message in (
            ({"answer": "maybe"}, 400, "answer: must be one of: yes, no"),
            ({}, 400, "answer: must be a text"),
            ({"answer": 7}, 400, "answer: must be a text"),
            ({"answer": "yes", "by": 7}, 400, "by: must be a text"),
            ({"answer": "yes", "who": "x"}, 400, "who"),
            ({"answer": "x" * 20000}, 400, "at most 16 KiB"),
        ):
            refused = gateway.ask_admin("POST", path, body)
            equal(refused.status, status, (body, refused))
            check(message in refused.json()["error"]["message"], refused)
        equal(reply(gateway, "q_0000000000000000", "yes").status, 404)
        equal(gateway.ask_admin("DELETE", "/admin/questions/nothing").status, 404)
        equal(gateway.ask_admin("GET", path).status, 405)
        equal(reply(gateway, one["id"], "no").status, 200)
        equal(reply(gateway, one["id"], "yes").status, 404)
        equal(asked.answer().text(), "no by false VERSION")


def test_nobody_answers():
    with engine(human={"within": 0.3}) as gateway:
        late = gateway.chat("asking", "?", params(within=0.2))
        equal((late.status, late.json()["error"]["code"]), (504, "timeout"))
        check("nobody answered within 0.2 seconds" in late.json()["error"]["message"], late)
        equal(gateway.chat("asking", "?", params(within=0.2, otherwise="refuse")).text(), "refuse by nil VERSION")
        asked = Asked(gateway, "?")
        (one,) = wait_for_questions(gateway)
        expired = gateway.ask_admin("DELETE", f"/admin/questions/{one['id']}")
        equal((expired.status, expired.json()), (200, {"expired": 1}))
        equal(asked.answer().status, 504)
        check("an operator let the question expire" in asked.got.json()["error"]["message"], asked.got)


def test_a_stream_is_kept_alive_while_a_person_thinks():
    with engine(keepalive_after=0.5) as gateway:
        client = gateway.open_chat("asking", "Go?", params(within=30), stream=True)
        head = client.head()
        equal(head.status, 200)
        client.until(b": ")  # a sign of life, before anybody has answered
        (one,) = wait_for_questions(gateway)
        reply(gateway, one["id"], "go")
        rest = client.until(b"[DONE]")
        check(b"go by" in rest, rest)
        client.close()


def test_a_client_that_leaves_takes_its_question_along():
    with engine() as gateway:
        client = gateway.open_chat("asking", "Are you there?")
        wait_for_questions(gateway)
        client.close()
        eventually(lambda: questions(gateway) == [], "the question is gone")


def test_a_ceiling_on_open_questions():
    with engine(human={"open": 2}) as gateway:
        asked = [Asked(gateway, "1"), Asked(gateway, "2")]
        found = wait_for_questions(gateway, 2)
        refused = gateway.chat("asking", "3")
        equal(refused.status, 503, refused)
        check("2 questions are open already (human.open)" in refused.body.decode(), refused)
        page = gateway.ask_admin("GET", "/metrics").body.decode()
        for question in found:
            reply(gateway, question["id"], "ok")
        for request in asked:
            equal(request.answer().status, 200)
        eventually(
            lambda: 'baton_queue_entries{queue="questions"} 0' in gateway.ask_admin("GET", "/metrics").body.decode(),
            "the gauge goes down",
        )
        check('baton_queue_entries{queue="questions"}' in page, page)


# ---- reloads and ends -----------------------------------------------------------------------------


def test_a_question_holds_its_generation_but_not_for_ever():
    with engine(args=("--no-watch",), human={"pin": 2}) as gateway:
        asked, late = Asked(gateway, "before"), None
        (one,) = wait_for_questions(gateway)
        Path(gateway.policies, "asking.lua").write_text(ASKING.replace("VERSION", "TWO"))
        equal(gateway.ask_admin("POST", "/admin/reload").status, 200)
        (still,) = questions(gateway)
        equal(still["id"], one["id"])
        check(still["left_s"] <= 2, still)
        equal(reply(gateway, one["id"], "go").status, 200)
        equal(asked.answer().text(), "go by false VERSION")  # in the generation in which it began
        late = Asked(gateway, "again")
        wait_for_questions(gateway)
        Path(gateway.policies, "asking.lua").write_text(ASKING.replace("VERSION", "THREE"))
        equal(gateway.ask_admin("POST", "/admin/reload").status, 200)
        equal(late.answer().status, 504)
        check("the policies that ask were replaced 2 seconds ago" in late.got.body.decode(), late.got)
        eventually(
            lambda: len([g for g in gateway.ask_admin("GET", "/admin/policies").json()["generations"]
                         if g["state"] == "draining"]) == 0,
            "the old generation is freed",
        )


def test_an_engine_that_stops_says_so():
    with engine(limits={"drain_timeout": 0.5}) as gateway:
        asked = Asked(gateway, "will you?", otherwise="no")
        wait_for_questions(gateway)
        os.kill(gateway.pid, signal.SIGTERM)
        equal(asked.answer().status, 503)
        check(
            "the engine is stopping: nobody has answered the question yet" in asked.got.body.decode(), asked.got
        )


def test_a_question_can_be_answered_while_the_engine_drains():
    with engine(limits={"drain_timeout": 20}) as gateway:
        asked = Asked(gateway, "will you?")
        (one,) = wait_for_questions(gateway)
        os.kill(gateway.pid, signal.SIGTERM)
        time.sleep(0.3)
        equal(reply(gateway, one["id"], "yes").status, 200)
        equal(asked.answer().status, 200)


# ---- the webhook ------------------------------------------------------------------------------------


def test_the_webhook_is_told_again_until_it_hears():
    seen = []

    def play(exchange):
        seen.append(exchange)
        exchange.reply({"ok": True}, status=503 if len(seen) == 1 else 200)

    with Provider(play) as hook:
        url = hook.base_url.rsplit("/v1", 1)[0] + "/hook?sig=hush-hush"
        with engine(human={"webhook": url, "headers": {"Authorization": "Bearer hook-key"}}) as gateway:
            asked = Asked(gateway, "Refund 300 USD?", options="true")
            (one,) = wait_for_questions(gateway)
            eventually(lambda: len(seen) == 2, "two posts", 10)
            body = seen[1].json()
            equal(body["event"], "question")
            equal(body["answer"], f"POST /admin/questions/{one['id']}")
            equal(body["question"]["question"], "Refund 300 USD?")
            equal(body["question"]["options"], ["yes", "no"])
            (line,) = gateway.log(message="a person is asked")
            equal((line["question"], line["trace"], line["within_s"]), (one["id"], one["trace"], 60.0))
            check("Refund" not in gateway.stderr, "what is asked stands in no log")
            equal(seen[1].path, "/hook?sig=hush-hush")
            equal(seen[1].headers.get("authorization"), "Bearer hook-key")
            reply(gateway, one["id"], "yes")
            equal(asked.answer().status, 200)
            check("hush-hush" not in gateway.stderr and "hook-key" not in gateway.stderr, gateway.stderr)
            text = json.dumps(body)
            check("hook-key" not in text and "hush" not in text, text)


def test_a_webhook_that_cannot_be_reached_is_only_logged():
    with engine(human={"webhook": "http://127.0.0.1:9/secret-path"}) as gateway:
        asked = Asked(gateway, "?")
        (one,) = wait_for_questions(gateway)
        reply(gateway, one["id"], "yes")
        equal(asked.answer().status, 200)
        check("secret-path" not in gateway.stderr, gateway.stderr)


def test_the_configuration_is_checked():
    for human, message in (
        ({"webhook": "ftp://x"}, "human.webhook: must be an http:// or https:// URL"),
        ({"webhook": "http://user@x/"}, "human.webhook: must be an http:// or https:// URL"),
        ({"headers": {f"x-{i}": "c" for i in range(17)}}, "human.headers: must hold at most 16 fields"),
        ({"headers": {"a b": "c"}}, "human.headers.a b: is no name for a header"),
        ({"open": 0}, "human.open: must be a number from 1"),
        ({"witin": 1}, "human.witin: unknown field"),
    ):
        with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
            path = Path(folder, "baton.lua")
            path.write_text("return " + lua({"human": human}))
            done = baton("check", path)
            equal(done.returncode, 1, done.output)
            check(message in done.output, done.output)


# ---- the command line ---------------------------------------------------------------------------------


def test_questions_and_answer_talk_to_a_running_engine():
    with engine(workers=2) as gateway:
        admin = ("--admin", gateway.admin_address)
        empty = baton("questions", *admin)
        equal((empty.returncode, empty.stdout), (0, "nobody is asked anything\n"))
        asked = Asked(gateway, "Refund 300 USD?\x1b[2J\x9b2J\u202e\x7f \u00e9", options="true")
        (one,) = wait_for_questions(gateway)
        listed = baton("questions", *admin)
        equal(listed.returncode, 0, listed.output)
        check(listed.stdout.startswith(f"{one['id']}  asked "), listed.stdout)
        check("Refund 300 USD??[2J?2J?? \u00e9" in listed.stdout, listed.stdout)  # nothing steers the terminal
        check('{"amount":300}' in listed.stdout and "answers: yes | no" in listed.stdout, listed.stdout)
        equal(len(json.loads(baton("questions", "--json", *admin).stdout)["questions"]), 1)
        wrong = baton("answer", *admin, one["id"], "perhaps")
        equal(wrong.returncode, 1)
        check("answer: must be one of: yes, no" in wrong.stderr, wrong.output)
        equal(baton("answer", *admin, one["id"]).returncode, 2)
        equal(baton("answer", *admin, "../x", "yes").returncode, 2)
        done = baton("answer", *admin, "--by", "ada", one["id"], "yes")
        equal((done.returncode, done.stdout), (0, "answered\n"))
        equal(asked.answer().text(), "yes by ada VERSION")
        other = Asked(gateway, "and this?", otherwise="no")
        (two,) = wait_for_questions(gateway)
        done = baton("answer", *admin, "--expire", two["id"])
        equal((done.returncode, done.stdout), (0, "expired\n"))
        equal(other.answer().text(), "no by nil VERSION")
        gone = baton("answer", *admin, two["id"], "late")
        equal(gone.returncode, 1)
        check("no question with this id is open" in gone.stderr, gone.output)


WORKFLOW = """
local human = require "human"
print(human.ask { question = "Publish?", options = { "yes", "no" }, otherwise = OTHERWISE })
print(human.ask { question = "Which title?", within = 20 })
"""


@contextlib.contextmanager
def workflow(otherwise="nil"):
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        path = Path(folder, "flow.lua")
        path.write_text(WORKFLOW.replace("OTHERWISE", otherwise))
        yield path


def test_a_workflow_without_a_terminal():
    with workflow() as path:
        done = baton("run", path)
        equal(done.returncode, 0, done.output)
        check("nil\tunavailable: nobody can be asked: there is no terminal" in done.stdout, done.output)
        done = baton("run", "--answer", "yes", "--answer", "Ode to Joy", path)
        check(re.match(r"yes\t.*\nOde to Joy\t", done.stdout), done.output)
        done = baton("run", "--answer", "perhaps", path)
        check("--answer perhaps: answer: must be one of: yes, no" in done.stderr, done.output)
        check("nil\ttimeout: an operator" in done.stdout, done.output)
    with workflow('"no"') as path:
        done = baton("run", path)
        check(done.stdout.startswith("no\t"), done.output)


def test_a_workflow_asks_at_the_terminal():
    with workflow() as path:
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(clean_env(USER="ada"))
            os.execv(BATON, [BATON, "run", str(path)])
        seen = b""

        def until(text):
            nonlocal seen
            end = time.monotonic() + 10 * slow()
            while text not in seen and time.monotonic() < end:
                try:
                    seen += os.read(fd, 4096)
                except OSError:
                    break
            check(text in seen, seen)

        until(b"> ")
        check(b"Publish?" in seen and b"1  yes" in seen and b"2  no" in seen, seen)
        os.write(fd, b"perhaps\n")
        until(b"must be one of: yes, no")
        os.write(fd, b"2\n")  # by its number
        until(b"no\t")
        until(b"Which title?")
        os.write(fd, b"Ode to Joy\n")
        until(b"Ode to Joy\t")
        _, status = os.waitpid(pid, 0)
        os.close(fd)
        equal(status, 0, seen)
