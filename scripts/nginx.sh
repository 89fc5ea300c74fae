#!/usr/bin/env bash
# Prints where nginx is, if it is somewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v nginx || ls "$PWD/target/tools/usr/sbin/nginx" 2>/dev/null || true
