import type { BrowserContext, Page } from "@playwright/test";
import { AppPage } from "../../support/app-page.ts";
import { evictKeys } from "../../support/browser-storage.ts";
import { blockWindows, slowClock } from "../../support/confirmation-window.ts";
import { expect, test as base } from "../../support/fixtures.ts";
import { NodeClient } from "../../support/node-client.ts";

const BUTTON = "Send 5.00 EUR";

/** An account with a filled-in form for a transfer of 5 EUR. */
const test = base.extend<{ filled: AppPage }>({
  filled: async ({ account, server, page }, use) => {
    const friend = await NodeClient.registered(server);
    await fillIn(page, friend.name);
    await use(account);
  },
});

async function fillIn(page: Page, to: string): Promise<void> {
  await page.getByLabel("To", { exact: true }).fill(to);
  await page.getByLabel("Amount", { exact: true }).fill("5");
  await page.getByLabel("Note", { exact: true }).fill("for José");
}

/** Submits the form. */
async function submitTransfer(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Send money" }).click();
}

/** Hides pointer events from all documents, as when assistive technology clicks. */
async function hidePointers(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    for (const type of ["pointerdown", "pointerup", "mousedown", "mouseup", "pointermove", "mousemove"]) {
      addEventListener(type, (event) => event.stopImmediatePropagation(), true);
    }
  });
}

test("a confirmation whose window was blocked can be cancelled", async ({ filled, page }) => {
  await blockWindows(page, 1);
  await submitTransfer(page);
  await filled.confirmationPanel.getByRole("button", { name: "Cancel" }).click();
  await expect(filled.alert).toContainText("You cancelled");
  await expect(page.getByLabel("Note", { exact: true })).toHaveValue("for José");
});

test("a confirmation in the same tab can be cancelled and repeated, and is executed once", async ({ filled, server, page }) => {
  await page.addInitScript(() => (window.open = () => null));
  await page.evaluate(() => (window.open = () => null));
  await submitTransfer(page);
  await filled.button("Continue in a secure window").click();
  await page.waitForURL(`${server.sign}/confirm`);
  await expect(page.getByText("for José")).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForURL(`${server.app}/account`);
  await expect(filled.alert.first()).toContainText("You cancelled");
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("5");
  await expect(page.getByLabel("Note", { exact: true })).toHaveValue("for José");
  await expect(filled.balance).toHaveText("1,000.00 EUR");

  await submitTransfer(page);
  await filled.button("Continue in a secure window").click();
  await page.waitForURL(`${server.sign}/confirm`);
  await page.getByRole("button", { name: BUTTON }).click();
  await page.waitForURL(`${server.app}/account`);
  await expect(page.getByText("Confirmed. The change was made.")).toBeVisible();
  await expect(filled.balance).toHaveText("995.00 EUR");
  // Neither a reload nor the Back button executes it again.
  await page.reload();
  await expect(filled.balance).toHaveText("995.00 EUR");
  await page.goBack();
  await page.goForward();
  await page.goto(`${server.app}/account`);
  await expect(filled.balance).toHaveText("995.00 EUR");
});

test("an unrequested confirmation result in the URL does nothing", async ({ filled, server, page }) => {
  for (const result of [{ rejected: "cancelled" }, { signed: { session: "", proof: "", digest: "", signature_input: "", signature: "" } }, "x"]) {
    await page.goto("about:blank");
    await page.goto(`${server.app}/account#pan=${Buffer.from(JSON.stringify(result)).toString("base64url")}`);
    await expect(filled.balance).toHaveText("1,000.00 EUR");
    await expect(filled.alert).toBeHidden();
  }
});

/** Trusted activations by all kinds of devices. */
const ACTIVATIONS: Record<string, (page: Page, at: { x: number; y: number }) => Promise<unknown>> = {
  "a click": (page, { x, y }) => page.mouse.click(x, y),
  "a double click": (page, { x, y }) => page.mouse.dblclick(x, y),
  "the third click of a series": (page, { x, y }) => page.mouse.click(x, y, { clickCount: 3 }),
  "a tap": async (page, { x, y }) => touch(page, x, y),
  "a press of Enter": (page) => page.getByRole("button", { name: BUTTON }).press("Enter"),
  "a press of the space bar": (page) => page.getByRole("button", { name: BUTTON }).press(" "),
  "a press of Enter that lasts": async (page) => {
    await page.getByRole("button", { name: BUTTON }).focus();
    await page.keyboard.down("Enter");
  },
  "a mouse that presses without a move": (page, at) => press(page, at),
};

