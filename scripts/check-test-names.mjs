#!/usr/bin/env node
// Checks that every test and source file named in the documents exists. Needs end2end/node_modules. Prints each wrong name
// with its line, and fails if there is one.
//
// Tests are named after their file: `attack-key.spec.ts` "start of a title", "start of another"; `http/bind.rs` `function`.
// A title may leave out `attack N:` and, with …, other parts. A number in words, as in "…" (two), is the number of tests
// that match. The attacks in README's table of browsers are those of Playwright's projects.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

if (process.argv.length > 2) {
  console.log("usage: scripts/check-test-names.mjs");
  process.exit(process.argv[2] === "--help" ? 0 : 2);
}
process.chdir(join(import.meta.dirname, ".."));

const DOCUMENTS = ["README.md", "SECURITY.md", ...readdirSync("docs").filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
/** Documents in which every name with two underscores is a test. */
const TEST_DOCUMENTS = ["SECURITY.md", "docs/ASVS.md"];
const SOURCES = readdirSync(".").map((folder) => `${folder}/src`).filter(existsSync);
const SPECS = "end2end/tests";
const RUST_TESTS = "server/tests";
const NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/** The numbers of the attacks that are tested, by project of end2end/playwright.config.ts. */
const attacks = new Map();

/** The browser tests by spec file: for each test, its title with and without the titles of its groups. */
function browserTests() {
  const output = execFileSync("npx", ["playwright", "test", "--list", "--reporter=json"], { cwd: "end2end", encoding: "utf8", maxBuffer: 1e8 });
  const files = new Map();
  const collect = (suite, groups) => {
    // A test is listed once for each project.
    const name = basename(suite.file);
    const tests = files.get(name) ?? new Map();
    files.set(name, tests);
    for (const { title, tests: runs } of suite.specs ?? []) {
      tests.set(groups + title, [title, groups + title]);
      const number = /^attack (\d+):/.exec(title)?.[1];
      for (const { projectName } of number ? runs : []) attacks.set(projectName, (attacks.get(projectName) ?? new Set()).add(Number(number)));
    }
    for (const inner of suite.suites ?? []) collect(inner, `${groups}${inner.title} `);
  };
  for (const suite of JSON.parse(output).suites) collect(suite, "");
  return files;
}

/** Numbers in order, as in "1–3, 5". */
function asRanges(numbers) {
  const ranges = [];
  for (const number of [...numbers].sort((one, other) => one - other)) {
    if (ranges.at(-1)?.[1] === number - 1) ranges.at(-1)[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}

/** Compares the attacks in README's table of browsers with the tests that run in Firefox and WebKit. */
function checkBrowserTable() {
  const row = /^\| attacks tested in it \| all \| (.*) \| (.*) \|$/m.exec(readFileSync("README.md", "utf8"));
  for (const [at, project] of ["firefox", "webkit"].entries()) {
    const tested = asRanges(attacks.get(project) ?? []);
    if (row?.[at + 1] !== tested) problems.push(`README.md: ${project} is tested with the attacks ${tested}, not ${row?.[at + 1]}`);
  }
}

/** The names of the test functions in a Rust file. A rule of the store contract is a test if the suite's `rules!` lists it. */
function rustTests(file) {
  const suite = file.match(`^${RUST_TESTS}/contract/(\\w+)`)?.[1];
  if (suite) {
    const lists = readFileSync(`${RUST_TESTS}/contract/${suite}.rs`, "utf8").matchAll(/rules! \{\s*\$store => \w+:([^}]*)\}/g);
    const listed = new Set([...lists].flatMap(([, names]) => names.trim().split(/\s+/)));
    const functions = readFileSync(file, "utf8").matchAll(/^pub\(crate\) async fn (\w+)/gm);
    return [...functions].map(([, name]) => name).filter((name) => listed.has(name));
  }
  const attribute = /#\[(?:\w+::)*\w*test\b[^\n]*\]\s*/;
  const others = /(?:#\[[^\n]*\]\s*|\/\/[^\n]*\n\s*)*/;
  const test = new RegExp(`${attribute.source}${others.source}(?:async )?fn (\\w+)`, "g");
  return [...readFileSync(file, "utf8").matchAll(test)].map(([, name]) => name);
}

/** A file that a document names by its path from the root, the document, a folder of tests or sources, or a parent of `last`. */
function resolveFile(name, document, last = "") {
  const folders = ["", dirname(document), SPECS, `${SPECS}/demo`, RUST_TESTS, ...SOURCES];
  for (let folder = dirname(last); folder !== "."; folder = dirname(folder)) folders.push(folder);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Whether a title begins with the quoted text, in which … stands for any text. */
function isTitle(quoted, title) {
  const parts = quoted.split(/\s*…\s*/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^(?:attack \\d+: )?${parts.join(".*")}`).test(title);
}

/** Whether a piece of code is the name of a Rust test. `isAfterFile`: it follows a Rust file or the names of its tests. */
function isTestName(code, document, isAfterFile) {
  if (isAfterFile) return /^[a-z]\w*…?$/.test(code);
  return TEST_DOCUMENTS.includes(document) && /^[a-z][a-z0-9]*(_[a-z0-9]+){2,}…?$/.test(code);
}

const specs = browserTests();
const problems = [];
let checked = 0;

/** Checks one paragraph, list item or table row, which begins at that line. */
function checkText(document, line, text) {
  const report = (message) => problems.push(`${document}:${line}: ${message}`);
  let file; // The path of the file that was named last,
  let name = ""; // the file or test that was named last,
  let count = 0; // the number of its tests,
  let isList = false; // and whether only names of tests of that file have followed.
  for (const [piece, code, quoted, word] of text.matchAll(/`([^`]+)`|"([^"]+)"|\((\w+)\)|[^`"(]+|./g)) {
    const isRust = file?.endsWith(".rs") ?? false;
    if (code && /^[\w./-]*\w\.(rs|ts|mjs|sh)$/.test(code)) {
      file = resolveFile(code, document, file);
      if (!file) report(`there is no file ${code}`);
      count = file?.endsWith(".rs") ? rustTests(file).length : (specs.get(basename(file ?? ""))?.size ?? 0);
      isList = true;
    } else if (code && isTestName(code, document, isList && isRust)) {
      const start = code.replace(/…$/, "");
      count = isRust ? rustTests(file).filter((test) => (code === start ? test === code : test.startsWith(start))).length : 0;
      if (!count) report(`there is no test ${code} in ${isRust ? file : "a Rust file named before it"}`);
    } else if (quoted && isList && file?.endsWith(".spec.ts")) {
      count = [...(specs.get(basename(file))?.values() ?? [])].filter((titles) => titles.some((title) => isTitle(quoted, title))).length;
      if (!count) report(`there is no test "${quoted}" in ${file}`);
    } else {
      if (word && isList && NUMBERS.includes(word) && NUMBERS[count] !== word) report(`${name} is ${count} tests, not ${word}`);
      if (!word && !/^(,| |and|;|\(|:)+$/.test(piece)) isList = false;
      continue;
    }
    name = code ?? quoted;
    checked++;
  }
}

for (const document of DOCUMENTS) {
  let [text, start, isCode] = ["", 0, false];
  for (const [at, line] of [...readFileSync(document, "utf8").split("\n"), ""].entries()) {
    const isFence = line.trimStart().startsWith("```");
    if (isFence) isCode = !isCode;
    if (isCode || isFence || !line.trim() || /^\s*(\||\*|#)/.test(line)) {
      if (text) checkText(document, start, text);
      text = "";
    }
    if (isCode || isFence || !line.trim()) continue;
    if (!text) start = at + 1;
    text += ` ${line.trim()}`;
  }
}

checkBrowserTable();
for (const problem of problems) console.error(problem);
console.log(`${checked} names of tests and files, ${problems.length} wrong`);
process.exitCode = problems.length ? 1 : 0;
