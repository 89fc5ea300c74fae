import { type BrowserContext, expect, type Page, test as base } from "@playwright/test";
import { AppPage, newUserName } from "../support/app-page.ts";
import { DeviceServers } from "../support/device-servers.ts";
import { Mouse } from "../support/input-device.ts";
// <demo>
import { NodeClient } from "../support/node-client.ts";
import { addPasskey, confirmWithPasskey } from "../support/passkeys.ts";
import { VirtualAuthenticator } from "../support/virtual-authenticator.ts";
// </demo>

const COOKIE = "__Host-pan-device";
const BROWSER_TIER = "Bound to this browser’s keys: a stolen cookie is useless, but a copy of all of the browser’s data is not.";
const DEVICE_TIER = "Bound to this device’s hardware: a copy of the browser’s data is useless elsewhere.";
const NO_PROOF = "This browser could not prove that it is on the device on which you signed in.";

const test = base.extend<{ env: Record<string, string>; servers: DeviceServers }>({
  // Chromium renews a cookie when it has expired, and in the background from two minutes before.
  env: [{ PAN_LIFETIMES_DEVICE_COOKIE: "6" }, { option: true }],
  servers: async ({ env }, use) => {
    const servers = await DeviceServers.start(env);
    await use(servers);
    await servers.stop();
  },
});

function appPage(servers: DeviceServers, page: Page): AppPage {
  return new AppPage(page, servers.server.app, new Mouse(page));
}

async function firstPage(context: BrowserContext): Promise<Page> {
  return context.pages()[0] ?? (await context.newPage());
}

async function deviceCookie(context: BrowserContext): Promise<string | undefined> {
  return (await context.cookies()).find(({ name }) => name === COOKIE)?.value;
}

async function expectTier(page: AppPage, tier: string): Promise<void> {
  await page.open("/sessions");
  await expect(page.page.getByTestId("tier").first()).toHaveText(tier);
}

/** Registers in a browser on a profile. */
async function register(servers: DeviceServers, profile: string): Promise<{ context: BrowserContext; account: AppPage }> {
  const context = await servers.launch(profile);
  const account = appPage(servers, await firstPage(context));
  await account.registerQuickly(newUserName());
  return { context, account };
}

/** The account page in a browser on a copy of the profile, whose browser is closed. */
async function openCopy(servers: DeviceServers, profile: string): Promise<{ context: BrowserContext; thief: AppPage }> {
  await servers.copyProfile(profile, "thief");
  const context = await servers.launch("thief");
  const thief = appPage(servers, await firstPage(context));
  await thief.open("/account");
  return { context, thief };
}

test.describe("without device binding", () => {
  test.use({ env: { PAN_SESSIONS_DEVICE_BINDING: "off" } });

  test("attack 28: a copied profile of a browser-bound session is still possible, and the page says so", async ({ servers }) => {
    const { context, account } = await register(servers, "owner");
    await expectTier(account, BROWSER_TIER);
    expect(await deviceCookie(context)).toBeUndefined();
    await context.close();
    const { thief } = await openCopy(servers, "owner");
    await expect(thief.displayName).toHaveText(account.user);
    await thief.changeName("Thief");
  });

  // <demo>
  test("attack 28: a copied profile cannot do what needs a passkey, from the first moment on", async ({ servers }) => {
    const friend = await NodeClient.registered(servers.server);
    const { context, account } = await register(servers, "owner");
    const key = await VirtualAuthenticator.pluggedInto(context);
    await addPasskey(account, key, "Phone");
    // The positive control.
    await account.open("/account");
    await account.submitTransfer({ to: friend.name, amount: "500", note: "" });
    await confirmWithPasskey(account, key, "Send 500.00 EUR");
    await expect(account.balance).toHaveText("500.00 EUR");
    await context.close();

    const { context: copy, thief } = await openCopy(servers, "owner");
    const own = await VirtualAuthenticator.pluggedInto(copy);
    await expect(thief.balance).toHaveText("500.00 EUR");
    await thief.submitTransfer({ to: friend.name, amount: "500", note: "" });
    const window = await thief.confirmationWindow();
    await own.plugInto(window.page);
    await thief.input.forPage(window.page).activate(window.button("Send 500.00 EUR"));
    await expect(window.page.getByRole("heading", { name: "The passkey was not used" })).toBeVisible();
    await window.page.close();
    await expect(thief.alert).toContainText("This needs your passkey.");
    // Nor can the thief replace the passkey.
    await thief.open("/passkeys");
    await thief.input.fill(thief.page.getByLabel("Name", { exact: true }), "Mine");
    await thief.input.activate(thief.button("Add a passkey"));
    const adding = await thief.confirmationWindow();
    await own.plugInto(adding.page);
    await thief.input.forPage(adding.page).activate(adding.button("Add passkey"));
    await expect(adding.page.getByRole("heading", { name: "The passkey was not used" })).toBeVisible();
    await adding.page.close();
    expect(own.passkeys).toEqual([]);

    // What needs no passkey is still possible.
    await thief.open("/account");
    await thief.submitTransfer({ to: friend.name, amount: "499.99", note: "" });
    await thief.confirm("Send 499.99 EUR");
    await expect(thief.balance).toHaveText("0.01 EUR");
  });
  // </demo>
});

