"""Models and keys that fail are left alone for a time, by all workers; what is left of them is found again.

SPDX-License-Identifier: MIT
"""

import contextlib
import re
import shutil
import subprocess
import time

from base import alone, check, equal, eventually, skip, slow
from client import Stream, request
from harness import Gateway, Sim, behind, config, provider
from upstream import completion


@contextlib.contextmanager
def place(workers=1, policies=None, **members):
    """A simulator and a gateway of its own."""
    members.setdefault("default_model", "sim/mini")
    with Sim() as sim:
        text = config({"sim": provider(sim.base_url)}, **members)
        with Gateway(text, workers=workers, policies=policies) as gateway:
            yield sim, gateway


def admin(gateway, method, path, body=None):
    address = re.search(r"admin API on http://(\S+)", gateway.stdout).group(1)
    return request(address, method, path, body)


def breaker(gateway, model):
    """What operators see of it; None when nothing is known."""
    listed = admin(gateway, "GET", "/admin/breakers").json()["breakers"]
    return next((b for b in listed if b["model"] == model), None)


def metric(gateway, name, **labels):
    """The sum of the samples with these labels."""
    total = 0.0
    for line in admin(gateway, "GET", "/metrics").body.decode().splitlines():
        found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if found and found.group(1) == name:
            have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found.group(2) or ""))
            if all(have.get(k) == v for k, v in labels.items()):
                total += float(found.group(3))
    return total


@alone
def test_failures_open_the_breaker_and_a_probe_closes_it():
    model = "sim/mini:500*5"
    with place(breaker={"cooldown": 1.5 * slow()}) as (sim, gateway):
        for n in range(5):
            equal(gateway.chat(model).status, 502, f"call {n}")
        equal(breaker(gateway, model)["state"], "open")
        began = time.monotonic()
        refused = gateway.chat(model)
        check(time.monotonic() - began < 0.5 * slow(), "it does not fail fast")
        equal((refused.status, refused.error()["code"]), (502, "unavailable"))
        check("circuit breaker is open" in refused.error()["message"], refused)
        equal(int(refused.header("retry-after")) in (1, 2) or slow() > 1, True, refused.head)
        equal(len(sim.log(model="mini:500*5")), 5, "a refused call reached the provider")
        eventually(lambda: breaker(gateway, model)["state"] == "half_open", "the cooldown", 10)
        equal(gateway.chat(model).status, 200)
        equal(breaker(gateway, model)["state"], "closed")
        equal(gateway.chat("sim/mini").status, 200)
        equal(metric(gateway, "baton_breaker_opened_total"), 1)
        equal(metric(gateway, "baton_breaker_opened_total", model="(other)"), 1, "a made-up name")
        equal(metric(gateway, "baton_model_refused_total", state="open"), 1)
        check("circuit breaker opened" in gateway.stderr, gateway.stderr[-2000:])


def test_a_probe_that_fails_opens_it_for_twice_as_long():
    model = "sim/mini:500"
    with place(breaker={"cooldown": 0.5, "failures": 2}) as (sim, gateway):
        for _ in range(2):
            gateway.chat(model)
        for cooldown in (0.5, 1, 2):
            equal(breaker(gateway, model)["cooldown_s"], cooldown)
            before = len(sim.log())
            eventually(lambda: breaker(gateway, model)["state"] == "half_open", "the cooldown", 10)
            gateway.chat(model)
            equal(len(sim.log()), before + 1, "probes")


def test_one_breaker_for_all_workers():
    model = "sim/mini:503"
    with place(workers=2, breaker={"cooldown": 60}) as (sim, gateway):
        for _ in range(40):  # a connection each: the kernel spreads them over the workers
            check(gateway.chat(model).status in (502, 503), "a status of its own")
        equal(len(sim.log(model="mini:503")), 5, "calls that reached the provider")
        equal(metric(gateway, "baton_model_refused_total", state="open"), 35)


