import type { BrowserContext, Route } from "@playwright/test";
import { AppPage, newUserName } from "../support/app-page.ts";
import { breakStorage, countKeys, evictKeys, STORAGE_FAILURES } from "../support/browser-storage.ts";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { Keyboard, Mouse } from "../support/input-device.ts";
import { interceptNext } from "../support/intercepted-request.ts";
import { NodeClient, originHeaders } from "../support/node-client.ts";
import { sessionToken } from "../support/session-token.ts";

declare global {
  interface Window {
    /** Whether this page was last shown from the back/forward cache. */
    isFromCache: boolean | undefined;
  }
}

/** Signs the same user in with another browser. */
async function signInElsewhere(visitor: AppPage, context: BrowserContext): Promise<AppPage> {
  const page = await context.newPage();
  const other = new AppPage(page, visitor.origin, new Mouse(page));
  await other.signInQuickly(visitor.user);
  return other;
}

const sessions = (visitor: AppPage) => visitor.page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
const theftWarnings = (visitor: AppPage) => visitor.page.getByText("Someone has a copy of this session’s cookie");

/** Checks the number of theft warnings on the owner's sessions page. */
async function expectThefts(visitor: AppPage, count: number): Promise<void> {
  await visitor.open("/sessions");
  await expect(sessions(visitor).first()).toBeVisible();
  await expect(theftWarnings(visitor)).toHaveCount(count);
}

test("a user sees all sessions and ends another one, which shows the reason", { tag: "@firefox" }, async ({ account, browser }) => {
  const context = await browser.newContext();
  const other = await signInElsewhere(account, context);
  await account.open("/sessions");
  await expect(sessions(account)).toHaveCount(2);
  await expect(sessions(account).filter({ hasText: "This session" })).toHaveCount(1);
  await expect(sessions(account).first()).toContainText(/(Chrome|Firefox) on \w+/);

  // The window shows the same code as the list.
  const theirs = sessions(account).filter({ hasNotText: "This session" });
  const code = await theirs.locator("code").first().textContent();
  await account.input.activate(theirs.getByRole("button", { name: /End session/ }));
  await expect((await account.confirmationWindow()).content).toContainText(code ?? "no code");
  await account.confirm("End it");
  await expect(account.status).toContainText("has ended");
  await expect(sessions(account)).toHaveCount(1);

  // The other page shows it at once, without a request.
  await expect(other.page.getByText("You ended this session from another device")).toBeVisible();
  await other.page.reload();
  await expect(other.alert.first()).toBeVisible();
  await context.close();
});

test("ending all other sessions keeps this one, and cancelling keeps all", async ({ account, browser }) => {
  const contexts = [await browser.newContext(), await browser.newContext()];
  for (const context of contexts) await signInElsewhere(account, context);
  await account.open("/sessions");
  await expect(sessions(account)).toHaveCount(3);
  await account.input.activate(account.button("End all other sessions"));
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(sessions(account)).toHaveCount(3);
  await account.input.activate(account.button("End all other sessions"));
  await account.confirm("End them");
  await expect(sessions(account)).toHaveCount(1);
  await expect(account.status).toContainText("2 other sessions have ended");
  for (const context of contexts) await context.close();
});

test("the fourth sign-in ends the oldest session, which shows the reason", async ({ account, server, page }) => {
  await account.waitUntilLive();
  for (let times = 0; times < 3; times++) {
    await NodeClient.signedIn(server, account.user);
  }
  await expect(page.getByText("this session was your oldest")).toBeVisible();
});

test("signing out deletes the key in the frame", async ({ account, server, page }) => {
  expect(await countKeys(page, server, "keys")).toBe(1);
  await account.signOut();
  await expect.poll(() => countKeys(page, server, "keys")).toBe(0);
});

test("attack 1: the owner sees that the cookie was stolen", async ({ account, server }) => {
  const cookie = `__Host-pan=${await sessionToken(account.page)}`;
  for (let times = 0; times < 2; times++) {
    const bare = await send(server, { path: "/api/account", headers: [...originHeaders(server.app), ["cookie", cookie]], body: "{}" });
    expect(bare.code).toBe("invalid_session");
  }
  await expectThefts(account, 1);
  await expect(theftWarnings(account)).toContainText("2 times");
  await account.open("/activity");
  const row = account.page.getByRole("row").filter({ hasText: "cookie was used without its key" });
  await expect(row.first()).toBeVisible();
});

