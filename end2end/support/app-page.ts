import { expect, type Locator, type Page } from "@playwright/test";
import { ConfirmationWindow } from "./confirmation-window.ts";
import type { InputDevice } from "./input-device.ts";

// <demo>
/** The fields of the transfer form. */
export interface Transfer {
  to: string;
  amount: string;
  note: string;
}
// </demo>

export const PASSWORD = "correct horse battery staple";

let count = 0;

/** A user name that is not taken. */
export function newUserName(): string {
  return `u${process.pid.toString(36)}-${Date.now().toString(36)}-${(count++).toString(36)}`;
}

/** The sign origin that belongs to an app origin. */
export function signOriginOf(app: string): string {
  return app.replace("://", "://sign.");
}

/** Waits until the script of a sign-origin page runs. Before that, the browser would post the form itself. */
export async function waitUntilReady(page: Page): Promise<void> {
  await expect(page.locator("html[data-ready]")).toHaveCount(1);
}

/** The application as the user sees it. */
export class AppPage {
  /** The name of the signed-in user. */
  user = "";
  readonly displayName: Locator;
  // <demo>
  readonly balance: Locator;
  readonly history: Locator;
  // </demo>
  readonly alert: Locator;
  readonly status: Locator;
  /** The state of the push connection, in words. */
  readonly pushState: Locator;
  /** The list under the bell. */
  readonly notifications: Locator;
  /** What the page shows while a confirmation is open. */
  readonly confirmationPanel: Locator;
  /** All windows that the page opened, oldest first. */
  readonly windows: Page[] = [];

  constructor(
    readonly page: Page,
    readonly origin: string,
    readonly input: InputDevice,
  ) {
    this.displayName = page.getByTestId("display-name");
    // <demo>
    this.balance = page.getByTestId("balance");
    this.history = page.getByRole("table", { name: "History" });
    // </demo>
    // Most live regions are empty.
    this.alert = page.getByRole("alert").filter({ hasText: /\S/ });
    this.status = page.getByRole("status").filter({ hasText: /\S/ });
    this.pushState = page.getByTestId("push-state");
    this.notifications = page.locator(".notification-list li");
    this.confirmationPanel = page.getByRole("region", { name: "Confirmation" });
    page.on("popup", (window) => this.windows.push(window));
  }

  /** The bell button when it shows that number of new messages. */
  bell(unread: number): Locator {
    const label = unread === 0 ? "Notifications: nothing new" : unread === 1 ? "Notifications: 1 new" : `Notifications: ${unread} new`;
    return this.page.locator("summary").filter({ has: this.page.locator("svg") }).and(this.page.getByLabel(label, { exact: true }));
  }

  /** Waits until the push connection is open. */
  async waitUntilLive(): Promise<void> {
    await expect(this.pushState).toContainText("Live");
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async open(path: string): Promise<void> {
    await this.page.goto(this.origin + path);
  }

  async register(name: string): Promise<void> {
    await this.page.goto(`${signOriginOf(this.origin)}/register?return=/account`);
    await this.submitForm(name, "Open account");
    await this.expectSignedIn(name);
  }

  /** Registers without simulated typing, for tests of what comes after. */
  async registerQuickly(name: string): Promise<void> {
    await this.page.goto(`${signOriginOf(this.origin)}/register?return=/account`);
    await this.submitFormQuickly(name);
    await this.expectSignedIn(name);
  }

  /** Signs in without simulated typing, for tests of what comes after. */
  async signInQuickly(name: string): Promise<void> {
    await this.page.goto(`${signOriginOf(this.origin)}/sign-in?return=/account`);
    await this.submitFormQuickly(name);
    await this.expectSignedIn(name);
  }

  /** Fills in and submits the sign-origin form without simulated typing. Does not wait for the result. */
  async submitFormQuickly(name: string, password = PASSWORD): Promise<void> {
    await this.submitFormQuicklyIn(this.page, name, password);
  }

  /** The same in another tab or window. */
  async submitFormQuicklyIn(page: Page, name: string, password = PASSWORD): Promise<void> {
    await waitUntilReady(page);
    await page.getByLabel("User name").fill(name);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.keyboard.press("Enter");
  }

  async signIn(name: string): Promise<void> {
    await this.page.goto(`${signOriginOf(this.origin)}/sign-in?return=/account`);
    await this.submitForm(name, "Sign in");
    await this.expectSignedIn(name);
  }

  /** Fills in and submits the sign-origin form with the input device. Does not wait for the result. */
  async submitForm(name: string, button: "Open account" | "Sign in"): Promise<void> {
    await waitUntilReady(this.page);
    await this.input.fill(this.page.getByLabel("User name"), name);
    await this.input.fill(this.page.getByLabel("Password", { exact: true }), PASSWORD);
    await this.input.activate(this.button(button));
  }

  private async expectSignedIn(name: string): Promise<void> {
    await expect(this.page).toHaveURL(`${this.origin}/account`);
    await this.expectLoaded();
    this.user = name;
  }

  /** Waits until the account page shows the user's data. */
  async expectLoaded(): Promise<void> {
    await expect(this.displayName).not.toBeEmpty();
  }

  /** Submits another display name. Does not wait for the result. */
  async submitName(name: string): Promise<void> {
    await this.input.fill(this.page.getByLabel("Display name"), name);
    await this.input.activate(this.button("Change name"));
  }

  /** Changes the display name. */
  async changeName(name: string): Promise<void> {
    await this.submitName(name);
    await this.expectName(name);
  }

  /**
   * Waits until the display name has changed. On a busy machine the simulated mouse may move unevenly, and the server may
   * then ask for a confirmation: it is confirmed.
   */
  async expectName(name: string): Promise<void> {
    await expect(async () => {
      if (this.openedWindow()) await this.confirm("Change name");
      await expect(this.displayName).toHaveText(name, { timeout: 500 });
    }).toPass({ timeout: 20_000 });
  }

  // <demo>
  /** Fills in and submits the transfer form. The confirmation window then waits for `confirm` or `cancel`. */
  async submitTransfer({ to, amount, note }: Transfer): Promise<void> {
    await this.input.fill(this.page.getByLabel("To", { exact: true }), to);
    await this.input.fill(this.page.getByLabel("Amount", { exact: true }), amount);
    await this.input.fill(this.page.getByLabel("Note", { exact: true }), note);
    await this.input.activate(this.button("Send money"));
  }
  // </demo>

  /** The open confirmation window, once it shows its request. */
  async confirmationWindow(): Promise<ConfirmationWindow> {
    await expect.poll(() => this.openedWindow() !== undefined, { message: "a confirmation window opens" }).toBe(true);
    const window = this.openedWindow() as Page;
    const confirmation = new ConfirmationWindow(window, this.input.forPage(window));
    await expect(confirmation.button("Cancel")).toBeVisible();
    return confirmation;
  }

  async confirm(name: string | RegExp): Promise<void> {
    await (await this.confirmationWindow()).confirm(name);
    await expect(this.confirmationPanel).toBeHidden();
  }

  async cancel(): Promise<void> {
    await (await this.confirmationWindow()).cancel();
    await expect(this.confirmationPanel).toBeHidden();
  }

  private openedWindow(): Page | undefined {
    return this.windows.find((window) => !window.isClosed());
  }

  async signOut(): Promise<void> {
    await this.input.activate(this.button("Sign out"));
    await expect(this.button("Sign out")).toBeHidden();
  }
}
