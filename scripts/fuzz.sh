#!/usr/bin/env bash
# Runs fuzz targets. Needs a C++ compiler for libFuzzer. Prints a summary for each target and fails if one crashes.
# Stores new inputs in fuzz/corpus and crashing inputs in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
-h | --help)
  echo "usage: scripts/fuzz.sh [SECONDS] [TARGET…]    by default 30 seconds for each of: request proof"
  exit
  ;;
esac
seconds=${1:-30}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(request proof)
# Only the workspace's crates are instrumented, so that dependencies need not compile again.
export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/sancov-rustc.sh
cargo build --package fuzz
fuzz() {
  mkdir -p "fuzz/corpus/$1" "fuzz/artifacts/$1"
  "${CARGO_TARGET_DIR:-target}/debug/fuzz-$1" "fuzz/corpus/$1" "fuzz/seeds/$1" \
    -max_total_time="$seconds" -max_len=8192 -verbosity=0 -print_funcs=0 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$1/" 2>&1 |
    grep -vE '^("|#|INFO|Dictionary|stat::(average|slowest|peak)|$)'
}
# At the same time, each on one core.
running=()
for target in "${targets[@]}"; do
  fuzz "$target" &
  running+=($!)
done
status=0
for process in "${running[@]}"; do wait "$process" || status=$?; done
exit $status
