"""The command line: every command helps, says what is wrong, and ends with the right status.

SPDX-License-Identifier: MIT
"""

import contextlib
import gzip
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

from base import ROOT, check, equal, eventually, skip
from client import Stream, chat_body, request
from harness import BATON, Gateway, Lua, Process, Sim, baton, behind, clean_env, config, make_certificate, provider, stage
from upstream import completion

COMMANDS = ("serve", "run", "ask", "check", "models", "sim", "version", "help")


def folder():
    return tempfile.TemporaryDirectory(prefix="baton-e2e-")


def write(directory, name, text):
    path = Path(directory, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# ---- help and usage -----------------------------------------------------------------------------


def test_version_says_a_version():
    done = baton("version")
    equal(done.returncode, 0)
    check(re.search(r"baton \d+\.\d+\.\d+", done.stdout), done.output)


def test_help_lists_every_command():
    for arguments in (("help",), ("--help",)):
        done = baton(*arguments)
        equal(done.returncode, 0, done.output)
        for command in COMMANDS:
            check(re.search(rf"\b{command}\b", done.stdout), f"{command} is not in the help")


def test_every_command_has_help():
    for command in COMMANDS:
        done = baton(command, "--help")
        equal(done.returncode, 0, command + done.output)
        check(f"baton {command}" in done.stdout, command + done.output)
        if command not in ("version", "help"):
            equal(baton("help", command).stdout, done.stdout, command)


def test_options_stand_in_the_help():
    for command, options in (
        ("serve", ("--listen", "--policies", "-c")),
        ("ask", ("-p", "-m")),
        ("run", ("--allow-read", "--allow-write", "--allow-net")),
        ("sim", ("--listen", "--log", "--seed", "--answers", "--script", "--pace")),
    ):
        text = baton(command, "--help").stdout
        for option in options:
            check(option in text, f"baton {command} --help lacks {option}")


def test_wrong_usage_is_2_and_says_what_to_do():
    for arguments in (
        (),
        ("no-such-command",),
        ("serve", "--no-such-option"),
        ("sim", "--log"),
        ("sim", "--seed", "many"),
        ("serve", "-x"),
        ("serve", "--listen", "foo"),
        ("serve", "--listen", "unix:"),
        ("serve", "--listen", "127.0.0.1:99999"),
        ("serve", "--workers", "0"),
        ("serve", "--workers", "65"),
        ("sim", "--listen", "::1:80"),
        ("help", "no-such-command"),
        ("run",),
        ("ask",),
        ("ask", ""),
        ("ask", " ", "\n"),
        ("ask", "-"),  # standard input is empty
        ("ask", "Hello", "--param", "threshold"),
        ("version", "--no-such-option"),
    ):
        done = baton(*arguments)
        equal(done.returncode, 2, repr(arguments) + done.output)
        check(done.stderr.strip(), f"{arguments}: nothing on stderr")
        check("help" in done.stderr or "usage" in done.stderr.lower(), done.stderr)
        if arguments:
            check(
                not arguments[-1].startswith("-") or arguments[-1].lstrip("-") in done.stderr,
                done.stderr,
            )


# ---- check and broken files ---------------------------------------------------------------------

GOOD_POLICY = """local llm, policy = require "llm", require "policy"

return policy.define {
   name = "good",
   run = function(req) return llm.chat("sim/mini", req) end,
}
"""

BROKEN_POLICIES = {  # what is wrong: text, line (None: the file alone)
    "empty": ("", None),
    "syntax": (GOOD_POLICY.replace("run = function", "run = funktion"), 5),
    "raises": ("local x = nil\n\nreturn x.y\n", 3),
    "unknown_module": ('local x = require "no_such_module"\nreturn x\n', 1),
    "no_definition": ("local x = 1\n\nreturn 42\n", 3),
    "no_name": ("return { run = print }\n", 1),
    "no_run": ('return require("policy").define { name = "no_run" }\n', 1),
    "unknown_field": ('\nreturn require("policy").define {\n   name = "x", rum = 1, run = print }\n', 2),
    "not_at_the_end": ('local d = require("policy").define {\n   name = "x", rum = 1, run = print }\nreturn d\n', 1),
    "limits": (
        'local policy = require "policy"\n\nreturn policy.define {\n   name = "limits", run = print,\n'
        "   limits = { x = { min = 1 } },\n}\n",
        3,
    ),
    "taken": ('return require("policy").define { name = "cascade", run = print }\n', 1),
    "loops": ("while true do end\n", 1),
    "global": ("x = 1\nreturn {}\n", 1),
}

BROKEN_CONFIGS = {  # text, what the message names
    'return { listne = "127.0.0.1:0" }\n': "listne",
    "return { timeouts = { first_bite = 3 } }\n": "first_bite",
    "return { limits = { boddy = 3 } }\n": "boddy",
    "return { listen = 7 }\n": "listen",
    'return { listen = "not an address" }\n': "listen",
    'return { timeouts = { connect = "soon" } }\n': "connect",
    "return { timeouts = { connect = -1 } }\n": "connect",
    'return { providers = { x = { codec = "openai" } } }\n': "base_url",
    'return { providers = { x = { codec = "morse", base_url = "http://127.0.0.1:1" } } }\n': "morse",
    'return { providers = { x = { codec = "openai", base_url = "ftp://127.0.0.1" } } }\n': "base_url",
    'return { default_policy = "no_such_policy" }\n': "no_such_policy",
    'return { tls = { certificate = "no-such.pem", key = "no-such.pem" } }\n': "no-such.pem",
    'return {\n   trace_log = "no/such/log" }\n': "baton.lua:2: trace_log: no/such/log: No such file or directory",
    'return { trace_log = "/" }\n': "baton.lua:1: trace_log: /: Is a directory",
    'return {\n   listen = "127.0.0.1:0",\n   oops\n': "baton.lua:",
    "local x = nil\nreturn x.y\n": "baton.lua:2",
    "return 42\n": "baton.lua",
    "while true do end\n": "baton.lua",
    'return io.open("/etc/passwd")\n': "baton.lua:1",
}


def test_check_finds_the_shipped_policies_right():
    done = baton("check")
    equal(done.returncode, 0, done.output)
    with folder() as d:
        done = baton("check", write(d, "good.lua", GOOD_POLICY))
        equal(done.returncode, 0, done.output)
        done = baton("check", write(d, "baton.lua", 'return { listen = "127.0.0.1:0" }\n'))
        equal(done.returncode, 0, done.output)


def test_check_names_file_and_line_of_a_broken_policy():
    with folder() as d:
        for name, (text, line) in BROKEN_POLICIES.items():
            path = write(d, f"{name}/{name}.lua", text)
            for target in (path,) if name == "loops" else (path, path.parent):  # its limit is 5 s of CPU
                done = baton("check", target)
                equal(done.returncode, 1, f"check {name}: {done.output}")
                wanted = f"{name}.lua:{line}" if line else f"{name}.lua"
                check(wanted in done.output, f"{wanted} is not named: {done.output}")


def test_two_policies_of_one_name_are_both_named():
    with folder() as d:
        for name in ("mine/aaa.lua", "mine/zzz.lua"):  # what is loaded before and after the shipped one
            write(d, name, 'return require("policy").define { name = "cascade", run = print }\n')
            done = baton("check", "mine", cwd=d)
            equal(done.returncode, 1, done.output)
            for part in (name, "policies/cascade.lua", "already defines a policy called 'cascade'"):
                check(part in done.stderr, f"{part} is not in: {done.stderr}")
            Path(d, name).unlink()


def test_check_names_the_wrong_field_of_a_configuration():
    with folder() as d:
        path = Path(d, "baton.lua")
        for text, wanted in BROKEN_CONFIGS.items():
            path.write_text(text)
            done = baton("check", path)
            equal(done.returncode, 1, f"{text}: {done.output}")
            check(wanted in done.output, f"{text}: {wanted} is not named: {done.output}")
            check("baton.lua" in done.output, f"{text}: the file is not named: {done.output}")


def test_serve_refuses_what_check_refuses():
    with folder() as d:
        path = Path(d, "baton.lua")
        for text, wanted in list(BROKEN_CONFIGS.items())[:14:2]:
            path.write_text(text)
            done = baton("serve", "--listen", "127.0.0.1:0", "-c", path, timeout=10)
            equal(done.returncode, 1, f"{text}: {done.output}")
            check(wanted in done.output, f"{text}: {wanted} is not named: {done.output}")
        path.write_text("return {}\n")
        for name in ("syntax", "raises", "no_run"):
            write(d, f"{name}/{name}.lua", BROKEN_POLICIES[name][0])
            done = baton(
                "serve",
                "--listen",
                "127.0.0.1:0",
                "-c",
                path,
                "--policies",
                Path(d, name),
                timeout=10,
            )
            equal(done.returncode, 1, f"{name}: {done.output}")
            check(f"{name}.lua:" in done.output, f"{name}: {done.output}")


def test_check_takes_the_options_of_serve():
    with folder() as d:
        write(d, "mine/good.lua", GOOD_POLICY)
        write(d, "my.baton.lua", 'return { default_policy = "good" }')
        for arguments in (("-c", "my.baton.lua", "--policies", "mine"), ("--policies", "mine", "my.baton.lua")):
            done = baton("check", *arguments, cwd=d)
            equal(done.returncode, 0, done.output)
        equal(baton("check", "my.baton.lua", cwd=d).returncode, 1)
        write(d, "bad.baton.lua", 'return { listen = "127.0.0.1:65536" }')
        done = baton("check", "bad.baton.lua", cwd=d)
        check("bad.baton.lua:1: listen: must be HOST:PORT (0 to 65535)" in done.stderr, done.output)


def test_the_folder_of_policies_can_come_from_the_environment():
    text = 'return require("policy").define { name = "own", params = { a = 1 }, run = function(req, p) return require"llm".reply { text = "own " .. p.a } end }'
    with folder() as d:
        write(d, "mine/own.lua", text)
        write(d, "baton.lua", "return { policy = 'own', policies = { own = { a = 2 } } }")
        write(d, "hello.lua", "print 'hello'")
        outcomes = write(d, "o.csv", "prompt,score:a,score:b\nhi,1,0\nho,0,1\n")
        commands = (["check"], ["ask", "x"], ["run", "hello.lua"], ["eval", "-p", "own", outcomes])
        for command in commands:
            done = baton(*command, cwd=d)
            equal(done.returncode, 1, done.output)
            check("those of your own are found with --policies DIR (BATON_POLICIES)" in done.stderr, done.output)
            equal(baton(*command, cwd=d, env=clean_env(BATON_POLICIES="mine")).returncode, 0, command[0])
        done = baton("ask", "x", cwd=d, env=clean_env(BATON_POLICIES="mine"))
        check("own 2" in done.stdout, done.output)
        write(d, "baton.lua", "return {}")
        equal(baton("check", cwd=d, env=clean_env(BATON_POLICIES="")).returncode, 0)
        done = baton("check", "--policies", "mine", cwd=d, env=clean_env(BATON_POLICIES="nowhere"))
        equal(done.stdout, "ok: mine\n", done.output)  # the option comes first
        with Process(["serve", "-l", "127.0.0.1:0"], cwd=d, env=clean_env(BATON_POLICIES="mine")) as engine:
            answer = request(engine.address, "POST", "/v1/chat/completions", chat_body("own", "x"))
            check(b"own 1" in answer.body, repr(answer))


def test_a_missing_file_is_named():
    for arguments in (
        ("check", "/no/such/file.lua"),
        ("run", "/no/such/script.lua"),
        ("serve", "-c", "/no/such/baton.lua"),
        ("serve", "--policies", "/no/such/dir"),
        ("sim", "--answers", "/no/such/answers", "--listen", "127.0.0.1:0"),
        ("sim", "--log", "/no/such/dir/log", "--listen", "127.0.0.1:0"),
        ("sim", "--script", "/no/such/script", "--listen", "127.0.0.1:0"),
    ):
        done = baton(*arguments, timeout=10)
        equal(done.returncode, 1, repr(arguments) + done.output)
        check("/no/such" in done.stderr, f"{arguments}: {done.stderr}")


def test_a_malformed_address_names_its_option():
    for command in ("serve", "sim"):
        done = baton(command, "--listen", "foo")
        equal(done.returncode, 2, done.output)
        check("--listen: 'foo' is not HOST:PORT" in done.stderr, done.stderr)


def test_serve_names_file_and_field_of_a_bad_certificate():
    with folder() as d:
        write(d, "none.pem", "no certificate\n")
        for file, reason in (("absent.pem", "No such file"), ("none.pem", "start line")):
            text = f'return {{\n   tls = {{ certificate = "{file}", key = "absent.key" }},\n}}\n'
            write(d, "baton.lua", text)
            for command in (("serve", "--listen", "127.0.0.1:0"), ("check",)):
                done = baton(*command, cwd=d, timeout=10)
                equal(done.returncode, 1, done.output)
                for part in ("baton.lua:2: ", f"tls.certificate: {file}: ", reason):
                    check(part in done.stderr, f"{part} is not named: {done.stderr}")


def test_a_key_of_another_certificate_is_named():
    if not shutil.which("openssl"):
        skip("openssl is not there")
    with folder() as d:
        curve = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        for name, kind in (("own", ("rsa:2048",)), ("other", ("rsa:2048",)), ("odd", curve)):
            files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
            make = ("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", *files, "-newkey")
            subprocess.run((*make, *kind), cwd=d, check=True, capture_output=True)
        for key, reason in (("other", "mismatch"), ("odd", "does not belong to the certificate"), ("own", None)):
            write(d, "baton.lua", f'return {{\n   tls = {{ certificate = "own.pem", key = "{key}.key" }},\n}}\n')
            done = baton("check", cwd=d)
            equal(done.returncode, 1 if reason else 0, done.output)
            if reason:
                check(f"baton.lua:2: tls.key: {key}.key: " in done.stderr and reason in done.stderr, done.stderr)


def test_an_address_in_use_is_named():
    _, gateway = stage()
    for command in ("serve", "sim"):
        if command == "serve":
            continue_on = baton(command, "--listen", "300.1.2.3:80", timeout=10)
            equal(continue_on.returncode, 1, continue_on.output)
        done = baton(command, "--listen", gateway.address, timeout=10)
        equal(done.returncode, 1, command + done.output)
        check(gateway.address in done.stderr, done.stderr)


def test_a_name_without_an_address_is_told():
    done = baton("serve", "--listen", "no-such-host.invalid:80", "--admin", "none", "--state", "none", timeout=20)
    equal(done.returncode, 1, done.output)
    check("cannot listen on no-such-host.invalid:80: " in done.stderr, done.stderr)
    check("Cannot assign" not in done.stderr, done.stderr)


def test_a_gateway_that_is_open_to_others_says_so():
    words = "the gateway is open to all who reach it"
    with folder() as d:
        write(d, "keys.baton.lua", 'return { keys = { "k" } }')
        write(d, "none.baton.lua", "return { keys = {} }")
        for listen, settings, warned in (("0.0.0.0:0", "none", True), ("0.0.0.0:0", "keys", False),
                                         ("127.0.0.1:0", "none", False)):
            args = ["serve", "--listen", listen, "--workers", "1", "-c", f"{settings}.baton.lua"]
            with Process(args, cwd=d, env=clean_env(HOME=d)) as engine:
                eventually(lambda e=engine: "catalogue" in e.stderr, "the line of the catalogue")
                equal(words in engine.stderr, warned, engine.stderr)


def test_why_tls_to_a_provider_failed_is_told():
    with folder() as d, Sim() as sim:
        make_certificate(d)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(f"{d}/cert.pem", f"{d}/key.pem")
        with socket.create_server(("127.0.0.1", 0)) as own:
            threading.Thread(target=shake_hands, args=(own, server), daemon=True).start()
            for port, reason in ((own.getsockname()[1], "self-signed certificate"),
                                 (sim.address.rsplit(":", 1)[1], "wrong version number")):
                providers = {"p": provider(f"https://localhost:{port}/secret-path/v1", key="sk-secret")}
                write(d, "baton.lua", config(providers))
                done = baton("ask", "-m", "p/x", "Hello", cwd=d)
                equal(done.returncode, 1, done.output)
                check(reason in done.stderr and "secret" not in done.stderr, done.stderr)


def shake_hands(listener, context):
    with contextlib.suppress(OSError):
        connection = listener.accept()[0]
        with connection, context.wrap_socket(connection, server_side=True):
            pass


def test_few_descriptors_are_told():
    with folder() as d:
        limited = ["-c", 'ulimit -n 60; exec "$0" "$@"', BATON, "serve", "--listen", "127.0.0.1:0", "--workers", "1"]
        with Process(limited, cwd=d, env=clean_env(HOME=d), program="bash") as engine:
            eventually(lambda: '"limits"' in engine.stderr, "the line of the limits")
            line = next(json.loads(s) for s in engine.stderr.splitlines() if '"limits"' in s)
    equal(line["level"], "warn", line)
    equal(line["requests_in_flight_per_worker"], 0, line)
    check("LimitNOFILE" in line["advice"], line)


# ---- serve without a configuration --------------------------------------------------------------


def test_without_any_configuration_the_simulated_providers_answer_and_say_so():
    with folder() as d, Process(
        ["serve", "--listen", "127.0.0.1:0"], cwd=d, env=clean_env(HOME=d)
    ) as engine:
        for model in ("direct", "auto", "sim/mini", "cascade"):
            for stream in (False, True):
                answer = request(
                    engine.address, "POST", "/v1/chat/completions", chat_body(model, stream=stream)
                )
                equal(answer.status, 200, model + repr(answer))
                equal(answer.header("x-baton-simulated"), "true")
        check("simulated" in engine.stderr, "nothing is said about it at start: " + engine.stderr)


def test_a_real_provider_s_answer_is_not_called_simulated():
    with behind(lambda x: x.reply(completion())) as (_, gateway):
        equal(gateway.chat("raw/echo").header("x-baton-simulated"), None)


def test_a_key_in_the_environment_registers_its_provider():
    with folder() as d:
        env = clean_env(HOME=d, OPENAI_API_KEY="sk-secret-of-the-test")
        with Process(["serve", "--listen", "127.0.0.1:0"], cwd=d, env=env) as engine:
            ids = [m["id"] for m in request(engine.address, "GET", "/v1/models").json()["data"]]
            check(any(i.startswith("openai/") for i in ids), f"no model of openai: {ids}")
            check(not any(i.startswith("sim/") for i in ids), f"simulated beside real ones: {ids}")
        check(
            "sk-secret-of-the-test" not in engine.stderr + engine.stdout,
            "the key stands in the log",
        )


def test_what_is_wrong_with_a_variable_names_it():
    with folder() as d:
        for name, value, wanted in (
            ("OPENAI_BASE_URL", "http://", "must be an http:// or https:// URL"),
            ("OPENAI_BASE_URL", "ftp://127.0.0.1/v1", "must be an http:// or https:// URL"),
            ("OLLAMA_HOST", "a b", "must be an http:// or https:// URL"),
            ("OPENAI_API_KEY", "sk-secret\n", "must not hold line breaks"),
        ):
            env = clean_env(**{"HOME": d, "OPENAI_API_KEY": "sk-secret", name: value})
            for command in (("ask", "hi"), ("check",), ("serve", "--listen", "127.0.0.1:0")):
                done = baton(*command, cwd=d, env=env)
                equal((done.returncode, done.stdout), (1, ""), done.output)
                check(f"the environment variable {name}: {wanted}" in done.stderr, done.stderr)
                check("sk-secret" not in done.output, done.output)


def test_a_variable_that_is_not_set_is_noted_once():
    with folder() as d:
        done = baton("check", write(d, "baton.lua", 'return { keys = { env "NOT_SET" } }\n'), cwd=d)
        equal(done.returncode, 0, done.output)
        equal(done.stdout.count("note: the environment variable NOT_SET is not set"), 1, done.stdout)


def test_a_configuration_in_the_working_directory_is_not_needed_but_named_ones_are_read():
    sim, _ = stage()
    with folder() as d:
        path = write(
            d, "other.lua", config({"sim": provider(sim.base_url)}, aliases={"mine": "sim/mini"})
        )
        with Process(["serve", "--listen", "127.0.0.1:0", "-c", path], cwd="/") as engine:
            equal(
                request(engine.address, "POST", "/v1/chat/completions", chat_body("mine")).status,
                200,
            )


def test_serve_listens_on_a_unix_socket():
    with folder() as d:
        path = f"{d}/baton.sock"
        import subprocess
        from harness import BATON

        process = subprocess.Popen(
            [BATON, "serve", "--listen", "unix:" + path],
            env=clean_env(),
            cwd=d,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: os.path.exists(path), "the socket's file", 10)
            eventually(lambda: livez("unix:" + path), "an answer on the socket")
        finally:
            process.terminate()
        equal(process.wait(15), 0)
        process.stdout.close()


def livez(address):
    try:
        return request(address, "GET", "/livez").status == 200
    except OSError:
        return False


# ---- ask ----------------------------------------------------------------------------------------


def test_ask_prints_the_answer_and_one_line_of_what_it_cost():
    with folder() as d:
        for arguments, policy in (
            (("What is 17 plus 25?",), None),
            (("-p", "cascade", "What is 17 plus 25?"), "cascade"),
            (("-m", "sim/pro", "What is 17 plus 25?"), "direct"),
        ):
            done = baton("ask", *arguments, cwd=d, env=clean_env(HOME=d))
            equal(done.returncode, 0, done.output)
            check(done.stdout.strip(), "no answer")
            last = done.stdout.strip().splitlines()[-1]
            check("42" in done.output or done.stdout.strip(), done.output)
            for needle in filter(None, (policy, "sim/", "token", "$")):
                check(needle in last, f"{needle!r} is not in the last line: {last!r}")
            check(re.search(r"\d ?(ms|s)\b", last), f"no time in the last line: {last!r}")


def test_ask_names_a_policy_that_is_not_there():
    with folder() as d:
        done = baton("ask", "-p", "nope", "Hello", cwd=d)
        equal(done.returncode, 1, done.output)
        check("there is no policy 'nope'" in done.stderr, done.stderr)
        for known in ("cascade", "direct", "complexity"):
            check(known in done.stderr, f"{known} is not listed: {done.stderr}")
        equal(baton("ask", "-p", "sim/mini", "Hello", cwd=d).returncode, 1)
        for name in ("auto", "baton/cascade"):
            equal(baton("ask", "-p", name, "Hello", cwd=d).returncode, 0)
        done = baton("ask", "-m", "nope", "Hello", cwd=d)
        equal(done.returncode, 1, done.output)
        check("model 'nope'" in done.stderr, done.stderr)


def test_ask_says_how_a_model_is_asked():
    with folder() as d:
        done = baton("ask", "-p", "sim/mini", "Hello", cwd=d)
        check(done.stderr.rstrip().endswith("it is a model: --model sim/mini"), done.stderr)


def test_ask_warns_of_a_parameter_that_the_policy_does_not_have():
    with folder() as d:
        for name, warned in (("treshold", True), ("threshold", False)):
            done = baton("ask", "-p", "cascade", "--param", f"{name}=0.5", "What is 17 plus 25?", cwd=d)
            equal(done.returncode, 0, done.output)
            equal("policy 'cascade' has no such parameter" in done.stderr, warned, done.stderr)


def test_a_fault_of_ones_own_policy_is_named_by_its_path():
    text = 'return require "policy".define { name = "mine", run = function()\n   return nil + 1\nend }\n'
    with folder() as d:
        write(d, "own/mine.lua", text)
        for given in ("own", "own/", Path(d, "own")):
            done = baton("ask", "--policies", given, "-p", "mine", "Hello", cwd=d)
            equal(done.returncode, 1, done.output)
            check(f"baton ask: {str(given).rstrip('/')}/mine.lua:2: " in done.stderr, done.stderr)


def test_ask_says_what_failed():
    with folder() as d:
        for arguments in (("-p", "no-such-policy", "Hi"), ("-m", "nobody/x", "Hi")):
            done = baton("ask", *arguments, cwd=d, env=clean_env(HOME=d))
            equal(done.returncode, 1, done.output)
            check(arguments[1] in done.stderr, done.stderr)


# ---- run ----------------------------------------------------------------------------------------


def run(text, *arguments, options=()):
    with folder() as d:
        path = write(d, "script.lua", text)
        return baton("run", *options, path, *arguments, cwd=d, env=clean_env(HOME=d))


def test_examples_run_without_any_configuration():
    # "production.baton.lua", "outcomes.data.lua": what is no workflow says so in its name
    examples = sorted(p for p in ROOT.glob("examples/*.lua") if "." not in p.stem)
    check(len(examples) >= 6, f"{len(examples)} examples")
    with folder() as d:
        for path in examples:
            done = baton("run", path, cwd=d, env=clean_env(HOME=d), timeout=60)
            equal(done.returncode, 0, f"{path.name}: {done.output}")
            check(done.stdout.strip(), f"{path.name} printed nothing")
            check(
                path.read_text().startswith("--"),
                f"{path.name} opens without a word of explanation",
            )


def test_a_script_sees_its_arguments_and_the_library():
    done = run(
        'local llm = require "llm"\nprint(arg[1], arg[2], #arg)\n'
        'local reply = assert(llm.chat("sim/mini", { messages = {{ role = "user", content = "Hi" }} }))\n'
        "print(#reply.text > 0, reply.model, reply.cost > 0)\n",
        "one",
        "--two",
    )
    equal(done.returncode, 0, done.output)
    equal(done.stdout.splitlines()[0].split(), ["one", "--two", "2"])
    check(done.stdout.splitlines()[1].startswith("true"), done.stdout)


BANNED = (
    "io",
    "os",
    "debug",
    "package",
    "load",
    "loadstring",
    "loadfile",
    "dofile",
    "collectgarbage",
    "coroutine",
    "rawset",
    "rawget",
)


def test_a_script_may_begin_with_the_line_that_names_its_program():
    first = "#!/usr/bin/env -S baton run\n"
    done = run(first + 'print("ran")\n')
    equal((done.returncode, done.stdout), (0, "ran\n"), done.output)
    done = run(first + '\nerror("the reason")\n')
    equal(done.returncode, 1, done.output)
    check("script.lua:3" in done.output, done.output)
    equal(run(first.strip()).returncode, 0)
    equal(run("\n" + first).returncode, 1, "only the first line")


def test_a_script_has_no_dangerous_names():
    lines = [
        f'local ok, v = pcall(function() return {n} end) print("{n}", ok and v ~= nil and "THERE" or "absent")'
        for n in BANNED
    ]
    lines = [f"do {line} end" for line in lines]
    lines.append(
        "do local ok, v = pcall(function() return math.random end) "
        'print("math.random", ok and v ~= nil and "THERE" or "absent") end'
    )
    lines.append(
        "do local ok, v = pcall(function() return string.dump end) "
        'print("string.dump", ok and v ~= nil and "THERE" or "absent") end'
    )
    done = run("\n".join(lines))
    equal(done.returncode, 0, done.output)
    equal(done.stdout.count("absent"), len(lines), done.stdout)


def test_a_script_cannot_require_outside_of_its_folders():
    for name in ("/etc/passwd", "../script", "..script", "socket", "io", "os"):
        done = run(f'local ok = pcall(require, "{name}") print(ok)')
        equal(done.stdout.strip(), "false", name + done.output)


FILES = """
local fs = require "fs"
local text, err = fs.read(arg[1])
print(text and "read: " .. text or "refused: " .. tostring(err))
local ok, why = fs.write(arg[2], "new")
print(ok and "written" or "refused: " .. tostring(why))
"""


def test_a_list_of_options_may_be_as_long_as_it_may_be():
    with folder() as d:
        folders = [f"{d}/{i}" for i in range(16)]
        for one in folders:
            write(one, "a.txt", "hello")
        options = [word for one in folders for word in ("--allow-read", one)]
        done = run(FILES, f"{folders[15]}/a.txt", f"{d}/new", options=options)
        check("read: hello" in done.stdout, done.output)
        done = run(FILES, f"{folders[15]}/a.txt", f"{d}/new", options=(*options, "--allow-read", d))
        equal((done.returncode, "more than 16 times" in done.stderr), (2, True), done.output)


def test_a_prompt_that_is_too_long_is_told():
    for size, why in ((1 << 20, "the prompt is not smaller than"), ((1 << 20) + 1, "-: larger than")):
        done = baton("ask", "-", stdin=b"x" * size)
        equal((done.returncode, done.stderr), (1, f"baton ask: {why} 1048576 bytes\n"))


def test_files_need_permission():
    with folder() as d:
        inside, outside = write(d, "in/a.txt", "hello"), write(d, "out/b.txt", "secret")
        Path(d, "in/link.txt").symlink_to(outside)
        done = run(FILES, inside, f"{d}/in/new.txt")
        equal(done.returncode, 0, done.output)
        equal(done.stdout.count("refused: "), 2, done.stdout)
        check(
            "--allow-read" in done.stdout,
            "the refusal does not say what would allow it: " + done.stdout,
        )
        done = run(FILES, inside, f"{d}/in/new.txt", options=("--allow-read", f"{d}/in"))
        check("read: hello" in done.stdout and done.stdout.count("refused: ") == 1, done.stdout)
        done = run(FILES, inside, f"{d}/in/new.txt", options=("--allow-write", f"{d}/in"))
        check("written" in done.stdout and done.stdout.count("refused: ") == 1, done.stdout)
        equal(Path(d, "in/new.txt").read_text(), "new")
        for path in (
            outside,
            f"{d}/in/../out/b.txt",
            f"{d}/in/link.txt",
            f"{d}/inner.txt",
            "/etc/passwd",
        ):
            done = run(
                FILES,
                path,
                f"{d}/out/new.txt",
                options=("--allow-read", f"{d}/in", "--allow-write", f"{d}/in"),
            )
            equal(done.stdout.count("refused: "), 2, f"{path}: {done.stdout}")


def test_who_may_not_read_a_folder_does_not_learn_what_is_in_it():
    with folder() as d:
        write(d, "in/a.txt", "hello")
        write(d, "out/b.txt", "secret")
        answers = {
            run(FILES, path, path, options=("--allow-read", f"{d}/in", "--allow-write", f"{d}/in")).stdout.replace(
                path, "PATH"
            )
            for path in (f"{d}/out/b.txt", f"{d}/out/new", f"{d}/none/x", f"{d}/in/../none/x", f"{d}/out/b.txt/x")
        }
        equal(len(answers), 1, "what is there and what is not is told apart")
        done = run(FILES, f"{d}/in/none/x", f"{d}/in/none/x", options=("--allow-read", f"{d}/in"))
        check("not_found" in done.stdout, done.stdout)


def test_a_path_ends_where_the_script_says():
    with folder() as d:
        write(d, "a.txt", "hello")
        done = run(
            f'local fs = require "fs"\nprint(pcall(fs.read, "{d}/a.txt\\0.md"))\n'
            f'print(pcall(fs.write, "{d}/a.txt\\0.md", "new"))\n',
            options=("--allow-read", d, "--allow-write", d),
        )
        equal(done.stdout.count("a path has no zero bytes"), 2, done.output)
        equal(Path(d, "a.txt").read_text(), "hello")


def test_an_allowed_folder_that_is_not_there_is_named():
    for option in ("--allow-read", "--allow-write"):
        done = run('print("ran")', options=(option, "/tmp", option, "/no/such/folder"))
        equal((done.returncode, done.stdout), (1, ""), done.output)
        check(f"{option} /no/such/folder: No such file" in done.stderr, done.stderr)


def test_a_script_that_fails_is_1_and_names_file_and_line():
    for text, wanted in (
        ('local x = 1\nerror("the reason")\n', "script.lua:2"),
        ("local x = \n", "script.lua:"),
        ("while true do end\n", "script.lua:1"),
        ("return nope\n", "script.lua:1"),
        ('local llm = require "llm"\nassert(llm.chat("sim/mini:503", "hi"))\n', "script.lua:2: provider 'sim': "),
        ('\nerror { code = "internal" }\n', "script.lua:2: "),
    ):
        done = run(text)
        equal(done.returncode, 1, text + done.output)
        check(wanted in done.stderr, f"{text}: {wanted} is not in {done.stderr}")


# ---- sim ----------------------------------------------------------------------------------------


def test_the_simulator_answers_the_same_by_seed():
    texts = []
    for seed in (7, 7, 8):
        with Sim("--seed", seed) as sim:
            said = []
            for i in range(12):
                body = chat_body(
                    ["mini", "pro", "coder"][i % 3],
                    f"What is {i} times {i + 3}?",
                    stream=bool(i % 2),
                )
                answer = request(sim.address, "POST", "/v1/chat/completions", body)
                equal(answer.status, 200, repr(answer))
                said.append(Stream(answer.body).text if i % 2 else answer.text())
            texts.append(said)
    equal(texts[0], texts[1])


def test_the_simulator_lists_its_models():
    with Sim() as sim:
        body = request(sim.address, "GET", "/v1/models").json()
        check({"mini", "base", "pro", "coder", "math"} <= {m["id"] for m in body["data"]}, body)


def test_the_simulator_logs_what_it_saw_without_secrets():
    with Sim() as sim:
        body = b'{ "model":"mini", "messages":[{"role":"user","content":"h\\u00e9llo \xc3\xa9"}],"x":1.0 }\n'
        headers = {
            "Authorization": "Bearer sk-1-secret",
            "x-api-key": "sk-2-secret",
            "api-key": "sk-3-secret",
            "Cookie": "sk-4-secret",
            "X-Seen": "yes",
        }
        equal(request(sim.address, "POST", "/v1/chat/completions", body, headers).status, 200)
        entry = eventually(sim.log, "a log entry")[0]
        equal(
            set(entry),
            {
                "time",
                "format",
                "model",
                "stream",
                "method",
                "path",
                "headers",
                "body",
                "answered",
                "client_left",
            },
        )
        equal(
            (entry["model"], entry["stream"], entry["method"], entry["path"], entry["client_left"]),
            ("mini", False, "POST", "/v1/chat/completions", False),
        )
        equal(entry["body"].encode(), body)
        seen = {k.lower(): v for k, v in entry["headers"].items()}
        equal(seen.get("x-seen"), "yes")
        equal(entry["answered"]["status"], 200)
        equal(entry["answered"]["finish_reason"], "stop")
        check(entry["answered"]["bytes"] > 0, entry)
        check(
            "secret" not in Path(sim.log_path).read_text() + sim.stderr,
            "a secret stands in the log",
        )
        check(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", entry["time"]), entry["time"])


def test_a_fault_can_be_asked_for_by_a_header():
    with Sim() as sim:
        body = chat_body("mini")
        answer = request(
            sim.address, "POST", "/v1/chat/completions", body, {"x-sim-fault": "429=7"}
        )
        equal((answer.status, answer.header("retry-after")), (429, "7"))
        answer.error()
        for status in (429, 200):
            answer = request(sim.address, "POST", "/v1/chat/completions", chat_body("base:429*1"))
            equal(answer.status, status)


def test_the_simulator_answers_by_a_script_in_every_format():
    with tempfile.TemporaryDirectory(prefix="baton-script-") as folder:
        path = Path(folder, "turns.jsonl")
        path.write_text('{"user": "the magic word", "turn": 0, "text": "abracadabra"}\n', encoding="utf-8")
        user = {"role": "user", "content": "Say the magic word."}
        with Sim("--script", str(path)) as sim:
            for route, format_, body in (
                ("/v1/chat/completions", "openai", {"model": "mini", "messages": [user]}),
                ("/v1/messages", "anthropic", {"model": "mini", "max_tokens": 9, "messages": [user]}),
                ("/v1/responses", "responses", {"model": "mini", "input": user["content"]}),
                ("/api/chat", "ollama", {"model": "mini", "messages": [user], "stream": False}),
            ):
                headers = {"anthropic-version": "2023-06-01"}
                answer = request(sim.address, "POST", route, json.dumps(body).encode(), headers)
                check(b"abracadabra" in answer.body, answer.body)
                eventually(lambda f=format_: sim.log(format=f), f"a log entry of {format_}")


def test_the_simulator_can_compress_what_nobody_asked_for():
    with Sim() as sim:
        for stream in (False, True):
            body = chat_body("mini:gzip", stream=stream)
            answer = request(sim.address, "POST", "/v1/chat/completions", body)
            equal(answer.header("content-encoding"), "gzip")
            check(b"choices" in gzip.decompress(answer.body), answer.body)


# ---- logs ---------------------------------------------------------------------------------------


def test_secrets_never_reach_the_logs_or_the_client():
    def play(exchange):  # a provider that says the key back, as some do in their errors
        key = exchange.headers["authorization"]
        exchange.reply(
            {
                "error": {
                    "message": f"Incorrect API key provided: {key}",
                    "type": "x",
                    "param": None,
                    "code": "invalid_api_key",
                }
            },
            status=401,
        )

    with behind(
        play,
        env={"RAW_KEY": "sk-provider-secret"},
        provider_members={"key": Lua('env "RAW_KEY"')},
        keys=["client-secret"],
    ) as (_, gateway):
        for key in ("client-secret", "wrong-secret"):
            for model in ("raw/echo", "cascade", "nobody/x"):
                for stream in (False, True):
                    answer = gateway.chat(
                        model, stream=stream, headers={"Authorization": "Bearer " + key}
                    )
                    check(answer.status >= 400, repr(answer))
                    check(
                        b"sk-provider-secret" not in answer.head + answer.body,
                        f"the key went out: {answer}",
                    )
        gateway.request(
            "GET", "/v1/models?key=client-secret", headers={"Authorization": "Bearer client-secret"}
        )
        for secret in ("sk-provider-secret", "client-secret", "wrong-secret"):
            check(secret not in gateway.stderr + gateway.stdout, f"{secret} stands in the log")


def test_every_line_of_the_log_is_json():
    with Gateway("return {}\n") as gateway:
        gateway.chat("direct")
        gateway.chat('nobody/x\n"quoted" \u00e9')
    for line in gateway.stderr.splitlines():
        check(isinstance(json.loads(line), dict), line)
