import { expect, type FrameLocator, type Locator, type Page } from "@playwright/test";
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
  readonly frame: FrameLocator;
  readonly sheet: Locator;

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
    this.news = page.locator(".news li");
    this.frame = page.frameLocator("#pan-frame");
    this.sheet = this.frame.getByRole("dialog");
  }

  /** The bell, which says how many messages are new. */
  bell(unread: number): Locator {
    const label = unread === 0 ? "Security: nothing new" : unread === 1 ? "Security: 1 new message" : `Security: ${unread} new messages`;
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
    await this.open("/register");
    await this.enter(name, "Register");
  }

  /** Registers as fast as a browser can, for tests that are about what comes after. */
  async appear(name: string): Promise<void> {
    await this.open("/register");
    await expect(this.button("Register")).toBeEnabled();
    await this.page.getByLabel("User name").fill(name);
    await this.page.getByLabel("Password").fill(PASSWORD);
    await this.page.keyboard.press("Enter");
    await this.arrived(name);
  }

  async signIn(name: string): Promise<void> {
    await this.open("/sign-in");
    await this.enter(name, "Sign in");
  }

  /** Fills in the form of the page and sends it, whatever comes of it. */
  async submit(name: string, button: "Register" | "Sign in"): Promise<void> {
    await this.hand.write(this.page.getByLabel("User name"), name);
    await this.hand.write(this.page.getByLabel("Password"), PASSWORD);
    await this.hand.press(this.button(button));
  }

  private async enter(name: string, button: "Register" | "Sign in"): Promise<void> {
    await this.submit(name, button);
    await this.arrived(name);
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
   * Sees that the name was changed. On a busy machine the mouse of a test may jerk like the machine's that it is; then the
   * sheet asks, and is confirmed, as any person would.
   */
  async named(name: string): Promise<void> {
    await expect(async () => {
      if (await this.sheet.isVisible()) await this.confirm("Change name");
      await expect(this.displayName).toHaveText(name, { timeout: 500 });
    }).toPass({ timeout: 20_000 });
  }

  /** Fills in the form and asks for the transfer. The sheet then waits for [`confirm`] or [`cancel`]. */
  async order({ to, amount, note }: Transfer): Promise<void> {
    await this.hand.write(this.page.getByLabel("To", { exact: true }), to);
    await this.hand.write(this.page.getByLabel("Amount", { exact: true }), amount);
    await this.hand.write(this.page.getByLabel("Note", { exact: true }), note);
    await this.hand.press(this.button("Send money"));
  }

  /** The sheet's own button, by what it says. */
  confirmButton(name: string | RegExp): Locator {
    return this.sheet.getByRole("button", { name });
  }

  async confirm(name: string | RegExp): Promise<void> {
    const button = this.confirmButton(name);
    await expect(button).toBeEnabled();
    await this.hand.press(button);
    await expect(this.sheet).toBeHidden();
  }

  async cancel(): Promise<void> {
    await this.hand.press(this.sheet.getByRole("button", { name: "Cancel" }));
    await expect(this.sheet).toBeHidden();
  }

  async signOut(): Promise<void> {
    await this.hand.press(this.button("Sign out"));
    await expect(this.button("Sign out")).toBeHidden();
  }
}
