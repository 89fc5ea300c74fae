#!/usr/bin/env bash
# Installs what PAN is built and tested with, on a machine that has rustup, Node and git. Each step is skipped when the
# tool is there, so the script can run again at any time. What the installers print goes to target/setup.log.
#
#   scripts/setup.sh           what dev.sh needs
#   scripts/setup.sh tests     and what test.sh needs
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_LEPTOS=0.3.10
# The tool must have exactly the version of the library, or it rejects the module.
WASM_BINDGEN=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)
LOG=$PWD/target/setup.log

has() { command -v "$1" >/dev/null 2>&1; }

stop() {
  printf '\nset-up stopped: %s\n' "$1" >&2
  exit 1
}

# Runs an installer, with one line before and the seconds after: install <what and why> <what to do if it fails> <command…>
install() {
  local what=$1 remedy=$2 began=$SECONDS
  shift 2
  printf '==> %s … ' "$what"
  mkdir -p target
  if ! "$@" >"$LOG" 2>&1; then
    printf 'failed\n'
    tail -n 20 "$LOG" >&2
    stop "$remedy"
  fi
  printf '%s s\n' $((SECONDS - began))
}

# Runs a command as root, if no password has to be asked for.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif has sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# Installs packages of the operating system: system_package <apt> <dnf> <brew>, each a list of names.
system_package() {
  if has apt-get; then
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $1
  elif has dnf; then
    as_root dnf install -y -q $2
  elif has brew; then
    brew install --quiet $3
  else
    return 1
  fi
}

# Unpacks a Debian package under target/tools, where no service of it starts; elsewhere installs it:
# unpacked <apt> <dnf> <brew>
unpacked() {
  if has apt-get && has dpkg; then
    mkdir -p target/tools
    (cd target/tools && { apt-get download -q "$1" || { as_root apt-get update -qq && apt-get download -q "$1"; }; } &&
      dpkg -x "$1"_*.deb . && rm "$1"_*.deb)
  else
    system_package "$1" "$2" "$3"
  fi
}

# Installs a command of crates.io, prebuilt where cargo-binstall is there and finds it: cargo_tool <crate> <version>
cargo_tool() {
  if has cargo-binstall && cargo binstall --no-confirm "$1@$2"; then return; fi
  # Compiled unoptimised, which takes a third of the time: what these tools do, other programs do for the most part.
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=${3:-0}
  # One folder for all of them, as they share dependencies.
  export CARGO_TARGET_DIR=$PWD/target/tools/build
  # The system's OpenSSL, where its headers are there, saves compiling another.
  if has pkg-config && pkg-config --exists openssl; then export OPENSSL_NO_VENDOR=1; fi
  cargo install --locked "$1" --version "$2" || cargo install "$1" --version "$2"
}

chromium() { (cd end2end && npx playwright install chromium) || system_package chromium chromium chromium; }

# A distribution's package first: where it exists, nothing is downloaded from elsewhere.
any_chromium() { if has apt-get; then system_package chromium '' '' || chromium; else chromium; fi; }

node_modules() {
  # The lock file is copied last, so that an npm ci that stopped half-way is done again.
  (cd end2end && npm ci --no-progress --no-audit --no-fund) && cp end2end/package-lock.json end2end/node_modules/.installed
}

# Ubuntu once had the binary in nginx-core.
nginx() { unpacked nginx nginx nginx && [ -n "$(scripts/nginx.sh)" ] || unpacked nginx-core nginx nginx; }

has rustup || stop "rustup is missing. Install it from https://rustup.rs, then open a new shell."
has npm || stop "Node is missing. Install Node 20 or newer from https://nodejs.org."
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || stop "this Node is $(node -v); PAN's tests need 20 or newer."

if ! has cc || ! has make; then
  install "C compiler and make, which Rust links with" \
    "Install a C compiler (Debian: apt-get install build-essential; macOS: xcode-select --install)." \
    system_package build-essential 'gcc gcc-c++ make' ''
fi

if ! rustup target list --installed | grep -qx wasm32-unknown-unknown; then
  install "Rust's WebAssembly target" "rustup cannot add the target wasm32-unknown-unknown to this toolchain." \
    rustup target add wasm32-unknown-unknown
fi

if ! has wasm-bindgen || [ "$(wasm-bindgen --version)" != "wasm-bindgen $WASM_BINDGEN" ]; then
  install "wasm-bindgen $WASM_BINDGEN, which joins WebAssembly to the browser (two minutes)" \
    "wasm-bindgen-cli $WASM_BINDGEN does not build; target/setup.log has the reason." cargo_tool wasm-bindgen-cli "$WASM_BINDGEN" 1
fi

if ! has cargo-leptos || [ "$(cargo leptos --version)" != "cargo-leptos $CARGO_LEPTOS" ]; then
  install "cargo-leptos $CARGO_LEPTOS, which builds server and page together (five minutes)" \
    "cargo-leptos $CARGO_LEPTOS does not build; target/setup.log has the reason." cargo_tool cargo-leptos "$CARGO_LEPTOS"
fi

# cargo-leptos and the frame's build find it on the PATH.
if ! has wasm-opt; then
  install "wasm-opt, which makes WebAssembly smaller" \
    "npm cannot install binaryen globally. Run: npm install --global binaryen (or install your system's binaryen)." \
    eval 'npm install --global --no-fund --no-audit binaryen || as_root npm install --global --no-fund --no-audit binaryen'
fi

[ "${1:-}" = tests ] || exit 0

for component in rustfmt clippy; do
  if ! cargo "${component#rust}" --version >/dev/null 2>&1; then
    install "$component" "rustup cannot add $component to this toolchain." rustup component add "$component"
  fi
done

if ! has c++; then
  install "C++ compiler, for libFuzzer" "Install a C++ compiler (Debian: apt-get install build-essential)." \
    system_package build-essential gcc-c++ ''
fi

if ! cmp -s end2end/package-lock.json end2end/node_modules/.installed; then
  install "Playwright, and independent implementations to test against, in end2end/node_modules" \
    "npm cannot install what end2end/package-lock.json lists." node_modules
fi

if [ -z "$(scripts/chromium.sh)" ]; then
  install "Chromium, which the tests drive" \
    "Install Chromium (Debian: apt-get install chromium), or set PAN_CHROMIUM to a browser's path." any_chromium
fi

if ! has redis-server; then
  install "Redis, which the tests start and end by themselves" \
    "Install Redis 7 (Debian: apt-get install redis-server; macOS: brew install redis)." \
    system_package redis-server redis redis
fi

if [ -z "$(scripts/promtool.sh)" ]; then
  install "promtool, which tests the alerting rules of docs/alerts.yml" \
    "promtool comes with Prometheus (https://prometheus.io/download). Put it on the PATH." \
    unpacked prometheus golang-github-prometheus prometheus
fi

if ! has openssl; then
  install "openssl, which makes a certificate for the tests over TLS" \
    "Install openssl (Debian: apt-get install openssl; macOS: brew install openssl)." \
    system_package openssl openssl openssl
fi

if [ -z "$(scripts/nginx.sh)" ]; then
  install "nginx, the proxy of docs/DEPLOYMENT.md" \
    "Install nginx (Debian: apt-get install nginx; macOS: brew install nginx), or put it on the PATH." nginx
fi
