#!/usr/bin/env python3
"""pii - how much of the personal data in a text classify.pii finds, and how much of what it finds is none.

    python3 tests/eval/pii.py [--data DIR] [--only PART] [--seed N] [--errors]

Three parts, all read by the real binary (tests/eval/pii.lua):
  synth    VECTORS/routing-data/pii_presidio_synth.jsonl, the six structured kinds that it marks
  vectors  VECTORS/pii-vectors/vectors.jsonl, which tell how often each text holds one entity
  own      tests/eval/pii_lines.txt, every usual kind; its half that only judges, then the half the rules were written by;
           pii_later_lines.txt, written after the rules
A finding is right when it overlaps a marked place of its kind; any other is wrong. A marked place with no finding of its
kind is missed. Intervals: 95 %, bootstrap over texts (synth: over templates, as many texts are made from each).
--errors prints what is wrong and missed, of the judging half only how many.
SPDX-License-Identifier: MIT
"""

import argparse
import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATON = os.environ.get("BATON", str(ROOT / "build/baton"))
DRAWS = 1000
BOUND = 0.95
SYNTH = {"CREDIT_CARD": "credit_card", "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "US_SSN": "us_ssn",
         "IP_ADDRESS": "ip", "PHONE_NUMBER": "phone"}  # fmt: skip
# Entities that are a kind of ours which is looked for by default, and alone.
VECTORS = {"CREDIT_CARD": "credit_card", "EMAIL": "email", "IP_ADDRESS": "ip", "MAC_ADDRESS": "mac", "US_SSN": "us_ssn",
           "US_ITIN": "us_itin", "CRYPTO_ADDRESS": "crypto_address", "UK_NHS": "national_id", "discord": "api_key",
           "artifactory": "api_key", "aws_key": "api_key", "github_token": "api_key", "jwt": "api_key",
           "mailchimp_key": "api_key", "pypi_token": "api_key", "sendgrid": "api_key", "stripe_key": "api_key",
           "telegram_token": "api_key", "twilio": "api_key", "basic_auth": "password"}  # fmt: skip
MARK = re.compile(r"\{\{([a-z_|]+):(.*?)\}\}")


# ---- texts: (group, text, kinds or None, marks or a count); a mark is (kinds, from, to) in bytes ----


def size(text):
    return len(text.encode())


