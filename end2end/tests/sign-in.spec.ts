import type { Page } from "@playwright/test";
import { Bank, newName, PASSWORD, signOrigin } from "../support/bank.ts";
import { Mouse } from "../support/hand.ts";
import { expect, test } from "../support/test.ts";

/** Opens a page of the sign origin, and waits until its script runs. */
async function open(page: Page, app: string, path: string): Promise<void> {
  await page.goto(signOrigin(app) + path);
  await expect(page.locator("html[data-ready]")).toHaveCount(1);
}

test("after signing in the user returns to the page that they came from", async ({ account, page }) => {
  await account.signOut();
  await account.open("/sessions");
  await account.hand.press(page.getByRole("main").getByRole("link", { name: "Sign in" }));
  await account.submit(account.user, "Sign in");
  await expect(page).toHaveURL(`${account.origin}/sessions`);
  await expect(page.getByText("This session")).toBeVisible();
});

for (const path of ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""]) {
  test(`a return path of ${JSON.stringify(path)} leads to the account`, async ({ bank, page }) => {
    await open(page, bank.origin, `/register?return=${encodeURIComponent(path)}`);
    await bank.submit(newName(), "Open account");
    await expect(page).toHaveURL(`${bank.origin}/account`);
  });
}

test("what is wrong is said at its field, and what was typed stays", async ({ account, page }) => {
  const { user, origin } = account;
  await account.signOut();
  await open(page, origin, "/sign-in");
  const name = page.getByLabel("User name");
  const password = page.getByLabel("Password", { exact: true });
  await account.hand.press(account.button("Sign in"));
  await expect(name).toBeFocused();
  await expect(name).toHaveAttribute("aria-invalid", "true");
  await expect(name).toHaveAccessibleDescription(/begins with a letter/);

  await name.fill(user);
  await account.hand.press(account.button("Sign in"));
  await expect(password).toBeFocused();
  await expect(password).toHaveAccessibleDescription("Enter your password.");
  await expect(name).not.toHaveAttribute("aria-invalid");

  await password.fill("not the password");
  await account.hand.press(account.button("Sign in"));
  await expect(account.alert).toContainText("User name or password is wrong");
  await expect(name).toHaveValue(user);
  await expect(password).toHaveValue("not the password");

  await page.getByRole("link", { name: "Open an account" }).click();
  await expect(account.button("Open account")).toBeVisible();
  await account.submit(user, "Open account");
  await expect(name).toHaveAccessibleDescription(/taken/);
  await name.fill(newName());
  await password.fill("short");
  await account.hand.press(account.button("Open account"));
  await expect(password).toHaveAttribute("aria-invalid", "true");
  await expect(password).toHaveAccessibleDescription(/password/i);
});

test("the password can be shown", async ({ bank, page }) => {
  await open(page, bank.origin, "/sign-in");
  const password = page.getByLabel("Password", { exact: true });
  const reveal = page.getByRole("button", { name: "Show password" });
  await password.fill(PASSWORD);
  await reveal.click();
  await expect(password).toHaveAttribute("type", "text");
  await expect(reveal).toHaveAttribute("aria-pressed", "true");
  await reveal.click();
  await expect(password).toHaveAttribute("type", "password");
});

test("password managers find both forms", async ({ bank, page }) => {
  for (const [path, kind] of [["/sign-in", "current-password"], ["/register", "new-password"]] as const) {
    await open(page, bank.origin, path);
    await expect(page.locator(`form[method=post][action^="${path}"]`)).toHaveCount(1);
    await expect(page.getByLabel("User name")).toHaveAttribute("autocomplete", "username");
    await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("autocomplete", kind);
  }
});

test("a form that the browser posts by itself comes back with a sentence", async ({ account, page }) => {
  await account.signOut();
  await open(page, account.origin, "/sign-in?return=/sessions");
  await page.getByLabel("User name").fill(account.user);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.evaluate(() => document.forms[0]?.submit());
  await expect(page.getByText("One more step")).toBeVisible();
  await expect(page.getByLabel("User name")).toHaveValue(account.user);
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
  await account.submit(account.user, "Sign in");
  await expect(page).toHaveURL(`${account.origin}/sessions`);
});

test("without script each page says what it needs", async ({ browser, house }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const path of ["/sign-in", "/register", "/confirm"]) {
    await page.goto(house.sign + path);
    await expect(page.getByText(/needs JavaScript and WebAssembly/).locator("visible=true").first()).toBeVisible();
  }
  await context.close();
});

for (const [what, spoil] of [
  ["blocked", (page: Page) => page.route("**/pages-*.wasm", (route) => route.abort())],
  ["answered with something else", (page: Page) => page.route("**/pages-*.wasm", (route) => route.fulfill({ body: "<html>", contentType: "text/html" }))],
  ["slow", (page: Page) => page.route("**/pages-*.wasm", () => {})],
  ["loaded without its script", (page: Page) => page.route("**/pages-*.js", (route) => route.abort())],
] as const) {
  test(`a module that is ${what} is said within five seconds`, async ({ page, house }) => {
    await spoil(page);
    for (const path of ["/sign-in", "/confirm"]) {
      await page.goto(house.sign + path);
      await expect(page.getByText("This page has not started")).toBeVisible({ timeout: 6_000 });
    }
  });
}

test("a browser that keeps no keys says so before a password is sent", async ({ account, page }) => {
  const other = new Bank(page, account.origin, new Mouse(page));
  await account.signOut();
  const sent: string[] = [];
  page.on("request", (request) => request.method() === "POST" && sent.push(new URL(request.url()).pathname));
  await page.addInitScript(() => {
    const fail = () => {
      throw new DOMException("no", "DataCloneError");
    };
    IDBObjectStore.prototype.put = fail;
    IDBObjectStore.prototype.add = fail;
  });
  await open(page, account.origin, "/sign-in");
  await other.submit(account.user, "Sign in");
  await expect(other.alert).toContainText("does not let this site keep keys");
  expect(sent).toEqual([]);
});

test("other tabs follow a sign-out and a sign-in", async ({ account, context }) => {
  const page = await context.newPage();
  const other = new Bank(page, account.origin, new Mouse(page));
  await other.open("/account");
  await expect(other.balance).toHaveText("1,000.00 EUR");
  // Chromium draws no frames of a tab in the background, and each move of the mouse waits for one.
  await account.page.bringToFront();
  await account.signOut();
  await expect(other.alert).toContainText("not signed in");
  await account.signIn(account.user);
  await expect(other.balance).toHaveText("1,000.00 EUR");
});

test("a page that comes back from the browser's history has the session of now", async ({ account, page }) => {
  await page.goto(`${signOrigin(account.origin)}/sign-in`);
  const other = await page.context().newPage();
  const tab = new Bank(other, account.origin, new Mouse(other));
  await tab.open("/account");
  await tab.signOut();
  await page.goBack();
  await expect(account.alert).toContainText("not signed in");
});
