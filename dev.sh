#!/usr/bin/env bash
# PAN at http://pan.localhost:3000, rebuilt at every edit. Sessions and accounts are kept in target/ over restarts.
set -euo pipefail
cd "$(dirname "$0")"
scripts/setup.sh
echo
echo "==> Building. Then open http://pan.localhost:3000 (Ctrl-C ends it)"
exec cargo leptos watch
