import type { BrowserContext } from "@playwright/test";
import { AttackerWindow, type WindowRequest } from "../../support/attacker-window.ts";
import { newUserName } from "../../support/app-page.ts";
import { expect, test as base } from "../../support/fixtures.ts";
import { InjectedScript } from "../../support/injected-script.ts";
import { NodeClient } from "../../support/node-client.ts";

const BUTTON = "Send 42.00 EUR";

/** A page with the attacker's script, which opens any number of confirmations for a transfer. */
const test = base.extend<{ script: InjectedScript; transfer: WindowRequest; openWindow(): Promise<AttackerWindow> }>({
  script: async ({ visitor, page }, use) => {
    const script = await InjectedScript.injectInto(page);
    await visitor.registerQuickly(newUserName());
    await use(script);
  },
  transfer: async ({ script, server }, use) => {
    const friend = await NodeClient.registered(server);
    const body = JSON.stringify({ to: friend.name, amount: 4200, note: "" });
    await use({ session: await script.sessionHandle(), path: "/api/transfer", body, nonce: await script.nonce() });
  },
  openWindow: async ({ server, page, transfer }, use) => use(() => AttackerWindow.open(page, server.sign, transfer)),
});

/** Sets the device's clock ahead, in documents that load from now on. */
async function setClock(context: BrowserContext, ms: number): Promise<void> {
  await context.addInitScript((ms) => {
    const now = Date.now;
    Date.now = () => now() + ms;
  }, ms);
}

/** Checks that the window shows the pause, shows no transfer, and signs nothing. */
async function expectPaused(window: AttackerWindow): Promise<void> {
  const outcome = await window.outcome();
  expect(outcome).toEqual({ rejected: { paused: { seconds: expect.any(Number) } } });
  await expect(window.page.getByRole("heading", { level: 1 })).toHaveText("Confirmations are paused");
  await expect(window.button(BUTTON)).toBeHidden();
}

async function cancelThreeTimes(openWindow: () => Promise<AttackerWindow>): Promise<void> {
  for (let times = 0; times < 3; times++) {
    const window = await openWindow();
    await window.button("Cancel").click();
    await window.outcome();
  }
}

/** The ways in which an unwanted confirmation ends. */
const UNWANTED_ENDINGS: Record<string, (window: AttackerWindow) => Promise<unknown>> = {
  cancelled: async (window) => window.button("Cancel").click(),
  "rejected with Escape": async (window) => window.page.keyboard.press("Escape"),
  "closed by the user": async (window) => window.page.close(),
  "closed by the page": async (window) => window.withHandle((handle) => handle.close()),
  "navigated by the page": async (window) => window.withHandle((handle) => (handle.location.href = "/account")),
  reloaded: async (window) => window.page.reload(),
};

for (const [how, end] of Object.entries(UNWANTED_ENDINGS)) {
  test(`attack 27: three confirmations that were ${how} start a pause`, async ({ openWindow, visitor, context, server, page, script, transfer }) => {
    for (let times = 0; times < 3; times++) {
      const window = await openWindow();
      await expect(window.button(BUTTON)).toBeVisible();
      await end(window);
      expect(await window.outcome()).toEqual({ rejected: "cancelled" });
      if (!window.page.isClosed()) await window.page.close();
    }
    // The pause also holds in a second window and after both pages are reloaded.
    for (let times = 0; times < 2; times++) {
      const window = await openWindow();
      await expectPaused(window);
      await window.page.reload();
      await expect(window.button(BUTTON)).toBeHidden();
      await window.page.close();
      await page.reload();
    }
    await expect(visitor.balance).toHaveText("1,000.00 EUR");

    // The positive control: a minute later a window confirms again.
    await setClock(context, 61_000);
    const later = await AttackerWindow.open(page, server.sign, { ...transfer, nonce: await script.nonce() });
    await later.button(BUTTON).click();
    expect(await later.outcome()).toHaveProperty("signed");
  });
}

test("attack 27: the user's own confirmations pause too, with a message, and the form keeps its input", async ({ openWindow, visitor, page, transfer }) => {
  await cancelThreeTimes(openWindow);
  await page.getByLabel("To", { exact: true }).fill((JSON.parse(transfer.body) as { to: string }).to);
  await page.getByLabel("Amount", { exact: true }).fill("42");
  await page.getByLabel("Amount", { exact: true }).press("Enter");
  await expect(visitor.alert).toContainText(/Several confirmations were cancelled, so confirmations are paused. Try again in \d+ seconds/);
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("42");
  await expect(visitor.balance).toHaveText("1,000.00 EUR");
});

test("attack 27: clearing the page's storage does not end the pause", async ({ openWindow, page }) => {
  await cancelThreeTimes(openWindow);
  await page.evaluate(async () => {
    localStorage.clear();
    sessionStorage.clear();
    for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name ?? "");
    for (const cookie of document.cookie.split(";")) document.cookie = `${cookie}; Max-Age=0`;
  });
  const window = await openWindow();
  await expectPaused(window);
});

test("attack 27: confirmed transfers start no pause", async ({ visitor, page, script, transfer, server }) => {
  for (let times = 0; times < 5; times++) {
    const window = await AttackerWindow.open(page, server.sign, { ...transfer, nonce: await script.nonce() });
    await window.button(BUTTON).click();
    const outcome = await window.outcome();
    expect(outcome).toHaveProperty("signed");
    if ("signed" in outcome) expect((await script.post("/api/transfer", transfer.body, outcome.signed)).status).toBe(200);
    await expect.poll(() => window.page.isClosed()).toBe(true);
  }
  await page.reload();
  await expect(visitor.balance).toHaveText("790.00 EUR");
});
