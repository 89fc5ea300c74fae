#!/usr/bin/env bash
# Serves PAN at http://pan.localhost:3000 and rebuilds it on every edit. Installs missing tools; see scripts/setup.sh. Keeps
# sessions and accounts in target/ across restarts. Takes no arguments.
set -euo pipefail
cd "$(dirname "$0")"
scripts/setup.sh
echo
echo "==> Building. Open http://pan.localhost:3000 when it is ready. Press Ctrl-C to stop."
exec cargo leptos watch
