#!/usr/bin/env bash
# Installs the tools that build and test PAN. Needs rustup, Node and git. Skips tools that are installed, so it can run
# again at any time. Prints one line for each tool; the output of the installers goes to target/setup.log.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
"" | tests) ;;
*)
  echo "usage: scripts/setup.sh          installs what dev.sh needs"
  echo "       scripts/setup.sh tests    also installs what test.sh needs"
  case $1 in -h | --help) exit ;; *) exit 2 ;; esac
  ;;
esac

CARGO_LEPTOS=0.3.10
# The tool rejects modules that another version of the library made.
WASM_BINDGEN=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)
LOG=$PWD/target/setup.log

has() { command -v "$1" >/dev/null 2>&1; }

stop() {
  printf '\nSet-up failed: %s\n' "$1" >&2
  exit 1
}

# Runs an installer, and prints what it installs and how many seconds it took:
# install <tool and purpose> <advice on failure> <command…>
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

# Runs a command as root, if that needs no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif has sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# Installs packages of the operating system: system_package <apt> <dnf> <brew>, each a list of package names.
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

# Unpacks a Debian package into target/tools, so that its service does not start. Installs it on other systems:
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

# Installs a command from crates.io, prebuilt if cargo-binstall finds it: cargo_tool <crate> <version> [<optimization>]
cargo_tool() {
  if has cargo-binstall && cargo binstall --no-confirm "$1@$2"; then return; fi
  # Compiling without optimization takes a third of the time. These tools spend most of their time in other programs.
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=${3:-0}
  # The tools share a target folder because they share dependencies.
  export CARGO_TARGET_DIR=$PWD/target/tools/build
  # Use the system's OpenSSL if its headers are installed, instead of compiling another.
  if has pkg-config && pkg-config --exists openssl; then export OPENSSL_NO_VENDOR=1; fi
  cargo install --locked "$1" --version "$2" || cargo install "$1" --version "$2"
}

# Installs what only the tests in other browsers need. Without it, test.sh skips them; CI fails.
optional() { (install "$@") || { [ -z "${CI:-}" ] && echo "Without it, the tests in that browser are skipped." >&2; }; }

chromium() { (cd end2end && npx playwright install chromium) || system_package chromium chromium chromium; }

# Prefers the distribution's package to a download.
any_chromium() { if has apt-get; then system_package chromium '' '' || chromium; else chromium; fi; }

firefox() { system_package firefox-esr firefox '' || system_package firefox firefox ''; }

node_modules() {
  # Copies the lock file last, so that an interrupted npm ci runs again.
  (cd end2end && npm ci --no-progress --no-audit --no-fund) && cp end2end/package-lock.json end2end/node_modules/.installed
}

# Older Ubuntu releases have the binary in nginx-core.
nginx() { unpacked nginx nginx nginx && [ -n "$(scripts/nginx.sh)" ] || unpacked nginx-core nginx nginx; }

has rustup || stop "rustup is missing. Install it from https://rustup.rs, then open a new shell."
has npm || stop "Node is missing. Install Node 20 or newer from https://nodejs.org."
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || stop "Node $(node -v) is too old. Install Node 20 or newer from https://nodejs.org."

if ! has cc || ! has make; then
  install "C compiler and make, for linking Rust programs" \
    "Install a C compiler (Debian: apt-get install build-essential; macOS: xcode-select --install)." \
    system_package build-essential 'gcc gcc-c++ make' ''
fi

if ! rustup target list --installed | grep -qx wasm32-unknown-unknown; then
  install "Rust's WebAssembly target" "rustup cannot add the target wasm32-unknown-unknown to this toolchain." \
    rustup target add wasm32-unknown-unknown
fi

if ! has wasm-bindgen || [ "$(wasm-bindgen --version)" != "wasm-bindgen $WASM_BINDGEN" ]; then
  install "wasm-bindgen $WASM_BINDGEN, which connects WebAssembly to the browser (two minutes)" \
    "wasm-bindgen-cli $WASM_BINDGEN does not build. See target/setup.log." cargo_tool wasm-bindgen-cli "$WASM_BINDGEN" 1
fi

if ! has cargo-leptos || [ "$(cargo leptos --version)" != "cargo-leptos $CARGO_LEPTOS" ]; then
  install "cargo-leptos $CARGO_LEPTOS, which builds server and page together (five minutes)" \
    "cargo-leptos $CARGO_LEPTOS does not build. See target/setup.log." cargo_tool cargo-leptos "$CARGO_LEPTOS"
fi

# cargo-leptos and the signing frame's build script look for it on the PATH.
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
  install "Playwright and independent implementations of the RFCs, in end2end/node_modules" \
    "npm cannot install the packages in end2end/package-lock.json. See target/setup.log." node_modules
fi

if [ -z "$(scripts/chromium.sh)" ]; then
  install "Chromium, for the browser tests" \
    "Install Chromium (Debian: apt-get install chromium), or set PAN_CHROMIUM to the path of a Chromium." any_chromium
fi

if [ -z "$(scripts/firefox.sh)" ]; then
  optional "Firefox, for the browser tests" \
    "Install Firefox 153 or newer (Debian: apt-get install firefox-esr), or set PAN_FIREFOX to its path." firefox
fi

if [ -z "$(scripts/webkit.sh)" ]; then
  optional "WebKitGTK with its driver, a virtual screen and a window manager, for the browser tests" \
    "Install WebKitWebDriver, Xvfb and openbox (Debian: apt-get install webkit2gtk-driver xvfb openbox). They need Linux." \
    system_package 'webkit2gtk-driver xvfb openbox' 'webkit2gtk4.1 xorg-x11-server-Xvfb openbox' ''
fi

if ! has redis-server; then
  install "Redis, which the tests start and stop" \
    "Install Redis 7 (Debian: apt-get install redis-server; macOS: brew install redis)." \
    system_package redis-server redis redis
fi

if [ -z "$(scripts/promtool.sh)" ]; then
  install "promtool, for testing the alerting rules in docs/alerts.yml" \
    "promtool comes with Prometheus (https://prometheus.io/download). Put it on the PATH." \
    unpacked prometheus golang-github-prometheus prometheus
fi

if ! has openssl; then
  install "openssl, for the certificates of the tests over TLS" \
    "Install openssl (Debian: apt-get install openssl; macOS: brew install openssl)." \
    system_package openssl openssl openssl
fi

if [ -z "$(scripts/nginx.sh)" ]; then
  install "nginx, the reverse proxy in docs/DEPLOYMENT.md" \
    "Install nginx (Debian: apt-get install nginx; macOS: brew install nginx), or put it on the PATH." nginx
fi
