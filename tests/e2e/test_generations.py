"""Generations: each request ends in the one it began in; earlier ones come back at once, and survive a restart.

SPDX-License-Identifier: MIT
"""

import contextlib
import hashlib
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

from base import ROOT, check, equal, eventually, slow
from client import Client
from crew import descriptors, replaced, workers
from harness import Gateway, baton, clean_env, config, provider
from test_reload import (
    all_freed,
    lua_bytes,
    lua_bytes_at_rest,
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
from upstream import DONE, Provider, completion, event

# ---- what is in flight ends where it began -------------------------------------------------------


class Held:
    """A provider whose streams wait after their first words, and whose answers wait, until free()."""

    def __init__(self):
        self.go = threading.Event()

    def play(self, x):
        text = x.json()["messages"][-1]["content"]
        if not x.json().get("stream"):
            self.go.wait(300)
            x.reply(completion(text))
            return
        x.stream(event({"content": text + " begins, "}), end=False)
        self.go.wait(300)
        x.part(event({"content": text + " ends"}) + event(finish="stop") + DONE)
        x.send(b"0\r\n\r\n")

    def free(self):
        self.go.set()


def tells(n):
    """A policy of generation n: what the model is asked, and what is said after its answer."""
    return policy(f"""
        local ask = {{ messages = {{ {{ role = "user", content = "<{n}>" }} }} }}
        if req.stream then return llm.stream("raw/echo", ask, {{ stream = true }}) end
        local reply = assert(llm.chat("raw/echo", ask))
        return llm.reply {{ text = reply.text .. "<{n}>" .. require("_tag") }}""")


def generation(n):
    return {"mine": tells(n), "_tag": f'return "<{n}>"\n'}


@contextlib.contextmanager
def held(workers=2, **members):
    upstream = Held()
    with Provider(upstream.play) as raw:
        members.setdefault("timeouts", {"connect": 10, "first_byte": 300, "stall": 300, "total": 300})
        text = config({"raw": provider(raw.base_url)}, **members)
        with Gateway(text, generation(0), workers=workers, args=("--no-watch",)) as gateway:
            try:
                yield upstream, raw, gateway
            finally:
                upstream.free()


def begin(gateway, stream):
    """A request that has reached its provider; of a stream the first words are read."""
    client = gateway.open_chat("mine", timeout=60, **({"stream": True} if stream else {}))
    if stream:
        equal(client.head().status, 200)
        while b"begins" not in client.buffer:
            check(client.more(), "the stream ended")
    return client


def in_flight(gateway):
    return {
        g["hash"]: g["requests_in_flight"]
        for g in policies(gateway)["generations"]
        if g["requests_in_flight"]
    }


def test_requests_and_streams_end_in_the_generation_they_began_in():
    with held() as (upstream, raw, gateway):
        open_ones, hashes = [], []
        for n in range(4):
            if n:
                put(gateway, **generation(n))
                reload(gateway)
            hashes.append(serving(gateway)["hash"])
            open_ones += [(n, s, begin(gateway, s)) for s in (True, True, False)]
            raw.received(3 * (n + 1))
        eventually(lambda: in_flight(gateway) == {h: 3 for h in hashes}, "what is in flight", 20)
        found = policies(gateway)["generations"]
        equal({g["hash"] for g in only(found, "draining")}, set(hashes[:3]))
        upstream.free()
        for n, stream, client in open_ones:
            if stream:
                while client.more():
                    if b"[DONE]" in client.buffer:
                        break
                check(f"<{n}> ends".encode() in client.buffer, lambda: repr(client.buffer))
            else:
                equal(client.answer().text(), f"<{n}><{n}><{n}>")
            client.close()
        all_freed(gateway, hashes[3])


def test_streams_that_never_end_pin_their_generations_and_no_more_than_there_is_room_for():
    """With no place left a change is refused and says why; with one free it goes on."""
    with held(workers=1) as (upstream, _, gateway):
        heap, clients = lua_bytes_at_rest(gateway), []
        for n in range(1, 60):
            clients.append(begin(gateway, True))
            put(gateway, **generation(n))
            answer = gateway.ask_admin("POST", "/admin/reload", {}, timeout=60)
            if answer.status != 200:
                break
        equal(answer.status, 503, repr(answer))
        check("still in use" in answer.json()["error"]["message"], repr(answer))
        check(n > 20, f"{n} generations")
        equal(reload(gateway, 503)["error"]["code"], "overloaded")
        with begin(gateway, True) as client:
            check(f"<{n - 1}> begins".encode() in client.buffer, "the last that was loaded")
        for client in clients[:2]:
            client.close()
        eventually(
            lambda: gateway.ask_admin("POST", "/admin/reload", {}).status == 200, "a free place", 20
        )
        upstream.free()
        for client in clients[2:]:
            client.close()
        all_freed(gateway, serving(gateway)["hash"])
        eventually(lambda: lua_bytes(gateway) < heap * 3, "memory of the old ones", 20)


def test_a_worker_that_dies_while_a_generation_is_loaded_changes_nothing_for_the_operator():
    """Its successor gets both, and the change goes on."""
    heavy = {f"p{i}": says("x" * 1000, name=f"p{i}") for i in range(200)}
    with plain({**heavy, "mine": says("0")}, args=("--no-watch",)) as gateway:
        for n in range(1, 9):
            put(gateway, mine=says(str(n)))
            with Client(gateway.admin_address, timeout=60) as admin:
                pids = [
                    w["pid"]
                    for w in gateway.ask_admin("GET", "/admin/workers").json()["workers"]
                ]
                admin.send_request("POST", "/admin/reload", b"{}")
                os.kill(pids[n % len(pids)], 9)
                answer = admin.answer()
            equal(answer.status, 200, repr(answer))
            eventually(
                lambda: [text_of(gateway) for _ in range(20)] == [str(n)] * 20, "all workers", 20
            )
            eventually(lambda: two_serve(gateway), "two workers", 20)


def two_serve(gateway):
    workers = gateway.ask_admin("GET", "/admin/workers").json()["workers"]
    return [w["state"] for w in workers] == ["serving", "serving"]


# ---- back to an earlier one ----------------------------------------------------------------------


def use(gateway, hash, status=200, **more):
    answer = gateway.ask_admin("POST", "/admin/use", {"hash": hash, **more}, timeout=60)
    equal(answer.status, status, repr(answer))
    return answer.json()


def three(gateway, **more):
    """The hashes of three generations: the policy says "0", "1", "2", and the last one serves."""
    hashes = [serving(gateway)["hash"]]
    for n in (1, 2):
        put(gateway, mine=says(str(n)))
        hashes.append(reload(gateway, **more)["hash"])
    return hashes


def test_an_earlier_generation_comes_back_at_once():
    with plain({"mine": says("0")}, args=("--no-watch",)) as gateway:
        hashes = three(gateway)
        equal(text_of(gateway), "2")
        equal(use(gateway, hashes[0][:6])["hash"], hashes[0])
        equal(text_of(gateway), "0")
        equal(use(gateway, hashes[0])["unchanged"], True)
        done = baton("use", hashes[1][:10], "--admin", gateway.admin_address)
        equal(done.returncode, 0, done.output)
        equal(text_of(gateway), "1")
        equal(reload(gateway)["hash"], hashes[2], "the files are still those of the last one")
        equal(text_of(gateway), "2")
        eventually(
            lambda: sorted(g["state"] for g in policies(gateway)["generations"])
            == ["kept", "kept", "serving"],
            "each generation is listed once",
            10,
        )


def test_a_worker_inherits_no_files_of_generations():
    with plain({"mine": says("0")}, args=("--no-watch",)) as gateway:
        hashes = three(gateway)
        use(gateway, hashes[0])
        use(gateway, hashes[1])
        old = workers(gateway)
        os.kill(old[0], signal.SIGKILL)
        replaced(gateway, old[:1], len(old))
        for pid in workers(gateway):
            memory = [t for t in descriptors(pid).values() if "memfd:" in t]
            equal(len(memory), 1, f"memory files: {memory}")


def test_a_configuration_far_down_is_the_one_that_serves():
    """Its path is longer than what messages tell of it."""
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as folder:
        deep = os.path.join(folder, "d" * 200, "e" * 60)
        os.makedirs(deep)
        with plain({"mine": says("0")}, folder=deep, keys=["secret-key"]) as gateway:
            equal(gateway.chat("mine").status, 401, "the keys of the configuration")
            answer = gateway.chat("mine", headers={"authorization": "Bearer secret-key"})
            equal(answer.status, 200, repr(answer))


def test_a_hash_that_is_none_is_refused_and_says_why():
    with plain({"mine": says("0")}, args=("--no-watch",)) as gateway:
        for hash, status, word in (
            ("0" * 12, 404, "no generation is kept"),
            ("abc", 400, "first 6 digits"),
            ("nonsense", 400, "first 6 digits"),
            ("", 400, "first 6 digits"),
            ("a" * 65, 400, "first 6 digits"),
        ):
            error = use(gateway, hash, status)["error"]["message"]
            check(word in error, f"{hash}: {error}")
        done = baton("use", "0" * 12, "--admin", gateway.admin_address)
        equal(done.returncode, 1)
        check("no generation is kept" in done.output, done.output)
        for body in ({"share": 2}, {"share": "5%"}, {"share": -0.1}):
            error = use(gateway, serving(gateway)["hash"], 400, **body)["error"]["message"]
            check(error.startswith("share: "), error)


def test_a_request_that_is_misspelled_changes_nothing():
    with plain({"mine": says("0")}, args=("--no-watch",)) as gateway:
        before = serving(gateway)["hash"]
        Path(gateway.policies, "mine.lua").write_text(says("1"), encoding="utf-8")
        for path, body, word in (
            ("reload", {"stage": "yes"}, "stage: must be true or false"),
            ("reload", {"stagd": True}, '"stagd": unknown member (known: stage, share, promote_after)'),
            ("reload", {"stage": True, "share": 0.1}, "exclude each other"),
            ("use", {"hash": before, "shar": 0.1}, '"shar": unknown member'),
            ("breakers", {"model": "a/b", "state": "open", "": 1}, '"": unknown member'),
            ("breakers", {"model": "a/b", "state": "open", "model state": 1}, "unknown member"),
        ):
            answer = gateway.ask_admin("POST", "/admin/" + path, body)
            equal(answer.status, 400, repr(answer))
            check(word in answer.json()["error"]["message"], answer.body)
        equal(serving(gateway)["hash"], before)


def hash_of(folders, texts):
    """The hash of a generation, as core/sources.c makes it, up to and from the file "mine"."""
    files = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".lua", ".model"):
                files[str(path.relative_to(ROOT))] = path.read_bytes()
    entry = lambda name: b"%s %d\n" % (name.encode(), len(files[name])) + files[name]  # noqa: E731
    before = b"".join(entry(name) for name in sorted(files) if name < "policies/mine.lua")
    after = b"".join(entry(name) for name in sorted(files) if name > "policies/mine.lua")
    begun = hashlib.sha256(before)
    for text in texts:
        h = begun.copy()
        h.update(b"policies/mine.lua %d\n" % len(text) + text.encode() + after)
        yield text, h.hexdigest()


