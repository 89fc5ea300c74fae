import { AppPage, newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { Mouse } from "../support/input-device.ts";
import { sendRedisCommand } from "../support/redis.ts";

// Cases that users of comparable projects have reported: browsers, extensions, proxies and deployments that behave unexpectedly.

test("elements that a browser extension inserts before the page has started do not disturb it", async ({ account, context, page }) => {
  await context.addInitScript(() => {
    new MutationObserver((_changes, observer) => {
      if (!document.querySelector("main")) return;
      observer.disconnect();
      document.body.prepend(document.createElement("ext-banner"));
      document.body.append(document.createElement("ext-overlay"), "text");
      document.documentElement.prepend(document.createElement("ext-root"));
    }).observe(document, { childList: true, subtree: true });
  });
  await page.reload();
  await expect(page.locator("ext-banner, ext-overlay, ext-root")).toHaveCount(3);
  await account.expectLoaded();
});

test("an address that contains the password of HTTP authentication is left, and the page works", async ({ account, page, server }) => {
  await page.goto(`${server.app.replace("://", "://staging:secret@")}/account`);
  await account.expectLoaded();
  expect(await page.evaluate(() => document.URL)).toBe(`${server.app}/account`);
});

test("a display name in any script is shown as it was typed, without its direction controls", async ({ account }) => {
  const name = "علی\u200cرضا 田中\u3000太郎 क्\u200dष 👩\u200d👧 ❤\ufe0f";
  await account.submitName(`${name}\u202e`);
  await account.expectName(`${name}⟨U+202E⟩`);
  // Also its spaces.
  expect(await account.displayName.textContent()).toBe(`${name}⟨U+202E⟩`);
});

test("a browser that does not keep the session cookie says so after signing in", async ({ isolated, page }) => {
  const proxy = await isolated.startServerWithChangedHeaders();
  const user = new AppPage(page, isolated.server.app, new Mouse(page));
  proxy.changeResponse = (headers, path) => {
    if (path === "/enter") delete headers["set-cookie"];
  };
  const name = newUserName();
  await page.goto(`${isolated.server.sign}/register?return=/account`);
  await user.submitFormQuickly(name);
  await expect(user.alert).toContainText("did not keep this site’s cookie");
  // An ordinary visit without a session has another reason.
  await user.open("/activity");
  await expect(user.alert).toContainText("You are not signed in");
  proxy.changeResponse = () => {};
  await user.signInQuickly(name);
  await user.signOut();
  await page.goBack();
  await expect(user.alert).toContainText("You are not signed in");
});

test("a sign-in whose Origin was removed on the way is rejected with the reason", async ({ isolated, page }) => {
  const proxy = await isolated.startServerWithChangedHeaders();
  const user = new AppPage(page, isolated.server.app, new Mouse(page));
  proxy.changeRequest = (headers, path) => {
    if (path === "/enter") headers.origin = "null";
  };
  const name = newUserName();
  await page.goto(`${isolated.server.sign}/register?return=/account`);
  await user.submitFormQuickly(name);
  await expect(page.locator("body")).toContainText("You are not signed in");
  await expect(page.locator("body")).toContainText("from which page the sign-in came");
  // The address bar, or a restored tab, repeats the request without its form.
  await page.goto(`${isolated.server.app}/enter`);
  await expect(user.alert).toContainText("You are not signed in");
  proxy.changeRequest = () => {};
  await user.signInQuickly(name);
  await page.goto(`${isolated.server.app}/enter`);
  await user.expectLoaded();
});

test("mistyped addresses of the sign origin lead on", async ({ page, server }) => {
  await page.goto(server.sign);
  await expect(page).toHaveURL(`${server.app}/`);
  for (const path of ["/login", "/sign-in/"]) {
    expect((await page.goto(server.sign + path))?.status()).toBe(404);
    await page.getByRole("link", { name: "Sign in" }).click();
    await expect(page).toHaveURL(`${server.sign}/sign-in`);
  }
});

test("a Redis that deletes keys when it is full is reported at the start, and one that needs a password by its own words", async ({ isolated }) => {
  await isolated.startRedis();
  await sendRedisCommand(isolated.redisPort, "CONFIG SET maxmemory-policy allkeys-lru");
  const server = await isolated.startServer();
  await expect.poll(() => server.log()).toMatch(/set its maxmemory-policy to noeviction.*allkeys-lru/);
  await server.stop();
  await sendRedisCommand(isolated.redisPort, "CONFIG SET requirepass secret");
  await expect(isolated.startServer()).rejects.toThrow(/NOAUTH|Authentication required/);
});

test("a browser that wrongly reports to be offline gets live updates", async ({ account, context, page }) => {
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "onLine", { get: () => false }));
  await page.reload();
  await account.expectLoaded();
  await account.waitUntilLive();
});

test("a page that was prerendered long before the user visits it loads then", async ({ account, context, page, server }) => {
  // As specified, a prerendered page loads no frame of another origin before it is visited.
  await page.clock.install();
  let visit: () => void = () => {};
  const visited = new Promise<void>((done) => (visit = done));
  await page.route(`${server.sign}/`, async (route) => {
    await visited;
    await route.continue();
  });
  await context.addInitScript(() => {
    let prerendering = true;
    Object.defineProperty(Document.prototype, "prerendering", { get: () => prerendering, configurable: true });
    addEventListener("visit", () => {
      prerendering = false;
      document.dispatchEvent(new Event("prerenderingchange"));
    });
  });
  await page.goto(`${server.app}/account`, { waitUntil: "commit" });
  await expect(page.locator("html[data-ready]")).toHaveCount(1);
  await page.clock.runFor("02:00");
  await expect(account.alert).toHaveCount(0);
  visit();
  await page.evaluate(() => dispatchEvent(new Event("visit")));
  await account.expectLoaded();
});
