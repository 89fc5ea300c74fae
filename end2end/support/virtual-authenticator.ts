import type { BrowserContext, CDPSession, Page } from "@playwright/test";

/** A passkey with its private key, as the DevTools protocol shows it. */
export interface VirtualPasskey {
  credentialId: string;
  isResidentCredential: boolean;
  rpId?: string;
  privateKey: string;
  userHandle?: string;
  signCount: number;
}

/**
 * A security key that is plugged into a browser (DevTools domain "WebAuthn"). Chromium keeps such keys per tab, so this plugs
 * the same one into every tab and window of a context.
 */
export class VirtualAuthenticator {
  /** The passkeys on it. */
  passkeys: VirtualPasskey[] = [];
  /** How often it has signed or created. */
  uses = 0;
  /** Whether the user gives the right PIN or finger, in the tabs that open from now on. */
  isUserVerified = true;
  /** Whether the user touches it at once, in the tabs that open from now on. */
  isUserPresent = true;
  private readonly plugged = new Map<Page, Promise<{ session: CDPSession; id: string }>>();

  static async pluggedInto(context: BrowserContext): Promise<VirtualAuthenticator> {
    const authenticator = new VirtualAuthenticator();
    context.on("page", (page) => void authenticator.plugInto(page).catch(() => undefined));
    for (const page of context.pages()) await authenticator.plugInto(page);
    return authenticator;
  }

  /** Resolves when the key is plugged into a tab. */
  async plugInto(page: Page): Promise<{ session: CDPSession; id: string }> {
    let plugged = this.plugged.get(page);
    if (!plugged) this.plugged.set(page, (plugged = this.plug(page)));
    return plugged;
  }

  private async plug(page: Page): Promise<{ session: CDPSession; id: string }> {
    const session = await page.context().newCDPSession(page);
    const changed = ({ credential }: { credential: VirtualPasskey }) => void this.store(credential, page).catch(() => undefined);
    session.on("WebAuthn.credentialAdded", changed);
    session.on("WebAuthn.credentialAsserted", changed);
    await session.send("WebAuthn.enable", { enableUI: false });
    const { authenticatorId: id } = await session.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: this.isUserVerified,
        automaticPresenceSimulation: this.isUserPresent,
      },
    });
    for (const credential of this.passkeys) await session.send("WebAuthn.addCredential", { authenticatorId: id, credential });
    return { session, id };
  }

  /** The credential IDs of the passkeys that a tab can use, in base64url. */
  async idsIn(page: Page): Promise<string[]> {
    const { session, id } = await this.plugInto(page);
    const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId: id });
    return credentials.map(({ credentialId }) => Buffer.from(credentialId, "base64").toString("base64url"));
  }

  /** Stores what the key has done in one tab, for all tabs. */
  private async store(passkey: VirtualPasskey, inPage: Page): Promise<void> {
    const known = this.passkeys.find((other) => other.credentialId === passkey.credentialId);
    // This also comes for passkeys that are copied below.
    if (known && known.signCount >= passkey.signCount) return;
    this.uses++;
    this.passkeys = [...this.passkeys.filter((other) => other !== known), passkey];
    for (const [page, plugged] of this.plugged) {
      if (page === inPage || page.isClosed()) continue;
      const { session, id } = await plugged;
      if (known) await session.send("WebAuthn.removeCredential", { authenticatorId: id, credentialId: passkey.credentialId });
      await session.send("WebAuthn.addCredential", { authenticatorId: id, credential: passkey });
    }
  }

  /** The user loses the key: it has no passkeys any more. */
  async lose(): Promise<void> {
    this.passkeys = [];
    for (const [page, plugged] of this.plugged) {
      if (page.isClosed()) continue;
      const { session, id } = await plugged;
      await session.send("WebAuthn.clearCredentials", { authenticatorId: id });
    }
  }

  /** A second key with the same passkeys. */
  copy(): VirtualPasskey[] {
    return structuredClone(this.passkeys);
  }
}
