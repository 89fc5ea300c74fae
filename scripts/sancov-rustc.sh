#!/usr/bin/env bash
# Stands in for rustc (RUSTC_WORKSPACE_WRAPPER) and adds the coverage counters that libFuzzer is guided by: the flags of
# cargo-fuzz without a sanitizer, which stable compilers take. Build scripts run without libFuzzer and get none.
set -euo pipefail
case " $* " in
*" --crate-name build_script_"* | *" --crate-type proc-macro "* | *" --print"* | *" -vV "*) exec "$@" ;;
esac
exec "$@" --cfg fuzzing -Copt-level=2 -Ccodegen-units=1 -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
