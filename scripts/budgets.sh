#!/usr/bin/env bash
# Builds the page as a release is built, and compares what a browser downloads of it with scripts/budgets.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf target/site
cargo leptos build --release --frontend-only --precompress
budget=$(awk '$1 == "page" { print $2 }' scripts/budgets.txt)
total=0
for file in target/site/pkg/pan.*.{wasm,js,css}; do
  for packed in br gz; do
    [ -s "$file.$packed" ] || { echo "$file.$packed is missing" >&2; exit 1; }
  done
  bytes=$(wc -c <"$file.br")
  printf '%-48s %9d plain %9d brotli\n' "${file##*/}" "$(wc -c <"$file")" "$bytes"
  total=$((total + bytes))
done
echo "page: $total bytes of brotli, budget $budget"
[ "$total" -le "$budget" ] || { echo "the page is over its budget" >&2; exit 1; }
