import { setTimeout as sleep } from "node:timers/promises";
import { Bank, newName } from "../support/bank.ts";
import { Client } from "../support/client.ts";
import { Keyboard, Mouse } from "../support/hand.ts";
import { token } from "../support/injected.ts";
import { evict } from "../support/storage.ts";
import { expect, test } from "../support/test.ts";

const LOST_KEY = "This browser no longer has the key of your session. Sign in again to get a new one.";
const ENDED = "Your session has ended. Sign in again to continue.";

async function order(bank: Bank, house: Parameters<typeof Client.registered>[0]): Promise<void> {
  const friend = await Client.registered(house);
  await bank.order({ to: friend.name, amount: "3", note: "" });
  await bank.confirmation();
}

test("both keys lost are told, and signing in again helps", async ({ account, page, house }) => {
  await evict(page, house, "keys", "confirmation_keys");
  await page.reload();
  // The frame does not know that the other key is gone too. The window does.
  await account.button("Restore this browser").click();
  await expect(account.alert).toHaveText(LOST_KEY);
  for (const window of account.windows) await window.close();
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await account.fill(account.user);
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a frame that lost its key is restored by a confirmation, without signing in again", async ({ account, page, house }) => {
  const before = await token(page);
  await evict(page, house, "keys");
  await page.reload();
  await expect(account.alert).toContainText("This browser has lost one of its keys.");
  await expect(account.balance).toBeHidden();
  await account.button("Restore this browser").click();
  await account.cancel();
  await expect(account.alert.last()).toContainText("You cancelled");
  await account.button("Restore this browser").click();
  const window = await account.confirmation();
  await expect(window.title).toHaveText("Restore this browser");
  await account.confirm("Restore");
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await account.renamed("Restored");
  await page.reload();
  await expect(account.displayName).toHaveText("Restored");
  expect(await token(page), "it is the same session").toBe(before);
  await account.open("/activity");
  await expect(page.getByRole("cell", { name: /Restored/ }).first()).toBeVisible();
});

test("a session that has expired is told in other words than a lost key, and signing in again helps", async ({ own, page }) => {
  await own.startStore();
  const patient = await own.startServer();
  const bank = new Bank(page, own.house.app, new Mouse(page));
  await bank.appear(newName());
  // The server is away for longer than it then lets sessions idle. The page asks again by itself.
  await patient.stop();
  await sleep(12_500);
  const impatient = await own.startServer({ NONCE_TTL: "12", PAN_LIFETIMES_IDLE: "12" });
  await expect(bank.alert.first()).toHaveText(ENDED, { timeout: 30_000 });
  await expect(bank.balance, "nothing private is left on the page").toBeHidden();

  await impatient.stop();
  await own.startServer();
  await bank.signIn(bank.user);
  await expect(bank.displayName).toHaveText(bank.user);
});

test("a sign-out in another tab is told, and signing in again helps", async ({ account, page, context, house }) => {
  const before = await token(page);
  const kept = await context.cookies();
  const other = await context.newPage();
  await other.goto(`${house.app}/account`);
  await expect(other.getByTestId("balance")).not.toBeEmpty();
  const reply = other.waitForResponse("**/api/sign_out");
  // The other tab does not tell this one. It hears it from the server, which ends its connection.
  await other.evaluate(() => (BroadcastChannel.prototype.postMessage = () => {}));
  await other.getByRole("button", { name: "Sign out" }).click();
  expect((await reply).status()).toBe(200);
  await other.close();
  await context.addCookies(kept);
  await expect(account.alert.first()).toHaveText(new RegExp(`^(${LOST_KEY}|You have signed out. Sign in again to continue.)$`));
  await account.signIn(account.user);
  await expect(account.displayName).toHaveText(account.user);
  expect(await token(page), "it is another session").not.toBe(before);
});

test("cancelling with the button is told, and nothing is done", async ({ account, house }) => {
  await order(account, house);
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("cancelling with Escape is told, and the focus is back where it was", async ({ account, house }) => {
  await order(account, house);
  const { page: window } = await account.confirmation();
  await window.keyboard.press("Escape");
  await expect.poll(() => window.isClosed()).toBe(true);
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.button("Send money")).toBeFocused();
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a server that is away is told, and trying again helps", async ({ account, page }) => {
  await page.route("**/api/**", (route) => route.abort());
  await account.rename("Nobody hears");
  // A change may have been done all the same; what was only asked for has no such doubt.
  await expect(account.alert).toContainText("No response from the server.");
  await page.getByRole("navigation").getByRole("link", { name: "Sessions" }).click();
  await expect(account.alert).toContainText("The server cannot be reached.");
  await page.unroute("**/api/**");
  await account.open("/account");
  await expect(account.displayName).toHaveText(account.user);
  await account.renamed("Everybody hears");
});

test("a change that got no answer can be tried again", async ({ account, page }) => {
  await page.route("**/api/display_name", (route) => route.abort());
  await account.rename("Nobody hears");
  await expect(account.alert).toContainText("No response from the server.");
  await page.unroute("**/api/display_name");
  await account.hand.press(account.button("Change name"));
  await account.named("Nobody hears");
});

test("a wrong password is told, and not which of the two was wrong", async ({ bank, client, house, page }) => {
  await page.goto(`${house.sign}/sign-in`);
  const sentences: (string | null)[] = [];
  for (const name of [client.name, "nobody-at-all"]) {
    await bank.fill(name, "another password");
    await expect(bank.alert.filter({ visible: true })).toContainText("wrong");
    await expect(bank.button("Sign in")).toBeEnabled();
    sentences.push(await bank.alert.textContent());
  }
  expect(sentences[1]).toBe(sentences[0]);
});

test("a user name that is taken is told", async ({ bank, client, house, page }) => {
  await page.goto(`${house.sign}/register`);
  await bank.fill(client.name);
  await expect(page.getByText("That user name is taken.")).toBeVisible();
  await expect(page.getByLabel("User name")).toBeFocused();
  await expect(page.getByLabel("User name")).toHaveValue(client.name);
});

test("more money than there is, and nobody of that name, are told", async ({ account, house }) => {
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "1000.01", note: "" });
  await account.confirm("Send 1,000.01 EUR");
  await expect(account.alert).toContainText("Send less");
  await account.order({ to: "nobody-at-all", amount: "1", note: "" });
  await account.confirm("Send 1.00 EUR");
  await expect(account.alert).toContainText("nobody-at-all");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a page that does not exist says so", async ({ bank, page }) => {
  const reply = await page.goto(`${bank.origin}/nowhere`);
  expect(reply?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("not found");
});

test("work that takes longer than 300 ms is shown", async ({ account, page }) => {
  let goOn: () => void = () => {};
  const seen = new Promise<void>((done) => (goOn = done));
  await page.route("**/api/display_name", async (route) => {
    await seen;
    await route.continue();
  });
  await expect(page.getByText("Working…")).toBeHidden();
  await new Bank(page, account.origin, new Keyboard(page)).rename("Slowly");
  await expect(page.getByText("Working…")).toBeVisible();
  goOn();
  await expect(account.displayName).toHaveText("Slowly");
  await expect(page.getByText("Working…")).toBeHidden();
});
