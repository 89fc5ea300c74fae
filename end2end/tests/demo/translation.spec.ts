import type { Page } from "@playwright/test";
import type { AppPage } from "../../support/app-page.ts";
import { expect, test as base } from "../../support/fixtures.ts";
import { NodeClient } from "../../support/node-client.ts";
import { translate, translateEarly } from "../../support/translator.ts";

const BUTTON = "Send 5.00 EUR";

const test = base.extend<{ friend: NodeClient }>({
  friend: async ({ server }, use) => use(await NodeClient.registered(server)),
});

/** Submits the form. Its labels may be translated. */
async function submitTransfer(page: Page, to: string, amount = "5"): Promise<void> {
  await page.locator("#to").fill(to);
  await page.locator("#amount").fill(amount);
  await page.locator("#amount").press("Enter");
}

async function expectSent(account: AppPage, page: Page, friend: NodeClient): Promise<void> {
  await submitTransfer(page, friend.name);
  await account.confirm(BUTTON);
  await expect(account.balance).toContainText("995.00 EUR");
  await expect(page.locator(".toast")).toHaveText(`«Sent 5.00 EUR to ${friend.name}.»`);
}

/** Delays the page's program, so that other software can change the page before it starts. */
async function delayStart(page: Page): Promise<void> {
  await page.route("**/pkg/*.wasm", async (route) => {
    await new Promise((done) => setTimeout(done, 500));
    await route.continue();
  });
}

/** Counts how often the application's document was loaded. */
function countLoads(page: Page): () => number {
  let loads = 0;
  page.on("request", (request) => void (loads += Number(request.isNavigationRequest() && request.frame() === page.mainFrame())));
  return () => loads;
}

for (const isRude of [false, true]) {
  test(`a page translated by a ${isRude ? "rude" : "polite"} translator stays current`, async ({ account, friend, page }) => {
    await translate(page, { isRude });
    await expect(page.locator("h1")).toHaveText("«Your account»");
    await expect(account.balance).toHaveText(isRude ? "«1,000.00 EUR»" : "1,000.00 EUR");
    await expectSent(account, page, friend);
    // A text that Leptos removes goes with its translation, and an error appears and goes.
    await submitTransfer(page, "unknown-user", "0");
    await expect(page.locator(".toast")).toHaveText("");
    await expect(account.alert).toHaveText("«Enter an amount such as 12 or 12.50.»");
    await page.locator("#name").fill("Ada");
    await page.locator("#name").press("Enter");
    await expect(account.displayName).toContainText("Ada");
    await expect(page.locator(".toast")).toHaveText("«Your display name is now “\u2068Ada\u2069”.»");
    // The original texts come back, and are current.
    await page.evaluate(() => window.untranslate?.());
    await expect(page.locator("h1")).toHaveText("Your account");
    await expect(account.balance).toHaveText("995.00 EUR");
    await page.getByRole("link", { name: "Sessions" }).click();
    await expect(page.locator("h1")).toHaveText("Your sessions");
  });
}

test("a page that is translated before it starts works", async ({ account, friend, page }) => {
  await delayStart(page);
  await translateEarly(page, { isRude: true });
  const loads = countLoads(page);
  await page.reload();
  await expect(account.balance).toHaveText("«1,000.00 EUR»");
  await expectSent(account, page, friend);
  expect(loads(), "it is not loaded twice").toBe(1);
});

test("a page that an extension changes before it starts is loaded again, and works", async ({ account, friend, page }) => {
  await delayStart(page);
  await page.addInitScript(() => {
    addEventListener("DOMContentLoaded", () => {
      if (parent !== window) return;
      document.documentElement.setAttribute("data-darkreader-mode", "dynamic");
      document.body.prepend(document.createElement("grammarly-extension"));
      document.querySelector("main")?.replaceChildren(document.createElement("div"));
    });
  });
  const loads = countLoads(page);
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");
  expect(loads(), "it is loaded again once").toBe(2);
  await submitTransfer(page, friend.name);
  await account.confirm(BUTTON);
  await expect(account.balance).toHaveText("995.00 EUR");
  await expect(page.getByText("This page has not started, or has stopped.")).toBeHidden();
});

test("a page that extensions change while it is open works", async ({ account, friend, page }) => {
  await page.evaluate(() => {
    for (const element of document.querySelectorAll("input, button, p, section, main, body")) {
      element.setAttribute("data-darkreader-inline-color", "");
      element.setAttribute("data-gramm", "false");
    }
    for (const input of document.querySelectorAll("input")) {
      input.after(document.createElement("password-manager-button"));
      input.before(document.createElement("grammarly-desktop-integration"));
    }
    document.body.append(document.createElement("grammarly-extension"));
  });
  await submitTransfer(page, friend.name);
  await account.confirm(BUTTON);
  await expect(account.balance).toHaveText("995.00 EUR");
  await expect(page.locator(".toast")).toHaveText(`Sent 5.00 EUR to ${friend.name}.`);
});

test("a page that has stopped says so, and works after a reload", async ({ account, page }) => {
  await page.evaluate(() => {
    document.createElement = document.createElementNS = () => {
      throw new DOMException("broken by an extension", "NotSupportedError");
    };
  });
  await page.getByRole("link", { name: "Sessions" }).click();
  await expect(page.getByText("This page has not started, or has stopped.")).toBeVisible({ timeout: 5_000 });
  await page.goto(`${account.origin}/account`);
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await expect(page.getByText("This page has not started, or has stopped.")).toBeHidden();
});

test("a confirmation window leaves its translation alone, and can be confirmed", async ({ account, friend, page }) => {
  await submitTransfer(page, friend.name);
  const { page: window } = await account.confirmationWindow();
  await translate(window);
  await expect(window.locator("#status")).toHaveText("«Check every line, then confirm or cancel.»");
  for (const text of ["5.00 EUR", friend.name, account.user]) await expect(window.getByText(text, { exact: true }).first()).toBeVisible();
  // It is not written again and again, which would never leave the translator or a screen reader in peace.
  const changes = await window.evaluate(async () => {
    let changes = 0;
    new MutationObserver((records) => (changes += records.length)).observe(document.querySelector("#status")!, { childList: true, subtree: true, characterData: true });
    await new Promise((done) => setTimeout(done, 500));
    return changes;
  });
  expect(changes).toBe(0);
  await account.confirm(BUTTON);
  await expect(account.balance).toHaveText("995.00 EUR");
});

test("a confirmation window whose amounts or names are changed cannot be confirmed", async ({ account, friend, page }) => {
  await submitTransfer(page, friend.name);
  const window = await account.confirmationWindow();
  const button = window.button(BUTTON);
  await expect(button).toHaveAttribute("aria-disabled", "false");
  // Changed in the same moment as it is pressed, before the window looks again.
  await window.page.evaluate(() => {
    const lines = document.querySelector("#lines bdi")!;
    lines.textContent = lines.textContent!.replace("5.00", "0.05");
  });
  await button.click({ force: true });
  await expect(window.status).toContainText("Other software has changed what this window shows.");
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await window.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});
