"""http.fetch and media.inline against real servers on this machine: what is allowed, what is refused, and the limits.

SPDX-License-Identifier: MIT
"""

import base64
import gzip
import json
import os
import tempfile
import time
from pathlib import Path

from base import check, equal, eventually
from harness import Gateway, baton, clean_env, config, lua
from upstream import Provider

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)

FETCH = """
local http, json = require "http", require "json"
local got, err = http.fetch(arg[1], arg[2] and json.decode(arg[2]))
if not got then print(err.code, err.message) return end
print(got.status, #got.body, got.body:sub(1, 60), got.url)
"""

INLINE = """
local got, err = require("media").inline(arg[1])
print(got and got.mime .. " " .. got.data or err.code .. " " .. err.message)
"""


def run(script, *arguments, options=(), settings=None, env=None):
    """The words that a script prints."""
    with tempfile.TemporaryDirectory(prefix="baton-fetch-") as folder:
        Path(folder, "script.lua").write_text(script, encoding="utf-8")
        Path(folder, "baton.lua").write_text("return " + lua(settings or {}), encoding="utf-8")
        done = baton("run", *options, "script.lua", *arguments, cwd=folder, env=env)
    equal(done.returncode, 0, done.output)
    return done.stdout.strip("\n")


def fetch(server, path="/", opts=None, private=True, host="127.0.0.1", **kw):
    port = server.address.split(":")[1]
    more = [json.dumps(opts)] if opts else []
    settings = {"http": {"allow": [f"127.0.0.1:{port}", f"localhost:{port}"], "allow_private": private}}
    return run(FETCH, f"http://{host}:{port}{path}", *more, settings=settings, **kw)


def hello(exchange):
    exchange.reply(b"hello", content_type="text/plain")


def test_nothing_is_allowed_by_default():
    with Provider(hello) as server:
        text = run(FETCH, f"http://{server.address}/")
        check(text.startswith("auth\t") and "--allow-net" in text and "http.allow" in text, text)
        equal(server.exchanges, [])


def test_an_allowed_host_that_is_private_is_refused_all_the_same():
    with Provider(hello) as server:
        for host in ("127.0.0.1", "localhost"):
            text = fetch(server, private=False, host=host)
            check(text.startswith("auth\t") and "not public" in text, text)
        text = run(FETCH, f"http://{server.address}/", options=("--allow-net", "*"))
        check("not public" in text, text)
        equal(server.exchanges, [])


def test_allow_private_lets_it_through():
    with Provider(hello) as server:
        for host in ("127.0.0.1", "localhost"):
            equal(fetch(server, "/a?b=c", host=host).split("\t")[:3], ["200", "5", "hello"])
        equal([e.path for e in server.exchanges], ["/a?b=c"] * 2)
        where = server.address
        text = run(FETCH, f"http://{where}/", options=("--allow-net", where), settings={"http": {"allow_private": True}})
        equal(text.split("\t")[0], "200", text)


def test_other_spellings_of_an_address_do_not_help():
    with Provider(hello) as server:
        for host in ("127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::]", "u@127.0.0.1", "127.0.0.1.nip.invalid"):
            text = fetch(server, host=host)
            check(text.split("\t")[0] in ("bad_request", "auth", "unavailable"), f"{host}: {text}")
        equal(server.exchanges, [])


def test_the_request_is_sent_as_it_was_said():
    with Provider(hello) as server:
        opts = {"body": '{"x":1}', "headers": {"X-Key": "k", "content-type": "application/json"}}
        fetch(server, "/p", opts)
        e = server.exchanges[0]
        equal((e.method, e.path, e.body), ("POST", "/p", b'{"x":1}'))
        equal((e.headers["x-key"], e.headers["content-type"]), ("k", "application/json"))
        check(e.headers["user-agent"].startswith("baton/"), e.headers)
        equal(e.headers["host"], f"{server.address}")


def test_a_redirect_to_a_host_that_is_not_allowed_is_refused():
    with Provider(hello) as inner:
        def away(exchange):
            exchange.reply(b"", 302, {"Location": f"http://{inner.address}/secret"})

        with Provider(away) as server:
            text = fetch(server)
            check(text.startswith("auth\t") and "not an allowed host" in text, text)
            equal((len(server.exchanges), inner.exchanges), (1, []))


def test_a_redirect_from_a_public_host_inside_is_refused():
    """The public host is behind a proxy here: this machine has no way out."""
    with Provider(hello) as inner:
        inside = f"http://{inner.address}/secret"

        def proxy(exchange):
            exchange.reply(PNG, 302, {"Location": inside}, content_type="image/png")

        with Provider(proxy) as server:
            env = clean_env(http_proxy=f"http://{server.address}")
            settings = {"http": {"allow": ["93.184.216.34", inner.address]}}
            for script in (FETCH, INLINE):
                text = run(script, "http://93.184.216.34/a.png", settings=settings, env=env)
                check("not public" in text, text)
            equal([e.path for e in server.exchanges], ["http://93.184.216.34/a.png"] * 2)
            equal(inner.exchanges, [])


