#!/usr/bin/env bash
# Prints the path of the Firefox that the tests use: $PAN_FIREFOX or the system's. Prints nothing if
# there is none.
for browser in "${PAN_FIREFOX:-}" /usr/bin/firefox-esr /usr/bin/firefox /Applications/Firefox.app/Contents/MacOS/firefox; do
  if [ -n "$browser" ] && [ -x "$browser" ]; then
    echo "$browser"
    exit
  fi
done
