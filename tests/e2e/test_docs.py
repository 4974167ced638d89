"""The documentation: every example runs, and every name in it exists, and the other way round.

A Lua block whose first line is `-- example: NAME.lua` is complete: a policy and a `baton.lua` are checked, a
script is run, and when a `text` block follows the script, that is exactly what it prints.

SPDX-License-Identifier: MIT
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from base import ROOT, check, equal, eventually
from client import Stream, request
from harness import BATON, Gateway, Process, Sim, baton, clean_env, config, provider

README = ROOT / "README.md"
SCRIPTS = ROOT / "scripts/README.md"
POLICIES = ROOT / "policies/README.md"
PAGES = (README, SCRIPTS, POLICIES, ROOT / "CHANGELOG.md")

QUESTION = "What is the capital of Australia?"


def read(page):
    return page.read_text(encoding="utf-8")


def blocks(page):
    """(language, text) of the fenced blocks, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", read(page), flags=re.S | re.M)


def examples(page):
    """(name, text, what it prints or None) of the Lua blocks that are complete."""
    all_blocks = blocks(page)
    for i, (language, text) in enumerate(all_blocks):
        name = re.match(r"-- example: (\S+\.lua)\n", text)
        if language == "lua" and name:
            follows = all_blocks[i + 1] if i + 1 < len(all_blocks) else ("", "")
            yield name.group(1), text, follows[1] if follows[0] == "text" else None