test("attack 28: a copied profile of a device-bound session is rejected and reported when its cookie expires", async ({ servers }) => {
  const { context, account } = await register(servers, "owner");
  await expect.poll(() => deviceCookie(context)).toBeTruthy();
  await expectTier(account, DEVICE_TIER);
  await context.close();

  const { context: copy, thief } = await openCopy(servers, "owner");
  await expect.poll(() => deviceCookie(copy)).toBeUndefined();
  expect((await copy.cookies()).map(({ name }) => name), "the positive control: the copy has the session").toContain("__Host-pan");
  await thief.open("/account");
  await expect(thief.alert).toContainText(NO_PROOF);
  await expect(thief.displayName).toHaveCount(0);
  await thief.open("/sessions");
  await expect(thief.alert).toContainText(NO_PROOF);

  // The owner goes on, and learns of it.
  const again = appPage(servers, await firstPage(await servers.launch("owner")));
  await again.open("/account");
  await expect(again.displayName).toHaveText(account.user);
  await again.changeName("Owner");
  await again.open("/sessions");
  await expect(again.page.getByRole("note")).toContainText("Someone has a copy");
});

test("a device-bound session goes on when its cookie expires, in all tabs, and after lost renewals and a restart", async ({ servers }) => {
  test.setTimeout(180_000);
  const { context, account } = await register(servers, "owner");
  await expect.poll(() => deviceCookie(context)).toBeTruthy();
  await account.waitUntilLive();
  const first = await deviceCookie(context);
  await expect.poll(() => deviceCookie(context)).toBeUndefined();
  await account.changeName("Renewed");
  expect(await deviceCookie(context)).not.toBe(first);

  // Several tabs at once, whose requests wait for one renewal.
  await expect.poll(() => deviceCookie(context)).toBeUndefined();
  const tabs = await Promise.all(Array.from({ length: 3 }, () => context.newPage()));
  await Promise.all(tabs.map((tab) => tab.goto(`${servers.server.app}/account`)));
  for (const tab of tabs) await expect(tab.getByTestId("display-name")).toHaveText("Renewed");

  // Renewals whose request or response is lost.
  for (const loss of ["request", "response"] as const) {
    await expect.poll(() => deviceCookie(context)).toBeUndefined();
    servers.proxy.lose(loss, "/device/refresh", 2);
    await account.changeName(`After a lost ${loss}`);
    expect(servers.proxy.seen).toBeGreaterThan(0);
  }
  // The renewal cannot be reached for longer: the page says so, and goes on afterwards.
  await expect.poll(() => deviceCookie(context)).toBeUndefined();
  servers.proxy.lose("request", "/device/refresh", 1_000);
  await account.open("/account");
  await expect(account.alert).toContainText(NO_PROOF, { timeout: 30_000 });
  servers.proxy.lose("request", "/device/refresh", 0);
  // After several failures, Chromium waits before it tries again: half a second, and half as long again each time.
  await expect(async () => {
    await account.open("/account");
    await expect(account.displayName).toHaveText("After a lost response", { timeout: 3_000 });
  }).toPass();

  await context.close();
  const restarted = appPage(servers, await firstPage(await servers.launch("owner")));
  await restarted.open("/account");
  await expect(restarted.displayName).toHaveText("After a lost response");
  await expectTier(restarted, DEVICE_TIER);
  await expect(restarted.page.getByRole("note"), "there is no false alarm").toHaveCount(0);
});

test("a device-bound session ends by signing out, and the next one is bound, too", async ({ servers }) => {
  const { context, account } = await register(servers, "owner");
  await expect.poll(() => deviceCookie(context)).toBeTruthy();
  await account.button("Sign out").click();
  await expect(account.page).toHaveURL(`${servers.server.app}/`);
  expect(await deviceCookie(context)).toBeUndefined();
  await account.signInQuickly(account.user);
  await expect.poll(() => deviceCookie(context)).toBeTruthy();
  await expectTier(account, DEVICE_TIER);
});

test.describe("with required device binding", () => {
  test.use({ env: { PAN_SESSIONS_DEVICE_BINDING: "require" } });

  test("a browser with device binding works, one without is told why not", async ({ servers, browser }) => {
    const { account } = await register(servers, "owner");
    await account.changeName("Bound");
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const other = appPage(servers, await context.newPage());
    await other.page.goto(`${servers.server.sign}/sign-in?return=/account`);
    await other.submitFormQuickly(account.user);
    await expect(other.alert).toContainText("This needs a browser that can bind your session to your device.");
    await context.close();
  });
});
