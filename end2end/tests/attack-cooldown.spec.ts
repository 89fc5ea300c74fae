import type { BrowserContext } from "@playwright/test";
import { newName } from "../support/bank.ts";
import { Client } from "../support/client.ts";
import { Injected } from "../support/injected.ts";
import { ScriptWindow, type WindowRequest } from "../support/script-window.ts";
import { expect, test as base } from "../support/test.ts";

const BUTTON = "Send 42.00 EUR";

/** A page with script of an attacker, which asks for a transfer as often as it likes. */
const test = base.extend<{ script: Injected; wish: WindowRequest; ask(): Promise<ScriptWindow> }>({
  script: async ({ bank, page }, use) => {
    const script = await Injected.into(page);
    await bank.appear(newName());
    await use(script);
  },
  wish: async ({ script, house }, use) => {
    const friend = await Client.registered(house);
    const body = JSON.stringify({ to: friend.name, amount: 4200, note: "" });
    await use({ session: await script.handle(), path: "/api/transfer", body, nonce: await script.nonce() });
  },
  ask: async ({ house, page, wish }, use) => use(() => ScriptWindow.open(page, house.sign, wish)),
});

/** Sets the device's clock, for every document that is loaded from now on. */
async function setClock(context: BrowserContext, ms: number): Promise<void> {
  await context.addInitScript((ms) => {
    const now = Date.now;
    Date.now = () => now() + ms;
  }, ms);
}

/** The window says that there is a pause, shows nothing to confirm, and signs nothing. */
async function isPaused(window: ScriptWindow): Promise<void> {
  const answer = await window.answer();
  expect(answer).toEqual({ rejected: { paused: { seconds: expect.any(Number) } } });
  await expect(window.page.getByRole("heading", { level: 1 })).toHaveText("Confirmations are paused");
  await expect(window.button(BUTTON)).toBeHidden();
}

/** How a confirmation ends that its user did not want. */
const UNWANTED: Record<string, (window: ScriptWindow) => Promise<unknown>> = {
  cancelled: async (window) => window.button("Cancel").click(),
  "rejected with Escape": async (window) => window.page.keyboard.press("Escape"),
  "closed by the user": async (window) => window.page.close(),
  "closed by the page": async (window) => window.handle((handle) => handle.close()),
  "navigated by the page": async (window) => window.handle((handle) => (handle.location.href = "/account")),
  reloaded: async (window) => window.page.reload(),
};

for (const [how, end] of Object.entries(UNWANTED)) {
  test(`attack 27: after three confirmations that were ${how} there is a pause`, async ({ ask, bank, context, house, page, script, wish }) => {
    for (let times = 0; times < 3; times++) {
      const window = await ask();
      await expect(window.button(BUTTON)).toBeVisible();
      await end(window);
      expect(await window.answer()).toEqual({ rejected: "cancelled" });
      if (!window.page.isClosed()) await window.page.close();
    }
    // Nor in another window, nor after a reload of both.
    for (let times = 0; times < 2; times++) {
      const window = await ask();
      await isPaused(window);
      await window.page.reload();
      await expect(window.button(BUTTON)).toBeHidden();
      await window.page.close();
      await page.reload();
    }
    await expect(bank.balance).toHaveText("1,000.00 EUR");

    // The positive control: a minute later there is a confirmation again, and it confirms.
    await setClock(context, 61_000);
    const later = await ScriptWindow.open(page, house.sign, { ...wish, nonce: await script.nonce() });
    await later.button(BUTTON).click();
    expect(await later.answer()).toHaveProperty("signed");
  });
}

test("attack 27: the user's own confirmations pause too, with a sentence, and nothing that was typed is lost", async ({ ask, bank, page, wish }) => {
  for (let times = 0; times < 3; times++) {
    const window = await ask();
    await window.button("Cancel").click();
    await window.answer();
  }
  await page.getByLabel("To", { exact: true }).fill((JSON.parse(wish.body) as { to: string }).to);
  await page.getByLabel("Amount", { exact: true }).fill("42");
  await page.getByLabel("Amount", { exact: true }).press("Enter");
  await expect(bank.alert).toContainText(/Several confirmations were cancelled, so confirmations are paused. Try again in \d+ seconds/);
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("42");
  await expect(bank.balance).toHaveText("1,000.00 EUR");
});

test("attack 27: storage that script of the page clears ends no pause", async ({ ask, page }) => {
  for (let times = 0; times < 3; times++) {
    const window = await ask();
    await window.button("Cancel").click();
    await window.answer();
  }
  await page.evaluate(async () => {
    localStorage.clear();
    sessionStorage.clear();
    for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name ?? "");
    for (const cookie of document.cookie.split(";")) document.cookie = `${cookie}; Max-Age=0`;
  });
  const window = await ask();
  await isPaused(window);
});

test("attack 27: confirmations that the user confirms start no pause", async ({ bank, page, script, wish, house }) => {
  for (let times = 0; times < 5; times++) {
    const window = await ScriptWindow.open(page, house.sign, { ...wish, nonce: await script.nonce() });
    await window.button(BUTTON).click();
    const answer = await window.answer();
    expect(answer).toHaveProperty("signed");
    if ("signed" in answer) expect((await script.post("/api/transfer", wish.body, answer.signed)).status).toBe(200);
    await expect.poll(() => window.page.isClosed()).toBe(true);
  }
  await page.reload();
  await expect(bank.balance).toHaveText("790.00 EUR");
});