def section(page, title):
    """The text below a heading, up to the next one of the same level."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", read(page), flags=re.S | re.M)
    check(found, f"{page.name} has no section '{title}'")
    return found.group(2)


def first_cells(text):
    """The first cell of every row of the tables."""
    return [m.group(1) for m in re.finditer(r"^\| (.+?) \|", text, flags=re.M)]


def code(text):
    return re.findall(r"`([^`]+)`", text)


def problems_are_none(problems):
    check(not problems, lambda: "\n".join(problems))


# ---- the examples -------------------------------------------------------------------------------


def try_example(folder, name, text, output):
    """What is wrong with one, or None."""
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    is_checked = "policy.define" in text or name.endswith("baton.lua")
    done = baton("check" if is_checked else "run", name, cwd=folder)
    if done.returncode != 0:
        return f"{name}: {done.output}"
    if not is_checked and output is not None and done.stdout != output:
        return f"{name} prints\n{done.stdout}and not\n{output}"
    return None


def test_every_example_runs_and_prints_what_the_page_says():
    problems, count = [], 0
    for page in PAGES:
        for name, text, output in examples(page):
            if "/codec/" in f"/{name}" or name == "mine/triage.lua":
                continue  # have tests of their own
            with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
                problem = try_example(folder, name, text, output)
            count += 1
            problems += [f"{page.name}: {problem}"] if problem else []
    problems_are_none(problems)
    check(count >= 8, f"only {count} examples were found")


def test_every_lua_block_is_a_complete_example():
    for page in PAGES:
        for language, text in blocks(page):
            if language == "lua":
                check(text.startswith("-- example: "), f"{page.name}: not marked:\n{text}")


def test_the_codec_of_the_page_serves_a_provider():
    name, text, _ = next(e for e in examples(SCRIPTS) if e[0].startswith("codec/"))
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder, Sim() as sim:
        Path(folder, name).parent.mkdir()
        Path(folder, name).write_text(text, encoding="utf-8")
        settings = config({"sim": provider(sim.base_url, codec=Path(name).stem, key="k")})
        with Gateway(settings, args=("--policies", folder)) as gateway:
            answer = gateway.chat("sim/mini", QUESTION)
        equal(answer.status, 200, answer.body)
        check(sim.log()[0]["path"].startswith("/v1/chat/completions"), sim.log()[0])


def test_the_shipped_examples_run_as_the_tour_names_them():
    tour = section(README, "The tour of the files")
    for path in sorted((ROOT / "examples").glob("*.lua")):
        check(f"`{path.stem}`" in tour, f"{path.name} is not in the tour")
        if "." not in path.stem:
            done = baton("run", path)
            equal(done.returncode, 0, done.output)


def test_the_demo_prints_its_table_from_prompts_of_ones_own():
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        path = Path(folder, "prompts.jsonl")
        path.write_text('{"prompt": "What is 6 times 7?"}\n{"prompt": "Say hello."}\n', encoding="utf-8")
        command = [sys.executable, ROOT / "tests/demo/demo.py", "--data", path]
        done = subprocess.run(command, capture_output=True, env=clean_env(BATON=BATON), timeout=60)
    text = done.stdout.decode()
    equal(done.returncode, 0, text + done.stderr.decode())
    for row in ("always the cheapest", "complexity", "cascade", "ensemble"):
        check(re.search(rf"^{row} +2 .* 0$", text, flags=re.M), text)


# The demo's models are simulated: what does not depend on time is the same everywhere. Hedges, and votes that end
# as soon as they are clear, stop calls that are under way: their part of the cost depends on who was faster.
CALLS, COST, HEDGED, RIGHT = 0.2, 0.05, 0.15, 2  # calls a request; shares of the cost; points of "right"


def demo_table(text):
    """(the names of the columns, {row: {column: cell}}) of the table that the demo prints."""
    lines = text[text.index("policy  "):].split("\n\n")[0].splitlines()
    head, *rows = ([cell.strip() for cell in re.split(r" {2,}", line.strip())] for line in lines if "--" not in line)
    return head, {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def figure(cell):
    return float(cell.strip("%").replace(",", ""))


def near(what, said, found, distance):
    return [] if abs(said - found) <= distance else [f"{what}: the page says {said:g}, the demo {found:g}"]


def test_the_tables_of_the_demo_are_what_the_demo_prints():
    done = subprocess.run([sys.executable, ROOT / "tests/demo/demo.py"], capture_output=True,
                          env=clean_env(BATON=BATON), timeout=300)
    text = done.stdout.decode()
    equal(done.returncode, 0, text + done.stderr.decode())
    head, found = demo_table(text)
    shown = next(text for language, text in blocks(README) if text.startswith("policy  ") and language == "text")
    columns, said = demo_table(shown)
    equal(columns, head)
    equal(list(said), [name for name in found if name in said])
    check(len(said) >= 8, said)

    cells = section(POLICIES, "What they cost")
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \| (\d+)% \| (\d+)% \|", cells, flags=re.M)
    equal([row[0].replace("`", "") for row in rows], list(found))

    problems = []
    for name, row in said.items():
        of, share = found[name], HEDGED if name == "hedged" else COST
        equal(row["requests"], of["requests"], name)
        problems += near(f"README, {name}, calls", figure(row["calls"]), figure(of["calls"]), CALLS)
        problems += near(f"README, {name}, right", figure(row["right"]), figure(of["right"]), RIGHT)
        problems += near(f"README, {name}, cost", figure(row["cost $"]), figure(of["cost $"]),
                         share * figure(of["cost $"]))
    for (name, calls, cost, right), of in zip(rows, found.values(), strict=True):
        share = HEDGED if of["policy"] == "hedged" else COST
        of_strongest = 100 - figure(of["saving"]) if of["saving"] != "-" else 100
        problems += near(f"policies/README, {name}, calls", float(calls), figure(of["calls"]), CALLS)
        problems += near(f"policies/README, {name}, right", float(right), figure(of["right"]), RIGHT)
        problems += near(f"policies/README, {name}, cost", float(cost), of_strongest, share * of_strongest + 1)
    problems_are_none(problems)


# ---- a first policy in five minutes -------------------------------------------------------------


def thrifty(text):
    """(model, attempts, cost, answer) of the question, with this text as the policy."""
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        path = Path(folder, "mine/thrifty.lua")
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        equal(baton("check", "mine", cwd=folder).stdout, "ok: mine\n")
    with Gateway("return {}", policies={"thrifty": text}) as gateway:
        answer = gateway.chat("thrifty", QUESTION)
    equal(answer.status, 200, answer.body)
    equal(answer.header("x-baton-simulated"), "true")
    return tuple(answer.header(f"x-baton-{n}") for n in ("model", "attempts", "cost-usd")) + (
        answer.body.decode(),
    )


def test_the_first_policy_does_what_the_page_says():
    versions = [text for name, text, _ in examples(README) if name == "mine/thrifty.lua"]
    page = " ".join(section(README, "A first policy in five minutes").split())
    model, attempts, cost, body = thrifty(versions[0])
    for header in (f"x-baton-model: {model}", f"x-baton-attempts: {attempts}", f"x-baton-cost-usd: {cost}"):
        check(header in page, f"the page does not show '{header}'")
    check("Canberra" in body, body)
    model, _, cost, _ = thrifty(versions[0].replace("short = 60", "short = 20"))
    check(f"`x-baton-model: {model}`" in page and f"`x-baton-cost-usd: {cost}`" in page, (model, cost))
    model, attempts, _, _ = thrifty(versions[1])
    check(f"`x-baton-attempts: {attempts}`, `x-baton-model: {model}`" in page, (model, attempts))


# ---- classifiers, recorded outcomes -------------------------------------------------------------


def run_commands(title, folder):
    """[(what a section's command printed, the text that the page shows behind it)], run one after the other."""
    Path(folder, "build").symlink_to(Path(BATON).parent)
    Path(folder, "examples").symlink_to(ROOT / "examples")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", section(README, title), flags=re.S | re.M)
    results = []
    for (language, command), (_, shown) in zip(fenced, fenced[1:]):
        if language != "sh":
            continue
        done = subprocess.run(command, shell=True, cwd=folder, env=clean_env(), capture_output=True, timeout=60)
        equal(done.returncode, 0, command + done.stderr.decode())
        results.append((done.stdout.decode(), shown))
    return results


def test_the_classifier_of_the_page_is_trained_and_asked():
    policy = next(text for name, text, _ in examples(README) if name == "mine/triage.lua")
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        Path(folder, "mine").mkdir()
        Path(folder, "mine/triage.lua").write_text(policy, encoding="utf-8")
        trained, asked = run_commands("Classifiers of your own", folder)
        equal(baton("check", "mine", cwd=folder).stdout, "ok: mine\n")
    check(trained[1] in trained[0], trained[0])
    got, shown = ([re.sub(HASH, "HASH", line) for line in shape(text)] for text in asked)
    start, end = shown[0].split("…")
    check(got[0].startswith(start) and got[0].endswith(end), got[0])
    equal(got[1:], shown[1:])


def test_the_recorded_outcomes_of_the_page_say_what_to_set():
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        [(printed, shown)] = run_commands("Policies on recorded outcomes", folder)
        check(Path(folder, "eval.html").is_file(), "no picture was written")
    check(printed.endswith(shown), printed)


def admin_of(engine):
    """The address of its admin API, as it says when it starts."""
    return re.search(r"admin API on http://(\S+)", engine.stdout).group(1)


# ---- changing policies while it serves ----------------------------------------------------------


def shape(text):
    """Without what differs from run to run: ages, figures, lengths of blanks."""
    text = re.sub(r"\d+[smhd]\b", "AGE", text)
    text = re.sub(r"(?<![\w.])\d[\d.]*(?:e-\d+)?(?![\w.])", "N", text)
    return [re.sub(r"\s+", " ", line).strip() for line in text.strip().split("\n")]


class Hashes:
    """The page's hashes and those of this run, put beside each other in the order they come."""

    def __init__(self):
        self.here = {}

    def learn(self, page, run):
        for ours, theirs in zip(re.findall(HASH, page), re.findall(HASH, run)):
            self.here.setdefault(ours, theirs)
        return re.sub(HASH, lambda m: self.here[m.group(0)], page)

    def command(self, text):
        last = text.split()[-1]
        for ours, theirs in self.here.items():
            if ours.startswith(last):
                return text.replace(last, theirs[: len(last)])
        return text


HASH = r"\b[0-9a-f]{12}\b"


def test_the_session_of_a_canary_goes_as_the_page_says():
    session = next(text for _, text in blocks(README) if text.startswith("$ "))
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, flags=re.M)
    check(len(steps) >= 6, steps)
    policy = next(text for name, text, _ in examples(README) if name == "mine/thrifty.lua")
    serve = ["serve", "-l", "127.0.0.1:0", "--policies", "mine", "--no-watch"]
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        Path(folder, "mine").mkdir()
        Path(folder, "mine/thrifty.lua").write_text(policy, encoding="utf-8")
        with Process(serve, cwd=folder) as engine:
            run_session(folder, admin_of(engine), session, steps)


def run_session(folder, admin, session, steps):
    env = clean_env(BATON_ADMIN=admin, PATH=f"{Path(BATON).parent}:{os.environ['PATH']}")
    hashes = Hashes()
    first = json.loads(baton("policies", "--json", env=env).stdout)["generations"][0]["hash"][:12]
    hashes.here[re.findall(HASH, session)[-1]] = first
    for command, output in steps:
        done = subprocess.run(
            hashes.command(command), shell=True, cwd=folder, env=env, capture_output=True, timeout=60
        )
        got = (done.stdout + done.stderr).decode()
        equal(shape(got), shape(hashes.learn(output, got)), command)


# ---- names --------------------------------------------------------------------------------------

LIST_MODULES = """
for _, name in ipairs(arg) do
   for key in pairs(require(name)) do print(name .. "." .. key) end
end
"""
MODULES = (
    "llm task errors models usage policy classify judge consensus schema text json trace log clock random fs "
    "terminal provider retry_after timer blame health hub "
    "media base64 http reply outgoing refusal count bandit feedback session human sums progress"
).split()


def run_text(text, *arguments):
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        path = Path(folder, "script.lua")
        path.write_text(text, encoding="utf-8")
        done = baton("run", path, *arguments)
    equal(done.returncode, 0, done.output)
    return done.stdout.split("\n")[:-1]


def test_every_function_of_every_module_is_in_the_api_page_and_back():
    page = read(SCRIPTS)
    there = set(run_text(LIST_MODULES, *MODULES))
    check(len(there) > 60, there)
    problems = [f"{name} is not in scripts/README.md" for name in there if name not in page]
    named = set(re.findall(rf"`((?:{'|'.join(MODULES)})\.\w+)", page))
    problems += [f"{name} does not exist" for name in named - there if not name.endswith((".lua", ".define"))]
    problems_are_none(problems)


def test_every_module_has_a_place_in_the_api_page():
    page = read(SCRIPTS)
    internal = {
        "adopt", "ask", "caller", "calling", "careful", "catalog", "certainty", "composing", "configure", "deadline", "embed",
        "evaluate", "explain", "features", "hedging", "importing", "limits", "listing", "loading", "ranking", "rescue",
        "retrying", "serve", "strict", "structured",
    }
    for path in (ROOT / "scripts").glob("*.lua"):
        if path.stem not in internal:
            check(path.stem in MODULES, f"scripts/{path.name} is not among the modules of this test")
    for name in MODULES:
        check(f"`{name}." in page, f"{name} is not in scripts/README.md")
    built_in = re.findall(r'\{"(\w+)", luaopen', (ROOT / "core/modules.c").read_text())
    for name in ["cjson", "config", "policies", *built_in]:
        check(f"`{name}." in page or f'`require "{name}"`' in page, f"{name} is not in scripts/README.md")


def test_every_name_the_sandbox_has_or_lacks_is_in_the_api_page():
    page = section(SCRIPTS, "The sandbox")
    for name in run_text("for name in pairs(_G) do print(name) end"):
        check(re.search(rf"\b{name}\b", page), f"the sandbox has '{name}', the page does not")
    lacks = page.split("There is no", 1)[1].split(".\n", 1)[0].split(". Globals")[0]
    for name in code(lacks):
        table, _, field = name.rpartition(".")
        text = f"print(pcall(function() assert({table or '_G'}[{json.dumps(field)}] ~= nil) end))"
        equal(run_text(text)[0].split("\t")[0], "false", f"{name} is there")


# How a field that does not exist gets into the tables of names, and how the page calls those.
GROUPS = {
    "models": 'models = { ["a/b"] = { zzz = 1 } }',
    "providers": "providers = { a = { zzz = 1 } }",
}
PLACES = {"providers": "providers.NAME"}


def known_fields(text, needed=True):
    """What the engine says it knows, asked by a field that it cannot know; None: it knows no fields there."""
    with tempfile.TemporaryDirectory(prefix="baton-docs-") as folder:
        Path(folder, "baton.lua").write_text(text, encoding="utf-8")
        done = baton("check", "baton.lua", cwd=folder)
    found = re.search(r"unknown field \(known: ([^)]*)\)", done.output)
    check(found or not needed, done.output)
    return found.group(1).split(", ") if found else None


def test_every_field_of_the_configuration_is_in_the_page_and_back():
    names = set()
    for cell in first_cells(section(README, "Configuration")):
        for name in code(cell):
            names.add(re.sub(r"^models\[.*?\]", "models", name))
    flat = set()
    for name in known_fields("return { zzz = 1 }"):
        inside = GROUPS.get(name, f"{name} = {{ zzz = 1 }}")
        done = known_fields(f"return {{ {inside} }}", needed=False)
        flat |= {f"{PLACES.get(name, name)}.{field}" for field in done} if done else {name}
    flat -= {"aliases", "chains", "policies", "keys.zzz"}
    shown = {n if not n.startswith(".") else f"models{n}" for n in names}
    problems = [f"{name} is not in README.md" for name in flat - shown]
    known = flat | {"aliases.NAME", "chains.NAME", "policies.NAME.PARAMETER"}
    problems += [
        f"README.md has {name}, the engine does not" for name in shown - known if not name.isupper()
        and not name.upper() == name
    ]
    problems_are_none(problems)


# Only together with another: the key, or Azure's address.
TOGETHER = {
    "OPENAI_BASE_URL": "OPENAI_API_KEY",
    "ANTHROPIC_BASE_URL": "ANTHROPIC_API_KEY",
    "GOOGLE_GEMINI_BASE_URL": "GEMINI_API_KEY",
    "AZURE_OPENAI_API_KEY": "AZURE_OPENAI_ENDPOINT",
    "AZURE_API_KEY": "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_ENDPOINT": "AZURE_OPENAI_API_KEY",
}


def test_every_variable_that_registers_a_provider_is_in_the_page():
    source = (ROOT / "scripts/configure.lua").read_text()
    variables = re.findall(r'(?:key|base) = "([A-Z_]+)"', source)
    check(len(variables) > 5, variables)
    page = section(README, "Configuration")
    for name in variables:
        check(f"`{name}`" in page, f"{name} is not in README.md")
        value = "http://127.0.0.1:9/v1" if name.endswith("_URL") else "127.0.0.1:9"
        env = {name: value, **({TOGETHER[name]: value} if name in TOGETHER else {})}
        lines = baton("ask", "-m", "zzz/zzz", "x", env=clean_env(**env))
        check("simulated" not in lines.output, f"{name} registers nothing: {lines.output}")


def test_every_option_of_every_command_is_in_the_page_and_back():
    page = section(README, "Command line")
    there = set()
    for command in ("serve", "run", "ask", "check", "models", "train", "eval", "reload", "policies", "use", "bandits", "questions", "answer", "sim", "version", "help"):
        check(f"`baton {command}" in page, f"baton {command} is not in README.md")
        there |= set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", baton(command, "--help").stdout))
    shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", page))
    equal(sorted(shown - there - {"--allow"}), [], "options that do not exist")
    equal(sorted(there - shown - {"-side"}), [], "options that README.md does not have")


def test_every_target_is_in_the_page_and_back():
    makefile = (ROOT / "Makefile").read_text()
    there = set(re.findall(r"^([a-z][a-z0-9-]*):.*##", makefile, flags=re.M))
    shown = set(re.findall(r"`?make ([a-z][a-z0-9-]*)", read(README)))
    equal(sorted(there - shown), [], "targets that README.md does not have")
    equal(sorted(shown - there), [], "targets that do not exist")


def test_every_package_that_is_installed_is_in_the_page():
    makefile = (ROOT / "Makefile").read_text()
    page = section(README, "Build, test, install")
    for names in re.findall(r"^DEPS\w*\s*:= (.*)$", makefile, flags=re.M):
        for name in names.split():
            check(f"`{name}`" in page, f"{name} is not in README.md")


def test_every_policy_and_its_parameters_are_in_the_page():
    page = read(POLICIES)
    text = """
    for name, definition in pairs(require "policies") do
       print(name)
       for parameter in pairs(definition.params) do print(name .. "." .. parameter) end
    end
    """
    for name in run_text(text):
        policy, _, parameter = name.partition(".")
        row = re.search(rf"^\| \[`{policy}`\].*$", page, flags=re.M)
        check(row, f"{policy} is not in policies/README.md")
        check(f"`{parameter or policy}`" in row.group(0), f"{name} is not in policies/README.md")


def test_every_fault_of_the_simulator_is_in_the_page():
    page = section(README, "The simulator")
    asked = baton("ask", "-m", "sim/mini:zzz", "x").output
    found = re.search(r"there are: ([\w, -]+)", asked)
    check(found, asked)
    for name in found.group(1).split(", "):
        check(re.search(rf"`{name}[`=]", page), f"{name} is not in README.md")


# ---- what the gateway does ----------------------------------------------------------------------


def test_every_code_has_the_status_of_the_page():
    rows = re.findall(r"^\| (`[^|]+) \| (\d+) \|", section(README, "The gateway"), flags=re.M)
    status_of = {name: int(status) for cell, status in rows for name in code(cell)}
    codes = [n for n in code("\n".join(first_cells(section(SCRIPTS, "errors")))) if "." not in n]
    check(len(codes) == 15, codes)
    text = (
        'return require("policy").define { name = "give_up", run = function(req)\n'
        '   return require("llm").fail(req.text, "as asked") end }'
    )
    with Gateway("return {}", policies={"give_up": text}) as gateway:
        for name in codes:
            answer = gateway.chat("give_up", name)
            equal(answer.status, status_of.get(name), f"the status of {name}")
            shown = {"context_length": "context_length_exceeded"}.get(name, name)
            equal(json.loads(answer.body)["error"]["code"], shown)
    for name in set(status_of) - set(codes):
        check(name in ("invalid_api_key", "model_not_found"), f"{name} is no code")


def test_every_header_of_an_answer_is_in_the_page():
    page = section(README, "The gateway")
    joint = (
        'return require("policy").define { name = "joint", run = function(req)\n'
        '   return require("llm").stream("sim/mini:cut", req, { stream = true, rescue = "continue",\n'
        '      fallback = { "sim/base" } }):reply() end }'
    )
    with Gateway("return {}", policies={"joint": joint}) as gateway:
        for answer in (gateway.chat("cascade", QUESTION), gateway.chat("sim/mini:429", QUESTION)):
            for name, _ in answer.headers:
                if name.lower().startswith(("x-", "retry")):
                    check(f"`{name.lower()}`" in page, f"{name} is not in README.md")
        # top_k is none of OpenAI's parameters
        body = {"model": "sim/mini", "max_tokens": 9, "top_k": 3, "messages": [{"role": "user", "content": "hi"}]}
        translated = request(gateway.address, "POST", "/v1/messages", json.dumps(body).encode())
        answers = translated, gateway.chat("cascade", QUESTION), gateway.chat("joint", "Tell me of rivers.")
        seen = [h for answer in answers for h, _ in answer.headers]
        for name in set(re.findall(r"`(x-baton-[a-z-]+)`", page)):
            check(name in seen, f"{name} does not come")


def test_the_debug_comment_is_as_the_page_says():
    with Gateway("return {}") as gateway:
        answer = gateway.chat("sim/mini", QUESTION, {"x-baton-debug": "1"}, stream=True)
    comment = Stream(answer.body).comments[-1]
    shown = next(text for _, text in blocks(README) if text.startswith(": baton"))
    got = json.loads(comment.removeprefix("baton "))
    want = json.loads(shown.split("\n")[0].removeprefix(": baton "))
    equal(sorted(got), sorted(want))
    equal(got["model"], want["model"])
    equal(got["usage"], want["usage"])


# ---- watching it --------------------------------------------------------------------------------


def admin(gateway, method, path, body=None):
    return request(admin_of(gateway), method, path, body)


def test_every_path_of_the_admin_api_is_in_the_page_and_back():
    routes = re.findall(r'\{"([A-Z]+)", "(/[^"]*)", (?:true|false), handle', (ROOT / "core/admin.c").read_text())
    check(len(routes) > 8, routes)
    there = {f"{method} {path}" for method, path in routes}
    cells = [code(cell)[0] for cell in first_cells(section(README, "Watching it")) if code(cell)]
    shown = {cell.removesuffix("ID").removesuffix("NAME") for cell in cells if " /" in cell}
    equal(sorted(shown), sorted(there))


def keys_of(value):
    """Every name of a member, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def row_of(cell):
    page = section(README, "Watching it")
    return next(line for line in page.split("\n") if line.startswith(f"| `{cell}"))


def test_what_the_admin_api_answers_is_in_the_page():
    with Sim() as sim, Gateway(config({"sim": provider(sim.base_url, key="k")})) as gateway:
        gateway.chat("sim/mini", QUESTION)
        open_request = gateway.open_chat("sim/mini:no-answer", QUESTION, {"x-request-id": "mine"})
        eventually(lambda: b'"mine"' in admin(gateway, "GET", "/admin/requests").body, "the request is listed")
        gateway.chat("sim/mini:401", QUESTION)  # its key is benched
        forced = b'{"model":"sim/mini","state":"open"}'
        for line, body in (
            ("GET /livez", None),
            ("GET /readyz", None),
            ("GET /admin/requests", None),
            ("DELETE /admin/requests/mine", None),
            ("GET /admin/workers", None),
            ("POST /admin/breakers", forced),
            ("GET /admin/breakers", None),
            ("POST /admin/reload", b""),
            ("GET /admin/policies", None),
        ):
            answer = admin(gateway, *line.split(" "), body)
            equal(answer.status, 200, line + answer.body.decode())
            row = row_of(line.replace("/mine", "/ID")).replace("Answer as above", row_of("GET /admin/breakers"))
            names = keys_of(json.loads(answer.body)) - {"status"}
            check("benched_for_s" in names or "breakers" not in line, f"{line} says nothing of keys")
            for name in names:
                check(f"`{name}`" in row, f"{line} answers '{name}', the page does not have it")
        open_request.close()


def families():
    """(name, labels) of each."""
    source = (ROOT / "core/metrics.c").read_text()
    found = re.findall(r'\{"(baton_\w+)",.*?(?:COUNTER|GAUGE|HISTOGRAM|SUMMARY),\s*\{([^}]*)\}', source, flags=re.S)
    return {name: re.findall(r'"(\w+)"', labels) for name, labels in found}


def test_every_metric_is_in_the_page_with_its_labels_and_back():
    there, shown = families(), {}
    check(len(there) > 30, there)
    for cell, labels in re.findall(r"^\| (`baton_[^|]*) \|([^|]*)\|", section(README, "Watching it"), flags=re.M):
        names = code(cell)
        each = [[label for label in part.strip().split(", ") if label] for part in labels.split(";")]
        each = each if len(each) == len(names) else each * len(names)
        shown.update(zip(names, each))
    equal(sorted(shown), sorted(there))
    for name, labels in there.items():
        equal(shown[name], labels, f"the labels of {name}")


def test_the_configuration_for_production_is_right():
    done = baton("check", ROOT / "examples/production.baton.lua")
    equal(done.returncode, 0, done.output)
    text = (ROOT / "examples/production.baton.lua").read_text()
    check("examples/production.baton.lua" in section(README, "In production"), "the page does not name it")
    unit = next(body for language, body in blocks(README) if language == "ini")
    options = re.search(r"^ExecStart=\S+ serve (.*)$", unit, flags=re.M).group(1)
    check(f"baton serve {options}" in text, f"the example is not started by 'baton serve {options}'")
    for option in re.findall(r"--?[a-z-]+", options):
        check(option in baton("serve", "--help").stdout, f"{option} does not exist")
    reload = re.search(r"^ExecReload=\S+/baton (.*)$", unit, flags=re.M).group(1)
    equal(baton(*reload.split(), "--help").returncode, 0, reload)
    check(reload == "reload" and "BATON_ADMIN_TOKEN" in text, "'baton reload' finds no token in the secrets")
    stop = int(re.search(r"TimeoutStopSec=(\d+)", unit).group(1))
    check(stop > int(re.search(r"drain_timeout = (\d+)", text).group(1)), "the unit stops it too early")


# ---- the pages themselves -----------------------------------------------------------------------


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
            if target.startswith("https://"):
                continue
            path, _, fragment = target.partition("#")
            file = (page.parent / path) if path else page
            check(file.exists(), f"{page.name}: {target}")
            if fragment:
                headings = re.findall(r"^#+ (.+)$", read(file), flags=re.M)
                check(fragment in [anchor(h) for h in headings], f"{page.name}: {target}")


def test_every_section_is_among_the_links_at_the_top():
    for page in (README, SCRIPTS):
        top, *rest = re.split(r"^## ", read(page), flags=re.M)
        links = re.findall(r"\]\(#([^)]+)\)", top)
        headings = [anchor(part.split("\n")[0]) for part in rest]
        equal(links, [h for h in headings if h != "licence"], page.name)


def test_every_source_file_is_in_the_tour():
    tour = section(README, "The tour of the files")
    patterns = [n.removesuffix(".h").removesuffix(".lua") for n in code(tour)]
    for path in sorted((ROOT / "core").glob("*.[ch]")) + sorted((ROOT / "scripts").glob("*.lua")):
        fits = any(
            path.stem == p or (p.endswith("*") and path.stem.startswith(p[:-1])) for p in patterns
        )
        check(fits, f"{path.relative_to(ROOT)} is not in the tour")
    stems = {path.stem for folder in ("core", "scripts", "examples") for path in (ROOT / folder).glob("*.*")}
    for name in code(tour.split("**Values and parsers**")[1].split("`tests/`")[0]):
        stem = name.removesuffix(".h").removesuffix(".lua")
        found = any(s.startswith(stem[:-1]) for s in stems) if stem.endswith("*") else stem in stems
        check(found or "/" in name or name == "baton.lua", f"the tour has {name}, which does not exist")
