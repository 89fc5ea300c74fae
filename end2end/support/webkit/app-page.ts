import { expect } from "@playwright/test";
import { By, Key } from "selenium-webdriver";
import { PASSWORD } from "../app-page.ts";
// <demo>
import type { Transfer } from "../app-page.ts";
// </demo>
import type { TestServer } from "../test-server.ts";
import { button, field, testId, type WebKitPage } from "./webkit-page.ts";

export const ALERT = By.css("[role=alert]");
export const STATUS = By.css("[role=status]");
export const NOTIFICATIONS = By.css(".notification-list");
export const DISPLAY_NAME = testId("display-name");
const CONFIRM = By.id("confirm");
const READY = By.css("html[data-ready]");

/** The confirmation window as the user sees it. */
export class WebKitConfirmation {
  constructor(readonly page: WebKitPage) {}

  async expectText(text: string): Promise<void> {
    await this.page.expectText(By.css("main"), text);
  }

  /** Waits until the button counts presses. */
  async waitUntilArmed(): Promise<void> {
    await expect.poll(() => this.page.attribute(CONFIRM, "aria-disabled"), { timeout: 20_000 }).toBe("false");
  }

  /** Confirms with the button, whose label begins with `name`. */
  async confirm(name: string): Promise<void> {
    await this.page.expectText(CONFIRM, name);
    await this.waitUntilArmed();
    await this.page.activate(CONFIRM);
    await this.expectClosed();
  }

  async cancel(): Promise<void> {
    await this.page.activate(button("Cancel"));
    await this.expectClosed();
  }

  private async expectClosed(): Promise<void> {
    await expect.poll(() => this.page.isClosed(), { message: "the window closes", timeout: 20_000 }).toBe(true);
  }
}

/** The application as the user of WebKitGTK sees it. */
export class WebKitAppPage {
  /** The name of the signed-in user. */
  user = "";

  constructor(
    readonly page: WebKitPage,
    readonly server: TestServer,
  ) {}

  async open(path: string): Promise<void> {
    await this.page.goto(this.server.app + path);
  }

  /** Registers or signs in with mouse and keyboard. */
  async enter(path: "/register" | "/sign-in", name: string): Promise<void> {
    await this.openForm(path);
    await this.page.fill(field("User name"), name);
    await this.page.fill(field("Password"), PASSWORD);
    await this.page.activate(button(path === "/register" ? "Open account" : "Sign in"));
    await this.expectSignedIn(name);
  }

  /** Registers without simulated pointer, for tests of what comes after. */
  async registerQuickly(name: string): Promise<void> {
    await this.openForm("/register");
    await this.submitFormQuickly(name);
    await this.expectSignedIn(name);
  }

  async openForm(path: "/register" | "/sign-in", returnTo = "/account"): Promise<void> {
    await this.page.goto(`${this.server.sign}${path}?return=${returnTo}`);
    await this.waitUntilReady(this.page);
  }

  /** Waits until the script of a sign-origin page runs. */
  async waitUntilReady(page: WebKitPage): Promise<void> {
    await expect.poll(() => page.attribute(READY, "lang"), { timeout: 20_000 }).toBe("en");
  }

  async submitFormQuickly(name: string, page = this.page): Promise<void> {
    await page.fillQuickly(field("User name"), name);
    await page.fillQuickly(field("Password"), PASSWORD);
    await page.press(field("Password"), Key.ENTER);
  }

  async expectSignedIn(name: string): Promise<void> {
    await expect.poll(() => this.page.url(), { timeout: 20_000 }).toBe(`${this.server.app}/account`);
    await this.expectLoaded();
    this.user = name;
  }

  /** Waits until the account page shows the user's data. */
  async expectLoaded(): Promise<void> {
    await this.page.expectText(DISPLAY_NAME, /./);
  }

  async waitUntilLive(): Promise<void> {
    await this.page.expectText(testId("push-state"), "Live");
  }

  /** Follows a link without leaving the page's document. */
  async follow(link: string): Promise<void> {
    await this.page.activate(By.linkText(link));
  }

  async signOut(): Promise<void> {
    await this.page.activate(button("Sign out"));
    await expect.poll(() => this.page.text(button("Sign out"))).toBe("");
  }

  /** Changes the display name. On a busy machine the server may ask for a confirmation: it is confirmed. */
  async changeName(name: string): Promise<void> {
    const before = await this.page.browser.windows();
    await this.page.fill(field("Display name"), name);
    await this.page.activate(button("Change name"));
    await expect(async () => {
      const opened = await this.page.browser.windowOpenedSince(before);
      if (opened) await new WebKitConfirmation(opened).confirm("Change name");
      expect(await this.page.text(DISPLAY_NAME)).toBe(name);
    }).toPass({ timeout: 20_000 });
  }

  // <demo>
  /** Fills in and submits the transfer form. Returns the confirmation window. */
  async submitTransfer({ to, amount, note }: Transfer): Promise<WebKitConfirmation> {
    await this.page.fill(field("To"), to);
    await this.page.fill(field("Amount"), amount);
    await this.page.fill(field("Note"), note);
    return this.confirmation(() => this.page.activate(button("Send money")));
  }
  // </demo>

  /** The confirmation window that `act` opens, once it shows its request. */
  async confirmation(act: () => Promise<unknown>): Promise<WebKitConfirmation> {
    const window = await this.page.popup(act);
    await window.expectText(button("Cancel"), "Cancel");
    return new WebKitConfirmation(window);
  }
}
