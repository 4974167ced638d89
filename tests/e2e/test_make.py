"""What make does beside building: packages are installed or named, and what is installed runs by itself.

SPDX-License-Identifier: MIT
"""

import os
import subprocess
import tempfile
from pathlib import Path

from base import ROOT, check, equal
from harness import BATON, clean_env

# Instead of the system's: one package is installed, and what is called is written down.
DPKG = """#!/bin/sh
for package; do :; done
test "$package" = here && echo 'install ok installed'
"""
APT = """#!/bin/sh
echo "$0 $*" >>"$CALLS"
test "$1" = update || test -z "$STALE" || test -n "$(grep update "$CALLS")"
"""
SUDO = """#!/bin/sh
test -n "$MAY" || exit 1
test "$1" = -n && shift
"$@"
"""


def dependencies(*packages, user="1000", **env):
    """tests/deps.sh as that user: what it said and did."""
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as d:
        for name, text in (("dpkg-query", DPKG), ("apt-get", APT), ("sudo", SUDO), ("id", f"#!/bin/sh\necho {user}\n")):
            path = Path(d, name)
            path.write_text(text)
            path.chmod(0o755)
        calls = Path(d, "calls")
        calls.touch()
        done = subprocess.run(
            ["sh", ROOT / "tests/deps.sh", *packages],
            env={"PATH": f"{d}:{os.environ['PATH']}", "CALLS": str(calls), **env},
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done, [line.removeprefix(f"{d}/") for line in calls.read_text().splitlines()]


INSTALL = "apt-get install -y -qq --no-install-recommends a b"


def test_nothing_is_installed_where_nothing_is_missing():
    done, calls = dependencies("here", "here")
    equal((done.returncode, done.stdout, done.stderr, calls), (0, "", "", []))


def test_what_is_missing_is_installed_as_root_or_with_sudo():
    for options in ({"user": "0"}, {"MAY": "1"}):
        done, calls = dependencies("a", "here", "b", **options)
        equal((done.returncode, done.stdout, calls), (0, "installing: a b\n", [INSTALL]), done.stderr)


def test_an_old_list_of_packages_is_updated():
    done, calls = dependencies("a", "b", user="0", STALE="1")
    equal((done.returncode, calls), (0, [INSTALL, "apt-get update -qq", INSTALL]), done.stderr)


def test_who_may_not_install_is_told_what_is_missing():
    done, calls = dependencies("a", "here", "b")
    equal((done.returncode, done.stdout, calls), (1, "", []))
    check("missing: a b\n" in done.stderr and "apt-get install a b\n" in done.stderr, done.stderr)


def install(stage, env):
    make = ["make", "install", f"B={Path(BATON).parent}", f"DESTDIR={stage}", "PREFIX=/opt/baton"]
    plain = {name: value for name, value in env.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(make, cwd=ROOT, env=plain, capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, done.stdout + done.stderr)


def test_an_install_takes_away_what_an_earlier_version_had():
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as d:
        share = Path(d, "opt/baton/share/baton")
        install(d, clean_env(HOME=d))
        files = share.joinpath("installed").read_text()
        check("policies/cascade.lua\n" in files and "scripts/tasks.model\n" in files, files)
        for name in ("policies/gone.lua", "policies/of a user.lua"):
            share.joinpath(name).write_text("return 1\n")
        share.joinpath("installed").write_text("policies/absent.lua\npolicies/gone.lua\n" + files)
        install(d, clean_env(HOME=d))
        equal(share.joinpath("installed").read_text(), files)
        check(not share.joinpath("policies/gone.lua").exists(), "it is still there")
        check(share.joinpath("policies/of a user.lua").exists(), "a user's file was taken away")
        for name in files.splitlines():
            check(share.joinpath(name).is_file(), f"{name} is not there")


def test_what_is_installed_runs_without_the_sources():
    with tempfile.TemporaryDirectory(prefix="baton-e2e-") as d:
        env = clean_env(HOME=d)
        install(f"{d}/stage", env)
        os.rename(f"{d}/stage/opt/baton", f"{d}/moved")  # the binary finds what belongs to it beside itself
        for command in (["check"], ["run", f"{d}/moved/share/baton/examples/hello.lua"]):
            done = subprocess.run([f"{d}/moved/bin/baton", *command], cwd=d, env=env, capture_output=True, text=True, timeout=60)
            equal(done.returncode, 0, done.stdout + done.stderr)
        check(Path(d, "moved/share/baton/scripts/tasks.model").is_file(), "the model of classify.task is not installed")


def test_help_has_every_target():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    for target in "all demo test deps debug asan fuzz lint bench format install clean help".split():
        check(f"  {target} " in done.stdout, f"{target} is not in: {done.stdout}")
