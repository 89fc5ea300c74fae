import { execFileSync } from "node:child_process";
import { defineConfig, devices } from "@playwright/test";
import type { Options } from "./support/test.ts";

// The same browser that scripts/setup.sh found or installed.
const browser = execFileSync("../scripts/chromium.sh", { encoding: "utf8", cwd: import.meta.dirname }).trim();

// Every test runs against both stores. `support/servers.ts` starts the servers, on free ports.
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
    // What a store goes through that the server's own memory does not: it cannot be away.
    { name: "memory", use: { store: "memory" }, testIgnore: /attack-store/ },
    { name: "redis", use: { store: "redis" } },
  ],
});
