#!/bin/sh
# run.sh DIR SECONDS - runs every fuzzer in DIR on its corpus, one a processor at once: the kept inputs first, then new
# ones for SECONDS.
# SPDX-License-Identifier: MIT
set -eu

here=$(dirname "$0")

# fuzz PROGRAM SECONDS: what it says last, or all that helps when it fails
fuzz() {
    fuzzer=$1 seconds=$2
    name=$(basename "$fuzzer" | sed 's/^fuzz_//')
    log=$fuzzer.log
    "$fuzzer" -runs=0 -timeout=10 -rss_limit_mb=4096 "$here/corpus/$name" >"$log" 2>&1 || {
        echo "fuzz $name: FAILED on a kept input"
        tail -40 "$log"
        return 1
    }
    if [ "$seconds" -eq 0 ]; then
        echo "fuzz $name: the kept inputs"
        return
    fi
    found=$(mktemp -d)
    status=0
    "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=8192 \
        -artifact_prefix="$here/corpus/$name/crash-" "$found" "$here/corpus/$name" >"$log" 2>&1 || status=1
    rm -rf "$found"
    if [ "$status" != 0 ]; then
        echo "fuzz $name: FAILED"
        tail -40 "$log"
        return 1
    fi
    echo "fuzz $name: the kept inputs, then $seconds s: $(tail -1 "$log")"
}

if [ "$1" = --one ]; then
    fuzz "$3" "$2"
    exit
fi
dir=$1 seconds=$2
for fuzzer in "$dir"/fuzz_*; do
    case $fuzzer in *.d | *.o | *.log) continue ;; esac
    [ -x "$fuzzer" ] && [ -f "$fuzzer" ] && echo "$fuzzer"
done | xargs -P "$(nproc)" -n 1 sh "$0" --one "$seconds"
