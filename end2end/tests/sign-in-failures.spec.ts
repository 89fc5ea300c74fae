import type { Page } from "@playwright/test";
import { AppPage, newUserName, PASSWORD } from "../support/app-page.ts";
import { breakStorage, STORAGE_FAILURES } from "../support/browser-storage.ts";
import { expect, test } from "../support/fixtures.ts";
import { Keyboard, Mouse, Touchscreen } from "../support/input-device.ts";
import { NodeClient } from "../support/node-client.ts";

/** The ways in which WebAssembly can be missing. */
const MISSING_WASM: Record<string, (page: Page) => Promise<unknown>> = {
  // The magic number, the version, and the start of a section.
  "comes truncated": (page) =>
    page.route("**/*.wasm", (route) => route.fulfill({ contentType: "application/wasm", body: Buffer.from("0061736d0100000001", "hex") })),
  "does not exist": (page) => page.addInitScript(() => delete (globalThis as { WebAssembly?: unknown }).WebAssembly),
};

for (const [what, breakWasm] of Object.entries(MISSING_WASM)) {
  test(`a sign-origin page whose WebAssembly ${what} says so within five seconds`, async ({ server, page, context }) => {
    for (const path of ["/sign-in", "/register", "/recover", "/confirm"]) {
      const tab = await context.newPage();
      await breakWasm(tab);
      await tab.goto(server.sign + path, { waitUntil: "commit" });
      const trouble = tab.getByText("This page has not started. It needs JavaScript and WebAssembly.");
      await expect(trouble, path).toBeVisible({ timeout: 6_000 });
      await expect(trouble).toContainText(new URL(server.sign).host);
      await expect(trouble).toContainText("reload the page");
      await tab.close();
    }
    // The positive control: with WebAssembly there is no such message.
    await page.goto(`${server.sign}/sign-in`);
    await expect(page.locator("html[data-ready]")).toHaveCount(1);
    await expect(page.getByText("This page has not started.")).toBeHidden();
  });
}

test("a form submitted without script returns the form with a message", async ({ browser, server }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const path of ["/sign-in", "/register", "/recover"]) {
    await page.goto(server.sign + path);
    await page.getByLabel("User name").fill("ada");
    if (path === "/recover") await page.getByLabel("Recovery code").fill("0000-0000-0000-0000");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.keyboard.press("Enter");
    await expect(page.getByText("JavaScript must be allowed"), path).toBeVisible();
    await expect(page.getByLabel("User name")).toHaveValue("ada");
    expect(await page.content()).not.toContain(PASSWORD);
  }
  await context.close();
});

for (const [how, block] of Object.entries(STORAGE_FAILURES)) {
  test(`a browser that ${how} says so before a password is sent, and ends no session`, async ({ browser, client, server }) => {
    const others: NodeClient[] = [client];
    for (let times = 0; times < 2; times++) {
      others.push(await NodeClient.signedIn(server, client.name));
    }
    const context = await browser.newContext();
    await breakStorage(context, server, block);
    const page = await context.newPage();
    const sent: string[] = [];
    page.on("request", (request) => void sent.push(request.postData() ?? ""));
    const visitor = new AppPage(page, server.app, new Mouse(page));
    for (let times = 0; times < 3; times++) {
      await page.goto(`${server.sign}/sign-in`);
      await visitor.submitFormQuickly(client.name);
      await expect(visitor.alert).toContainText("This browser does not let this site keep keys");
      await expect(page.getByLabel("User name"), "the input stays").toHaveValue(client.name);
    }
    expect(sent.filter((body) => body.includes(PASSWORD))).toEqual([]);
    expect(await context.cookies()).toEqual([]);
    for (const other of others) await other.expectStillWorks();
    await context.close();
  });
}

test("a sign-in submitted twice at once is sent once", async ({ visitor, client, server, page }) => {
  const sent: string[] = [];
  page.on("request", (request) => void (request.method() === "POST" && sent.push(new URL(request.url()).pathname)));
  await page.goto(`${server.sign}/sign-in`);
  await expect(page.locator("html[data-ready]")).toHaveCount(1);
  await page.getByLabel("User name").fill(client.name);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  // Enter is held down, and the button is double-clicked.
  await page.keyboard.down("Enter");
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await visitor.button("Sign in").dblclick({ noWaitAfter: true, timeout: 2_000 }).catch(() => {});
  await expect(page).toHaveURL(`${server.app}/account`);
  await visitor.expectLoaded();
  expect(sent.filter((path) => path === "/sign-in")).toHaveLength(1);
});

for (const [width, height] of [[320, 180], [341, 162], [320, 568]] as const) {
  test(`registering and signing in work at ${width} × ${height} pixels`, async ({ browser, server }) => {
    const context = await browser.newContext({ viewport: { width, height }, hasTouch: true, isMobile: true });
    const page = await context.newPage();
    const visitor = new AppPage(page, server.app, height < 200 ? new Keyboard(page) : new Touchscreen(page));
    const name = newUserName();
    await page.goto(`${server.sign}/register`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await visitor.submitForm(name, "Open account");
    await visitor.expectLoaded();
    await page.goto(`${server.sign}/sign-in`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await visitor.submitForm(name, "Sign in");
    await visitor.expectLoaded();
    await context.close();
  });
}

test("a link from another site finds the user signed in", async ({ account, server, page }) => {
  await page.route("http://mail.localhost/", (route) =>
    route.fulfill({ contentType: "text/html", body: `<a href="${server.app}/account">Your account has changed</a>` }),
  );
  await page.goto("http://mail.localhost/");
  await page.getByRole("link").click();
  await expect(page).toHaveURL(`${server.app}/account`);
  await account.expectLoaded();
});
