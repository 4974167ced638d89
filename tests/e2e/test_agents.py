"""Coding agents of npm as clients: each writes a file by its own tools, as the simulator's script tells it to.

SPDX-License-Identifier: MIT

Three quarters of a gigabyte: they are installed when AGENTS=1 or REQUIRE_ALL=1 says so, otherwise used if they are there.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import formats
from base import REQUIRE_ALL, check, equal, skip, slow
from harness import Gateway, Sim, clean_env, config
from test_npm import FOLDER, have_packages

AGENTS = FOLDER / "agents"
TASK = "Create hello.txt with the content Hello from Baton"


def claude_code(address, _):
    # its wrapper needs no script of the installation to have run
    wrapper = "@anthropic-ai/claude-code/cli-wrapper.cjs"
    return [wrapper, "--bare", "-p", "--model", "agent", "--dangerously-skip-permissions", TASK], {
        "ANTHROPIC_BASE_URL": address,
        "ANTHROPIC_API_KEY": "any",
        "IS_SANDBOX": "1",  # as root it wants to be told
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def codex(address, _):
    own = {
        "model_provider": "baton",
        "model_providers.baton.name": "baton",
        "model_providers.baton.base_url": address + "/v1",
        "model_providers.baton.wire_api": "responses",
        "model_providers.baton.env_key": "BATON_KEY",
    }
    settings = [word for pair in own.items() for word in ("-c", "=".join(pair))]
    flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", "agent"]
    return ["@openai/codex/bin/codex.js", "exec", *flags, *settings, TASK], {"BATON_KEY": "any"}


def gemini_cli(address, home):
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True},
    }
    (home / ".gemini").mkdir(exist_ok=True)
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    return ["@google/gemini-cli/bundle/gemini.js", "--skip-trust", "--yolo", "-m", "agent", "-p", TASK], {
        "GEMINI_API_KEY": "any",
        "GOOGLE_GEMINI_BASE_URL": address,
    }


def complete_the_task(agent, format):
    """The agent's own format, and two others: the file is written, and the agent says so."""
    if REQUIRE_ALL or os.environ.get("AGENTS") == "1" or (AGENTS / "node_modules").exists():
        have_packages(AGENTS, node=20)
    else:
        skip("AGENTS=1 installs the coding agents")
    with Sim("--script", AGENTS / "script.jsonl") as sim:
        for name in dict.fromkeys([format, "openai", "anthropic", "gemini"]):
            text = config(
                formats.providers(sim), models=formats.models(), aliases={"agent": f"{name}/mini"}
            )
            with Gateway(text) as gateway, tempfile.TemporaryDirectory() as place:
                run_agent(agent, f"http://{gateway.address}", Path(place), name)
            turns = [e for e in sim.log() if e["path"].count("/") > 1][-2:]
            finishes = [e["answered"]["finish_reason"] for e in turns]
            equal(finishes, ["tool_calls", "stop"], f"turns with {name}")


def run_agent(agent, address, place, name):
    home, work = place / "home", place / "work"
    home.mkdir(), work.mkdir()
    command, more = agent(address, home)
    command[0] = str(AGENTS / "node_modules" / command[0])
    done = subprocess.run(
        ["node", *command],
        cwd=work,
        env=clean_env(HOME=str(home), **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60 * slow(),
    )
    output = done.stdout.decode("utf-8", "replace")
    equal(done.returncode, 0, f"with {name}: {output[-3000:]}")
    check("Done: hello.txt is written." in output, lambda: f"with {name}: {output[-3000:]}")
    equal((work / "hello.txt").read_text(), "Hello from Baton\n", f"with {name}")


def test_claude_code_completes_a_task():
    complete_the_task(claude_code, "anthropic")


def test_codex_completes_a_task():
    complete_the_task(codex, "responses")


def test_gemini_cli_completes_a_task():
    complete_the_task(gemini_cli, "gemini")
