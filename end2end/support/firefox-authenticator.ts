import type { Browser, BrowserContext } from "@playwright/test";
import { test as base } from "./fixtures.ts";
import { Marionette } from "./marionette.ts";
import { freePort } from "./ports.ts";

/** Preferences with which Firefox uses the authenticators that Marionette adds, and no real ones. */
const VIRTUAL_AUTHENTICATORS = {
  "security.webauth.webauthn_enable_softtoken": true,
  "security.webauth.webauthn_enable_usbtoken": false,
};

/** A security key that is plugged into Firefox. */
export class FirefoxAuthenticator {
  private constructor(
    private readonly marionette: Marionette,
    private readonly id: string,
  ) {}

  static async pluggedInto(marionette: Marionette): Promise<FirefoxAuthenticator> {
    const options = { hasResidentKey: true, hasUserVerification: true, isUserConsenting: true, isUserVerified: true };
    const { value } = await marionette.send<{ value: string }>("WebAuthn:AddVirtualAuthenticator", { protocol: "ctap2", transport: "internal", ...options });
    return new FirefoxAuthenticator(marionette, value);
  }

  /** Every tab has it already. */
  async plugInto(): Promise<void> {}

  /** Takes the key out of the browser. */
  async remove(): Promise<void> {
    await this.marionette.send("WebAuthn:RemoveVirtualAuthenticator", { authenticatorId: this.id });
  }

  /** The relying parties of the passkeys on it. */
  async relyingParties(): Promise<string[]> {
    const passkeys = await this.marionette.send<{ value: { rpId: string }[] }>("WebAuthn:GetCredentials", { authenticatorId: this.id });
    return passkeys.value.map(({ rpId }) => rpId);
  }
}

/** Tests in a Firefox with a security key. Playwright cannot plug one in, so each test starts its own Firefox, with Marionette. */
export const test = base.extend<{ started: { browser: Browser; marionette: Marionette }; context: BrowserContext; key: FirefoxAuthenticator }>({
  started: async ({ playwright, launchOptions }, use) => {
    const port = await freePort();
    const browser = await playwright.firefox.launch({
      ...launchOptions,
      channel: "moz-firefox",
      args: ["--marionette"],
      firefoxUserPrefs: { ...VIRTUAL_AUTHENTICATORS, "marionette.port": port },
    });
    const marionette = await Marionette.connect(port);
    await use({ browser, marionette });
    await marionette.quit();
    await browser.close();
  },
  context: async ({ started, viewport }, use) => {
    const context = await started.browser.newContext({ viewport });
    await use(context);
    await context.close();
  },
  key: async ({ started }, use) => use(await FirefoxAuthenticator.pluggedInto(started.marionette)),
});
