import { setTimeout as sleep } from "node:timers/promises";
import { AppPage, newUserName } from "../../support/app-page.ts";
import { evictKeys } from "../../support/browser-storage.ts";
import { expect, test } from "../../support/fixtures.ts";
import { Keyboard, Mouse } from "../../support/input-device.ts";
import { NodeClient } from "../../support/node-client.ts";
import { sessionToken } from "../../support/session-token.ts";
import type { TestServer } from "../../support/test-server.ts";

const LOST_KEY = "This browser no longer has the key of your session. Sign in again to get a new one.";
const ENDED = "Your session has ended. Sign in again to continue.";

async function submitTransfer(visitor: AppPage, server: TestServer): Promise<void> {
  const friend = await NodeClient.registered(server);
  await visitor.submitTransfer({ to: friend.name, amount: "3", note: "" });
  await visitor.confirmationWindow();
}

test("the page reports that both keys are lost, and signing in again helps", async ({ account, page, server }) => {
  await evictKeys(page, server, "keys", "confirmation_keys");
  await page.reload();
  // The frame does not know that the confirmation key is lost too. The confirmation window finds out.
  await account.button("Restore this browser").click();
  await expect(account.alert).toHaveText(LOST_KEY);
  for (const window of account.windows) await window.close();
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await account.submitFormQuickly(account.user);
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a frame that lost its key is restored by a confirmation, without signing in again", async ({ account, page, server }) => {
  const before = await sessionToken(page);
  await evictKeys(page, server, "keys");
  await page.reload();
  await expect(account.alert).toContainText("This browser has lost one of its keys.");
  await expect(account.balance).toBeHidden();
  await account.button("Restore this browser").click();
  await account.cancel();
  await expect(account.alert.last()).toContainText("You cancelled");
  await account.button("Restore this browser").click();
  const window = await account.confirmationWindow();
  await expect(window.title).toHaveText("Restore this browser");
  await account.confirm("Restore");
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await account.changeName("Restored");
  await page.reload();
  await expect(account.displayName).toHaveText("Restored");
  expect(await sessionToken(page), "it is the same session").toBe(before);
  await account.open("/activity");
  await expect(page.getByRole("cell", { name: /Restored/ }).first()).toBeVisible();
});

test("the page distinguishes an expired session from a lost key, and signing in again helps", async ({ isolated, page }) => {
  await isolated.startStore();
  const pan = await isolated.startServer();
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  await visitor.registerQuickly(newUserName());
  // The server is down for longer than its new idle timeout. The page fetches again by itself.
  await pan.stop();
  await sleep(12_500);
  const panWithShortIdle = await isolated.startServer({ NONCE_TTL: "12", PAN_LIFETIMES_IDLE: "12" });
  await expect(visitor.alert.first()).toHaveText(ENDED, { timeout: 30_000 });
  await expect(visitor.balance, "nothing private is left on the page").toBeHidden();

  await panWithShortIdle.stop();
  await isolated.startServer();
  await visitor.signIn(visitor.user);
  await expect(visitor.displayName).toHaveText(visitor.user);
});

test("a sign-out in another tab is shown, and signing in again helps", async ({ account, page, context, server }) => {
  const before = await sessionToken(page);
  const kept = await context.cookies();
  const other = await context.newPage();
  await other.goto(`${server.app}/account`);
  await expect(other.getByTestId("balance")).not.toBeEmpty();
  const reply = other.waitForResponse("**/api/sign_out");
  // The other tab cannot notify this one. The server does, by closing its connection.
  await other.evaluate(() => (BroadcastChannel.prototype.postMessage = () => {}));
  await other.getByRole("button", { name: "Sign out" }).click();
  expect((await reply).status()).toBe(200);
  await other.close();
  await context.addCookies(kept);
  await expect(account.alert.first()).toHaveText(new RegExp(`^(${LOST_KEY}|You have signed out. Sign in again to continue.)$`));
  await account.signIn(account.user);
  await expect(account.displayName).toHaveText(account.user);
  expect(await sessionToken(page), "it is another session").not.toBe(before);
});