test("the activity page lists the user's actions", async ({ account }) => {
  await account.changeName("Noted");
  await account.open("/activity");
  for (const text of ["Opened the account", "Created a key for a session", "Changed the display name"]) {
    await expect(account.page.getByRole("cell", { name: text }).first()).toBeVisible();
  }
});

test.describe("no theft signal is raised by", () => {
  test("two tabs, reloads, and going back and forward", async ({ account, context }) => {
    const page = await context.newPage();
    const other = new AppPage(page, account.origin, new Mouse(page));
    await other.open("/account");
    await Promise.all([account.page.reload(), other.page.reload()]);
    await account.open("/");
    await account.page.goBack();
    await account.page.goForward();
    await account.page.goBack();
    await account.expectLoaded();
    await other.expectLoaded();
    await expectThefts(account, 0);
  });

  test("a page restored from the back/forward cache", async ({ server, launchOptions, playwright }) => {
    // Playwright disables this cache. This browser enables it.
    const browser = await playwright.chromium.launch({ ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    const page = await browser.newPage();
    // Chromium caches no page with `no-store`, which PAN sends. Other browsers may, so this test removes the header.
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Fetch.enable", { patterns: [{ urlPattern: `${server.app}/account`, requestStage: "Response" }] });
    devtools.on("Fetch.requestPaused", ({ requestId, responseStatusCode, responseHeaders = [] }) => {
      const kept = responseHeaders.filter(({ name }) => name.toLowerCase() !== "cache-control");
      void devtools.send("Fetch.continueResponse", { requestId, responseCode: responseStatusCode ?? 200, responseHeaders: kept });
    });
    await page.addInitScript(() => addEventListener("pageshow", ({ persisted }) => (window.isFromCache = persisted)));
    const visitor = new AppPage(page, server.app, new Mouse(page));
    await visitor.registerQuickly(newUserName());
    for (const name of ["Back", "Back again"]) {
      // Sometimes Chromium cancels the restoration ("navigation-canceled") and loads the page again.
      await expect(async () => {
        await visitor.open("/account");
        await visitor.expectLoaded();
        await visitor.open("/");
        await page.goBack({ waitUntil: "commit" });
        // The cached page, not a new one with the same URL.
        await expect.poll(() => page.evaluate(() => window.isFromCache), { timeout: 2_000 }).toBe(true);
      }).toPass();
      await visitor.changeName(name);
    }
    await expectThefts(visitor, 0);
    await browser.close();
  });

  test("a sign-in as another user in another tab", async ({ account, context }) => {
    const page = await context.newPage();
    const other = new AppPage(page, account.origin, new Mouse(page));
    const name = newUserName();
    await other.registerQuickly(name);
    // The first tab shows the new user, who makes the change.
    await expect(account.displayName).toHaveText(name);
    await account.changeName("Whose?");
    await other.page.reload();
    await expect(other.displayName).toHaveText("Whose?");
    await expectThefts(other, 0);
  });

  test("a sign-in as another user that the first tab does not notice", async ({ account, browser, context }) => {
    const page = await context.newPage();
    await page.addInitScript(() => (BroadcastChannel.prototype.postMessage = () => {}));
    const other = new AppPage(page, account.origin, new Mouse(page));
    const name = newUserName();
    await other.registerQuickly(name);
    // The first tab signs for its own session, and the browser sends the other session's cookie.
    await account.submitName("Not saved");
    await expect(account.alert.first()).toContainText("Your session has ended.");
    await other.page.reload();
    await expect(other.displayName).toHaveText(name);
    await expectThefts(other, 0);
    const again = await browser.newContext();
    const first = await signInElsewhere(account, again);
    await expect(first.displayName).toHaveText(account.user);
    await expectThefts(first, 0);
    await again.close();
  });

  test("many concurrent signed requests of one page", async ({ account, server, page }) => {
    // The page sends four requests. All are held until the last one is signed.
    const pages = ["sessions", "activity", "account", "sessions"];
    const held: Route[] = [];
    let isHolding = true;
    await page.route(/\/api\/(sessions|activity|account)$/, async (route) => {
      if (isHolding) held.push(route);
      else await route.continue();
    });
    for (const [at, name] of pages.entries()) {
      await page.getByRole("navigation").getByRole("link", { name }).click();
      await expect.poll(() => held.length).toBe(at + 1);
    }
    const requests = held.map((route) => route.request());
    expect(requests.map((request) => request.url())).toEqual(pages.map((name) => `${server.app}/api/${name}`));
    const nonces = requests.map((request) => /nonce="([^"]+)"/.exec(request.headers()["signature-input"] ?? "")?.[1]);
    expect(new Set(nonces).size).toBe(pages.length);
    isHolding = false;
    await Promise.all(held.map((route) => route.continue()));
    for (const request of requests) expect((await request.response())?.status(), request.url()).toBe(200);
    await expectThefts(account, 0);
    await account.open("/account");
    await account.changeName("As before");
  });

  test("one request sent many times", async ({ account, server, page }) => {
    const intercepted = await interceptNext(page, "/api/account", () => page.reload());
    const replies = await Promise.all(Array.from({ length: 20 }, () => send(server, intercepted)));
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(1);
    await expectThefts(account, 0);
  });

  test("a lost response", async ({ account, server, page }) => {
    // The request reaches the server, but the response does not reach the page.
    const keys = new AppPage(page, server.app, new Keyboard(page));
    const lost = await interceptNext(page, "/api/display_name", () => keys.submitName("Lost"));
    await expect(account.alert).toContainText("Nothing was changed. Try again.");
    // It arrives after all. The page has asked for its outcome, so it is void.
    expect((await send(server, lost)).code).toBe("use_fresh_nonce");
    await account.changeName("Found");
    await expectThefts(account, 0);
  });

  test("a laptop that slept and a clock that changed", async ({ account, page }) => {
    await page.clock.install();
    await account.open("/account");
    await account.expectLoaded();
    await page.clock.fastForward("20:00");
    await account.changeName("Awake");
    await page.clock.setSystemTime(Date.now() + 3 * 3_600_000);
    await account.changeName("Later");
    await expectThefts(account, 0);
  });

  test("a browser that lost the frame key and was restored", async ({ account, server, page }) => {
    await evictKeys(page, server, "keys");
    await page.reload();
    await account.button("Restore this browser").click();
    await account.confirm("Restore");
    await account.expectLoaded();
    await expectThefts(account, 0);
    await expect(sessions(account)).toHaveCount(1);
  });

  test("a browser that lost both keys and signs in again", async ({ account, server, page }) => {
    await evictKeys(page, server, "keys", "confirmation_keys");
    await page.reload();
    await expect(account.button("Restore this browser")).toBeVisible();
    // After the new sign-in, the session with the lost keys has ended.
    await account.signInQuickly(account.user);
    await expectThefts(account, 0);
    await expect(sessions(account)).toHaveCount(1);
  });

  test("a browser that blocks its storage for a while", async ({ account, browser, server, page }) => {
    const context = await browser.newContext();
    const other = await signInElsewhere(account, context);
    const requests: string[] = [];
    // In this tab only, as if it had been opened after the setting changed.
    await breakStorage(page, server, STORAGE_FAILURES["denies its storage"]);
    page.on("request", (request) => void (request.url().startsWith(`${server.app}/api/`) && requests.push(request.url())));
    await page.reload();
    await expect(account.alert).toContainText("This browser blocks the storage that keeps your key.");
    expect(requests, "unsigned requests are not sent").toEqual([]);
    await expectThefts(other, 0);
    // A tab without the block still has its key.
    const free = await page.context().newPage();
    await free.goto(`${server.app}/account`);
    await expect(free.getByTestId("display-name")).not.toBeEmpty();
    await context.close();
  });

  test("a new version of the server", { tag: "@memory" }, async ({ isolated, page }) => {
    await isolated.startStore();
    const pan = await isolated.startServer();
    const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
    await visitor.registerQuickly("deployed");
    await pan.stop();
    await isolated.startServer();
    await visitor.changeName("As before");
    await expectThefts(visitor, 0);
  });
});

/** Case 22: what Leptos.toml says of `sessions.on_theft = "end"`. */
test("with on_theft = end, script in the page ends the session with one unsigned request", async ({ isolated, page }) => {
  await isolated.startStore();
  await isolated.startServer({ PAN_SESSIONS_ON_THEFT: "end" });
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  await visitor.registerQuickly(newUserName());
  await visitor.waitUntilLive();
  const status = await page.evaluate(async () => {
    const init = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    return (await fetch("/api/account", init)).status;
  });
  expect(status).toBe(401);
  await expect(visitor.alert).toContainText("Someone else tried to use this session, so it was ended.");
});
