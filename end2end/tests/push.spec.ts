import type { BrowserContext, Page } from "@playwright/test";
import { AppPage } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { sharedServers } from "../support/global-setup.ts";
import { send } from "../support/http.ts";
import { Mouse } from "../support/input-device.ts";
import type { IsolatedServers } from "../support/isolated-servers.ts";
import { MitmProxy } from "../support/mitm-proxy.ts";
import { NodeClient, originHeaders } from "../support/node-client.ts";
import { freePort } from "../support/ports.ts";
import { sessionToken } from "../support/session-token.ts";
import type { TestServer } from "../support/test-server.ts";

/** Another tab of the same browser. */
async function openTab(visitor: AppPage, context: BrowserContext, path: string): Promise<AppPage> {
  const page = await context.newPage();
  const other = new AppPage(page, visitor.origin, new Mouse(page));
  other.user = visitor.user;
  await other.open(path);
  await other.waitUntilLive();
  return other;
}

const pushState = (page: Page) => page.getByTestId("push-state");

test("a sign-in elsewhere shows a notification in every tab, and reading it in one marks it read in all", { tag: "@firefox" }, async ({ account, context, server }) => {
  await account.waitUntilLive();
  await expect(account.bell(0)).toBeVisible();
  const other = await openTab(account, context, "/activity");
  const elsewhere = await NodeClient.signedIn(server, account.user);
  for (const visitor of [account, other]) {
    await expect(visitor.bell(1)).toBeVisible();
    await expect(visitor.notifications.filter({ hasText: "New sign-in" })).toHaveCount(1);
  }
  await expect(other.page.getByRole("cell", { name: "Started a session in a browser" })).toHaveCount(2);

  await account.input.activate(account.bell(1));
  await expect(account.notifications.first()).toBeVisible();
  for (const visitor of [account, other]) await expect(visitor.bell(0)).toBeVisible();
  // A reloaded page does not show it as new again.
  await other.page.reload();
  await other.waitUntilLive();
  await expect(other.bell(0)).toBeVisible();
  await expect(other.page.getByRole("cell", { name: "Started a session in a browser" })).toHaveCount(2);

  // The notification links to the session.
  await account.input.activate(account.notifications.first().getByRole("link", { name: "See the session" }));
  await expect(account.page).toHaveURL(`${account.origin}/sessions#${elsewhere.handle}`);
  await expect(account.page.locator(`[id="${elsewhere.handle}"]`)).toBeVisible();
});

test("the list of sessions updates at once", async ({ account, server, page }) => {
  await account.waitUntilLive();
  await account.open("/sessions");
  const sessions = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
  await expect(sessions).toHaveCount(1);
  await account.waitUntilLive();
  const elsewhere = await NodeClient.signedIn(server, account.user);
  await expect(sessions).toHaveCount(2);
  expect((await elsewhere.call({ path: "/api/sign_out" })).status).toBe(200);
  await expect(sessions).toHaveCount(1);
  await expect(account.notifications.filter({ hasText: "you signed out" })).toHaveCount(1);
});

test("a stolen cookie shows a notification", async ({ account, server, page }) => {
  await account.waitUntilLive();
  const cookie: [string, string] = ["cookie", `__Host-pan=${await sessionToken(page)}`];
  await send(server, { path: "/api/account", headers: [...originHeaders(server.app), cookie], body: "{}" });
  await expect(account.bell(1)).toBeVisible();
  await expect(account.notifications).toContainText("Someone has a copy of the cookie of this session");
});

test("attack 18: a session ended elsewhere ends here at once, with its connection", { tag: "@firefox" }, async ({ account, browser, page }) => {
  await account.waitUntilLive();
  const theirs = await browser.newContext();
  const theirPage = await theirs.newPage();
  const elsewhere = new AppPage(theirPage, account.origin, new Mouse(theirPage));
  await elsewhere.signInQuickly(account.user);
  await elsewhere.open("/sessions");
  await elsewhere.input.activate(elsewhere.button("End all other sessions"));
  await elsewhere.confirm("End them");
  // Without any input on this page.
  await expect(page.getByText("You ended this session from another device")).toBeVisible();
  await expect(pushState(page)).toBeHidden();
  await theirs.close();
});

test("events while no page was open or online appear later", async ({ account, context, server }) => {
  await account.waitUntilLive();
  await expect.poll(() => account.page.evaluate(() => localStorage.getItem("pan-read"))).not.toBeNull();
  await context.setOffline(true);
  await expect(account.pushState).toHaveText("Not connected");
  const one = await NodeClient.signedIn(server, account.user);
  await context.setOffline(false);
  await expect(account.bell(1)).toBeVisible();
  await account.waitUntilLive();

  await account.page.close();
  expect((await one.call({ path: "/api/sign_out" })).status).toBe(200);
  const again = await openTab(account, context, "/account");
  await expect(again.bell(2)).toBeVisible();
  await expect(again.notifications).toHaveCount(2);
});