test("cancelling with the button is shown, and nothing is executed", async ({ account, server }) => {
  await submitTransfer(account, server);
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("cancelling with Escape is shown, and the focus returns", async ({ account, server }) => {
  await submitTransfer(account, server);
  const { page: window } = await account.confirmationWindow();
  await window.keyboard.press("Escape");
  await expect.poll(() => window.isClosed()).toBe(true);
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.button("Send money")).toBeFocused();
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("an unreachable server is reported, and trying again helps", async ({ account, page }) => {
  await page.route("**/api/**", (route) => route.abort());
  await account.submitName("Not saved");
  // Without a response, a change may have been made. For a read the message has no such doubt.
  await expect(account.alert).toContainText("No response from the server.");
  await page.getByRole("navigation").getByRole("link", { name: "Sessions" }).click();
  await expect(account.alert).toContainText("The server cannot be reached.");
  await page.unroute("**/api/**");
  await account.open("/account");
  await expect(account.displayName).toHaveText(account.user);
  await account.changeName("Saved again");
});

test("a change without a response can be tried again", async ({ account, page }) => {
  await page.route("**/api/display_name", (route) => route.abort());
  await account.submitName("Not saved");
  await expect(account.alert).toContainText("Nothing was changed. Try again.");
  await page.unroute("**/api/display_name");
  await account.input.activate(account.button("Change name"));
  await account.expectName("Not saved");
});

test("a wrong password is reported without revealing whether the user exists", async ({ visitor, client, server, page }) => {
  await page.goto(`${server.sign}/sign-in`);
  const sentences: (string | null)[] = [];
  for (const name of [client.name, "unknown-user"]) {
    await visitor.submitFormQuickly(name, "another password");
    await expect(visitor.alert.filter({ visible: true })).toContainText("wrong");
    await expect(visitor.button("Sign in")).toBeEnabled();
    sentences.push(await visitor.alert.textContent());
  }
  expect(sentences[1]).toBe(sentences[0]);
});

test("a user name that is taken is reported", async ({ visitor, client, server, page }) => {
  await page.goto(`${server.sign}/register`);
  await visitor.submitFormQuickly(client.name);
  await expect(page.getByText("That user name is taken.")).toBeVisible();
  await expect(page.getByLabel("User name")).toBeFocused();
  await expect(page.getByLabel("User name")).toHaveValue(client.name);
});

test("an insufficient balance and an unknown recipient are reported", async ({ account, server }) => {
  const friend = await NodeClient.registered(server);
  // With the sign with which the account page shows a user name.
  await account.submitTransfer({ to: `@${friend.name}`, amount: "1000.01", note: "" });
  await account.confirm("Send 1,000.01 EUR");
  await expect(account.alert).toContainText("Send less");
  await account.submitTransfer({ to: "unknown-user", amount: "1", note: "" });
  await account.confirm("Send 1.00 EUR");
  await expect(account.alert).toContainText("unknown-user");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a page that does not exist says so", async ({ visitor, page }) => {
  const reply = await page.goto(`${visitor.origin}/nowhere`);
  expect(reply?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("not found");
});

test("a request that takes longer than 300 ms shows its progress", async ({ account, page }) => {
  let goOn: () => void = () => {};
  const seen = new Promise<void>((done) => (goOn = done));
  await page.route("**/api/display_name", async (route) => {
    await seen;
    await route.continue();
  });
  await expect(page.getByText("Working…")).toBeHidden();
  await new AppPage(page, account.origin, new Keyboard(page)).submitName("Slowly");
  await expect(page.getByText("Working…")).toBeVisible();
  goOn();
  await expect(account.displayName).toHaveText("Slowly");
  await expect(page.getByText("Working…")).toBeHidden();
});
