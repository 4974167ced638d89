#!/bin/sh
# run.sh DIR SECONDS - runs every fuzzer in DIR on its corpus: the kept inputs first, then new ones for SECONDS.
# SPDX-License-Identifier: MIT
set -eu

dir=$1 seconds=$2
here=$(dirname "$0")
for fuzzer in "$dir"/fuzz_*; do
    [ -x "$fuzzer" ] && [ -f "$fuzzer" ] || continue
    case $fuzzer in *.d | *.o) continue ;; esac
    name=$(basename "$fuzzer" | sed 's/^fuzz_//')
    echo "fuzz $name: the kept inputs"
    "$fuzzer" -runs=0 -timeout=10 -rss_limit_mb=4096 "$here/corpus/$name" >"$dir/$name.log" 2>&1 || {
        tail -40 "$dir/$name.log"
        exit 1
    }
    [ "$seconds" -gt 0 ] || continue
    found=$(mktemp -d)
    echo "fuzz $name: $seconds s"
    "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=8192 \
        -artifact_prefix="$here/corpus/$name/crash-" "$found" "$here/corpus/$name" >"$dir/$name.log" 2>&1 || {
        tail -40 "$dir/$name.log"
        exit 1
    }
    tail -1 "$dir/$name.log"
    rm -rf "$found"
done
