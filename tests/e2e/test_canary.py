"""Canary: a share of the requests goes to another generation, which is rolled back or promoted by itself.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

from base import check, equal, eventually
from client import Client, chat_body
from harness import Gateway, baton, config, provider
from test_generations import begin, generation, held, place, two_serve, use
from test_reload import (
    all_freed,
    only,
    plain,
    policies,
    policy,
    put,
    reload,
    rewrite,
    says,
    says_soon,
    serving,
    text_of,
)
from upstream import Provider, completion

BOUNDS = {"window": 30, "min_requests": 20, "promote_after": 3600, "latency": 0}


@contextlib.contextmanager
def canary(new, old=says("old"), share=0.5, canary=BOUNDS, promote_after=None, **members):
    """A gateway where `new` gets a share: (gateway, hash of the base, hash of the canary)."""
    with plain({"mine": old}, args=("--no-watch",), canary=canary, **members) as gateway:
        base = serving(gateway)["hash"]
        put(gateway, mine=new)
        more = {"promote_after": promote_after} if promote_after else {}
        done = reload(gateway, share=share, **more)
        equal(done["state"], "canary")
        yield gateway, base, done["hash"]


def state(gateway):
    return policies(gateway)["canary"]


def of(gateway, hash):
    return next(g for g in policies(gateway)["generations"] if g["hash"] == hash)


def ask(gateway, headers, model="mine", **members):
    """Requests one after the other on one connection: the answers."""
    with Client(gateway.address) as client:
        for header in headers:
            client.send_request(
                "POST", "/v1/chat/completions", chat_body(model, **members), header
            )
            yield client.answer()


def texts(gateway, headers, **members):
    return [answer.text() for answer in ask(gateway, headers, **members)]


def until_over(gateway, what, n=10):
    """Keeps asking until the canary has ended."""

    def look():
        for _ in ask(gateway, [None] * n):
            pass
        return state(gateway) is None

    eventually(look, what, 30)


# ---- the share -----------------------------------------------------------------------------------


def test_a_share_of_the_keys_goes_to_the_canary_and_each_stays_where_it_is():
    keys = [{"Authorization": f"Bearer client-{i}"} for i in range(400)]
    with canary(says("new"), share=0.25) as (gateway, base, new):
        first = texts(gateway, keys)
        share = first.count("new") / len(first)
        check(0.15 < share < 0.35, f"a share of {share}")
        for _ in range(3):  # other connections, other workers
            equal(texts(gateway, keys), first, "the same keys")
        many = texts(gateway, [keys[first.index("new")]] * 20 + [keys[first.index("old")]] * 20)
        equal(many, ["new"] * 20 + ["old"] * 20)
        check("new" in texts(gateway, [None] * 60), "requests without a key are spread")

        seen = state(gateway)
        equal((seen["hash"], seen["share"], seen["promote_after_s"]), (new, 0.25, 3600))
        equal((of(gateway, base)["state"], of(gateway, new)["state"]), ("serving", "canary"))

        equal(use(gateway, new[:8], share=0.75)["state"], "canary")
        wider = texts(gateway, keys)
        check(0.65 < wider.count("new") / len(wider) < 0.85, "the wider share")
        check(
            all(b == "new" for a, b in zip(first, wider) if a == "new"), "who was in with less is in"
        )
        eventually(
            lambda: state(gateway)["canary"]["requests"] > 300
            and state(gateway)["base"]["requests"] > 300,
            "what was counted",
            10,
        )


def test_a_session_stays_together_before_a_user_before_a_key():
    key = {"Authorization": "Bearer one-for-all"}
    with canary(says("new")) as (gateway, _, _):
        equal(len(set(texts(gateway, [key] * 30))), 1, "a key")
        by_user = {n: texts(gateway, [key] * 3, user=f"user {n}") for n in range(40)}
        check(all(len(set(t)) == 1 for t in by_user.values()), "a user")
        equal({t[0] for t in by_user.values()}, {"old", "new"}, "users")
        session = {"X-Session-Id": "s1", **key}
        equal(len({texts(gateway, [session], user=f"u{n}")[0] for n in range(30)}), 1, "a session")


# ---- what becomes of it --------------------------------------------------------------------------


def rolled_back(gateway, base, new, word):
    until_over(gateway, "rolled back")
    equal(set(texts(gateway, [None] * 50)), {"old"}, "all go to the base")
    check(word in of(gateway, new)["note"], repr(of(gateway, new)))
    eventually(
        lambda: [e for e in gateway.log(level="warn", generation=new) if word in e.get("why", "")],
        "a line in the log",
        10,
    )
    all_freed(gateway, base)


def test_a_canary_that_fails_is_rolled_back_by_itself():
    bad = policy("""
        if #req.text > 3 then error "this one fails" end
        return llm.reply { text = "new" }""")
    with canary(bad) as (gateway, base, new):
        rolled_back(gateway, base, new, "requests failed")


def test_errors_that_clients_cause_do_not_count():
    strict = policy("""
        if req.text == "wrong" then return llm.fail("bad_request", "not so") end
        return llm.reply { text = "new" }""")
    with canary(strict, promote_after=1) as (gateway, _, new):
        list(ask(gateway, [None] * 100, prompt="wrong"))
        until_over(gateway, "promoted")
        equal(serving(gateway)["hash"], new)


def test_a_canary_that_is_slow_is_rolled_back_by_itself():
    slow_one = policy('task.sleep(0.2) return llm.reply { text = "new" }')
    with canary(slow_one, canary={**BOUNDS, "latency": 1.5}) as (gateway, base, new):
        rolled_back(gateway, base, new, "latency")


def test_a_canary_that_costs_more_is_rolled_back_by_itself():
    def through(model, text):
        return policy(f"""
            local reply = assert(llm.chat("raw/{model}", "Hi"))
            return llm.reply {{ text = "{text}", from = reply }}""")

    prices = {"raw/a": {"input": 1, "output": 1}, "raw/b": {"input": 3, "output": 3}}
    with Provider(lambda x: x.reply(completion())) as upstream:
        text = config({"raw": provider(upstream.base_url)}, models=prices, canary=BOUNDS)
        with Gateway(text, {"mine": through("a", "old")}, args=("--no-watch",)) as gateway:
            base = serving(gateway)["hash"]
            put(gateway, mine=through("b", "new"))
            new = reload(gateway, share=0.5)["hash"]
            rolled_back(gateway, base, new, "costs")


def test_a_canary_that_does_well_is_promoted():
    with canary(says("new"), promote_after=1) as (gateway, base, new):
        until_over(gateway, "promoted")
        equal(set(texts(gateway, [None] * 50)), {"new"})
        equal(serving(gateway)["hash"], new)
        check(gateway.log(generation=new, message="the canary is promoted"), "a line in the log")
        all_freed(gateway, new)
        equal(reload(gateway)["unchanged"], True, "the files are what serves")
        equal(of(gateway, base)["state"], "kept")


def test_a_promoted_canary_keeps_the_configuration_it_was_tried_with():
    with plain({"mine": says("old")}, args=("--no-watch",), canary=BOUNDS) as gateway:
        base = serving(gateway)["hash"]
        raw = {"raw": provider("http://127.0.0.1:9/v1")}
        rewrite(gateway, config(raw, canary=BOUNDS, keys=["secret"]))
        done = reload(gateway, share=0.5, promote_after=1)
        equal((done["hash"], done["state"]), (base, "canary"), "only the configuration is another")

        def look():
            list(ask(gateway, [{"Authorization": "Bearer secret"}] * 10, prompt="x"))
            list(ask(gateway, [{"X-Session-Id": str(i)} for i in range(40)]))
            return state(gateway) is None

        eventually(look, "promoted", 30)
        equal(gateway.chat("mine").status, 401)
        equal(gateway.chat("mine", headers={"Authorization": "Bearer secret"}).text(), "old")
        equal(len(only(policies(gateway)["generations"], "serving")), 1)


# ---- what an operator does meanwhile -------------------------------------------------------------


def test_an_operator_ends_or_promotes_a_canary():
    with canary(says("new")) as (gateway, base, new):
        equal(use(gateway, base)["hash"], base)
        equal(state(gateway), None)
        equal(set(texts(gateway, [None] * 50)), {"old"})
        done = baton("use", new[:12], "--share", "50%", "--admin", gateway.admin_address)
        equal(done.returncode, 0, done.output)
        equal(set(texts(gateway, [None] * 60)), {"old", "new"})
        listed = baton("policies", "--admin", gateway.admin_address).output
        check("canary" in listed and new[:12] in listed, listed)
        equal(use(gateway, new)["state"], "serving")
        equal(state(gateway), None)
        equal(set(texts(gateway, [None] * 50)), {"new"})
        all_freed(gateway, new)


def test_a_reload_during_a_canary_takes_the_place_of_both():
    with canary(says("new")) as (gateway, base, new):
        put(gateway, mine=says("newest"))
        done = reload(gateway)
        equal(set(texts(gateway, [None] * 50)), {"newest"})
        equal(state(gateway), None)
        check("ended as canary" in of(gateway, new)["note"], repr(of(gateway, new)))
        all_freed(gateway, done["hash"])

        put(gateway, mine=says("a"))
        first = reload(gateway, share=0.5)["hash"]
        put(gateway, mine="return )")
        reload(gateway, 422)
        equal(state(gateway)["hash"], first, "a broken file ends nothing")
        put(gateway, mine=says("b"))
        second = reload(gateway, share=0.5)["hash"]
        equal(state(gateway)["hash"], second, "one canary takes the other's place")
        equal(set(texts(gateway, [None] * 60)), {"newest", "b"})
        eventually(lambda: of(gateway, first)["state"] == "kept", "the first one is freed", 20)


def test_requests_of_a_canary_that_has_ended_end_in_it():
    with held() as (upstream, raw, gateway):
        base = serving(gateway)["hash"]
        put(gateway, **generation(1))
        new = reload(gateway, share=0.5)["hash"]
        clients = [begin(gateway, True) for _ in range(30)]
        inside = [c for c in clients if b"<1> begins" in c.buffer]
        check(0 < len(inside) < 30, f"{len(inside)} of 30 streams")
        use(gateway, base)
        eventually(
            lambda: of(gateway, new)["requests_in_flight"] == len(inside), "still in flight", 10
        )
        equal(of(gateway, new)["state"], "draining")
        upstream.free()
        for client in clients:
            n = 1 if client in inside else 0
            while b"[DONE]" not in client.buffer:
                check(client.more(), "the stream ended")
            check(f"<{n}> ends".encode() in client.buffer, lambda: repr(client.buffer))
            client.close()
        all_freed(gateway, base)


def test_a_worker_that_dies_during_a_canary_is_replaced_by_one_that_has_both():
    with canary(says("new")) as (gateway, _, _):
        for worker in gateway.ask_admin("GET", "/admin/workers").json()["workers"]:
            os.kill(worker["pid"], 9)
        eventually(lambda: two_serve(gateway), "two workers", 20)
        equal(set(texts(gateway, [None] * 60)), {"old", "new"})


def test_after_a_restart_or_a_touch_the_base_serves_and_not_what_was_to_be_proved():
    with place() as (d, start):
        with start({"mine": says("old")}, "--no-watch") as gateway:
            put(gateway, mine=says("new"))
            reload(gateway, share=0.3)
        with start() as gateway:
            equal(text_of(gateway), "old")
            put(gateway, mine=says("new"))
            eventually(
                lambda: gateway.log(message="nothing has changed"), "a look at the files", 20
            )
            equal(text_of(gateway), "old")
            put(gateway, mine=says("newer"))
            says_soon(gateway, "newer")


def test_a_restart_does_not_begin_with_a_canary_that_was_rolled_back():
    with place() as (d, start):
        with start({"mine": says("old")}, "--no-watch", canary=BOUNDS) as gateway:
            base = serving(gateway)["hash"]
            put(gateway, mine=policy('error "this one fails"'))
            new = reload(gateway, share=0.5)["hash"]
            rolled_back(gateway, base, new, "requests failed")
        with start(None, "--no-watch") as gateway:
            equal(text_of(gateway), "old")
            equal(reload(gateway)["hash"], new, "who asks for it gets it")
            equal(gateway.chat("mine").status, 500)


def test_canary_under_load_fails_no_request():
    with plain({"mine": says("0")}, args=("--no-watch",), canary=BOUNDS) as gateway:
        with ThreadPoolExecutor(4) as pool:
            over = []

            def run(_):
                n = 0
                while not over:
                    answers = list(ask(gateway, [None] * 20))
                    check(all(a and a.status == 200 for a in answers), lambda: repr(answers))
                    n += len(answers)
                    time.sleep(0.02)  # clients alone would take all processors
                return n

            jobs = [pool.submit(run, i) for i in range(4)]
            try:
                for n in range(1, 16):
                    put(gateway, mine=says(str(n)))
                    new = reload(gateway, share=0.5)["hash"]
                    use(gateway, new if n % 2 else serving(gateway)["hash"])
            finally:
                over.append(True)
            check(sum(job.result() for job in jobs) > 100, "requests")
        equal(state(gateway), None)
        all_freed(gateway, serving(gateway)["hash"])
