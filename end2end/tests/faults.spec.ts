import { newUserName } from "../support/app-page.ts";
import { signingFrame } from "../support/browser-storage.ts";
import { type Fault, FaultyTab, type Outcome, type Place } from "../support/faulty-tab.ts";
import { expect, test } from "../support/fixtures.ts";

const NO_FRAME = /Part of this page has not loaded yet. Wait, or turn off content blockers for this site and reload the page/;
const NO_ANSWER = /There is no answer yet. Wait, or check your connection/;
const NO_SERVER = /The server cannot be reached. Check your connection, then try again/;
const NO_WINDOW = /The confirmation window has not loaded yet. Wait, or cancel here, turn off what may block it/;
const BLOCKED_WINDOW = /Your browser blocked the confirmation window.* Continue in a secure window/;
const BLOCKED_STORAGE = /This browser blocks the storage that keeps your key. Allow site data for this site, then reload the page/;
const NO_SIGNATURE = /Your browser could not sign this request. Nothing was changed. Reload the page, then try again/;
const NO_KEY_STORE = /This browser does not let this site keep keys.* Then reload the page/;
const NO_KEYS = /This browser cannot make keys.* Then reload the page/;

/** Faults that happen together, where, and what the user sees. Tests run in parallel, and so do the lines of a test. */
const EXPECTED: Record<string, [Fault[], Place, Outcome][]> = {
  "the key store": [
    [["IndexedDB is missing"], "frame", BLOCKED_STORAGE],
    [["IndexedDB never opens"], "frame", BLOCKED_STORAGE],
    [["IndexedDB never answers a read"], "frame", /no answer yet|blocks the storage/],
    [["IndexedDB never commits"], "first frame", /no answer yet|blocks the storage/],
    [["IndexedDB is full"], "first frame", BLOCKED_STORAGE],
    [["IndexedDB never opens"], "window", BLOCKED_STORAGE],
    [["IndexedDB never opens"], "sign-in", NO_KEY_STORE],
    [["IndexedDB never commits"], "sign-in", NO_KEY_STORE],
  ],
  "storage, channels and locks": [
    [["web storage is missing", "BroadcastChannel is missing", "Web Locks are missing"], "app", "works"],
    [["web storage denies access", "BroadcastChannel throws"], "app", "works"],
    [["web storage is full", "BroadcastChannel is silent", "Web Locks throw"], "app", "works"],
    [["web storage denies access", "Web Locks are never granted"], "first frame", "works"],
    [["web storage denies access", "Web Locks are missing"], "sign-in", "works"],
    [["web storage denies access"], "window", BLOCKED_STORAGE],
    [["Web Locks are never granted"], "window", "works"],
  ],
  "clocks and keys": [
    [["the clock is five hours fast", "the browser claims to be offline"], "device", "works"],
    [["the clock is five hours slow"], "device", "works"],
    [["the clock is set back by three hours while a window is open"], "device", "works"],
    [["the monotonic clock stands still"], "app", "works"],
    [["the monotonic clock stands still"], "window", /clock stands still. Turn off extensions/],
    [["Web Crypto is missing"], "frame", NO_SIGNATURE],
    [["Web Crypto fails"], "first frame", NO_SIGNATURE],
    [["Web Crypto never answers"], "frame", /no answer yet|could not sign/],
    [["Web Crypto never answers"], "window", NO_SIGNATURE],
    [["Web Crypto never answers"], "sign-in", NO_KEYS],
  ],
  "network, messages and windows": [
    [["the clock is five hours slow"], "app", /Confirm in the window that has opened/],
    [["fetch never answers"], "app", NO_ANSWER],
    [["fetch never answers"], "frame", NO_ANSWER],
    [["fetch never answers"], "window", /This takes long .* Wait, or close this window/],
    [["fetch never answers"], "sign-in", NO_ANSWER],
    [["fetch fails"], "app", NO_SERVER],
    [["fetch fails"], "sign-in", /try to sign in with it before you try again/],
    [["WebAssembly is missing"], "window", NO_WINDOW],
    [["MessageChannel is missing"], "app", NO_FRAME],
    [["messages to other windows are lost"], "frame", NO_FRAME],
    [["messages to other windows are lost"], "window", /Nothing to confirm yet .* Close this window and try again/],
    [["message ports are silent"], "app", NO_ANSWER],
    [["window.open throws"], "app", BLOCKED_WINDOW],
    [["window.open returns a closed window"], "app", /You cancelled. Nothing was changed/],
    [["window.open returns a window that stays empty"], "app", NO_WINDOW],
  ],
};

test("a tab that keeps another version of the key store open is explained, and no window does", async ({ account, browser, server, visitor }) => {
  // While a confirmation is open, another version of the page can open the key store.
  await account.page.getByLabel("Display name").fill("Open");
  await account.page.getByLabel("Display name").evaluate((input: HTMLInputElement) => input.form?.requestSubmit());
  await account.confirmationWindow();
  const open = (version: number) =>
    new Promise<string>((done) => {
      const request = indexedDB.open("pan", version);
      for (const type of ["success", "blocked", "error"]) request.addEventListener(type, () => done(type));
    });
  const newer = signingFrame(account.page, server);
  expect(await newer.evaluate(open, 3)).toBe("success");

  const older = await browser.newContext();
  const [tab, page] = [await older.newPage(), await older.newPage()];
  await tab.route(`${server.sign}/older`, (route) => route.fulfill({ contentType: "text/html", body: "<title>An older version</title>" }));
  await tab.goto(`${server.sign}/older`);
  expect(await tab.evaluate(open, 1)).toBe("success");
  await page.goto(`${server.sign}/register?return=/account`);
  await visitor.submitFormQuicklyIn(page, newUserName());
  await expect(page.getByRole("alert")).toContainText("close its other tabs");
  await tab.close();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("display-name")).not.toBeEmpty();
  await older.close();
});

/** How many tabs of a test are open at the same time. Most of the time they wait. */
const TABS = 3;

for (const [what, lines] of Object.entries(EXPECTED)) {
  test(`faults of ${what} are harmless, or explained within five seconds`, async ({ account, browser, server }) => {
    test.setTimeout(120_000);
    const outcomes: Record<string, string> = {};
    const waiting = lines.map(([faults, place, expected]) => ({ line: `${faults.join(", ")} (${place})`, faults, place, expected }));
    const expected = waiting.map(({ line, expected }) => [line, expected instanceof RegExp ? expect.stringMatching(expected) : expected]);
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        outcomes[next.line] = await FaultyTab.outcome(browser, server, account, next.faults, next.place, next.expected);
      }
    };
    await Promise.all(Array.from({ length: TABS }, work));
    expect(outcomes).toEqual(Object.fromEntries(expected));
    await account.page.reload();
    await expect(account.displayName, "the session lives").not.toBeEmpty();
  });
}