def test_the_beginning_of_two_hashes_names_neither():
    """Some five thousand generations are thought of until two hashes begin with the same 6 digits."""
    known = {}
    for text, digest in hash_of(("scripts", "policies"), (says(str(n)) for n in range(40000))):
        other = known.setdefault(digest[:6], (text, digest))
        if other[1] != digest:
            break
    with plain({"mine": text}, args=("--no-watch",)) as gateway:
        equal(serving(gateway)["hash"], digest, "how the hash is made")
        put(gateway, mine=other[0])
        equal(reload(gateway)["hash"], other[1])
        error = use(gateway, digest[:6], 409)["error"]["message"]
        check(digest in error and other[1] in error, error)
        same = len(os.path.commonprefix([digest, other[1]]))
        equal(use(gateway, digest[: same + 1])["hash"], digest)


def test_a_staged_generation_waits_with_its_configuration_until_it_is_used():
    with plain({"mine": says("0")}, args=("--no-watch",)) as gateway:
        before = serving(gateway)["hash"]
        put(gateway, mine=says("staged"))
        rewrite(
            gateway, config({"raw": provider("http://127.0.0.1:9/v1")}, limits={"body": 2000})
        )
        staged = reload(gateway, stage=True)
        equal(staged["state"], "staged")
        logged = lambda: gateway.log(message="a generation was loaded", generation=staged["hash"])  # noqa: E731
        eventually(lambda: [e.get("as") for e in logged()] == ["staged"], "the log says that it does not serve")
        equal(text_of(gateway), "0")
        equal(gateway.chat("mine", "x" * 3000).status, 200)
        equal(serving(gateway)["hash"], before)
        use(gateway, staged["hash"])
        equal(text_of(gateway), "staged")
        equal(gateway.chat("mine", "x" * 3000).status, 413)
        put(gateway, mine="return )\n")
        reload(gateway, 422, stage=True)


