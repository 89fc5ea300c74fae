#!/usr/bin/env bash
# Applies README.md's example of a protected action to a copy of the repository, target/readme-example. Fails unless the
# copy compiles and its tests pass. Prints the output of cargo.
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
const page = `/// A call from a page.\npub async fn page(reason: actions::value::Note) -> Result<(), AppError> {\n    ${call}\n}\n`
edit('app/src/account/api.rs', (text) => `${text}\n${blocks[1]}\n${page}`)
JS
# Both folders share a target folder, so that dependencies are compiled once. Cargo tells their crates apart by the version.
export CARGO_TARGET_DIR="$PWD/target"
cd "$copy"
sed -i.old 's/^version = "0.1.0"$/version = "0.1.0-readme-example"/' Cargo.toml
# The same packages and features as in the other CI steps, so that dependencies need not compile again.
cargo check -p signer -p app --features app/hydrate --target wasm32-unknown-unknown --profile wasm-dev
cargo test --workspace --exclude fuzz --features app/ssr,app/tests --lib --bins --test wire
