import type { Page } from "@playwright/test";
import { AppPage, newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { Mouse } from "../support/input-device.ts";
import type { IsolatedServers } from "../support/isolated-servers.ts";
import type { Loss, LossyProxy } from "../support/lossy-proxy.ts";
import { NodeClient } from "../support/node-client.ts";

const NOT_DONE = "Nothing was changed. Try again.";

async function start(isolated: IsolatedServers, page: Page): Promise<{ proxy: LossyProxy; visitor: AppPage }> {
  const proxy = await isolated.startLossyServer();
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  await visitor.registerQuickly(newUserName());
  await visitor.waitUntilLive();
  return { proxy, visitor };
}

/** For a lost navigation, the browser shows its own error page. The user reloads it, which sends the form again. */
async function reloadUntilEntered(visitor: AppPage): Promise<void> {
  await expect(async () => {
    if (visitor.page.url().startsWith("chrome-error:")) await visitor.page.reload();
    expect(visitor.page.url()).toBe(`${visitor.origin}/account`);
  }).toPass();
}

/** How often the activity page lists that. */
async function countActivity(visitor: AppPage, what: RegExp): Promise<number> {
  await visitor.open("/activity");
  await expect(visitor.page.getByRole("cell", { name: "Started a session in a browser" }).first()).toBeVisible();
  return visitor.page.getByRole("cell", { name: what }).count();
}

for (const loss of ["response", "rest of the response"] as Loss[]) {
  test(`a registration or sign-in whose ${loss} is lost goes on`, async ({ isolated, page }) => {
    const { proxy, visitor } = await start(isolated, page);
    const other = await NodeClient.signedIn(isolated.server, visitor.user);
    for (const path of ["/challenge", "/sign-in", "/enter", "/bind"]) {
      await page.goto(`${isolated.server.sign}/sign-in?return=/account`);
      // The browser resends a request whose response is lost entirely by itself.
      proxy.lose(loss, path, 2);
      await visitor.submitFormQuickly(visitor.user);
      await reloadUntilEntered(visitor);
      await visitor.expectLoaded();
      expect(proxy.seen, path).toBeGreaterThan(0);
    }
    for (const path of ["/register", "/enter"]) {
      await page.goto(`${isolated.server.sign}/register?return=/account`);
      proxy.lose(loss, path, 2);
      const name = newUserName();
      await visitor.submitFormQuickly(name);
      await reloadUntilEntered(visitor);
      await expect(visitor.displayName).toHaveText(name);
      expect(proxy.seen, path).toBeGreaterThan(0);
    }
    // No lost sign-in has displaced another device.
    expect((await other.call({ path: "/api/account" })).status).toBe(200);
  });

  test(`a change whose ${loss} is lost is made once, and the page says so`, async ({ isolated, page }) => {
    const { proxy, visitor } = await start(isolated, page);
    proxy.lose(loss, "/api/display_name");
    await visitor.changeName("Once");
    await expect(visitor.alert).toHaveCount(0);
    expect(await countActivity(visitor, /^Changed the display name/)).toBe(1);
  });

  test(`a confirmed change whose ${loss} is lost needs no second confirmation`, async ({ isolated, page }) => {
    const { proxy, visitor } = await start(isolated, page);
    await NodeClient.signedIn(isolated.server, visitor.user);
    await visitor.open("/sessions");
    const sessions = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
    await expect(sessions).toHaveCount(2);
    await visitor.waitUntilLive();
    proxy.lose(loss, "/api/revoke_others");
    await visitor.input.activate(visitor.button("End all other sessions"));
    await visitor.confirm("End them");
    await expect(sessions).toHaveCount(1);
    await expect(visitor.alert).toHaveCount(0);
    expect(visitor.windows).toHaveLength(1);
  });

  test(`a read whose ${loss} is lost is repeated`, async ({ isolated, page }) => {
    const { proxy, visitor } = await start(isolated, page);
    proxy.lose(loss, "/api/account");
    await page.reload();
    await visitor.expectLoaded();
    proxy.lose(loss, "/api/nonces");
    await page.reload();
    await visitor.expectLoaded();
    expect(proxy.seen).toBeGreaterThan(0);
  });
}

test("a change that never reaches the server is not made, and the page says so", async ({ isolated, page }) => {
  const { proxy, visitor } = await start(isolated, page);
  // The browser tries again by itself.
  proxy.lose("request", "/api/display_name", 100);
  await visitor.submitName("Never");
  await expect(visitor.alert).toContainText(NOT_DONE);
  await expect(page.getByLabel("Display name")).toHaveValue("Never");
  await page.reload();
  await expect(visitor.displayName).toHaveText(visitor.user);
  proxy.lose("request", "/api/display_name", 0);
  await visitor.changeName("At last");
});

/** Case 20: a signature is valid for six seconds. */
test("a request that arrives late is signed again or not executed, and the page says so", async ({ isolated, page }) => {
  const { proxy, visitor } = await start(isolated, page);
  proxy.delay("/api/account", 7_000);
  await page.reload();
  await visitor.expectLoaded();
  expect(proxy.seen, "the read is signed again").toBe(2);

  proxy.delay("/api/display_name", 7_000);
  await visitor.submitName("Late");
  await expect(visitor.alert).toContainText("did not reach the server in time. Nothing was changed.");
  await expect(page.getByLabel("Display name")).toHaveValue("Late");
  await expect(visitor.displayName).toHaveText(visitor.user);
  await visitor.input.activate(visitor.button("Change name"));
  await visitor.expectName("Late");
});