# ---- over a restart ------------------------------------------------------------------------------


@contextlib.contextmanager
def place():
    """A folder for an engine that is started again and again: start(policies) -> Gateway."""
    with tempfile.TemporaryDirectory() as d:

        def start(policies=None, *args, **members):
            raw = {"raw": provider("http://127.0.0.1:9/v1")}
            text = config(raw, **members) if policies else None
            args = ("--state", os.path.join(d, "state"), *args)
            return Gateway(text, policies, workers=2, folder=d, args=args)

        yield Path(d), start


def fails_to_start(d, *args):
    """What it says."""
    done = baton(
        "serve", "-c", d / "baton.lua", "--policies", d / "policies", "--listen", "127.0.0.1:0",
        "--workers", 1, "--state", d / "state", *args, cwd=d,
    )  # fmt: skip
    equal(done.returncode, 1, done.output)
    return done.output


def test_generations_survive_a_restart():
    with place() as (_, start):
        with start({"mine": says("0")}, "--no-watch") as gateway:
            hashes = three(gateway)
        with start(None, "--no-watch") as gateway:
            equal(text_of(gateway), "2")
            equal({g["hash"] for g in policies(gateway)["generations"]}, set(hashes))
            use(gateway, hashes[0][:8])
            equal(text_of(gateway), "0")
            equal(gateway.log(level="error"), [])


