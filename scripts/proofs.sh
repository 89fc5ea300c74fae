#!/usr/bin/env bash
# Prints how many pointer paths of each kind the server raises to a confirmation: recorded human paths, synthetic paths, and
# paths of the npm package ghost-cursor, made from a fixed seed; and how often each user is raised by weights that were chosen
# without them. docs/PROOFS.md explains the numbers. Needs a file of human paths, one per line:
# {"user": …, "path": [[x, y, ms], …], "hold_ms": …}
set -euo pipefail
if [ ! -r "${1:-}" ]; then
  echo "usage: scripts/proofs.sh HUMAN_FILE    The file of human paths is not part of this repository." >&2
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
cargo run --quiet -p server --example leave_one_user_out -- "$file"
