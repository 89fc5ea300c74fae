#!/usr/bin/env bash
# Every test: Rust natively, Rust as WebAssembly, and the running system in a real Chromium, once with a memory store and
# once with a real Redis. Arguments go to Playwright: ./test.sh --grep 'attack 4'
set -euo pipefail
cd "$(dirname "$0")"
scripts/setup.sh tests

step() { printf '\n==> %s\n' "$*"; }

step "Rust"
cargo test --workspace --features app/ssr

step "Rust, as WebAssembly"
cargo test -p protocol --target wasm32-unknown-unknown --tests

step "Alerting rules"
promtool=$(scripts/promtool.sh)
"$promtool" check rules docs/alerts.yml
"$promtool" test rules docs/alerts.test.yml

step "Fuzzing, half a minute for each target"
scripts/fuzz.sh 30

step "Building what the browser tests run"
cargo leptos build

step "The running system in Chromium"
cd end2end
npx tsc --noEmit
exec npx playwright test "$@"
