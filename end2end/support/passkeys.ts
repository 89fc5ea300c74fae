import { createHash } from "node:crypto";
import { expect, type Frame, type Page } from "@playwright/test";
import type { AppPage } from "./app-page.ts";
import { waitUntilReady } from "./app-page.ts";
import type { InterceptedRequest } from "./intercepted-request.ts";
import type { TestServer } from "./test-server.ts";

/** An authenticator that tests can use in every browser. */
interface Authenticator {
  plugInto(page: Page): Promise<unknown>;
}

/** Adds a passkey on the passkeys page. The user must have none. */
export async function addPasskey(account: AppPage, key: Authenticator, name: string): Promise<void> {
  await account.open("/passkeys");
  await account.input.fill(account.page.getByLabel("Name", { exact: true }), name);
  await account.input.activate(account.button("Add a passkey"));
  await confirmWithPasskey(account, key, "Add passkey");
  await expect(account.page.getByRole("heading", { name, exact: true })).toBeVisible();
}

/** Confirms in the open window with a passkey. */
export async function confirmWithPasskey(account: AppPage, key: Authenticator, button: string | RegExp): Promise<void> {
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

/** The WebAuthn options in JSON that the attacker's script uses. */
export interface AttackerOptions {
  challenge: Buffer;
  rpId: string;
  userVerification?: string;
  /** The credential ID to use, in base64url. */
  passkey?: string;
}

/** Calls the authenticator from script in a page or frame. Returns the browser's JSON, or the name of its error. */
export async function assertIn(page: Page | Frame, options: AttackerOptions): Promise<string> {
  const { challenge, rpId, userVerification = "required", passkey } = options;
  const allowCredentials = passkey ? [{ type: "public-key", id: passkey }] : [];
  return page.evaluate(async (json) => {
    try {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json as never);
      return JSON.stringify(await navigator.credentials.get({ publicKey }));
    } catch (error) {
      return (error as Error).name;
    }
  }, { challenge: challenge.toString("base64url"), rpId, userVerification, allowCredentials });
}

/** Creates a passkey from script in a page. Returns the browser's JSON, or the name of its error. */
export async function createIn(page: Page | Frame, { challenge, rpId }: AttackerOptions, user = "eve"): Promise<string> {
  return page.evaluate(async (json) => {
    try {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json as never);
      return JSON.stringify(await navigator.credentials.create({ publicKey }));
    } catch (error) {
      return (error as Error).name;
    }
  }, {
    challenge: challenge.toString("base64url"),
    rp: { id: rpId, name: "x" },
    user: { id: Buffer.from(user).toString("base64url"), name: user, displayName: user },
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
  });
}

/** Tells the browser from script that the server does not know a passkey, so that it removes it. Returns the name of its error. */
export async function removeIn(page: Page | Frame, { rpId, passkey }: { rpId: string; passkey: string }): Promise<string> {
  return page.evaluate(async ({ rpId, credentialId }) => {
    try {
      await (PublicKeyCredential as unknown as { signalUnknownCredential(options: object): Promise<void> }).signalUnknownCredential({ rpId, credentialId });
      return "";
    } catch (error) {
      return (error as Error).name;
    }
  }, { rpId, credentialId: passkey });
}

/** The challenge that a passkey must sign for a request: the SHA-256 of its signature base. */
export function challengeOf(server: TestServer, request: InterceptedRequest): Buffer {
  const header = (name: string) => request.headers.find(([key]) => key === name)?.[1] ?? "";
  const base = [
    '"@method": POST',
    `"@authority": ${new URL(server.app).host}`,
    `"@path": ${request.path}`,
    '"@query": ?',
    `"content-digest": ${header("content-digest")}`,
    `"x-session-id": ${header("x-session-id")}`,
    `"x-interaction-proof": ${header("x-interaction-proof")}`,
    `"@signature-params": ${header("signature-input").replace(/^pan=/, "")}`,
  ];
  return createHash("sha256").update(base.join("\n")).digest();
}

/** The request with another value of a header. */
export function withHeader(request: InterceptedRequest, name: string, value: string | undefined): InterceptedRequest {
  const others = request.headers.filter(([key]) => key !== name);
  return { ...request, headers: value === undefined ? others : [...others, [name, value]] };
}

/** The request with another assertion. */
export function withAssertion(request: InterceptedRequest, json: string): InterceptedRequest {
  return withHeader(request, "pan-passkey", Buffer.from(json).toString("base64url"));
}
