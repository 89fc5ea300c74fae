import type { BrowserContext, Page } from "@playwright/test";
import { Bank } from "../support/bank.ts";
import { Client } from "../support/client.ts";
import { evict } from "../support/storage.ts";
import { expect, test as base } from "../support/test.ts";

const BUTTON = "Send 5.00 EUR";

/** An account with a filled-in form for a transfer of 5 EUR. */
const test = base.extend<{ filled: Bank }>({
  filled: async ({ account, house, page }, use) => {
    const friend = await Client.registered(house);
    await fillIn(page, friend.name);
    await use(account);
  },
});

async function fillIn(page: Page, to: string): Promise<void> {
  await page.getByLabel("To", { exact: true }).fill(to);
  await page.getByLabel("Amount", { exact: true }).fill("5");
  await page.getByLabel("Note", { exact: true }).fill("for José");
}

/** Sends the form. */
async function order(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Send money" }).click();
}

/** How the form's page is told that no window was opened: for the first so many times. */
async function blockWindows(page: Page, times: number): Promise<void> {
  await page.evaluate((times) => {
    const open = window.open.bind(window);
    window.open = (...given) => (times-- > 0 ? null : open(...given));
  }, times);
}

/** What a document of the sign origin sees of pointers: nothing, as where assistive technology clicks. */
async function hidePointers(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    for (const type of ["pointerdown", "pointerup", "mousedown", "mouseup", "pointermove", "mousemove"]) {
      addEventListener(type, (event) => event.stopImmediatePropagation(), true);
    }
  });
}

test("a window that the browser blocks can be done without", async ({ filled, page }) => {
  await blockWindows(page, 1);
  await order(page);
  await filled.confirming.getByRole("button", { name: "Cancel" }).click();
  await expect(filled.alert).toContainText("You cancelled");
  await expect(page.getByLabel("Note", { exact: true })).toHaveValue("for José");
});

test("a confirmation in the same tab that was cancelled can be asked again, and is done once", async ({ filled, house, page }) => {
  await page.addInitScript(() => (window.open = () => null));
  await page.evaluate(() => (window.open = () => null));
  await order(page);
  await filled.button("Continue in a secure window").click();
  await page.waitForURL(`${house.sign}/confirm`);
  await expect(page.getByText("for José")).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForURL(`${house.app}/account`);
  await expect(filled.alert.first()).toContainText("You cancelled");
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("5");
  await expect(page.getByLabel("Note", { exact: true })).toHaveValue("for José");
  await expect(filled.balance).toHaveText("1,000.00 EUR");

  await order(page);
  await filled.button("Continue in a secure window").click();
  await page.waitForURL(`${house.sign}/confirm`);
  await page.getByRole("button", { name: BUTTON }).click();
  await page.waitForURL(`${house.app}/account`);
  await expect(page.getByText("Confirmed. The change was made.")).toBeVisible();
  await expect(filled.balance).toHaveText("995.00 EUR");
  // Neither a reload nor the way back does it again.
  await page.reload();
  await expect(filled.balance).toHaveText("995.00 EUR");
  await page.goBack();
  await page.goForward();
  await page.goto(`${house.app}/account`);
  await expect(filled.balance).toHaveText("995.00 EUR");
});

test("an answer in the URL that this tab has not asked for does nothing", async ({ filled, house, page }) => {
  for (const answer of [{ rejected: "cancelled" }, { signed: { session: "", proof: "", digest: "", signature_input: "", signature: "" } }, "x"]) {
    await page.goto("about:blank");
    await page.goto(`${house.app}/account#pan=${Buffer.from(JSON.stringify(answer)).toString("base64url")}`);
    await expect(filled.balance).toHaveText("1,000.00 EUR");
    await expect(filled.alert).toBeHidden();
  }
});

/** Activations by all kinds of devices, each trusted. */
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
    // Of the last one nothing more is heard: the window is on its way out.
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
    test(`${what}${hasPointers ? "" : " without pointer events"} confirms, once`, async ({ filled, context, page }) => {
      if (!hasPointers) await hidePointers(context);
      const transfers: string[] = [];
      page.on("request", (request) => void (request.url().endsWith("/api/transfer") && transfers.push(request.url())));
      await order(page);
      const window = await filled.confirmation();
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

test("a form that is sent twice at once opens one window", async ({ filled, page }) => {
  await filled.button("Send money").dblclick();
  await page.getByLabel("Note", { exact: true }).focus();
  for (let times = 0; times < 3; times++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await filled.confirm(BUTTON);
  await expect(filled.balance).toHaveText("995.00 EUR");
  expect(filled.windows).toHaveLength(1);
});

test("an activation that comes too early is explained, and the next one counts", async ({ filled, context, page, house }) => {
  await context.addInitScript((sign) => {
    if (location.origin !== sign) return;
    const now = performance.now.bind(performance);
    performance.now = () => now() / 10;
  }, house.sign);
  await order(page);
  const window = await filled.confirmation();
  await window.button(BUTTON).click({ force: true });
  await expect(window.status).toContainText("Not confirmed yet. You can confirm in a moment");
  await expect(window.status).toContainText("You can confirm now.", { timeout: 20_000 });
  await window.confirm(BUTTON);
  await expect(filled.balance).toHaveText("995.00 EUR");
});

test("a window whose WebAssembly is missing can be cancelled from the page", async ({ filled, context, page }) => {
  await context.route("**/*.wasm", (route) => route.abort());
  await order(page);
  await expect.poll(() => filled.windows.length).toBe(1);
  await expect(filled.windows[0]!.getByText("This page has not started.")).toBeVisible({ timeout: 8_000 });
  await filled.confirming.getByRole("button", { name: "Cancel" }).click();
  await expect(filled.alert).toContainText("You cancelled");
  expect(filled.windows[0]?.isClosed()).toBe(true);
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("5");
});

test("a window that the user opens by hand has nothing to confirm", async ({ house, page }) => {
  await page.goto(`${house.sign}/confirm`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Nothing to confirm");
});

test("a browser that lost its confirmation key says so, and signing in again helps", async ({ filled, house, page }) => {
  await evict(page, house, "confirmation_keys");
  await order(page);
  await expect(filled.alert.first()).toContainText("no longer has the key of your session");
  await filled.reappear(filled.user);
  await fillIn(page, (await Client.registered(house)).name);
  for (const window of filled.windows) await window.close();
  await order(page);
  await filled.confirm(BUTTON);
  await expect(filled.balance).toHaveText("995.00 EUR");
});
