import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { defineConfig, devices } from "@playwright/test";
import type { Options } from "./support/fixtures.ts";

// The browser that scripts/setup.sh found or installed.
const browser = execFileSync("../scripts/chromium.sh", { encoding: "utf8", cwd: import.meta.dirname }).trim();

const chromium = {
  ...devices["Desktop Chrome"],
  launchOptions: {
    ...(browser && { executablePath: browser }),
    args: [
      // Chromium's sandbox does not work for root.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  },
};

// Playwright controls the distribution's Firefox by WebDriver BiDi.
const firefox = {
  browserName: "firefox",
  channel: "moz-firefox",
  viewport: { width: 1280, height: 720 },
  // Recording a trace makes each move of the mouse take a tenth of a second.
  trace: "off",
  launchOptions: { executablePath: join(import.meta.dirname, "support/firefox.mjs") },
} as const;

// These tests use no browser of Playwright.
const WEBKIT = "webkit-*.spec.ts";

// These tests start a Firefox of their own.
const FIREFOX = "firefox-*.spec.ts";

// `support/global-setup.ts` starts the servers on free ports.
export default defineConfig<Options>({
  testDir: "tests",
  globalSetup: "./support/global-setup.ts",
  fullyParallel: true,
  workers: 2,
  forbidOnly: !!process.env["CI"],
  // On a busy machine, a test may need a retry. The summary lists the retried tests.
  retries: process.env["CI"] ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: process.env["CI"] ? [["dot"], ["./support/summary-reporter.ts"]] : [["list"], ["./support/summary-reporter.ts"]],
  // Recording slows tests down, so CI records only retries.
  use: { trace: process.env["CI"] ? "on-first-retry" : "retain-on-failure" },
  projects: [
    // All tests in Chromium, with two servers on one Redis.
    { name: "redis", testIgnore: [WEBKIT, FIREFOX], use: { ...chromium, store: "redis" } },
    // The tests whose result can differ with the memory store: a whole journey, restarts, and concurrent requests. All other
    // rules of a store are tested below HTTP, for every store, by server/tests/store_contract.rs.
    { name: "memory", testIgnore: [WEBKIT, FIREFOX], use: { ...chromium, store: "memory" }, grep: /@memory/ },
    // The journeys, and the attacks whose result can differ between browsers.
    { name: "firefox", testIgnore: WEBKIT, use: { ...firefox, store: "memory" }, grep: /@firefox/ },
    { name: "webkit", testMatch: WEBKIT },
  ],
});
