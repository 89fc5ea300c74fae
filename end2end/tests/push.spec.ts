import type { BrowserContext, Page } from "@playwright/test";
import { Bank } from "../support/bank.ts";
import { Client, confirmation } from "../support/client.ts";
import { Mouse } from "../support/hand.ts";
import { from } from "../support/client.ts";
import { send } from "../support/http.ts";
import { token } from "../support/injected.ts";
import { Middle } from "../support/middle.ts";
import type { Own } from "../support/own.ts";
import { freePort, type House } from "../support/servers.ts";
import { houses } from "../support/setup.ts";
import { expect, test } from "../support/test.ts";

/** The same person signs in with another device. */
async function signInElsewhere(house: House, user: string): Promise<Client> {
  const client = new Client(house, user);
  await client.enter("/sign-in");
  expect((await client.bind()).status).toBe(200);
  return client;
}

/** Another tab of the same browser. */
async function tab(bank: Bank, context: BrowserContext, path: string): Promise<Bank> {
  const page = await context.newPage();
  const other = new Bank(page, bank.origin, new Mouse(page));
  other.user = bank.user;
  await other.open(path);
  await other.live();
  return other;
}

/** Sends money without a browser. What is confirmed there is nobody's business here. */
async function pay(house: House, to: string): Promise<void> {
  const payer = await Client.registered(house);
  const paid = await payer.call({ path: "/api/transfer", body: JSON.stringify({ to, amount: 1200, note: "" }), proof: confirmation("transfer") });
  expect(paid.status, paid.body).toBe(200);
}

const state = (page: Page) => page.getByTestId("push-state");

test("a sign-in elsewhere rings the bell in every tab, and reading it in one reads it in all", async ({ account, context, house }) => {
  await account.live();
  await expect(account.bell(0)).toBeVisible();
  const other = await tab(account, context, "/activity");
  const elsewhere = await signInElsewhere(house, account.user);
  for (const bank of [account, other]) {
    await expect(bank.bell(1)).toBeVisible();
    await expect(bank.news.filter({ hasText: "New sign-in" })).toHaveCount(1);
  }
  await expect(other.page.getByRole("cell", { name: "Started a session in a browser" })).toHaveCount(2);

  await account.hand.press(account.bell(1));
  await expect(account.news.first()).toBeVisible();
  for (const bank of [account, other]) await expect(bank.bell(0)).toBeVisible();
  // A page that is loaded anew does not tell it again.
  await other.page.reload();
  await other.live();
  await expect(other.bell(0)).toBeVisible();
  await expect(other.page.getByRole("cell", { name: "Started a session in a browser" })).toHaveCount(2);

  // From the message to the session that it is about.
  await account.hand.press(account.news.first().getByRole("link", { name: "See the session" }));
  await expect(account.page).toHaveURL(`${account.origin}/sessions#${elsewhere.handle}`);
  await expect(account.page.locator(`[id="${elsewhere.handle}"]`)).toBeVisible();
});

test("money that comes in is in the balance at once, and in the activity", async ({ account, context, house }) => {
  await account.live();
  const other = await tab(account, context, "/activity");
  await pay(house, account.user);
  await expect(account.balance).toHaveText("1,012.00 EUR");
  await expect(account.history.getByRole("row").filter({ hasText: "+12.00 EUR" })).toHaveCount(1);
  await expect(other.page.getByRole("cell", { name: "Another user sent you something" })).toHaveCount(1);
});

test("the list of sessions is of this moment", async ({ account, house, page }) => {
  await account.live();
  await account.open("/sessions");
  const sessions = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
  await expect(sessions).toHaveCount(1);
  await account.live();
  const elsewhere = await signInElsewhere(house, account.user);
  await expect(sessions).toHaveCount(2);
  expect((await elsewhere.call({ path: "/api/sign_out" })).status).toBe(200);
  await expect(sessions).toHaveCount(1);
  await expect(account.news.filter({ hasText: "you signed out" })).toHaveCount(1);
});

test("a stolen cookie rings the bell", async ({ account, house, page }) => {
  await account.live();
  const cookie: [string, string] = ["cookie", `__Host-pan=${await token(page)}`];
  await send(house, { path: "/api/account", headers: [...from(house.app), cookie], body: "{}" });
  await expect(account.bell(1)).toBeVisible();
  await expect(account.news).toContainText("Someone has a copy of the cookie of this session");
});

test("attack 18: a session that is ended elsewhere ends here at once, its connection too", async ({ account, browser, page }) => {
  await account.live();
  const theirs = await browser.newContext();
  const theirPage = await theirs.newPage();
  const elsewhere = new Bank(theirPage, account.origin, new Mouse(theirPage));
  await elsewhere.reappear(account.user);
  await elsewhere.open("/sessions");
  await elsewhere.hand.press(elsewhere.button("End all other sessions"));
  await elsewhere.confirm("End them");
  // Nobody has touched this page.
  await expect(page.getByText("You ended this session from another device")).toBeVisible();
  await expect(state(page)).toBeHidden();
  await theirs.close();
});