def synth(folder):
    for line in Path(folder, "routing-data/pii_presidio_synth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = row["text"]
        marks = [({SYNTH[t]}, size(text[:a]), size(text[:b])) for t, a, b in row["spans"] if t in SYNTH]
        yield row["template_id"], text, sorted(SYNTH.values()), marks


def vectors(folder):
    for n, line in enumerate(Path(folder, "pii-vectors/vectors.jsonl").read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        if row["entity"] in VECTORS:
            yield n, base64.b64decode(row["text_b64"]).decode(), [VECTORS[row["entity"]]], row["count"]


def is_judge(line):
    """The half of a line of pii_lines.txt: FNV-1a of its bytes, odd (tests/unit/test_pii.c has it, too)."""
    h = 2166136261
    for byte in line.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    return (h ^ h >> 16) & 1 == 1


def own(name, wanted=lambda line: True):
    for n, line in enumerate((ROOT / "tests/eval" / name).read_text(encoding="utf-8").splitlines()):
        if not line or line.startswith("#") or not wanted(line):
            continue
        text, marks, last = "", [], 0
        for m in MARK.finditer(line):
            text += line[last : m.start()].replace("\\n", "\n")
            what = m[2].replace("\\n", "\n")
            marks.append((set(m[1].split("|")), size(text), size(text + what)))
            text, last = text + what, m.end()
        yield n, text + line[last:].replace("\\n", "\n"), None, marks


# ---- judging ----


def found(texts):
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"text": t, **({"kinds": k} if k else {})} for _, t, k, _ in texts]
        Path(folder, "in.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        done = subprocess.run([BATON, "run", "--allow-read", folder, ROOT / "tests/eval/pii.lua", f"{folder}/in.jsonl"],
                              capture_output=True, text=True, encoding="utf-8", check=False)  # fmt: skip
    if done.returncode:
        sys.exit(f"baton run pii.lua: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def counted(kind, wanted, got):
    right = min(wanted, got)
    return {kind: [right, got - right, wanted - right]}


def placed(marks, findings):
    """{ kind: [right, wrong, missed] } and what is wrong and missed."""
    out, errors, used = {}, [], set()
    for kinds, start, end in marks:
        hits = [i for i, f in enumerate(findings) if f[0] in kinds and f[2] < end and f[3] > start]
        used.update(hits)
        kind = findings[hits[0]][0] if hits else sorted(kinds)[0]
        out.setdefault(kind, [0, 0, 0])[0 if hits else 2] += 1
        if not hits:
            errors.append(("missed", kind, start, end))
    for i, (kind, _, start, end) in enumerate(findings):
        if i not in used:
            out.setdefault(kind, [0, 0, 0])[1] += 1
            errors.append(("wrong", kind, start, end))
    return out, errors


def judged(texts, errors):
    """A list of (group, { kind: [right, wrong, missed] })."""
    texts, out = list(texts), []
    for (group, text, kinds, wanted), findings in zip(texts, found(texts)):
        if isinstance(wanted, int):
            out.append((group, counted(kinds[0], wanted, len(findings))))
            continue
        tally, wrong = placed(wanted, findings)
        out.append((group, tally))
        for what, kind, start, end in wrong if errors else ():
            print(f"{what} {kind}: {text.encode()[start:end].decode(errors='replace')!r} in {text!r}")
    return out


def add(tallies):
    total = [0, 0, 0]
    for t in tallies:
        total = [a + b for a, b in zip(total, t)]
    return total


def figures(total):
    right, wrong, missed = total
    share = lambda n: right / n if n else float("nan")  # noqa: E731
    return share(right + wrong), share(right + missed)


def intervals(verdicts, seed):
    groups = {}
    for group, kinds in verdicts:
        groups[group] = add([groups.get(group, [0, 0, 0]), *kinds.values()])
    parts, draw = list(groups.values()), random.Random(seed)
    drawn = [figures(add(draw.choices(parts, k=len(parts)))) for _ in range(DRAWS)]
    return [(sorted(x)[int(0.025 * DRAWS)], sorted(x)[int(0.975 * DRAWS)]) for x in zip(*drawn)]


def report(name, verdicts, seed):
    kinds = sorted({k for _, tally in verdicts for k in tally})
    totals = {k: add(t[k] for _, t in verdicts if k in t) for k in kinds}
    total = add(totals.values())
    print(f"\nPII, {name}: {len(verdicts)} texts")
    print(f"{'':16} {'precision':>22} {'recall':>24}   right wrong missed")
    (p, r), ((a, b), (c, d)) = figures(total), intervals(verdicts, seed)
    print(f"{'all':16} {p:7.3f} [{a:.3f}, {b:.3f}] {r:9.3f} [{c:.3f}, {d:.3f}]  {total[0]:6} {total[1]:5} {total[2]:6}")
    for kind in kinds:
        p1, r1 = figures(totals[kind])
        print(f"  {kind:14} {p1:7.3f} {'':16} {r1:7.3f} {'':16} " + "{:6} {:5} {:6}".format(*totals[kind]))
    for what, value in (("precision", p), ("recall", r)):
        print(f"  {what}: {'reached' if value >= BOUND else 'NOT REACHED'} (at least {BOUND})")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=os.environ.get("VECTORS", str(ROOT / "../shared")))
    parser.add_argument("--only", default="", help="pii, or a part: synth, vectors, own")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap [0]")
    parser.add_argument("--errors", action="store_true", help="print what is wrong and missed")
    args, _ = parser.parse_known_args()
    parts = [("synth", lambda: synth(args.data)), ("vectors", lambda: vectors(args.data)),
             ("own, judging half", lambda: own("pii_lines.txt", is_judge)),
             ("own, writing half", lambda: own("pii_lines.txt", lambda line: not is_judge(line))),
             ("own, later", lambda: own("pii_later_lines.txt"))]  # fmt: skip
    for name, texts in parts:
        if args.only.lower() not in f"pii {name}":
            continue
        try:
            verdicts = judged(texts(), args.errors and "judging" not in name)
        except FileNotFoundError as err:
            print(f"PII, {name}: no {err.filename}: skipped (VECTORS names the folder)")
            continue
        report(name, verdicts, args.seed)


if __name__ == "__main__":
    main()
