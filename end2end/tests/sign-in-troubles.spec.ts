import type { Page } from "@playwright/test";
import { Bank, newName, PASSWORD } from "../support/bank.ts";
import { Client } from "../support/client.ts";
import { Finger, Keyboard, Mouse } from "../support/hand.ts";
import { BLOCKED, blockStorage } from "../support/storage.ts";
import { expect, test } from "../support/test.ts";

/** How a browser comes to have no WebAssembly. */
const MISSING: Record<string, (page: Page) => Promise<unknown>> = {
  // The magic number, the version, and the beginning of a section.
  "comes truncated": (page) =>
    page.route("**/*.wasm", (route) => route.fulfill({ contentType: "application/wasm", body: Buffer.from("0061736d0100000001", "hex") })),
  "does not exist": (page) => page.addInitScript(() => delete (globalThis as { WebAssembly?: unknown }).WebAssembly),
};

for (const [what, miss] of Object.entries(MISSING)) {
  test(`a page of the sign origin whose WebAssembly ${what} says so within five seconds`, async ({ house, page, context }) => {
    for (const path of ["/sign-in", "/register", "/confirm"]) {
      const tab = await context.newPage();
      await miss(tab);
      await tab.goto(house.sign + path, { waitUntil: "commit" });
      const trouble = tab.getByText("This page has not started. It needs JavaScript and WebAssembly.");
      await expect(trouble, path).toBeVisible({ timeout: 6_000 });
      await expect(trouble).toContainText(new URL(house.sign).host);
      await expect(trouble).toContainText("reload the page");
      await tab.close();
    }
    // The positive control: with it there is no such sentence.
    await page.goto(`${house.sign}/sign-in`);
    await expect(page.locator("html[data-ready]")).toHaveCount(1);
    await expect(page.getByText("This page has not started.")).toBeHidden();
  });
}

test("a form that is sent without script is answered with the form, and a sentence", async ({ browser, house }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const path of ["/sign-in", "/register"]) {
    await page.goto(house.sign + path);
    await page.getByLabel("User name").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.keyboard.press("Enter");
    await expect(page.getByText("JavaScript must be allowed"), path).toBeVisible();
    await expect(page.getByLabel("User name")).toHaveValue("ada");
    expect(await page.content()).not.toContain(PASSWORD);
  }
  await context.close();
});

for (const [how, block] of Object.entries(BLOCKED)) {
  test(`a browser that ${how} says so before a password is sent, and ends no session`, async ({ browser, client, house }) => {
    const others: Client[] = [client];
    for (let times = 0; times < 2; times++) {
      const other = new Client(house, client.name);
      await other.enter("/sign-in");
      expect((await other.bind()).status).toBe(200);
      others.push(other);
    }
    const context = await browser.newContext();
    await blockStorage(context, house, block);
    const page = await context.newPage();
    const sent: string[] = [];
    page.on("request", (request) => void sent.push(request.postData() ?? ""));
    const bank = new Bank(page, house.app, new Mouse(page));
    for (let times = 0; times < 3; times++) {
      await page.goto(`${house.sign}/sign-in`);
      await bank.fill(client.name);
      await expect(bank.alert).toContainText("This browser does not let this site keep keys");
      await expect(page.getByLabel("User name"), "what was typed stays").toHaveValue(client.name);
    }
    expect(sent.filter((body) => body.includes(PASSWORD))).toEqual([]);
    expect(await context.cookies()).toEqual([]);
    for (const other of others) await other.stillActs();
    await context.close();
  });
}

test("a sign-in that is sent twice at once is one", async ({ bank, client, house, page }) => {
  const sent: string[] = [];
  page.on("request", (request) => void (request.method() === "POST" && sent.push(new URL(request.url()).pathname)));
  await page.goto(`${house.sign}/sign-in`);
  await expect(page.locator("html[data-ready]")).toHaveCount(1);
  await page.getByLabel("User name").fill(client.name);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  // Enter is held, and the button double-clicked.
  await page.keyboard.down("Enter");
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await bank.button("Sign in").dblclick({ noWaitAfter: true, timeout: 2_000 }).catch(() => {});
  await expect(page).toHaveURL(`${house.app}/account`);
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  expect(sent.filter((path) => path === "/sign-in")).toHaveLength(1);
});

for (const [width, height] of [[320, 180], [341, 162], [320, 568]] as const) {
  test(`registering and signing in work at ${width} × ${height} pixels`, async ({ browser, house }) => {
    const context = await browser.newContext({ viewport: { width, height }, hasTouch: true, isMobile: true });
    const page = await context.newPage();
    const bank = new Bank(page, house.app, height < 200 ? new Keyboard(page) : new Finger(page));
    const name = newName();
    await page.goto(`${house.sign}/register`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await bank.submit(name, "Open account");
    await expect(bank.balance).toHaveText("1,000.00 EUR");
    await page.goto(`${house.sign}/sign-in`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await bank.submit(name, "Sign in");
    await expect(bank.balance).toHaveText("1,000.00 EUR");
    await context.close();
  });
}

test("a link from another site finds the user signed in", async ({ account, house, page }) => {
  await page.route("http://mail.localhost/", (route) =>
    route.fulfill({ contentType: "text/html", body: `<a href="${house.app}/account">Your balance has changed</a>` }),
  );
  await page.goto("http://mail.localhost/");
  await page.getByRole("link").click();
  await expect(page).toHaveURL(`${house.app}/account`);
  await expect(account.balance).toHaveText("1,000.00 EUR");
});