SELECTS = """
local llm, policy = require "llm", require "policy"
return policy.define { name = "selects", run = function(req) return llm.stream({ tier = "fast" }, req) end }
"""


def test_selectors_and_cascades_go_elsewhere():
    models = {
        "sim/mini:500": {"tier": "fast", "input": 0.01, "output": 0.01},
        "sim/base": {"tier": "fast", "input": 1, "output": 1},
        "sim/pro": {"tier": "expert", "input": 9, "output": 9},
    }
    with place(policies={"selects": SELECTS}, models=models) as (sim, gateway):
        # the catalogue's own fast model is no part of this
        gateway_models = [gateway.chat("selects", stream=n % 2 == 0) for n in range(12)]
        first = [answer.status for answer in gateway_models[:5]]
        check(all(status == 502 for status in first), f"before the breaker opens: {first}")
        for answer in gateway_models[5:]:
            equal(answer.status, 200, "after it opened")
            check(answer.header("x-baton-model") != "sim/mini:500", answer.head)
        equal(len(sim.log(model="mini:500")), 5)
        for _ in range(5):
            equal(gateway.chat("cascade").status, 200, "cascade")


def test_429_benches_the_model_for_its_retry_after():
    model = f"sim/mini:429={2 * slow():.0f}*1"
    with place() as (sim, gateway):
        equal(gateway.chat(model).status, 429)
        again = gateway.chat(model, stream=True)
        equal((again.status, again.error()["code"]), (429, "rate_limited"))
        check(again.header("retry-after"), again.head)
        equal(len(sim.log()), 1, "calls that reached the provider")
        seen = breaker(gateway, model)
        equal((seen["state"], seen["benched"], seen["failures"]), ("closed", True, 0))
        eventually(lambda: not breaker(gateway, model)["benched"], "the end of the bench", 10)
        equal(gateway.chat(model).status, 200)


def keyed(refused, status=401, code="invalid_api_key"):
    """A provider that knows better than to take some keys."""

    def play(exchange):
        key = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        if key in refused:
            error = {"message": f"no: {key}", "type": "invalid_request_error", "code": code}
            return exchange.reply({"error": error}, status)
        return exchange.reply(completion("Canberra"))

    return play


def keys_of(upstream):
    return [e.headers.get("authorization", "").removeprefix("Bearer ") for e in upstream.exchanges]


def test_a_refused_key_is_benched_and_the_next_one_is_used():
    for status, code in ((401, "invalid_api_key"), (402, "x"), (403, "x"), (429, "insufficient_quota")):
        members = {"key": ["sk-first", "sk-second"]}
        listed = {"raw/echo": {"tier": "fast"}}  # of an unlisted model 403 says nothing of the key
        play = keyed({"sk-first"}, status, code)
        with behind(play, provider_members=members, models=listed) as (upstream, gateway):
            for _ in range(3):
                equal(gateway.chat("raw/echo").status, 200, f"{status}")
            equal(keys_of(upstream), ["sk-first"] + ["sk-second"] * 3, f"{status}")
            seen = admin(gateway, "GET", "/admin/breakers")
            key = seen.json()["keys"][0]
            equal((key["provider"], key["key"], key["refused"]), ("raw", 1, status != 429))
            check(50 < key["benched_for_s"] <= 60, key)
            equal(metric(gateway, "baton_model_calls_total", outcome="ok"), 3)
            page = admin(gateway, "GET", "/metrics").body
            for text in (page, seen.body, gateway.stderr.encode()):
                check(b"sk-first" not in text and b"sk-second" not in text, "a key is shown")


def test_without_a_key_left_calls_fail_at_once():
    members = {"key": ["sk-first", "sk-second"]}
    with behind(keyed({"sk-first", "sk-second"}), provider_members=members) as (upstream, gateway):
        for n in range(4):
            answer = gateway.chat("raw/echo", stream=n % 2 == 1)
            equal((answer.status, answer.error()["code"]), (502, "auth"), f"call {n}")
        equal(keys_of(upstream), ["sk-first", "sk-second"])