test("a hidden page disconnects and later resumes where it was", async ({ account, server, page }) => {
  await page.clock.install();
  await account.open("/account");
  await account.waitUntilLive();
  const setVisible = (visible: boolean) =>
    page.evaluate((visible) => {
      Object.defineProperty(document, "hidden", { value: !visible, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, visible);
  await setVisible(false);
  await expect(account.pushState).toContainText("Live");
  await page.clock.fastForward("01:05");
  await expect(account.pushState).toHaveText("Not connected");
  await NodeClient.signedIn(server, account.user);
  await setVisible(true);
  await account.waitUntilLive();
  await expect(account.bell(1)).toBeVisible();
});

test("a connection that fell silent during sleep is replaced, and missed events appear", async ({ isolated, page }) => {
  const { proxy, visitor, direct } = await startScene(isolated, page);
  await page.clock.install();
  await visitor.registerQuickly("sleeper");
  await visitor.waitUntilLive();
  const before = proxy.connections.socket;
  // The connection stays open but delivers nothing.
  proxy.tamper = (message) => (proxy.connections.socket > before ? [message] : []);
  await NodeClient.signedIn(direct, "sleeper");
  await expect(visitor.pushState).toContainText("Live");
  await page.clock.fastForward("20:00");
  await expect(visitor.bell(1)).toBeVisible();
  await expect(visitor.notifications).toHaveCount(1);
  await visitor.waitUntilLive();
  expect(proxy.connections.socket).toBeGreaterThan(before);
});

test("events on another instance appear here once and in order", async ({ account, server }) => {
  await account.waitUntilLive();
  const second = sharedServers().second;
  const elsewhere = await NodeClient.signedIn(second, account.user);
  expect((await elsewhere.call({ path: "/api/sign_out" })).status).toBe(200);
  await NodeClient.signedIn(server, account.user);
  await expect(account.notifications).toHaveCount(3);
  await expect(account.notifications).toHaveText([/New sign-in/, /you signed out/, /New sign-in/]);
});

/** A server behind a proxy, and a page that connects through the proxy. */
async function startScene(isolated: IsolatedServers, page: Page, env: Record<string, string> = {}): Promise<{ proxy: MitmProxy; visitor: AppPage; direct: TestServer; restart: () => Promise<void> }> {
  await isolated.startStore();
  const listen = await freePort();
  let pan = await isolated.startServer(env, { listen });
  const proxy = await isolated.startMitmProxy(listen);
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  const restart = async () => {
    await pan.stop("SIGKILL");
    pan = await isolated.startServer(env, { listen });
  };
  return { proxy, visitor, direct: { ...isolated.server, port: listen }, restart };
}

test("a page reconnects to a server that was killed and restarted", async ({ isolated, page }) => {
  const { visitor, direct, restart } = await startScene(isolated, page);
  await visitor.registerQuickly("restarted");
  await visitor.waitUntilLive();
  await restart();
  await visitor.waitUntilLive();
  await NodeClient.signedIn(direct, "restarted");
  await expect(visitor.bell(1)).toBeVisible();
});

test("keys rotate on an open connection, and nothing is lost", async ({ isolated, page }) => {
  const { proxy, visitor, direct } = await startScene(isolated, page, {
    PAN_PUSH_KEY_SECONDS: "5",
    PAN_PUSH_KEYS_PER_MINUTE: "100",
    PAN_SESSIONS_MAX: "50",
  });
  await visitor.registerQuickly("rotating");
  await visitor.waitUntilLive();
  const keys = () => new Set(proxy.messages.map((message) => (JSON.parse(message) as { kid: string }).kid)).size;
  for (let count = 1; count <= 4; count++) {
    const before = keys();
    await NodeClient.signedIn(direct, "rotating");
    await expect(visitor.notifications).toHaveCount(count);
    await expect.poll(keys, { timeout: 20_000 }).toBeGreaterThan(before);
  }
  expect(proxy.connections).toEqual({ stream: 0, socket: 1 });
});

test("when one transport is blocked the other replaces it, and every push request is signed", async ({ isolated, page }) => {
  const { proxy, visitor, direct } = await startScene(isolated, page);
  proxy.allowed.delete("socket");
  await visitor.registerQuickly("falling-back");
  await expect(visitor.pushState).toHaveText("Live, by event stream");
  await NodeClient.signedIn(direct, "falling-back");
  await expect(visitor.bell(1)).toBeVisible();
  proxy.allowed.add("socket").delete("stream");
  proxy.dropConnections();
  await expect(visitor.pushState).toHaveText("Live, by WebSocket");
  proxy.allowed.clear();
  proxy.dropConnections();
  await expect(visitor.pushState).toHaveText("Disconnected, retrying");
  await expect.poll(() => new Set(proxy.requestedPaths)).toEqual(
    new Set(["/api/jitterbug/keys", "/api/jitterbug/stream", "/api/jitterbug/socket"]),
  );
});

test("the bell works at 320 pixels and by keyboard", async ({ account, server, page }) => {
  await account.waitUntilLive();
  await page.setViewportSize({ width: 320, height: 640 });
  await NodeClient.signedIn(server, account.user);
  await account.bell(1).focus();
  await page.keyboard.press("Enter");
  const message = account.notifications.first();
  await expect(message).toBeInViewport();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(320);
  await page.keyboard.press("Enter");
  await expect(message).toBeHidden();
});
