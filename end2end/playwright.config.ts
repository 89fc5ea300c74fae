import { execFileSync } from "node:child_process";
import { defineConfig, devices } from "@playwright/test";
import type { Options } from "./support/test.ts";

// The same browser that scripts/setup.sh found or installed.
const browser = execFileSync("../scripts/chromium.sh", { encoding: "utf8", cwd: import.meta.dirname }).trim();

// `support/servers.ts` starts the servers, on free ports.
export default defineConfig<Options>({
  testDir: "tests",
  globalSetup: "./support/setup.ts",
  fullyParallel: true,
  workers: 2,
  forbidOnly: !!process.env["CI"],
  // A busy machine may need a second try; the last line says how many did.
  retries: process.env["CI"] ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: process.env["CI"] ? [["dot"], ["./support/summary.ts"]] : [["list"], ["./support/summary.ts"]],
  use: {
    ...devices["Desktop Chrome"],
    // Recording slows every test down; where a test is tried again, that one try is enough.
    trace: process.env["CI"] ? "on-first-retry" : "retain-on-failure",
    launchOptions: {
      ...(browser && { executablePath: browser }),
      args: [
        // Chromium's own sandbox does not work for root.
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    // Everything, with two servers on one Redis.
    { name: "redis", use: { store: "redis" } },
    // What can differ with one server's own memory: one journey that uses all of it; that it outlives a restart, and what
    // it forgets then; that requests at once are decided one by one; readiness, which has no store to lose. All else about
    // a store is decided below HTTP, where server/tests/store_contract.rs holds every store to the same rules.
    { name: "memory", use: { store: "memory" }, grep: /@memory/ },
  ],
});
