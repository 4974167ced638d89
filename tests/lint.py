"""lint - the layout that no compiler checks: ranks of core/, foreign headers, banned functions, length of files.

Includes go to the same or a lower rank, never up. A foreign header enters only where the table says. Ranks 2 and 3 use
no clock, no random number, no socket and no file of their own: everything passes the seam (effect_live.c is its far
side).
SPDX-License-Identifier: MIT
"""

import re
import sys
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "core"

# Every file of core/ has one rank; a name ending in '*' stands for all that begin so.
RANKS = {
    0: "glance text_* words phrases keywords feature feature_marks lexicon lexicon_words language language_* tokens tokens_* pii pii_* address err base64 buf fetch_url file list ngrams linear linear_* csv pool json json_* sse http1* options digest hash secret wire where regex regex_ecma schema schema_*"
    " thompson linucb"
    " outcomes outcomes_read curve gunzip"
    " neighbours neighbours_*",
    1: "log trace_log transfer transfer_* resolve sources provider home tls sim_hash shm kv kv_* cache health health_table quantile metrics canary claims zone"
    " archive archive_* channel watch shared sources_* memfd"
    " listen slots bandit bandit_*",
    2: "effect effect_live effect_oracle effect_state questions webhook sink call",
    3: "story admission guard sandbox lua_* generation generation_* threads task modules bind_* request_view answer stream",
    4: "http http_* config door failure load state request request_flight request_private request_sink request_trace worker worker_* master master_* admin admin_* sim sim_play sim_log cmd_* commands main train train_* eval eval_*",
}

# Foreign headers: which files may see them.
FOREIGN = {
    "curl": "transfer transfer_*",
    "event2": "transfer transfer_* resolve effect_live effect_oracle http http_* sim sim_* cmd_* worker worker_* master master_* admin admin_* watch",
    "openssl": "digest tls",
    "zlib.h": "transfer_* gunzip",
    "pcre2.h": "regex",
    "linear.h": "train_drop train_fit train_narrow train_together train_vectors",
    "lua": "guard sandbox lua_* generation generation_* threads task modules bind_* request_view answer stream config"
    " request request_flight load worker sim sim_* cmd_*",
}
LUA_HEADERS = {"lua.h", "lauxlib.h", "lualib.h", "lua-cjson.h"}

BANNED = re.compile(
    r"(?<![>.])\b(clock_gettime|gettimeofday|time|rand|random|srand|getrandom|socket|connect|accept|open|fopen|openat"
    r"|gethostbyname|getaddrinfo)\s*\("
)
ANYWHERE = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca|system|popen)\s*\(")
ALLOWED = {  # a reason each
    "effect_live": "the far side of the seam",
}
LINES_MAX = 700


def matches(name, words):
    return any(
        name.startswith(word[:-1]) if word.endswith("*") else name == word for word in words.split()
    )


def rank_of(name):
    exact = [r for r, words in RANKS.items() if name in words.split()]
    found = exact or [r for r, words in RANKS.items() if matches(name, words)]
    return found[0] if len(found) == 1 else None


def without_comments(text):
    keep_lines = lambda m: "\n" * m.group(0).count("\n")  # noqa: E731
    text = re.sub(r"/\*.*?\*/", keep_lines, text, flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def check_includes(path, name, rank, text):
    for line, header in re.findall(r'^(#include "([\w./]+)")', text, flags=re.M):
        below = rank_of(header.rsplit(".", 1)[0])
        if below is None or below > rank:
            yield f"{line}: rank {below} is not at or below rank {rank} of {name}"
    for header in re.findall(r"^#include <([\w./-]+)>", text, flags=re.M):
        family = "lua" if header in LUA_HEADERS else header.split("/")[0]
        if family in FOREIGN and not matches(name, FOREIGN[family]):
            yield f"<{header}> may not be seen by {name}"


def check_calls(name, rank, text):
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        if rank in (2, 3) and name not in ALLOWED and BANNED.search(line):
            yield f"line {number}: {BANNED.search(line).group(1)} is banned here: use the seam"
        if ANYWHERE.search(line):
            yield f"line {number}: {ANYWHERE.search(line).group(1)} is banned: it has no bound"


def check(path):
    name, text = path.stem, path.read_text()
    rank = rank_of(name)
    if rank is None:
        yield "has no rank: add it to the table in tests/lint.py"
        return
    if not re.match(r"/\* [\w ,]+ - .+", text):
        yield "must open with '/* name - the idea. */'"
    if "SPDX-License-Identifier: MIT" not in text[:600]:
        yield "has no SPDX line"
    if text.count("\n") > LINES_MAX:
        yield f"is longer than {LINES_MAX} lines: is it still one idea?"
    yield from check_includes(path, name, rank, text)
    yield from check_calls(name, rank, text)


def main():
    faults = [
        f"{path.name}: {fault}"
        for path in sorted(CORE.glob("*.[ch]"))
        for fault in check(path)
    ]
    print("\n".join(faults) if faults else "ranks: clean")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
