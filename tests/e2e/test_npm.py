"""The official openai client of npm as a real client; skipped where node or npm cannot be had.

SPDX-License-Identifier: MIT
"""

import os
import re
import shutil
import subprocess

from base import ROOT, check, equal, skip, slow
from harness import Gateway, Sim, clean_env, config, provider

FOLDER = ROOT / "tests" / "npm"


def have_packages():
    if not shutil.which("node"):
        skip("no node")
    if (FOLDER / "node_modules" / "openai" / "package.json").exists():
        return
    if not shutil.which("npm"):
        skip("no npm")
    try:
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        skip("npm ci did not end within two minutes")
    if done.returncode:
        skip("npm ci failed: " + done.stderr.decode("utf-8", "replace")[-400:])


def test_the_official_openai_client_is_served():
    have_packages()
    with Sim() as sim:
        # A second gateway asks for a key, for the client's AuthenticationError.
        text = config({"sim": provider(sim.base_url)}, default_model="sim/mini")
        locked = config(
            {"sim": provider(sim.base_url)}, default_model="sim/mini", keys=["right-key"]
        )
        with Gateway(text) as gateway, Gateway(locked) as second:
            env = clean_env(
                BATON_URL=f"http://{gateway.address}/v1",
                LOCKED_URL=f"http://{second.address}/v1",
                SIM_LOG=sim.log_path,
                DEADLINE_MS=str(int(10000 * slow())),
            )
            done = subprocess.run(
                ["node", "test_openai.mjs"],
                cwd=FOLDER,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=90 * slow(),
            )
    output = done.stdout.decode("utf-8", "replace")
    last = output.strip().splitlines()[-1] if output.strip() else ""
    found = re.fullmatch(r"npm-openai: (\d+) passed, (\d+) failed, (\d+) skipped", last)
    check(found, "no last line: " + output)
    check(found.group(2) == "0" and int(found.group(1)) >= 10, output)
    equal(done.returncode, 0, output)
    if os.environ.get("VERBOSE"):
        print(output)
