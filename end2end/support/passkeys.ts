import { expect, type Page } from "@playwright/test";
import type { AppPage } from "./app-page.ts";
import { waitUntilReady } from "./app-page.ts";
import type { TestServer } from "./test-server.ts";
import type { VirtualAuthenticator } from "./virtual-authenticator.ts";

/** Adds a passkey on the passkeys page. The user must have none. */
export async function addPasskey(account: AppPage, key: VirtualAuthenticator, name: string): Promise<void> {
  await account.open("/passkeys");
  await account.input.fill(account.page.getByLabel("Name", { exact: true }), name);
  await account.input.activate(account.button("Add a passkey"));
  await confirmWithPasskey(account, key, "Add passkey");
  await expect(account.page.getByRole("heading", { name, exact: true })).toBeVisible();
}

/** Confirms in the open window with a passkey. */
export async function confirmWithPasskey(account: AppPage, key: VirtualAuthenticator, button: string | RegExp): Promise<void> {
  const window = await account.confirmationWindow();
  await key.plugInto(window.page);
  await window.confirm(button);
  await expect(account.confirmationPanel).toBeHidden();
}

/**
 * Opens the sign-in page and presses its button for passkeys. Does not wait for the result. Suggestions are turned off, because
 * a virtual authenticator accepts them at once.
 */
export async function signInWithButton(page: Page, server: TestServer): Promise<void> {
  await page.addInitScript(() => (PublicKeyCredential.isConditionalMediationAvailable = async () => false));
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await waitUntilReady(page);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
}