def test_wrong_requests_and_clients_that_leave_count_against_nobody():
    with place() as (sim, gateway):
        for _ in range(12):
            equal(gateway.chat("sim/mini:context").status, 400)
            equal(gateway.chat("sim/mini:404").status, 404)
        equal(breaker(gateway, "sim/mini:context"), None)
        equal(breaker(gateway, "sim/mini:404"), None)
        for n in range(8):
            client = gateway.open_chat("sim/mini:no-answer", stream=n % 2 == 0)
            eventually(lambda n=n: admin(gateway, "GET", "/admin/requests").body.count(b'"id"') >= 1
                       or metric(gateway, "baton_model_calls_total", outcome="cancelled") > n, "a request")
            client.close()
        eventually(lambda: metric(gateway, "baton_model_calls_total", outcome="cancelled") == 8,
                   "eight cancelled calls", 10)
        equal(breaker(gateway, "sim/mini:no-answer"), None)
        # names that clients made up make no series
        check(b"mini:404" not in admin(gateway, "GET", "/metrics").body, "a series for a wrong name")


def test_names_that_clients_make_up_are_no_series_even_when_they_fail():
    with place() as (_, gateway):
        for n in range(8):
            gateway.chat(f"sim/mini:500*{700 + n}")
        check(breaker(gateway, "sim/mini:500*700"), "operators see it")
        check(b"mini:500" not in admin(gateway, "GET", "/metrics").body, "a series for a name of a client's")


def test_streams_that_are_cut_count_against_the_model():
    with place(breaker={"failures": 3, "cooldown": 60}) as (_, gateway):
        for _ in range(3):
            answer = gateway.chat("sim/mini:cut", "Tell me a long story.", stream=True)
            check(answer.status != 200 or Stream(answer.body).error, answer)
        equal(breaker(gateway, "sim/mini:cut")["state"], "open")


def test_rates_of_the_configuration_are_kept():
    models = {"sim/mini": {"tier": "fast", "input": 1, "output": 1, "requests_per_minute": 3}}
    with place(workers=2, models=models) as (sim, gateway):
        answers = [gateway.chat("sim/mini") for _ in range(8)]
        equal([a.status for a in answers], [200] * 3 + [429] * 5)
        check(0 < int(answers[3].header("retry-after")) <= 20, answers[3].head)
        equal(len(sim.log()), 3)


def test_operators_force_breakers():
    with place() as (sim, gateway):
        equal(gateway.chat("sim/mini").status, 200)
        body = b'{"model":"sim/mini","state":"open"}'
        equal(admin(gateway, "POST", "/admin/breakers", body).status, 200)
        answer = gateway.chat("sim/mini")
        equal(answer.status, 502)
        check("operator" in answer.error()["message"], answer)
        equal(len(sim.log()), 1)
        equal(admin(gateway, "POST", "/admin/breakers", body.replace(b"open", b"auto")).status, 200)
        equal(gateway.chat("sim/mini").status, 200)


def test_prometheus_accepts_what_is_counted():
    with place() as (_, gateway):
        for model in ("sim/mini", "sim/mini:500", 'sim/mini:nonsense"\\\n', "cascade"):
            gateway.chat(model)
            gateway.chat(model, stream=True)
        page = admin(gateway, "GET", "/metrics").body
        check(metric(gateway, "baton_tokens_total", kind="input", model="sim/mini") > 0, page)
        check(metric(gateway, "baton_cost_usd_total", model="sim/mini") > 0, page)
        check(metric(gateway, "baton_model_seconds_count", model="sim/mini") >= 2, page)
        check(metric(gateway, "baton_model_ttft_seconds_count", model="sim/mini") >= 1, page)
        if not shutil.which("promtool"):
            skip("promtool (package prometheus) is not installed")
        done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=30)
        equal(done.returncode, 0, (done.stdout + done.stderr).decode())
