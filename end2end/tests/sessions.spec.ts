import type { BrowserContext, Route } from "@playwright/test";
import { Bank, newName } from "../support/bank.ts";
import { Client, from } from "../support/client.ts";
import { Keyboard, Mouse } from "../support/hand.ts";
import { send } from "../support/http.ts";
import { catchNext, token } from "../support/injected.ts";
import { BLOCKED, blockStorage, countKeys, evict } from "../support/storage.ts";
import { expect, test } from "../support/test.ts";

declare global {
  interface Window {
    /** Whether this page was shown last because it came back from the back/forward cache. */
    cameBack: boolean | undefined;
  }
}

/** The same person in another browser. */
async function elsewhere(bank: Bank, context: BrowserContext): Promise<Bank> {
  const page = await context.newPage();
  const other = new Bank(page, bank.origin, new Mouse(page));
  await other.reappear(bank.user);
  return other;
}

const sessions = (bank: Bank) => bank.page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
const threats = (bank: Bank) => bank.page.getByText("Someone has a copy of this session’s cookie");

/** What the owner reads about theft. */
async function expectThefts(bank: Bank, count: number): Promise<void> {
  await bank.open("/sessions");
  await expect(sessions(bank).first()).toBeVisible();
  await expect(threats(bank)).toHaveCount(count);
}

test("one sees one's sessions and ends another one, which is told why", async ({ account, browser }) => {
  const context = await browser.newContext();
  const other = await elsewhere(account, context);
  await account.open("/sessions");
  await expect(sessions(account)).toHaveCount(2);
  await expect(sessions(account).filter({ hasText: "This session" })).toHaveCount(1);
  await expect(sessions(account).first()).toContainText(/Chrome on \w+/);

  // The window shows the very code that the list shows.
  const theirs = sessions(account).filter({ hasNotText: "This session" });
  const code = await theirs.locator("code").first().textContent();
  await account.hand.press(theirs.getByRole("button", { name: /End session/ }));
  await expect((await account.confirmation()).content).toContainText(code ?? "no code");
  await account.confirm("End it");
  await expect(account.status).toContainText("has ended");
  await expect(sessions(account)).toHaveCount(1);

  // It hears of it at once, without asking for anything.
  await expect(other.page.getByText("You ended this session from another device")).toBeVisible();
  await other.page.reload();
  await expect(other.alert.first()).toBeVisible();
  await context.close();
});

test("ending all other sessions leaves this one, and cancelling leaves all", async ({ account, browser }) => {
  const contexts = [await browser.newContext(), await browser.newContext()];
  for (const context of contexts) await elsewhere(account, context);
  await account.open("/sessions");
  await expect(sessions(account)).toHaveCount(3);
  await account.hand.press(account.button("End all other sessions"));
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(sessions(account)).toHaveCount(3);
  await account.hand.press(account.button("End all other sessions"));
  await account.confirm("End them");
  await expect(sessions(account)).toHaveCount(1);
  await expect(account.status).toContainText("2 other sessions have ended");
  for (const context of contexts) await context.close();
});

test("the fourth sign-in ends the oldest session, which is told why", async ({ account, house, page }) => {
  await account.live();
  for (let times = 0; times < 3; times++) {
    const again = new Client(house, account.user);
    await again.enter("/sign-in");
    expect((await again.bind()).status).toBe(200);
  }
  await expect(page.getByText("this session was your oldest")).toBeVisible();
});

test("signing out destroys the key in the frame", async ({ account, house, page }) => {
  expect(await countKeys(page, house, "keys")).toBe(1);
  await account.signOut();
  await expect.poll(() => countKeys(page, house, "keys")).toBe(0);
});

test("attack 1: the owner is told that somebody has the cookie, and can make it worthless", async ({ account, house }) => {
  const cookie = `__Host-pan=${await token(account.page)}`;
  for (let times = 0; times < 2; times++) {
    const bare = await send(house, { path: "/api/account", headers: [...from(house.app), ["cookie", cookie]], body: "{}" });
    expect(bare.code).toBe("invalid_session");
  }
  await expectThefts(account, 1);
  await expect(threats(account)).toContainText("2 times");
  await account.open("/activity");
  const row = account.page.getByRole("row").filter({ hasText: "cookie was used without its key" });
  await expect(row.first()).toBeVisible();
});

