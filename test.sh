#!/usr/bin/env bash
# Runs every test: Rust, Rust as WebAssembly, alerting rules, fuzz targets, and the running system with a real Redis in
# Chromium, Firefox and WebKitGTK. Installs missing tools; see scripts/setup.sh. Prints each step's output and a table of the steps' seconds.
set -euo pipefail
cd "$(dirname "$0")"
case ${1:-} in
-h | --help)
  echo "usage: ./test.sh [PLAYWRIGHT_ARGUMENT…]    such as: ./test.sh --grep 'attack 4'"
  echo "docs/CONTRIBUTING.md says how to run single tests."
  exit
  ;;
esac
. scripts/steps.sh

alerting_rules() {
  local promtool
  promtool=$(scripts/promtool.sh)
  "$promtool" check rules docs/alerts.yml && "$promtool" test rules docs/alerts.test.yml
}
browser_tests() { (cd end2end && npx tsc --noEmit && npx playwright test --project redis --project memory "$@"); }

# The tests in Firefox and WebKit. Names what is missing; CI then fails.
other_browser_tests() {
  local projects="" missing=""
  if [ -n "$(scripts/firefox.sh)" ]; then projects="--project firefox"; else missing="Firefox"; fi
  if [ -n "$(scripts/webkit.sh)" ]; then projects="$projects --project webkit"; else missing="$missing WebKitGTK"; fi
  if [ -n "$missing" ]; then
    echo "Not tested, because something is missing: $missing. scripts/setup.sh tests installs it, or says how." >&2
    [ -z "${CI:-}" ] || return 1
  fi
  [ -z "$projects" ] || (cd end2end && npx playwright test $projects --pass-with-no-tests "$@")
}

[ -n "${CI:-}" ] || step "Set-up" scripts/setup.sh tests
step "Rust" cargo test --workspace --features app/ssr,app/tests
step "Rust as WebAssembly" cargo test -p protocol -p actions --target wasm32-unknown-unknown --tests --profile wasm-dev
step "Alerting rules" alerting_rules
step "Fuzz targets, 30 seconds each" scripts/fuzz.sh 30
step "Build for the browser tests" cargo leptos build --bin-features ssr,tests
step "Browser tests" browser_tests "$@"
step "Firefox and WebKit" other_browser_tests "$@"