BROKEN_AT_START = {
    "a policy that does not compile": lambda d: (d / "policies/mine.lua").write_text("return )\n"),
    "a policy that fails its checks": lambda d: (d / "policies/mine.lua").write_text(
        says("x", more="checks = { no = function() error 'no' end }")
    ),
    "a link to nowhere": lambda d: (d / "policies/bad.lua").symlink_to("/no/such.lua"),
    "no folder": lambda d: (d / "policies").rename(d / "elsewhere"),
    "a folder that links to nowhere": lambda d: (
        (d / "policies").rename(d / "elsewhere"),
        (d / "policies").symlink_to("/no/such/folder"),
    ),
}


def test_with_broken_files_the_last_good_generation_serves_and_says_so():
    for what, damage in BROKEN_AT_START.items():
        with place() as (d, start):
            with start({"mine": says("good")}):
                pass
            damage(d)
            more = ("--policies", d / "policies")
            check("policies" in fails_to_start(d, "--strict"), what)
            for _ in range(2):  # and again
                with start(None, *more) as gateway:
                    equal(text_of(gateway), "good", what)
                    check(gateway.log(level="error"), f"{what}: it is not said")
                    check(
                        any("BROKEN" in e["message"] for e in gateway.log(level="error")), what
                    )
                    check(policies(gateway)["last_error"], what)
                    check("broken" in serving(gateway)["note"], what)
                    lost = [e for e in gateway.log() if "worker" in e]
                    equal(lost, [], f"{what}: workers that are well are not replaced")


