#!/usr/bin/env bash
# Builds the application's page in release mode and fails if a browser downloads more than the `page` budget in
# scripts/budgets.txt. Needs the tools of scripts/setup.sh. Prints the plain and compressed size of each file.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf target/site
cargo leptos build --release --frontend-only --precompress
budget=$(awk '$1 == "page" { print $2 }' scripts/budgets.txt)
total=0
for file in target/site/pkg/pan.*.{wasm,js,css}; do
  for packed in br gz; do
    [ -s "$file.$packed" ] || { echo "$file.$packed does not exist." >&2; exit 1; }
  done
  bytes=$(wc -c <"$file.br")
  printf '%-48s %9d plain %9d brotli\n' "${file##*/}" "$(wc -c <"$file")" "$bytes"
  total=$((total + bytes))
done
echo "page: $total bytes with brotli; budget: $budget"
[ "$total" -le "$budget" ] || { echo "The page is larger than its budget. Make it smaller, or raise the budget and say why." >&2; exit 1; }
