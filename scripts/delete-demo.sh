#!/usr/bin/env bash
# Deletes the demo, a bank, from a clean working tree and leaves an application to build a product on: sign-in,
# registration, an account with a display name, sessions, activity and notifications. Changes files only; commit them
# afterwards. Prints what it deletes.
#
# The demo is these files, and the lines between the marks <demo> and </demo> in the others.
set -euo pipefail
cd "$(dirname "$0")/.."
FILES=(
  actions/src/money.rs
  actions/tests/actions/{money,transfer,worked_example}.rs
  app/src/bank.rs
  app/src/bank
  docs/{account,confirmation}.png
  end2end/support/demo
  end2end/tests/demo
  # These check the documents of PAN, which describe the demo's tests, and this script.
  scripts/{check-test-names.mjs,readme-example.sh,without-demo.sh}
)
case ${1:-} in
"") ;;
*)
  echo "usage: scripts/delete-demo.sh"
  [ "$1" = --help ] && exit 0 || exit 2
  ;;
esac
[ -d app/src/bank ] || { echo "The demo is not here: app/src/bank does not exist." >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || { echo "The working tree has changes. Commit or stash them first." >&2; exit 1; }

git rm -rq "${FILES[@]}"
printf 'deleted %s\n' "${FILES[@]}"
node - <<'JS'
const { execFileSync } = require("node:child_process")
const { readFileSync, writeFileSync } = require("node:fs")
/** Whether a line is a comment with nothing but this mark. */
const isMark = (line, mark) => new RegExp(`^\\s*(//|#|/\\*|<!--) ${mark}( \\*/| -->)?$`).test(line)
const marked = execFileSync("git", ["grep", "-lz", "</demo>", "--", ":!scripts/delete-demo.sh"], { encoding: "utf8" })
for (const file of marked.split("\0").filter(Boolean)) {
  const kept = []
  let deleted = 0
  let start = 0
  for (const [at, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (isMark(line, "<demo>")) {
      if (start) throw new Error(`${file}:${at + 1}: <demo> inside <demo>`)
      start = at + 1
    }
    if (start) deleted++
    else kept.push(line)
    if (isMark(line, "</demo>")) {
      if (!start) throw new Error(`${file}:${at + 1}: </demo> without <demo>`)
      start = 0
    }
  }
  if (start) throw new Error(`${file}:${start}: <demo> without </demo>`)
  if (!deleted) continue
  writeFileSync(file, kept.join("\n"))
  console.log(`deleted ${deleted} lines of ${file}`)
}
JS
cat >README.md <<'README'
# My application

A Leptos application whose sessions are protected by PAN (Partitioned Authority Sessions): see docs/ARCHITECTURE.md.

```sh
./dev.sh    # installs what is missing, then serves http://pan.localhost:3000 and rebuilds on every edit
./test.sh   # installs what is missing, then runs every test
```

* `actions/src/lib.rs` lists every protected action.
* `app/src/account/` has the server functions of the account and its record in the store; `app/src/pages/` has the pages.
* `docs/CONTRIBUTING.md` says how to add an action, and how to use your own users.
README
cargo fmt --all
git rm -q --cached scripts/delete-demo.sh
rm scripts/delete-demo.sh
echo "The demo is deleted. Run ./test.sh, then commit."
