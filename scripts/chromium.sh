#!/usr/bin/env bash
# Prints the path of the Chromium that the tests use: $PAN_CHROMIUM, the system's, or the one that Playwright installed.
# Prints nothing if there is none.
cd "$(dirname "$0")/../end2end" || exit 1
for browser in "${PAN_CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser \
  "$(node -p 'require("@playwright/test").chromium.executablePath()' 2>/dev/null)"; do
  if [ -n "$browser" ] && [ -x "$browser" ]; then
    echo "$browser"
    exit
  fi
done
