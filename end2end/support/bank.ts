import { expect, type Locator, type Page } from "@playwright/test";
import type { Hand } from "./hand.ts";

export interface Transfer {
  to: string;
  amount: string;
  note: string;
}

export const PASSWORD = "correct horse battery staple";

let count = 0;

/** A user name that nobody has. */
export function newName(): string {
  return `u${process.pid.toString(36)}-${Date.now().toString(36)}-${(count++).toString(36)}`;
}

/** The sign origin of an app origin, as `houseAt` names them. */
export function signOrigin(app: string): string {
  return app.replace("://", "://sign.");
}

/** Waits until the script of a sign origin's page runs: before that, a form would be posted by the browser itself. */
async function started(page: Page): Promise<void> {
  await expect(page.locator("html[data-ready]")).toHaveCount(1);
}

/** The confirmation window as a person sees it. */
export class Confirmation {
  readonly title: Locator;
  readonly status: Locator;
  /** Everything that the window says. */
  readonly content: Locator;

  constructor(
    readonly page: Page,
    readonly hand: Hand,
  ) {
    this.title = page.getByRole("heading", { level: 1 });
    this.status = page.getByRole("status");
    this.content = page.getByRole("main");
  }

  /** Its button, by what it says. */
  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name });
  }

  async confirm(name: string | RegExp): Promise<void> {
    await expect(this.button(name)).toBeEnabled();
    await this.finish(this.button(name));
  }

  async cancel(): Promise<void> {
    await this.finish(this.button("Cancel"));
  }

  private async finish(button: Locator): Promise<void> {
    const closed = this.page.waitForEvent("close");
    await this.hand.press(button);
    await closed;
  }
}

/** The application as a person sees it. */
export class Bank {
  /** Who is signed in. */
  user = "";
  readonly balance: Locator;
  readonly displayName: Locator;
  readonly history: Locator;
  readonly alert: Locator;
  readonly status: Locator;
  /** What the page has of the push connection, in words. */
  readonly push: Locator;
  /** The messages of the bell. */
  readonly news: Locator;
  /** What the page says while a confirmation is open. */
  readonly confirming: Locator;
  /** The windows that the page has opened, oldest first. */
  readonly windows: Page[] = [];

  constructor(
    readonly page: Page,
    readonly origin: string,
    readonly hand: Hand,
  ) {
    this.balance = page.getByTestId("balance");
    this.displayName = page.getByTestId("display-name");
    this.history = page.getByRole("table", { name: "History" });
    this.alert = page.getByRole("alert");
    this.status = page.getByRole("status");
    this.push = page.getByTestId("push-state");
    this.news = page.locator(".notification-list li");
    this.confirming = page.getByRole("region", { name: "Confirmation" });
    page.on("popup", (window) => this.windows.push(window));
  }

  /** The bell, which says how many messages are new. */
  bell(unread: number): Locator {
    const label = unread === 0 ? "Notifications: nothing new" : unread === 1 ? "Notifications: 1 new" : `Notifications: ${unread} new`;
    return this.page.locator("summary").filter({ has: this.page.locator("svg") }).and(this.page.getByLabel(label, { exact: true }));
  }

  /** Waits until news can come. */
  async live(): Promise<void> {
    await expect(this.push).toContainText("Live");
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  async open(path: string): Promise<void> {
    await this.page.goto(this.origin + path);
  }

  async register(name: string): Promise<void> {
    await this.page.goto(`${signOrigin(this.origin)}/register?return=/account`);
    await this.submit(name, "Open account");
    await this.arrived(name);
  }

  /** Registers as fast as a browser can, for tests that are about what comes after. */
  async appear(name: string): Promise<void> {
    await this.page.goto(`${signOrigin(this.origin)}/register?return=/account`);
    await this.fill(name);
    await this.arrived(name);
  }

  /** Signs in as fast as a browser can, for tests that are about what comes after. */
  async reappear(name: string): Promise<void> {
    await this.page.goto(`${signOrigin(this.origin)}/sign-in?return=/account`);
    await this.fill(name);
    await this.arrived(name);
  }

  /** Fills in the form of the sign origin's page at once and sends it, whatever comes of it. */
  async fill(name: string, password = PASSWORD): Promise<void> {
    await this.fillIn(this.page, name, password);
  }

  /** The same in another window. */
  async fillIn(page: Page, name: string, password = PASSWORD): Promise<void> {
    await started(page);
    await page.getByLabel("User name").fill(name);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.keyboard.press("Enter");
  }

  async signIn(name: string): Promise<void> {
    await this.page.goto(`${signOrigin(this.origin)}/sign-in?return=/account`);
    await this.submit(name, "Sign in");
    await this.arrived(name);
  }

  /** Fills in the form of the sign origin's page and sends it, whatever comes of it. */
  async submit(name: string, button: "Open account" | "Sign in"): Promise<void> {
    await started(this.page);
    await this.hand.write(this.page.getByLabel("User name"), name);
    await this.hand.write(this.page.getByLabel("Password", { exact: true }), PASSWORD);
    await this.hand.press(this.button(button));
  }

  private async arrived(name: string): Promise<void> {
    await expect(this.page).toHaveURL(`${this.origin}/account`);
    await expect(this.balance).not.toBeEmpty();
    this.user = name;
  }

  /** Asks for another name, once. */
  async rename(name: string): Promise<void> {
    await this.hand.write(this.page.getByLabel("Display name"), name);
    await this.hand.press(this.button("Change name"));
  }

  /** Changes the name. */
  async renamed(name: string): Promise<void> {
    await this.rename(name);
    await this.named(name);
  }

  /**
   * Sees that the name was changed. On a busy machine the mouse of a test may jerk like the machine's that it is; then a
   * window asks, and is confirmed, as any person would.
   */
  async named(name: string): Promise<void> {
    await expect(async () => {
      if (this.openWindow()) await this.confirm("Change name");
      await expect(this.displayName).toHaveText(name, { timeout: 500 });
    }).toPass({ timeout: 20_000 });
  }

  /** Fills in the form and asks for the transfer. The window then waits for [`confirm`] or [`cancel`]. */
  async order({ to, amount, note }: Transfer): Promise<void> {
    await this.hand.write(this.page.getByLabel("To", { exact: true }), to);
    await this.hand.write(this.page.getByLabel("Amount", { exact: true }), amount);
    await this.hand.write(this.page.getByLabel("Note", { exact: true }), note);
    await this.hand.press(this.button("Send money"));
  }

  /** The confirmation window, once it shows what it is about. */
  async confirmation(): Promise<Confirmation> {
    await expect.poll(() => this.openWindow() !== undefined, { message: "a confirmation window opens" }).toBe(true);
    const window = this.openWindow() as Page;
    const confirmation = new Confirmation(window, this.hand.in(window));
    await expect(confirmation.button("Cancel")).toBeVisible();
    return confirmation;
  }

  async confirm(name: string | RegExp): Promise<void> {
    await (await this.confirmation()).confirm(name);
    await expect(this.confirming).toBeHidden();
  }

  async cancel(): Promise<void> {
    await (await this.confirmation()).cancel();
    await expect(this.confirming).toBeHidden();
  }

  private openWindow(): Page | undefined {
    return this.windows.find((window) => !window.isClosed());
  }

  async signOut(): Promise<void> {
    await this.hand.press(this.button("Sign out"));
    await expect(this.button("Sign out")).toBeHidden();
  }
}
