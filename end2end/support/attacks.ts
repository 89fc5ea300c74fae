import { expect } from "@playwright/test";
import { type Reply, send } from "./http.ts";
import { KeyPair } from "./key-pair.ts";
import { enterHeaders, NodeClient, originHeaders } from "./node-client.ts";
import { handleOf, tokenOf } from "./session-token.ts";
import type { TestServer } from "./test-server.ts";

// Attacks that are the same in every browser, and what they must not achieve.

/** The body of `/bind` with the attacker's own key. */
export async function bindOfOwnKey(server: TestServer, challenge: string): Promise<string> {
  const key = new KeyPair();
  const signature = key.sign(["pan-bind/1", new URL(server.sign).host, challenge, await key.thumbprint()]);
  return JSON.stringify({ jwk: await key.jwk(), challenge, signature });
}

/** Posts the fields of a form to `/enter`. */
export async function enter(server: TestServer, fields: Record<string, string>, headers = enterHeaders(server)): Promise<Reply> {
  return send(server, { path: "/enter", headers, body: new URLSearchParams(fields).toString() });
}

/** Checks that no session was entered: an error without a cookie, with a link to sign in. */
export function expectNotEntered(reply: Reply, server: TestServer, what: string): void {
  expect(reply.status, what).toBeGreaterThanOrEqual(400);
  expect(reply.status, what).toBeLessThan(500);
  expect(reply.headers["set-cookie"], what).toBeUndefined();
  expect(reply.headers.location, what).toBeUndefined();
  expect(reply.body, what).toContain(`${server.sign}/sign-in`);
}

/** Uses a stolen ticket, whose form leads to `/activity`, in all ways that a thief has. Ends with its owner's use. */
export async function useStolenTicket(server: TestServer, fields: Record<string, string>): Promise<void> {
  const { ticket = "", signature = "" } = fields;
  // The ticket with a signature by another key, of another session or over another path, and without a signature.
  const thief = new KeyPair();
  const statement = ["pan-enter/1", new URL(server.app).host, handleOf(tokenOf(ticket))];
  const attacker = await NodeClient.registered(server);
  const stolen: Record<string, Record<string, string>> = {
    "signed by another key": { ticket, signature: thief.sign([...statement, "/activity"]), return: "/activity" },
    "signed by the key of another session": { ticket, signature: attacker.confirmationKey.sign([...statement, "/activity"]), return: "/activity" },
    redirected: { ...fields, return: "/account" },
    "redirected to another origin": { ...fields, return: "//evil.localhost/" },
    "with an extra field": { ...fields, user: attacker.name },
    "without a signature": { ticket, return: "/activity" },
    "with another ticket": { ...fields, ticket: Buffer.alloc(32, 7).toString("base64url") },
  };
  for (const [what, body] of Object.entries(stolen)) expectNotEntered(await enter(server, body), server, what);
  // A valid form from another origin, site or fetch mode.
  for (const [header, value] of [
    ["origin", server.app],
    ["origin", "null"],
    ["origin", "http://evil.localhost"],
    ["sec-fetch-site", "cross-site"],
    ["sec-fetch-site", "none"],
    ["sec-fetch-mode", "cors"],
    ["sec-fetch-mode", "no-cors"],
  ] as const) {
    const headers = enterHeaders(server).map(([name, old]): [string, string] => [name, name === header ? value : old]);
    expectNotEntered(await enter(server, fields, headers), server, `${header}: ${value}`);
  }
  // A session that was not entered can do nothing.
  const early = await send(server, { path: "/api/account", headers: [...originHeaders(server.app), ["cookie", `__Host-pan=${tokenOf(ticket)}`]], body: "{}" });
  expect(early.code).toBe("invalid_session");

  // The positive control: it is still valid. Until a frame key is bound, the same form enters the same session again.
  const replies = await Promise.all(Array.from({ length: 20 }, () => enter(server, { ticket, signature, return: "/activity" })));
  expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(303));
  expect(new Set(replies.map(({ headers }) => String(headers["set-cookie"]))).size).toBe(1);
  expect(replies[0]?.headers.location).toBe("/activity");
}
