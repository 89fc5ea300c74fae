import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { newUserName } from "../support/app-page.ts";
import { evictKeys } from "../support/browser-storage.ts";
import { blockWindows } from "../support/confirmation-window.ts";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { NodeClient, originHeaders } from "../support/node-client.ts";
import { addPasskey } from "../support/passkeys.ts";
import { sessionToken } from "../support/session-token.ts";
import { VirtualAuthenticator } from "../support/virtual-authenticator.ts";

/** Holds the requests to `path` until the function that it returns is called. */
async function hold(page: Page, path: string): Promise<() => void> {
  let release: () => void = () => {};
  const released = new Promise<void>((done) => (release = done));
  await page.route(path, async (route) => {
    await released;
    await route.continue();
  });
  return release;
}

test("every page and state before sign-in is accessible", async ({ visitor, server, page }) => {
  await visitor.open("/");
  await expectAccessible(page, "the home page");
  await visitor.open("/nowhere");
  await expectAccessible(page, "an unknown address");
  await visitor.open("/account");
  await expect(visitor.alert).toContainText("not signed in");
  await expectAccessible(page, "a page that needs a sign-in");

  await page.goto(`${server.sign}/register`);
  await visitor.submitFormQuickly(newUserName(), "short");
  await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("aria-invalid", "true");
  await expectAccessible(page, "registration with a weak password");
  await page.goto(`${server.sign}/sign-in`);
  await expectAccessible(page, "sign-in");
  await visitor.submitFormQuickly("", "");
  await expect(page.getByText("Enter your user name.")).toBeVisible();
  await expectAccessible(page, "sign-in without a name");
  await visitor.submitFormQuickly("nobody", "wrong password");
  await expect(visitor.alert).toContainText("is wrong");
  await page.getByRole("button", { name: "Show password" }).click();
  await expectAccessible(page, "sign-in with a wrong password");

  await page.goto(`${server.sign}/confirm`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Nothing to confirm");
  await expectAccessible(page, "a confirmation window without a request");
});

test("every page and state after sign-in is accessible", async ({ account, server, page }) => {
  await account.waitUntilLive();
  await account.button("Change name").click();
  await expect(account.alert).toBeVisible();
  await expectAccessible(page, "the account with an error in a field");

  // Another session, which someone has copied the cookie of.
  await NodeClient.signedIn(server, account.user);
  const cookie = `__Host-pan=${await sessionToken(page)}`;
  await send(server, { path: "/api/account", headers: [...originHeaders(server.app), ["cookie", cookie]], body: "{}" });
  await expect(account.bell(2)).toBeVisible();
  await expectAccessible(page, "unread notifications");
  await account.bell(2).click();
  await expect(account.notifications).toHaveCount(2);
  await expectAccessible(page, "open notifications");

  await account.open("/sessions");
  await expect(page.getByText("Someone has a copy")).toBeVisible();
  await expectAccessible(page, "sessions with a theft");
  await page.getByRole("button", { name: /^End session/ }).click();
  await account.confirmationWindow();
  await expectAccessible(page, "a page whose confirmation window is open");
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expectAccessible(page, "a cancelled confirmation");
  await blockWindows(page, 1);
  await page.getByRole("button", { name: /^End session/ }).click();
  await expect(account.confirmationPanel).toContainText("blocked");
  await expectAccessible(page, "a blocked confirmation window");
  await account.button("Continue in a secure window").click();
  await account.confirm("End it");
  await expect(account.status).toContainText("has ended");
  await expectAccessible(page, "sessions after one has ended");

  const release = await hold(page, "**/api/activity");
  await page.getByRole("link", { name: "Activity", exact: true }).click();
  await expect(page.getByText("Working…")).toBeVisible();
  await expectAccessible(page, "a page that is loading");
  release();
  await expect(page.getByRole("cell", { name: "Signed in" }).first()).toBeVisible();
  await expectAccessible(page, "the activity");

  await evictKeys(page, server, "keys");
  await page.reload();
  await expect(account.button("Restore this browser")).toBeVisible();
  await expectAccessible(page, "a browser that lost its key");
  await account.signInQuickly(account.user);
  await account.waitUntilLive();
  for (let times = 0; times < 3; times++) await NodeClient.signedIn(server, account.user);
  await expect(account.alert).toContainText("oldest");
  await expectAccessible(page, "a session that has ended");
});

test("every page and state with passkeys is accessible", async ({ account, context, page }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await account.open("/passkeys");
  await expect(page.getByText("You have no passkey yet.")).toBeVisible();
  await expectAccessible(page, "no passkeys");
  await account.button("Add a passkey").click();
  await expect(page.getByLabel("Name", { exact: true })).toHaveAttribute("aria-invalid", "true");
  await expectAccessible(page, "a passkey without a name");
  await addPasskey(account, key, "Phone");
  await expectAccessible(page, "a passkey that was added");

  await account.button("Remove Phone").click();
  await expectAccessible((await account.confirmationWindow()).page, "the window that removes a passkey");
  await account.cancel();
  key.isUserVerified = false;
  await account.button("Remove Phone").click();
  const window = await account.confirmationWindow();
  await key.plugInto(window.page);
  await account.input.forPage(window.page).activate(window.button("Remove passkey"));
  await expect(window.page.getByRole("heading", { name: "The passkey was not used" })).toBeVisible();
  await expectAccessible(window.page, "a passkey that was not used");
  await window.page.close();
  await expect(account.alert).toContainText("This needs your passkey.");
  await expectAccessible(page, "a passkey that was not removed");
});
