#!/usr/bin/env bash
# Prints where promtool is, if it is somewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v promtool || ls "$PWD/target/tools/usr/bin/promtool" 2>/dev/null || true
