#!/usr/bin/env bash
# Prints how many pointer paths of each kind are raised to a confirmation: people's, from a file of lines
# {"user": …, "path": [[x, y, ms], …], "hold_ms": …}, and machine-made ones. docs/PROOFS.md says what it means.
set -euo pipefail
if [ ! -r "${1:-}" ]; then
  echo "usage: scripts/proofs.sh HUMAN_FILE (the file of people's paths is not part of this repository)" >&2
  exit 2
fi
file=$(realpath "$1")
cd "$(dirname "$0")/.."
exec cargo run --quiet --release -p server --example proofs -- "$file"
