import { type BrowserContext, expect, type Locator, type Page } from "@playwright/test";
import type { InputDevice } from "./input-device.ts";

/** The confirmation window as the user sees it. */
export class ConfirmationWindow {
  readonly title: Locator;
  readonly status: Locator;
  /** All text in the window. */
  readonly content: Locator;

  constructor(
    readonly page: Page,
    readonly input: InputDevice,
  ) {
    this.title = page.getByRole("heading", { level: 1 });
    this.status = page.getByRole("status");
    this.content = page.getByRole("main");
  }

  /** A button, by its label. */
  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name });
  }

  async confirm(name: string | RegExp): Promise<void> {
    await expect(this.button(name)).toBeEnabled();
    await this.closeWith(this.button(name));
  }

  async cancel(): Promise<void> {
    await this.closeWith(this.button("Cancel"));
  }

  private async closeWith(button: Locator): Promise<void> {
    const closed = this.page.waitForEvent("close");
    await this.input.activate(button);
    await closed;
  }
}

/** Makes the next `times` calls of the page's `window.open` return null, as a pop-up blocker does. */
export async function blockWindows(page: Page, times: number): Promise<void> {
  await page.evaluate((times) => {
    const open = window.open.bind(window);
    window.open = (...args) => (times-- > 0 ? null : open(...args));
  }, times);
}

/**
 * Slows the sign origin's clock down ten times, in documents that load from now on. A click then comes before the
 * confirmation button is armed, also on a busy machine.
 */
export async function slowClock(context: BrowserContext, signOrigin: string): Promise<void> {
  await context.addInitScript((sign) => {
    if (location.origin !== sign) return;
    const now = performance.now.bind(performance);
    performance.now = () => now() / 10;
  }, signOrigin);
}
