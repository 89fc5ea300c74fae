#!/usr/bin/env bash
# Installs what PAN is built and tested with, on a machine that has rustup, Node and git. Every step looks first and does
# nothing when the thing is there, so it can be run again at any time.
#
#   scripts/setup.sh           what dev.sh needs
#   scripts/setup.sh tests     and what test.sh needs
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_LEPTOS=0.3.10
CARGO_FUZZ=0.13.2
# The tool must be of exactly the version of the library, or it refuses its output.
WASM_BINDGEN=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)

has() { command -v "$1" >/dev/null 2>&1; }
say() { printf '\n==> %s\n' "$*"; }
stop() {
  printf '\nset-up stopped: %s\n' "$1" >&2
  exit 1
}

# Runs a command as root, if that is possible without asking anybody.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif has sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# Installs a package of the operating system: system_package <apt> <dnf> <brew>
system_package() {
  if has apt-get; then
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
  elif has dnf; then
    as_root dnf install -y -q "$2"
  elif has brew; then
    brew install --quiet "$3"
  else
    return 1
  fi
}

# Unpacks a Debian package under target/tools: unpacked <package>
unpacked() {
  has apt-get && has dpkg || return 1
  mkdir -p target/tools
  (cd target/tools && { apt-get download -q "$1" || { as_root apt-get update -qq && apt-get download -q "$1"; }; } &&
    dpkg -x "$1"_*.deb . && rm "$1"_*.deb)
}

# Installs a command of crates.io: cargo_tool <crate> <version>
cargo_tool() {
  # Built lightly: these tools wait for other programs most of the time.
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
  if has cargo-binstall && cargo binstall --no-confirm --quiet "$1@$2"; then return; fi
  cargo install --quiet --locked "$1" --version "$2" || cargo install --quiet "$1" --version "$2" ||
    stop "$1 $2 could not be built; the reason is above."
}

has rustup || stop "rustup is missing. Install it from https://rustup.rs, then open a new shell."
has npm || stop "Node is missing. Install Node 20 or newer from https://nodejs.org."
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || stop "this Node is $(node -v); PAN's tests need 20 or newer."

if ! has cc || ! has make; then
  say "A C compiler and make: Rust links with the one, and a few libraries are built with both"
  system_package build-essential gcc '' || true
  has cc && has make || stop "no C compiler. Install one (Debian: apt-get install build-essential; macOS: xcode-select --install)."
fi

if ! rustup target list --installed | grep -qx wasm32-unknown-unknown; then
  say "Rust's WebAssembly target: page and signing frame are WebAssembly"
  rustup target add wasm32-unknown-unknown || stop "rustup cannot add the target wasm32-unknown-unknown to this toolchain."
fi

if ! has wasm-bindgen || [ "$(wasm-bindgen --version)" != "wasm-bindgen $WASM_BINDGEN" ]; then
  say "wasm-bindgen $WASM_BINDGEN: joins WebAssembly to the browser, and runs its tests (a few minutes)"
  cargo_tool wasm-bindgen-cli "$WASM_BINDGEN"
fi

if ! has cargo-leptos || [ "$(cargo leptos --version)" != "cargo-leptos $CARGO_LEPTOS" ]; then
  say "cargo-leptos $CARGO_LEPTOS: builds server and page together (about twelve minutes on two cores)"
  cargo_tool cargo-leptos "$CARGO_LEPTOS"
fi

[ "${1:-}" = tests ] || exit 0

for component in rustfmt clippy; do
  if ! cargo "${component#rust}" --version >/dev/null 2>&1; then
    say "$component: checks form and style"
    rustup component add "$component" || stop "rustup cannot add $component to this toolchain."
  fi
done

if ! has cargo-fuzz || [ "$(cargo fuzz --version)" != "cargo-fuzz $CARGO_FUZZ" ]; then
  say "cargo-fuzz $CARGO_FUZZ: feeds the parsers what nobody thought of (about two minutes)"
  cargo_tool cargo-fuzz "$CARGO_FUZZ"
fi

# The lock file is copied last, so that an npm ci that stopped half-way is done again.
if ! cmp -s end2end/package-lock.json end2end/node_modules/.installed; then
  say "Playwright and two independent implementations to test against, in end2end/node_modules"
  (cd end2end && npm ci --no-progress) || stop "npm cannot install what end2end/package-lock.json lists."
  cp end2end/package-lock.json end2end/node_modules/.installed
fi

if [ -z "$(scripts/chromium.sh)" ]; then
  say "Chromium: the tests drive a real browser"
  if ! (cd end2end && npx playwright install chromium); then
    system_package chromium chromium chromium || true
  fi
  [ -n "$(scripts/chromium.sh)" ] ||
    stop "no Chromium. Install one (Debian: apt-get install chromium), or set PAN_CHROMIUM to a browser's path."
fi

if ! has redis-server; then
  say "Redis: the tests run against a real one, started and ended by themselves"
  system_package redis-server redis redis || true
  has redis-server || stop "no redis-server. Install Redis 7 (Debian: apt-get install redis-server; macOS: brew install redis)."
fi

# Unpacked only: an installed package would start the service.
if [ -z "$(scripts/promtool.sh)" ]; then
  say "promtool: tests the alerting rules of docs/alerts.yml"
  unpacked prometheus || system_package prometheus golang-github-prometheus prometheus || true
  [ -n "$(scripts/promtool.sh)" ] ||
    stop "no promtool. It comes with Prometheus (https://prometheus.io/download); put it on the PATH."
fi

if ! has openssl; then
  say "openssl: makes a certificate for the tests over TLS"
  system_package openssl openssl openssl || true
  has openssl || stop "no openssl. Install it (Debian: apt-get install openssl; macOS: brew install openssl)."
fi

if [ -z "$(scripts/nginx.sh)" ]; then
  say "nginx: the tests put the proxy of docs/DEPLOYMENT.md in front of a server in production mode"
  # Ubuntu had its binary in nginx-core.
  for package in nginx nginx-core; do
    if [ -z "$(scripts/nginx.sh)" ]; then unpacked "$package" || true; fi
  done
  if [ -z "$(scripts/nginx.sh)" ]; then system_package nginx nginx nginx || true; fi
  [ -n "$(scripts/nginx.sh)" ] ||
    stop "no nginx. Install one (Debian: apt-get install nginx; macOS: brew install nginx), or put it on the PATH."
fi
