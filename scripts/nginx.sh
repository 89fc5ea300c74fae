#!/usr/bin/env bash
# Prints the path of nginx: on the PATH, or unpacked by scripts/setup.sh. Prints nothing if there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v nginx || ls "$PWD/target/tools/usr/sbin/nginx" 2>/dev/null || true