def test_redirects_are_followed_and_counted():
    def around(exchange):
        n = int(exchange.path.strip("/") or 0)
        if n == 5:
            return hello(exchange)
        exchange.reply(b"", 302, {"Location": f"/{n + 1}"})

    with Provider(around) as server:
        equal(fetch(server, "/0").split("\t")[0], "200")
        text = fetch(server, "/0", {"redirects": 4})
        check(text.startswith("bad_response\t") and "too many times" in text, text)
        equal(fetch(server, "/0", {"redirects": 0}).split("\t")[0], "302")


def test_a_large_answer_is_cut_off():
    def large(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            for _ in range(2000):
                exchange.send(bytes(65536))
        except OSError:
            pass
        exchange.close()

    with Provider(large) as server:
        text = fetch(server, opts={"max_bytes": 100000})
        check(text.startswith("bad_response\t") and "larger than 100000 bytes" in text, text)
        check(server.exchanges[0].sent < 50 << 20, "it was read to the end")


def test_a_packed_answer_is_unpacked_and_measured_unpacked():
    def packed(exchange):
        exchange.reply(gzip.compress(b"x" * 200000), headers={"Content-Encoding": "gzip"})

    with Provider(packed) as server:
        equal(fetch(server).split("\t")[:2], ["200", "200000"])
        text = fetch(server, opts={"max_bytes": 100000})
        check("larger than 100000 bytes" in text, text)


def test_a_slow_server_is_not_waited_for():
    def slow_one(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            if exchange.left.wait(0.1):
                return
            try:
                exchange.send(b"x")
            except OSError:
                return

    with Provider(slow_one) as server:
        begin = time.monotonic()
        text = fetch(server, opts={"timeout": 0.5})
        check(text.startswith("timeout\t"), text)
        check(time.monotonic() - begin < 5, "it was waited for")


def test_a_server_that_is_no_http():
    def rubbish(exchange):
        exchange.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        exchange.close()

    with Provider(rubbish) as server:
        text = fetch(server)
        check(text.startswith("bad_response\t"), text)


def test_an_image_is_fetched_for_media():
    def image(exchange):
        if exchange.path == "/page":
            return exchange.reply(b"<html>", content_type="text/html")
        exchange.reply(PNG, content_type="image/png")

    with Provider(image) as server:
        url = f"http://{server.address}"
        text = run(INLINE, f"{url}/a.png")
        check(text.startswith("bad_request ") and "not public" in text, text)
        equal(server.exchanges, [])
        open_ = {"media": {"allow_private": True}}
        equal(run(INLINE, f"{url}/a.png", settings=open_), "image/png " + base64.b64encode(PNG).decode())
        check("text/html" in run(INLINE, f"{url}/page", settings=open_), "a page is no image")
        for more, words in (({"allow": ["example.com"]}, "media.allow"), ({"max_bytes": 1024}, "image/png")):
            text = run(INLINE, f"{url}/a.png", settings={"media": {**open_["media"], **more}})
            check(words in text, text)


POLICY = """
return require("policy").define { name = "asks", run = function(req)
   local got, err = require("http").fetch(req.text)
   return require("llm").reply { text = got and got.body or err.code .. ": " .. err.message }
end }
"""


def test_a_client_that_leaves_ends_the_fetch():
    def silent(exchange):
        exchange.wait_left()

    with Provider(silent) as server:
        where = server.address
        text = config({}, http={"allow": [where], "allow_private": True})
        with Gateway(text, policies={"asks": POLICY}) as gateway:
            client = gateway.open_chat("asks", f"http://{where}/")
            eventually(lambda: server.exchanges, "the fetch comes")
            client.close()
            eventually(lambda: server.exchanges[0].left.is_set(), "its connection closes")


def test_a_policy_may_only_fetch_what_the_configuration_allows():
    with Provider(hello) as server:
        where = server.address
        text = config({}, http={"allow": [where], "allow_private": True})
        with Gateway(text, policies={"asks": POLICY}) as gateway:
            equal(gateway.chat("asks", f"http://{where}/").json()["choices"][0]["message"]["content"], "hello")
            said = gateway.chat("asks", "http://example.com/").json()["choices"][0]["message"]["content"]
            check(said.startswith("auth: example.com:80: not an allowed host"), said)


def test_wrong_rules_are_refused():
    for rule in ("http://a", "a/b", "", "a b", "*.*"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "baton.lua").write_text("return " + lua({"http": {"allow": [rule]}}))
            done = baton("check", "baton.lua", cwd=folder)
        check(done.returncode != 0 and "http.allow.1" in done.output, f"{rule}: {done.output}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.lua").write_text("print(1)")
        done = baton("run", "--allow-net", "http://a", os.path.join(folder, "x.lua"))
    check(done.returncode == 1 and "--allow-net http://a" in done.stderr, done.output)
