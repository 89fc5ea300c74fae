#!/usr/bin/env bash
# Feeds every fuzz target for so many seconds: scripts/fuzz.sh [30]. What it finds that is new stays in fuzz/corpus, what
# makes a target fail in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
# No sanitizer: those need a nightly compiler, and PAN has no unsafe code that they could watch.
for target in request proof; do
  mkdir -p "corpus/$target"
  cargo fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="${1:-30}" -max_len=8192 -verbosity=0 -print_final_stats=1 2>&1 |
    grep -vE '^("|#|INFO|Dictionary|stat::(average|slowest|peak)|$)'
done