test("what happened while no page was open, or none was online, is news later", async ({ account, context, house }) => {
  await account.live();
  await expect.poll(() => account.page.evaluate(() => localStorage.getItem("pan-read"))).not.toBeNull();
  await context.setOffline(true);
  await expect(account.push).toHaveText("Not connected");
  const one = await signInElsewhere(house, account.user);
  await context.setOffline(false);
  await expect(account.bell(1)).toBeVisible();
  await account.live();

  await account.page.close();
  expect((await one.call({ path: "/api/sign_out" })).status).toBe(200);
  const again = await tab(account, context, "/account");
  await expect(again.bell(2)).toBeVisible();
  await expect(again.news).toHaveCount(2);
});

test("a page that nobody looks at rests, and goes on where it was", async ({ account, house, page }) => {
  await page.clock.install();
  await account.open("/account");
  await account.live();
  const look = (visible: boolean) =>
    page.evaluate((visible) => {
      Object.defineProperty(document, "hidden", { value: !visible, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, visible);
  await look(false);
  await expect(account.push).toContainText("Live");
  await page.clock.fastForward("01:05");
  await expect(account.push).toHaveText("Not connected");
  await signInElsewhere(house, account.user);
  await look(true);
  await account.live();
  await expect(account.bell(1)).toBeVisible();
});

test("a connection that fell silent while a laptop slept is given up, and another tells what was missed", async ({ own, page }) => {
  const { middle, bank, direct } = await watched(own, page);
  await page.clock.install();
  await bank.appear("sleeper");
  await bank.live();
  const before = middle.connections.socket;
  // Nothing comes through any more, and nobody says that it does not.
  middle.tamper = (frame) => (middle.connections.socket > before ? [frame] : []);
  await signInElsewhere(direct, "sleeper");
  await expect(bank.push).toContainText("Live");
  await page.clock.fastForward("20:00");
  await expect(bank.bell(1)).toBeVisible();
  await expect(bank.news).toHaveCount(1);
  await bank.live();
  expect(middle.connections.socket).toBeGreaterThan(before);
});

test("what happens on another instance is news on this one, once and in order", async ({ account, house }) => {
  await account.live();
  const second = houses().second;
  const elsewhere = await signInElsewhere(second, account.user);
  expect((await elsewhere.call({ path: "/api/sign_out" })).status).toBe(200);
  await signInElsewhere(house, account.user);
  await expect(account.news).toHaveCount(3);
  await expect(account.news).toHaveText([/New sign-in/, /you signed out/, /New sign-in/]);
});

/** A server behind somebody who watches, and a page that listens through them. */
async function watched(own: Own, page: Page, env: Record<string, string> = {}): Promise<{ middle: Middle; bank: Bank; direct: House; restart: () => Promise<void> }> {
  await own.startStore();
  const listen = await freePort();
  let server = await own.startServer(env, { listen });
  const middle = await own.startMiddle(listen);
  const bank = new Bank(page, own.house.app, new Mouse(page));
  const restart = async () => {
    await server.stop("SIGKILL");
    server = await own.startServer(env, { listen });
  };
  return { middle, bank, direct: { ...own.house, port: listen }, restart };
}

test("a server that is killed and comes back is heard again", async ({ own, page }) => {
  const { bank, direct, restart } = await watched(own, page);
  await bank.appear("restarted");
  await bank.live();
  await restart();
  await bank.live();
  await signInElsewhere(direct, "restarted");
  await expect(bank.bell(1)).toBeVisible();
});

test("keys change while a page listens, and nothing is lost", async ({ own, page }) => {
  const { middle, bank, direct } = await watched(own, page, {
    PAN_PUSH_KEY_SECONDS: "5",
    PAN_PUSH_KEYS_PER_MINUTE: "100",
    PAN_SESSIONS_MAX: "50",
  });
  await bank.appear("rotating");
  await bank.live();
  const keys = () => new Set(middle.frames.map((frame) => (JSON.parse(frame) as { kid: string }).kid)).size;
  for (let count = 1; count <= 4; count++) {
    const before = keys();
    await signInElsewhere(direct, "rotating");
    await expect(bank.news).toHaveCount(count);
    await expect.poll(keys, { timeout: 20_000 }).toBeGreaterThan(before);
  }
  expect(middle.connections).toEqual({ stream: 0, socket: 1 });
});

test("where one transport does not get through, the other does, and nothing unsigned is asked for", async ({ own, page }) => {
  const { middle, bank, direct } = await watched(own, page);
  middle.open.delete("socket");
  await bank.appear("falling-back");
  await expect(bank.push).toHaveText("Live, by event stream");
  await signInElsewhere(direct, "falling-back");
  await expect(bank.bell(1)).toBeVisible();
  middle.open.add("socket").delete("stream");
  middle.cut();
  await expect(bank.push).toHaveText("Live, by WebSocket");
  middle.open.clear();
  middle.cut();
  await expect(bank.push).toHaveText("Disconnected, retrying");
  await expect.poll(() => new Set(middle.asked)).toEqual(
    new Set(["/api/jitterbug/keys", "/api/jitterbug/stream", "/api/jitterbug/socket"]),
  );
});

test("the bell works at 320 pixels and by keyboard", async ({ account, house, page }) => {
  await account.live();
  await page.setViewportSize({ width: 320, height: 640 });
  await signInElsewhere(house, account.user);
  await account.bell(1).focus();
  await page.keyboard.press("Enter");
  const message = account.news.first();
  await expect(message).toBeInViewport();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(320);
  await page.keyboard.press("Enter");
  await expect(message).toBeHidden();
});
