import type { Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";

const NOT_STARTED = "This page has not started";
const NO_FRAME = "Part of this page has not loaded yet.";

/** How long the page may take to say what is wrong, on a busy machine: ms. */
const timeout = 7_000;

/** The ways in which a WebAssembly file does not arrive. */
const LOST: Record<string, (page: Page, file: string) => Promise<unknown>> = {
  "is blocked": (page, file) => page.route(file, (route) => route.abort()),
  "is a web page": (page, file) => page.route(file, (route) => route.fulfill({ contentType: "text/html", body: "<h1>Sign in to the network</h1>" })),
  // The magic number, the version, and the start of a section.
  "is truncated": (page, file) =>
    page.route(file, (route) => route.fulfill({ contentType: "application/wasm", body: Buffer.from("0061736d0100000001", "hex") })),
  "never arrives": (page, file) => page.route(file, () => {}),
};

/** Holds back a file until the returned function is called. */
async function holdBack(page: Page, file: string): Promise<() => void> {
  let release: () => void = () => {};
  const released = new Promise<void>((done) => (release = done));
  await page.route(file, async (route) => {
    await released;
    await route.continue();
  });
  return release;
}

test("an app or sign-origin page whose WebAssembly is lost says so within five seconds", async ({ account, context, server }) => {
  const cases = Object.entries(LOST).flatMap(([how, lose]) =>
    [`${server.app}/account`, `${server.app}/`, `${server.sign}/sign-in`, `${server.sign}/confirm`].map(async (url) => {
      const tab = await context.newPage();
      await lose(tab, url.startsWith(server.app) ? "**/pkg/*.wasm" : "**/*.wasm");
      await tab.goto(url, { waitUntil: "commit" });
      await expect(tab.getByText(NOT_STARTED), `${url} ${how}`).toBeVisible({ timeout });
      await expect(tab.getByText(NOT_STARTED)).toContainText("reload the page");
      await tab.close();
    }),
  );
  await Promise.all(cases);
  await account.page.reload();
  await account.expectLoaded();
  await expect(account.page.getByText(NOT_STARTED), "the positive control").toBeHidden();
});

test("a page whose frame has no WebAssembly says so within five seconds", async ({ account, context, server }) => {
  const cases = Object.entries(LOST).map(async ([how, lose]) => {
    const tab = await context.newPage();
    await lose(tab, "**/frame-*.wasm");
    await tab.goto(`${server.app}/account`, { waitUntil: "commit" });
    await expect(tab.getByText(NO_FRAME), how).toBeVisible({ timeout });
    await tab.close();
  });
  await Promise.all(cases);
  await account.page.reload();
  await account.expectLoaded();
  await expect(account.page.getByText(NO_FRAME), "the positive control").toBeHidden();
});

test("a page recovers when its WebAssembly arrives late", async ({ account, context, server }) => {
  const late = async (path: string, file: string, sentence: string) => {
    const tab = await context.newPage();
    const release = await holdBack(tab, file);
    await tab.goto(path, { waitUntil: "commit" });
    await expect(tab.getByText(sentence)).toBeVisible({ timeout });
    release();
    await expect(tab.getByText(sentence)).toBeHidden();
    return tab;
  };
  const [page, framed, signIn] = await Promise.all([
    late(`${server.app}/account`, "**/pkg/*.wasm", NOT_STARTED),
    late(`${server.app}/account`, "**/frame-*.wasm", NO_FRAME),
    late(`${server.sign}/sign-in`, "**/*.wasm", NOT_STARTED),
  ]);
  for (const tab of [page, framed]) await expect(tab.getByTestId("display-name")).toHaveText(account.user);
  await expect(signIn.getByLabel("User name")).toBeFocused();
});

// V8 has no WebAssembly without its compilers, as in the strictest modes of some browsers.
test("a browser without WebAssembly says so within five seconds", async ({ launchOptions, playwright, server }) => {
  const args = [...(launchOptions.args ?? []), "--js-flags=--jitless"];
  const browser = await playwright.chromium.launch({ ...launchOptions, args });
  const context = await browser.newContext();
  const cases = [`${server.app}/`, `${server.sign}/sign-in`, `${server.sign}/register`, `${server.sign}/confirm`].map(async (url) => {
    const tab = await context.newPage();
    await tab.goto(url, { waitUntil: "commit" });
    await expect(tab.getByText(NOT_STARTED), url).toBeVisible({ timeout });
  });
  await Promise.all(cases);
  await browser.close();
});
