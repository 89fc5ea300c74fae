#!/usr/bin/env bash
# Deletes the demo in a copy of the repository, target/without-demo, and checks what is left: it compiles without warnings,
# its Rust tests pass, and a browser can use it. Arguments go to Playwright. Prints the output of cargo and Playwright.
set -euo pipefail
cd "$(dirname "$0")/.."
TESTS="errors appear at their field|sees all sessions and ends another|activity page lists|one of a thousand concurrent copies|a sign-in elsewhere shows"
copy=target/without-demo
link="$PWD/$copy/target"
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$copy"
ln -s "$PWD/end2end/node_modules" "$copy/end2end/node_modules"
# Both folders share a target folder, so that dependencies are compiled once. Cargo tells their crates apart by the version.
ln -s "$PWD/target" "$copy/target"
trap 'rm -f "$link"' EXIT
cd "$copy"
sed -i.old 's/^version = "0.1.0"$/version = "0.1.0-without-demo"/' Cargo.toml && rm Cargo.toml.old
git init -q
git add -A
git -c user.name=demo -c user.email=demo@example.com commit -qm "A copy"
scripts/delete-demo.sh
# The same packages and features as in the other CI steps, so that dependencies need not compile again.
cargo clippy --workspace --all-targets --features app/ssr,app/tests -- -D warnings
cargo test -p actions -p app --features app/ssr,app/tests --lib --bins --tests
cargo leptos build --bin-features ssr,tests
cd end2end
npx tsc --noEmit
npx playwright test --project=redis "${@:---grep=$TESTS}"