def test_a_signal_to_all_processes_is_no_death_of_workers():
    """What a terminal, `timeout` and a service manager do: SIGTERM for the workers, too."""
    with plain({"mine": says("0")}, workers=8) as gateway:
        eventually(lambda: text_of(gateway) == "0", "it serves")
        time.sleep(1.1 * slow())  # none is young
        everyone = gateway.processes()
        for process in [*everyone[1:], everyone[0]]:
            os.kill(process, signal.SIGTERM)
        gateway.ends()
        equal([e for e in gateway.log() if e["level"] in ("warn", "error") and "worker" in e], [])


def test_the_repair_of_files_that_were_broken_at_the_start_is_loaded():
    with place() as (d, start):
        with start({"mine": says("good")}):
            pass
        put_at(d, "return )\n")
        with start() as gateway:
            equal(text_of(gateway), "good")
            put_at(d, says("repaired"))
            says_soon(gateway, "repaired")
        with start() as gateway:
            equal(text_of(gateway), "repaired")
            equal(gateway.log(level="error"), [])


def put_at(d, text):
    (d / "policies" / "mine.lua").write_text(text)


def test_a_broken_configuration_or_no_good_generation_ends_the_start():
    with place() as (d, start):
        (d / "policies").mkdir()
        (d / "baton.lua").write_text(config({}))
        put_at(d, "return )\n")
        check("mine.lua:1:" in fails_to_start(d), "nothing was kept")
        with start({"mine": says("good")}):
            pass
        (d / "baton.lua").write_text("return {\n   lstn = 1,\n}\n")
        for args in ((), ("--strict",)):
            check("baton.lua:2: lstn" in fails_to_start(d, *args), "the configuration")
        (d / "baton.lua").unlink()
        check("baton.lua" in fails_to_start(d), "no configuration")


def test_what_an_operator_chose_stays_until_the_files_change():
    with place() as (d, start):
        with start({"mine": says("0")}, "--no-watch") as gateway:
            hashes = three(gateway)
            use(gateway, hashes[0])
        for _ in range(3):
            with start() as gateway:
                equal(text_of(gateway), "0")
                check(gateway.log(level="warn", generation=hashes[0]), "it is not said")
                put_at(d, says("2"))  # the same bytes: no change
                eventually(
                    lambda: gateway.log(message="nothing has changed"), "a look at the files", 20
                )
                equal(text_of(gateway), "0")
        with start() as gateway:
            put_at(d, says("3"))
            says_soon(gateway, "3")
        with start() as gateway:
            equal(text_of(gateway), "3")
        with start() as gateway:
            use(gateway, hashes[1])
        put_at(d, says("4"))
        with start() as gateway:
            equal(text_of(gateway), "4")


def test_a_choice_that_does_not_work_any_more_gives_way_to_the_files():
    needs = policy("return llm.reply { text = 'x' }", more="params = { a = 1 }")
    with place() as (d, start):
        with start({"mine": needs}, "--no-watch") as gateway:
            old = serving(gateway)["hash"]
            put(gateway, mine=says("new"))
            reload(gateway)
            use(gateway, old)
        for file in (d / "state").glob(old + "*"):
            file.write_bytes(file.read_bytes()[:-9] + b"damaged!!")
        with start() as gateway:
            equal(text_of(gateway), "new")


def test_configuration_and_pinned_policies_go_together():
    """Who went back to earlier policies still gets a changed configuration."""
    with place() as (d, start):
        with start({"mine": says("0")}) as gateway:
            first = serving(gateway)["hash"]
            put(gateway, mine=says("1"))
            says_soon(gateway, "1")
            use(gateway, first)
            rewrite(
                gateway, config({"raw": provider("http://127.0.0.1:9/v1")}, limits={"body": 2000})
            )
            eventually(lambda: gateway.chat("mine", "x" * 3000).status == 413, "the limit", 20)
            equal(text_of(gateway), "0")
            equal(serving(gateway)["hash"], first)


def test_two_engines_do_not_share_a_folder():
    with place() as (d, start):
        with start({"mine": says("0")}):
            done = baton(
                "serve", "--listen", "127.0.0.1:0", "--state", d / "state", env=clean_env(), cwd="/"
            )
            equal(done.returncode, 1)
            check("another engine uses it" in done.output, done.output)
