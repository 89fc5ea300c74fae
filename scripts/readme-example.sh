#!/usr/bin/env bash
# Does what the README tells about adding a protected action, in a copy of the repository. That must compile, and keep the
# tests green.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=target/readme-example
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$copy"
node - "$copy" <<'JS'
const { readFileSync, writeFileSync } = require('node:fs')
const copy = process.argv[2]
const blocks = [...readFileSync('README.md', 'utf8').matchAll(/^ *```rust\n([\s\S]*?)^ *```/gm)].map((match) => match[1])
if (blocks.length !== 2) throw new Error(`README.md has ${blocks.length} Rust blocks instead of two`)
const edit = (file, change) => writeFileSync(`${copy}/${file}`, change(readFileSync(`${copy}/${file}`, 'utf8')))
edit('actions/src/lib.rs', (text) => text.replace(/(\nprotocol::actions! \{[\s\S]*?)\n\}\n/, (_, list) => `${list}\n${blocks[0]}}\n`))
const call = readFileSync('README.md', 'utf8').match(/`(close_account\(.*\)\.await)`/)[1]
const page = `/// As a page does it.\npub async fn page(reason: actions::value::Note) -> Result<(), AppError> {\n    ${call}\n}\n`
edit('app/src/demo/api.rs', (text) => `${text}\n${blocks[1]}\n${page}`)
JS
# Cargo gives the crates of both folders the same names. Newer sources make it compile those of the repository again.
sources=("$PWD"/{actions,app,protocol,server,signer}/src/lib.rs)
trap 'touch "${sources[@]}"' EXIT
export CARGO_TARGET_DIR="$PWD/target"
cd "$copy"
# The same packages and features as elsewhere in CI, so that the dependencies are not compiled once more.
cargo check -p signer -p app --features app/hydrate --target wasm32-unknown-unknown --profile wasm-dev
cargo test --workspace --exclude fuzz --features app/ssr,app/tests --lib --bins --test wire
