import { expect, type Page } from "@playwright/test";
import { type AppPage, PASSWORD, waitUntilReady } from "./app-page.ts";
import type { ConfirmationWindow } from "./confirmation-window.ts";
import type { TestServer } from "./test-server.ts";
import type { VirtualAuthenticator } from "./virtual-authenticator.ts";

/** The confirmation window with new recovery codes. The user must have a passkey. */
export async function openCodes(account: AppPage, key: VirtualAuthenticator): Promise<ConfirmationWindow> {
  await account.open("/passkeys");
  await account.input.activate(account.button("Create recovery codes"));
  const window = await account.confirmationWindow();
  await key.plugInto(window.page);
  return window;
}

/** The codes that a window shows. */
export async function codesIn(window: ConfirmationWindow): Promise<string[]> {
  return window.page.getByRole("listitem").allTextContents();
}

/** Confirms the codes of a window, and closes it. Returns the codes. */
export async function confirmCodes(account: AppPage, window: ConfirmationWindow): Promise<string[]> {
  const codes = await codesIn(window);
  const input = account.input.forPage(window.page);
  // The codes do not fit into the window.
  await window.button("Cancel").scrollIntoViewIfNeeded();
  await input.activate(window.button("Activate these codes"));
  await expect(window.title.filter({ hasText: "Confirmed" })).toBeVisible();
  // They stay for a user who has not saved them yet.
  expect(await codesIn(window)).toEqual(codes);
  const closed = window.page.waitForEvent("close");
  // The window may be gone before the key is released.
  await input.activate(window.button("Close this window")).catch(() => undefined);
  await closed;
  return codes;
}

/** Creates recovery codes on the passkeys page. */
export async function createCodes(account: AppPage, key: VirtualAuthenticator): Promise<string[]> {
  const codes = await confirmCodes(account, await openCodes(account, key));
  await expect(account.page.getByTestId("codes")).toContainText("You have 10 unused codes");
  return codes;
}

/** Fills in and submits the page for recovery. Does not wait for the result. */
export async function submitRecovery(page: Page, server: TestServer, user: string, code: string, password = PASSWORD): Promise<void> {
  await page.goto(`${server.sign}/recover?return=/passkeys`);
  await waitUntilReady(page);
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Recovery code").fill(code);
  await page.keyboard.press("Enter");
}
