#!/usr/bin/env bash
# Prints how many pointer paths of each kind are raised to a confirmation: people's, from a file of lines
# {"user": …, "path": [[x, y, ms], …], "hold_ms": …}, machine-made ones, and those of ghost-cursor (npm), which Node makes
# from a seed. docs/PROOFS.md says what it means.
set -euo pipefail
if [ ! -r "${1:-}" ]; then
  echo "usage: scripts/proofs.sh HUMAN_FILE (the file of people's paths is not part of this repository)" >&2
  exit 2
fi
file=$(realpath "$1")
cd "$(dirname "$0")/.."
if [ ! -d end2end/node_modules/ghost-cursor ]; then
  (cd end2end && npm ci --no-progress --no-audit --no-fund) >&2
fi
ghost=$(mktemp)
trap 'rm -f "$ghost"' EXIT
node end2end/ghost-paths.mjs 10000 >"$ghost"
cargo run --quiet -p server --example proofs -- "$file" "$ghost"
