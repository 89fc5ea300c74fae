#!/usr/bin/env bash
# Prints the path of promtool: on the PATH, or unpacked by scripts/setup.sh. Prints nothing if there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v promtool || ls "$PWD/target/tools/usr/bin/promtool" 2>/dev/null || true
