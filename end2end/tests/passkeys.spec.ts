import type { Page } from "@playwright/test";
import { waitUntilReady } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { addPasskey, confirmWithPasskey, signInWithButton } from "../support/passkeys.ts";
import { VirtualAuthenticator } from "../support/virtual-authenticator.ts";

test("a passkey is added, signs in without a password, and is removed", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  expect(key.passkeys.map((passkey) => passkey.rpId)).toEqual([new URL(server.sign).hostname]);

  await account.signOut();
  // The suggestion of the browser.
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await expect(page).toHaveURL(`${server.app}/account`);
  await account.expectLoaded();
  await account.signOut();
  await signInWithButton(page, server);
  await expect(page).toHaveURL(`${server.app}/account`);
  await account.expectLoaded();

  // The second one is confirmed with the first one.
  const before = key.uses;
  await account.open("/passkeys");
  await account.input.activate(account.button("Remove Phone"));
  await confirmWithPasskey(account, key, "Remove passkey");
  await expect(page.getByText("You have no passkey yet.")).toBeVisible();
  expect(key.uses).toBe(before + 1);
  await account.signOut();
  await signInWithButton(page, server);
  await expect(page.getByRole("alert").filter({ hasText: "This passkey is not one of an account here." })).toBeVisible();
});

test("the confirmation window shows the user which passkey is added", async ({ account, context }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await account.open("/passkeys");
  await account.input.fill(account.page.getByLabel("Name", { exact: true }), "Key\u202e");
  await account.input.activate(account.button("Add a passkey"));
  const window = await account.confirmationWindow();
  await expect(window.title).toHaveText("Add a passkey");
  await expect(window.content).toContainText("Key⟨U+202E⟩");
  await window.cancel();
  await expect(account.alert).toContainText("You cancelled.");
  expect(key.uses).toBe(0);
});

test("a user without a passkey, or who refuses to use it, is told what to do", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  key.isUserVerified = false;
  await account.open("/passkeys");
  await account.input.fill(page.getByLabel("Name", { exact: true }), "Phone");
  await account.input.activate(account.button("Add a passkey"));
  const window = await account.confirmationWindow();
  await key.plugInto(window.page);
  await account.input.forPage(window.page).activate(window.button("Add passkey"));
  await expect(window.page.getByRole("heading", { name: "The passkey was not used" })).toBeVisible();
  await expect(account.alert).toContainText("This needs your passkey.");
  await window.page.close();

  await account.signOut();
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await waitUntilReady(page);
  await account.input.activate(account.button("Sign in with a passkey"));
  await expect(account.alert).toContainText("No passkey was used.");
  await account.submitFormQuickly(account.user);
  await expect(page).toHaveURL(`${server.app}/account`);
});

test("a user who has not just signed in creates no first passkey", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await context.route(`${server.sign}/passkeys`, (route) => route.fulfill({ json: { user: "A".repeat(43), ids: [], recent: false } }));
  await account.open("/passkeys");
  await account.input.fill(page.getByLabel("Name", { exact: true }), "Phone");
  const opened = context.waitForEvent("page");
  await account.input.activate(account.button("Add a passkey"));
  const window = await opened;
  await expect(window.getByRole("heading", { name: "Sign in again first" })).toBeVisible();
  await window.close();
  await expect(account.alert).toContainText("You must sign in again to add your first passkey.");
  expect(key.uses, "the authenticator keeps no passkey that the server does not know").toBe(0);
});

test("window and sign-in page wait for a user who takes long to use the passkey", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  key.isUserPresent = false;
  /** Longer than pages wait for a server. */
  const waitLong = async () => page.waitForTimeout(5_000);
  await account.input.activate(account.button("Remove Phone"));
  const window = await account.confirmationWindow();
  await key.plugInto(window.page);
  await account.input.forPage(window.page).activate(window.button("Remove passkey"));
  await waitLong();
  await expect(window.page.getByRole("heading", { name: "Use your passkey…" })).toBeVisible();
  await window.page.close();
  await expect(account.alert).toContainText("You cancelled.");

  const signIn = await context.newPage();
  await key.plugInto(signIn);
  await signIn.addInitScript(() => (PublicKeyCredential.isConditionalMediationAvailable = async () => false));
  await signIn.goto(`${server.sign}/sign-in`);
  await waitUntilReady(signIn);
  await signIn.getByRole("button", { name: "Sign in with a passkey" }).click();
  await waitLong();
  await expect(signIn.getByText("Use your passkey…")).toBeVisible();
});

test("a browser without passkeys signs in with the password", async ({ account, context, page, server }) => {
  await account.signOut();
  await context.addInitScript(() => Reflect.deleteProperty(window, "PublicKeyCredential"));
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await waitUntilReady(page);
  await expect(account.button("Sign in with a passkey")).toBeHidden();
  await account.submitFormQuickly(account.user);
  await expect(page).toHaveURL(`${server.app}/account`);
});

test("the sign-in page offers passkeys as suggestions and renews their challenge", async ({ account, context, page, server }) => {
  await account.signOut();
  // The browser's own list cannot be operated here: this records the requests, which wait for the user.
  await context.addInitScript(() => {
    const requests: { mediation?: string; challenge: string }[] = [];
    Object.assign(window, { requests });
    navigator.credentials.get = async (options) => {
      const challenge = String(new Uint8Array(options?.publicKey?.challenge as ArrayBuffer));
      requests.push({ mediation: options?.mediation ?? "", challenge });
      return new Promise((_, reject) => options?.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))));
    };
    PublicKeyCredential.isConditionalMediationAvailable = async () => true;
    // 100 s pass in a second.
    const wait = window.setTimeout.bind(window);
    window.setTimeout = ((act: TimerHandler, ms = 0) => wait(act, ms >= 40_000 ? ms / 100 : ms)) as typeof window.setTimeout;
  });
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await waitUntilReady(page);
  await expect(page.getByLabel("User name")).toHaveAttribute("autocomplete", "username webauthn");
  await expect.poll(async () => (await suggested(page)).length).toBeGreaterThan(2);
  const requests = await suggested(page);
  expect(new Set(requests.map((request) => request.challenge)).size, "each has a challenge of its own").toBe(requests.length);
  expect(requests.every((request) => request.mediation === "conditional")).toBe(true);
  await account.submitFormQuickly(account.user);
  await expect(page).toHaveURL(`${server.app}/account`);
});

async function suggested(page: Page): Promise<{ mediation: string; challenge: string }[]> {
  return page.evaluate(() => (window as never as { requests: { mediation: string; challenge: string }[] }).requests);
}