test("what one did and what was refused is in one's activity", async ({ account }) => {
  await account.renamed("Noted");
  await account.open("/activity");
  for (const text of ["Opened the account", "Created a key for a session", "Changed the display name"]) {
    await expect(account.page.getByRole("cell", { name: text }).first()).toBeVisible();
  }
});

test.describe("no theft is signalled by", () => {
  test("two tabs, reloads, and going back and forth", async ({ account, context }) => {
    const page = await context.newPage();
    const other = new Bank(page, account.origin, new Mouse(page));
    await other.open("/account");
    await Promise.all([account.page.reload(), other.page.reload()]);
    await account.open("/");
    await account.page.goBack();
    await account.page.goForward();
    await account.page.goBack();
    await expect(account.balance).not.toBeEmpty();
    await expect(other.balance).not.toBeEmpty();
    await expectThefts(account, 0);
  });

  test("a page that comes back from the back/forward cache, and works on", async ({ house, launchOptions, playwright }) => {
    // Playwright turns this cache off. This browser has it.
    const browser = await playwright.chromium.launch({ ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    const page = await browser.newPage();
    // Chromium keeps no page that says `no-store`, and PAN's do. Other browsers may, so here it does not say so.
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Fetch.enable", { patterns: [{ urlPattern: `${house.app}/account`, requestStage: "Response" }] });
    devtools.on("Fetch.requestPaused", ({ requestId, responseStatusCode, responseHeaders = [] }) => {
      const kept = responseHeaders.filter(({ name }) => name.toLowerCase() !== "cache-control");
      void devtools.send("Fetch.continueResponse", { requestId, responseCode: responseStatusCode ?? 200, responseHeaders: kept });
    });
    await page.addInitScript(() => addEventListener("pageshow", ({ persisted }) => (window.cameBack = persisted)));
    const bank = new Bank(page, house.app, new Mouse(page));
    await bank.appear(newName());
    for (const name of ["Back", "Back again"]) {
      // Now and then Chromium cancels coming back ("navigation-canceled") and loads the page anew.
      await expect(async () => {
        await bank.open("/account");
        await expect(bank.balance).not.toBeEmpty();
        await bank.open("/");
        await page.goBack({ waitUntil: "commit" });
        // The very page that was left, not a new one of the same address.
        await expect.poll(() => page.evaluate(() => window.cameBack), { timeout: 2_000 }).toBe(true);
      }).toPass();
      await bank.renamed(name);
    }
    await expectThefts(bank, 0);
    await browser.close();
  });

  test("a sign-in as somebody else in another tab", async ({ account, context }) => {
    const page = await context.newPage();
    const other = new Bank(page, account.origin, new Mouse(page));
    const name = newName();
    await other.appear(name);
    // The first tab hears of it, and shows whose the session is now. What is done there is done by them.
    await expect(account.displayName).toHaveText(name);
    await account.renamed("Whose?");
    await other.page.reload();
    await expect(other.displayName).toHaveText("Whose?");
    await expectThefts(other, 0);
  });

  test("a sign-in as somebody else that another tab does not hear of", async ({ account, browser, context }) => {
    const page = await context.newPage();
    await page.addInitScript(() => (BroadcastChannel.prototype.postMessage = () => {}));
    const other = new Bank(page, account.origin, new Mouse(page));
    const name = newName();
    await other.appear(name);
    // The first tab signs for its own session, and the browser sends the cookie of the other.
    await account.rename("Nobody's");
    await expect(account.alert.first()).toContainText("Your session has ended.");
    await other.page.reload();
    await expect(other.displayName).toHaveText(name);
    await expectThefts(other, 0);
    const again = await browser.newContext();
    const first = await elsewhere(account, again);
    await expect(first.displayName).toHaveText(account.user);
    await expectThefts(first, 0);
    await again.close();
  });

  test("many signed requests of one page at once", async ({ account, house, page }) => {
    // The page asks for four things. None gets through before all are on their way.
    const wanted = ["sessions", "activity", "account", "sessions"];
    const held: Route[] = [];
    let isHolding = true;
    await page.route(/\/api\/(sessions|activity|account)$/, async (route) => {
      if (isHolding) held.push(route);
      else await route.continue();
    });
    for (const [at, name] of wanted.entries()) {
      await page.getByRole("navigation").getByRole("link", { name }).click();
      await expect.poll(() => held.length).toBe(at + 1);
    }
    const requests = held.map((route) => route.request());
    expect(requests.map((request) => request.url())).toEqual(wanted.map((name) => `${house.app}/api/${name}`));
    const nonces = requests.map((request) => /nonce="([^"]+)"/.exec(request.headers()["signature-input"] ?? "")?.[1]);
    expect(new Set(nonces).size).toBe(wanted.length);
    isHolding = false;
    await Promise.all(held.map((route) => route.continue()));
    for (const request of requests) expect((await request.response())?.status(), request.url()).toBe(200);
    await expectThefts(account, 0);
    await account.open("/account");
    await account.renamed("As before");
  });

  test("one request that is sent many times", async ({ account, house, page }) => {
    const caught = await catchNext(page, "/api/account", () => page.reload());
    const replies = await Promise.all(Array.from({ length: 20 }, () => send(house, caught)));
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(1);
    await expectThefts(account, 0);
  });

  test("an answer that was lost on the way", async ({ account, house, page }) => {
    // The request reaches the server, and its answer nobody.
    const keys = new Bank(page, house.app, new Keyboard(page));
    const lost = await catchNext(page, "/api/display_name", () => keys.rename("Lost"));
    expect((await send(house, lost)).status).toBe(200);
    await expect(account.alert).toContainText("No response from the server.");
    await account.renamed("Found");
    await expectThefts(account, 0);
  });

  test("a laptop that slept, and a clock that was set", async ({ account, page }) => {
    await page.clock.install();
    await account.open("/account");
    await expect(account.balance).not.toBeEmpty();
    await page.clock.fastForward("20:00");
    await account.renamed("Awake");
    await page.clock.setSystemTime(Date.now() + 3 * 3_600_000);
    await account.renamed("Later");
    await expectThefts(account, 0);
  });

  test("a browser that lost the frame's key, and is restored", async ({ account, house, page }) => {
    await evict(page, house, "keys");
    await page.reload();
    await account.button("Restore this browser").click();
    await account.confirm("Restore");
    await expect(account.balance).not.toBeEmpty();
    await expectThefts(account, 0);
    await expect(sessions(account)).toHaveCount(1);
  });

  test("a browser that lost both keys, and signs in again", async ({ account, house, page }) => {
    await evict(page, house, "keys", "confirmation_keys");
    await page.reload();
    await expect(account.button("Restore this browser")).toBeVisible();
    // In again, the session whose keys are lost has ended.
    await account.reappear(account.user);
    await expectThefts(account, 0);
    await expect(sessions(account)).toHaveCount(1);
  });

  test("a browser that blocks its storage later, and works again when it does not", async ({ account, browser, house, page }) => {
    const context = await browser.newContext();
    const other = await elsewhere(account, context);
    const requests: string[] = [];
    // In this tab only, as if its window had been opened after the setting was changed.
    await blockStorage(page, house, BLOCKED["denies its storage"]);
    page.on("request", (request) => void (request.url().startsWith(`${house.app}/api/`) && requests.push(request.url())));
    await page.reload();
    await expect(account.alert).toContainText("This browser blocks the storage that keeps your key.");
    expect(requests, "what cannot be signed is not sent").toEqual([]);
    await expectThefts(other, 0);
    // Nothing was lost: where nothing is blocked, the same browser still has its key.
    const free = await page.context().newPage();
    await free.goto(`${house.app}/account`);
    await expect(free.getByTestId("balance")).toHaveText("1,000.00 EUR");
    await context.close();
  });

  test("a new version of the server", { tag: "@memory" }, async ({ own, page }) => {
    await own.startStore();
    const server = await own.startServer();
    const bank = new Bank(page, own.house.app, new Mouse(page));
    await bank.appear("deployed");
    await server.stop();
    await own.startServer();
    await bank.renamed("As before");
    await expectThefts(bank, 0);
  });
});
