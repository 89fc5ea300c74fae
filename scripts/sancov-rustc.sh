#!/usr/bin/env bash
# A wrapper of rustc (RUSTC_WORKSPACE_WRAPPER) that adds libFuzzer's coverage counters, with the flags of cargo-fuzz that
# stable compilers accept. It leaves build scripts and procedural macros unchanged. scripts/fuzz.sh uses it.
set -euo pipefail
case " $* " in
*" --crate-name build_script_"* | *" --crate-type proc-macro "* | *" --print"* | *" -vV "*) exec "$@" ;;
esac
exec "$@" --cfg fuzzing -Copt-level=2 -Ccodegen-units=1 -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
