#!/usr/bin/env bash
# Feeds every fuzz target for so many seconds: scripts/fuzz.sh [30]. What it finds that is new stays in fuzz/corpus, what
# makes a target fail in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
# The workspace's own crates are instrumented, their dependencies are those that everything else uses.
export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/sancov-rustc.sh
cargo build --package fuzz
for target in request proof; do
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  "${CARGO_TARGET_DIR:-target}/debug/fuzz-$target" "fuzz/corpus/$target" "fuzz/seeds/$target" \
    -max_total_time="${1:-30}" -max_len=8192 -verbosity=0 -print_funcs=0 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$target/" 2>&1 |
    grep -vE '^("|#|INFO|Dictionary|stat::(average|slowest|peak)|$)'
done
