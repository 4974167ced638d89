"""Published clients of npm as real clients; skipped where node or npm cannot be had.

SPDX-License-Identifier: MIT
"""

import fcntl
import json
import os
import re
import shutil
import subprocess

import formats
from base import ROOT, check, equal, skip, slow
from harness import Gateway, Sim, clean_env, config, provider

FOLDER = ROOT / "tests" / "npm"


def installed(folder):
    """Are the versions of package.json there?"""
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        path = folder / "node_modules" / name / "package.json"
        if not path.exists() or json.loads(path.read_text())["version"] != version:
            return False
    return True


def have_packages(folder=FOLDER, node=18):
    """The packages of a folder are installed, and node has at least that version; or a skip."""
    if not shutil.which("node"):
        skip("no node")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").split(".")[0]) < node:
        skip(f"node {node} is needed, there is {version.strip()}")
    with open(folder / "package.json") as lock:  # tests run side by side, and one of them installs
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed(folder):
            install(folder)


def install(folder):
    if not shutil.which("npm"):
        skip("no npm")
    try:
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=180,
        )
    except subprocess.TimeoutExpired:
        skip("npm ci did not end within three minutes")
    if done.returncode:
        skip("npm ci failed: " + done.stderr.decode("utf-8", "replace")[-400:])


def run_client(name, at_least, node=18):
    """Runs tests/npm/test_NAME.mjs against a gateway with a provider of each format behind it."""
    have_packages(node=node)
    with Sim() as sim:
        everything = {"sim": provider(sim.base_url), **formats.providers(sim)}
        text = config(everything, models=formats.models(), default_model="sim/mini")
        # A second gateway asks for a key.
        locked = config(
            everything, models=formats.models(), default_model="sim/mini", keys=["right-key"]
        )
        plain = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
        with Gateway(text) as gateway, Gateway(locked) as second, Gateway(plain) as third:
            env = clean_env(
                BATON_URL=f"http://{gateway.address}",
                LOCKED_URL=f"http://{second.address}",
                PLAIN_URL=f"http://{third.address}",
                SIM_LOG=sim.log_path,
                DEADLINE_MS=str(int(10000 * slow())),
            )
            done = subprocess.run(
                ["node", f"test_{name}.mjs"],
                cwd=FOLDER,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=90 * slow(),
            )
    output = done.stdout.decode("utf-8", "replace")
    last = output.strip().splitlines()[-1] if output.strip() else ""
    found = re.fullmatch(r"npm-[\w-]+: (\d+) passed, (\d+) failed, (\d+) skipped", last)
    check(found, "no last line: " + output)
    check(found.group(2) == "0" and int(found.group(1)) >= at_least, output)
    equal(done.returncode, 0, output)
    if os.environ.get("VERBOSE"):
        print(output)


def test_the_official_openai_client_is_served():
    run_client("openai", 40)


def test_the_official_openai_client_is_served_over_responses():
    run_client("responses", 24)


def test_anthropics_client_is_served():
    run_client("anthropic", 28)


def test_googles_client_is_served():
    run_client("genai", 27, node=20)


def test_ollamas_client_is_served():
    run_client("ollama", 24)


def test_the_ai_sdk_is_served():
    run_client("ai_sdk", 23)


def test_langchain_is_served():
    run_client("langchain", 11, node=20)