async function press(page: Page, at: { x: number; y: number }): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  for (const type of ["mousePressed", "mouseReleased"] as const) {
    // The window closes on the last event, so there may be no reply to it.
    await devtools.send("Input.dispatchMouseEvent", { type, ...at, button: "left", clickCount: 1 }).catch(() => {});
  }
}

async function touch(page: Page, x: number, y: number): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x, y }] });
  await devtools.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] }).catch(() => {});
}

for (const [what, activate] of Object.entries(ACTIVATIONS)) {
  for (const hasPointers of /click|mouse/.test(what) ? [true, false] : [true]) {
    test(`${what}${hasPointers ? "" : " without pointer events"} confirms once`, async ({ filled, context, page }) => {
      if (!hasPointers) await hidePointers(context);
      const transfers: string[] = [];
      page.on("request", (request) => void (request.url().endsWith("/api/transfer") && transfers.push(request.url())));
      await submitTransfer(page);
      const window = await filled.confirmationWindow();
      const button = window.button(BUTTON);
      await expect(button).toHaveAttribute("aria-disabled", "false");
      const { x, y, width, height } = (await button.boundingBox())!;
      await activate(window.page, { x: x + width / 2, y: y + height / 2 });
      await expect(filled.balance).toHaveText("995.00 EUR");
      await expect.poll(() => window.page.isClosed()).toBe(true);
      expect(transfers).toHaveLength(1);
    });
  }
}

test("a form submitted twice at once opens one window", async ({ filled, page }) => {
  await filled.button("Send money").dblclick();
  await page.getByLabel("Note", { exact: true }).focus();
  for (let times = 0; times < 3; times++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await filled.confirm(BUTTON);
  await expect(filled.balance).toHaveText("995.00 EUR");
  expect(filled.windows).toHaveLength(1);
});

test("an early activation is explained, and the next one counts", async ({ filled, context, page, server }) => {
  await slowClock(context, server.sign);
  await submitTransfer(page);
  const window = await filled.confirmationWindow();
  await window.button(BUTTON).click({ force: true });
  await expect(window.status).toContainText("Not confirmed yet. You can confirm in a moment");
  await expect(window.status).toContainText("You can confirm now.", { timeout: 20_000 });
  await window.confirm(BUTTON);
  await expect(filled.balance).toHaveText("995.00 EUR");
});

test("a window whose WebAssembly is missing can be cancelled from the page", async ({ filled, context, page }) => {
  await context.route("**/*.wasm", (route) => route.abort());
  await submitTransfer(page);
  await expect.poll(() => filled.windows.length).toBe(1);
  await expect(filled.windows[0]!.getByText("This page has not started.")).toBeVisible({ timeout: 8_000 });
  await filled.confirmationPanel.getByRole("button", { name: "Cancel" }).click();
  await expect(filled.alert).toContainText("You cancelled");
  expect(filled.windows[0]?.isClosed()).toBe(true);
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("5");
});

test("a confirmation window that the user opens has nothing to confirm", async ({ server, page }) => {
  await page.goto(`${server.sign}/confirm`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Nothing to confirm");
});

test("a browser that lost its confirmation key says so, and signing in again helps", async ({ filled, server, page }) => {
  await evictKeys(page, server, "confirmation_keys");
  await submitTransfer(page);
  await expect(filled.alert.first()).toContainText("no longer has the key of your session");
  await filled.signInQuickly(filled.user);
  await fillIn(page, (await NodeClient.registered(server)).name);
  for (const window of filled.windows) await window.close();
  await submitTransfer(page);
  await filled.confirm(BUTTON);
  await expect(filled.balance).toHaveText("995.00 EUR");
});
