#!/usr/bin/env bash
# Every test: Rust natively, Rust as WebAssembly, and the running system in a real Chromium with a real Redis. Arguments go
# to Playwright: ./test.sh --grep 'attack 4'
set -euo pipefail
cd "$(dirname "$0")"
. scripts/steps.sh

alerting_rules() {
  local promtool
  promtool=$(scripts/promtool.sh)
  "$promtool" check rules docs/alerts.yml && "$promtool" test rules docs/alerts.test.yml
}
browser_tests() { (cd end2end && npx tsc --noEmit && npx playwright test "$@"); }

[ -n "${CI:-}" ] || step "Set-up" scripts/setup.sh tests
step "Rust" cargo test --workspace --features app/ssr,app/tests
step "Rust, as WebAssembly" cargo test -p protocol -p actions --target wasm32-unknown-unknown --tests --profile wasm-dev
step "Alerting rules" alerting_rules
step "Fuzzing, half a minute for each target" scripts/fuzz.sh 30
step "Building what the browser tests run" cargo leptos build --bin-features ssr,tests
step "The running system in Chromium" browser_tests "$@"
