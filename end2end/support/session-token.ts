import { createHash } from "node:crypto";

/** The session token: base64url(SHA-256("pan-token" ‖ 0 ‖ ticket)) */
export function tokenOf(ticket: string): string {
  return createHash("sha256").update("pan-token\0").update(Buffer.from(ticket, "base64url")).digest("base64url");
}

/** The public session handle: base64url(SHA-256("pan-handle" ‖ 0 ‖ token))[..22] */
export function handleOf(token: string): string {
  const hash = createHash("sha256").update("pan-handle\0").update(Buffer.from(token, "base64url"));
  return hash.digest("base64url").slice(0, 22);
}

/** A page whose cookies a test reads. */
export interface CookieHolder {
  context(): { cookies(): Promise<{ name: string; value: string }[]> };
}

/** The value of the session cookie in the page's browser. Empty if there is none. */
export async function sessionToken(page: CookieHolder): Promise<string> {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === "__Host-pan")?.value ?? "";
}
