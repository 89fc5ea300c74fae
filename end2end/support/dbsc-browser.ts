import { type BrowserContext, chromium } from "@playwright/test";
import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/**
 * A Chromium with device bound sessions, which it accepts only over https with a valid certificate. Its device keys are in
 * software, and it may sign as often as it likes.
 */
export async function launchDbscBrowser(profile: string, certificate: string): Promise<BrowserContext> {
  const key = new X509Certificate(readFileSync(certificate)).publicKey.export({ type: "spki", format: "der" });
  const executablePath = execFileSync(resolve(ROOT, "scripts/chromium.sh"), { encoding: "utf8" }).trim();
  return chromium.launchPersistentContext(profile, {
    ...(executablePath && { executablePath }),
    // The argument below makes the whole browser headless; Playwright may start its headless shell instead.
    headless: false,
    args: [
      "--headless=new",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      // With --ignore-certificate-errors instead, Chromium ignores the headers.
      `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`,
      "--enable-features=DeviceBoundSessions:RequireOriginTrialTokens/false/RefreshQuota/false," +
        "EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
    ],
  });
}
