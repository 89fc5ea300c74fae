import type { Page } from "@playwright/test";
import { AppPage, newUserName, PASSWORD, signOriginOf, waitUntilReady } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { Mouse } from "../support/input-device.ts";

/** Opens a sign-origin page and waits until its script runs. */
async function open(page: Page, app: string, path: string): Promise<void> {
  await page.goto(signOriginOf(app) + path);
  await waitUntilReady(page);
}

test("after signing in the user returns to the page that they came from", async ({ account, page }) => {
  await account.signOut();
  await account.open("/sessions");
  await account.input.activate(page.getByRole("main").getByRole("link", { name: "Sign in" }));
  await account.submitForm(account.user, "Sign in");
  await expect(page).toHaveURL(`${account.origin}/sessions`);
  await expect(page.getByText("This session")).toBeVisible();
});

for (const path of ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""]) {
  test(`a return path of ${JSON.stringify(path)} leads to the account`, async ({ visitor, page }) => {
    await open(page, visitor.origin, `/register?return=${encodeURIComponent(path)}`);
    await visitor.submitForm(newUserName(), "Open account");
    await expect(page).toHaveURL(`${visitor.origin}/account`);
  });
}

test("errors appear at their field, and the input stays", async ({ account, page }) => {
  const { user, origin } = account;
  await account.signOut();
  await open(page, origin, "/sign-in");
  const name = page.getByLabel("User name");
  const password = page.getByLabel("Password", { exact: true });
  await account.input.activate(account.button("Sign in"));
  await expect(name).toBeFocused();
  await expect(name).toHaveAttribute("aria-invalid", "true");
  await expect(name).toHaveAccessibleDescription("Enter your user name.");

  // The server decides which names are possible.
  await name.fill("Ada!");
  await password.fill("correct horse");
  await account.input.activate(account.button("Sign in"));
  await expect(name).toHaveAccessibleDescription(/begins with a letter/);
  await expect(name).toBeFocused();

  await password.fill("");
  await name.fill(user);
  await account.input.activate(account.button("Sign in"));
  await expect(password).toBeFocused();
  await expect(password).toHaveAccessibleDescription("Enter your password.");
  await expect(name).not.toHaveAttribute("aria-invalid");

  await password.fill("not the password");
  await account.input.activate(account.button("Sign in"));
  await expect(account.alert).toContainText("User name or password is wrong");
  await expect(name).toHaveValue(user);
  await expect(password).toHaveValue("not the password");

  await page.getByRole("link", { name: "Open an account" }).click();
  await expect(account.button("Open account")).toBeVisible();
  await account.submitForm(user, "Open account");
  await expect(name).toHaveAccessibleDescription(/taken/);
  await name.fill(newUserName());
  await password.fill("short");
  await account.input.activate(account.button("Open account"));
  await expect(password).toHaveAttribute("aria-invalid", "true");
  await expect(password).toHaveAccessibleDescription(/password/i);
});

test("the password can be shown", async ({ visitor, page }) => {
  await open(page, visitor.origin, "/sign-in");
  const password = page.getByLabel("Password", { exact: true });
  await password.fill(PASSWORD);
  await page.getByRole("button", { name: "Show password" }).click();
  await expect(password).toHaveAttribute("type", "text");
  await page.getByRole("button", { name: "Hide password" }).click();
  await expect(password).toHaveAttribute("type", "password");
});

test("password managers find both forms", async ({ visitor, page }) => {
  for (const [path, login, kind] of [["/sign-in", "username webauthn", "current-password"], ["/register", "username", "new-password"]] as const) {
    await open(page, visitor.origin, path);
    await expect(page.locator(`form[method=post][action^="${path}"]`)).toHaveCount(1);
    await expect(page.getByLabel("User name")).toHaveAttribute("autocomplete", login);
    await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("autocomplete", kind);
  }
});

test("a form posted by the browser itself returns with a message", async ({ account, page }) => {
  await account.signOut();
  await open(page, account.origin, "/sign-in?return=/sessions");
  await page.getByLabel("User name").fill(account.user);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.evaluate(() => document.forms[0]?.submit());
  await expect(page.getByText("One more step")).toBeVisible();
  await expect(page.getByLabel("User name")).toHaveValue(account.user);
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
  await account.submitForm(account.user, "Sign in");
  await expect(page).toHaveURL(`${account.origin}/sessions`);
});

test("without script each page says what it needs", async ({ browser, server }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  for (const path of ["/sign-in", "/register", "/confirm"]) {
    await page.goto(server.sign + path);
    await expect(page.getByText(/needs JavaScript and WebAssembly/).locator("visible=true").first()).toBeVisible();
  }
  await context.close();
});

for (const [what, spoil] of [
  ["blocked", (page: Page) => page.route(/\/(pages|confirm)-.*\.wasm$/, (route) => route.abort())],
  ["replaced by something else", (page: Page) => page.route(/\/(pages|confirm)-.*\.wasm$/, (route) => route.fulfill({ body: "<html>", contentType: "text/html" }))],
  ["slow", (page: Page) => page.route(/\/(pages|confirm)-.*\.wasm$/, () => {})],
  ["loaded without its script", (page: Page) => page.route(/\/(pages|confirm)-.*\.js$/, (route) => route.abort())],
] as const) {
  test(`a WebAssembly module that is ${what} is reported within five seconds`, async ({ page, server }) => {
    await spoil(page);
    for (const path of ["/sign-in", "/confirm"]) {
      await page.goto(server.sign + path);
      await expect(page.getByText("This page has not started")).toBeVisible({ timeout: 6_000 });
    }
  });
}

test("a browser that cannot store keys says so before a password is sent", async ({ account, page }) => {
  const other = new AppPage(page, account.origin, new Mouse(page));
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
  await other.submitForm(account.user, "Sign in");
  await expect(other.alert).toContainText("does not let this site keep keys");
  // The suggestions of passkeys ask for a challenge, which contains no data of the user.
  expect(sent.filter((path) => path !== "/challenge")).toEqual([]);
});

test("other tabs follow a sign-out and a sign-in", async ({ account, context }) => {
  const page = await context.newPage();
  const other = new AppPage(page, account.origin, new Mouse(page));
  await other.open("/account");
  await other.expectLoaded();
  // Chromium renders no frames in a background tab, and each mouse move waits for a frame.
  await account.page.bringToFront();
  await account.signOut();
  await expect(other.alert).toContainText("not signed in");
  await account.signIn(account.user);
  await other.expectLoaded();
});

test("a page from the browser's history shows the current session", async ({ account, page }) => {
  await page.goto(`${signOriginOf(account.origin)}/sign-in`);
  const other = await page.context().newPage();
  const tab = new AppPage(other, account.origin, new Mouse(other));
  await tab.open("/account");
  await tab.signOut();
  await page.goBack();
  await expect(account.alert).toContainText("not signed in");
});
