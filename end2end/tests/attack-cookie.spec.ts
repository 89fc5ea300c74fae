import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, send } from "../support/http.ts";
import { confirmationProof, keyPressProof } from "../support/interaction-proof.ts";
import { interceptNext } from "../support/intercepted-request.ts";
import { NodeClient, originHeaders, signOriginHeaders } from "../support/node-client.ts";
import { readEverything } from "../support/page-scripts.ts";
import { createPrivateData } from "../support/private-data.ts";
import { handleOf, sessionToken } from "../support/session-token.ts";

/** 22 characters in the form of a handle or nonce that does not exist. */
const UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAAA";

/** A value of each argument type, as JSON. */
const VALUES: Record<string, string> = {
  Amount: "1",
  ConnectionId: `"${UNKNOWN_ID}"`,
  DisplayName: '"Thief"',
  KeyId: `"pan.${UNKNOWN_ID}"`,
  KeyThumbprint: `"${"A".repeat(43)}"`,
  Nonce: `"${UNKNOWN_ID}"`,
  Note: '""',
  PasskeyId: `"${UNKNOWN_ID}"`,
  PasskeyName: '"Phone"',
  PublicKey: `"BA${"A".repeat(85)}"`,
  SessionHandle: `"${UNKNOWN_ID}"`,
  UserName: '"thief"',
  u32: "0",
};

/** What the confirmation window adds to an action: a header of this value and its signature. */
const ADDED: Record<string, { header: string; value: string }> = {
  add_passkey: { header: "pan-new-passkey", value: "e30" },
  create_recovery_codes: { header: "pan-recovery-codes", value: Array.from({ length: 10 }, () => "A".repeat(43)).join() },
};

interface ProtectedAction {
  name: string;
  level: string;
  /** A valid body. */
  body: string;
}

/** Every protected action in the catalogue's source, so that new actions are tested too. */
function readCatalogue(): ProtectedAction[] {
  const files = ["protocol/src/built_in.rs", "actions/src/lib.rs"];
  const sources = files.map((file) => readFileSync(join(import.meta.dirname, "../..", file), "utf8"));
  const text = sources.join("").replaceAll(/\/\/.*/g, "");
  return [...text.matchAll(/\w+ at "([^"]+)" needs (\w+)(?: on \w+)? \{([^}]*)\}/g)].map(([, name = "", level = "", fields = ""]) => {
    const members = [...fields.matchAll(/(\w+): ([\w<>]+)/g)].map(([, field = "", type = ""]) => {
      const value = type.startsWith("Option<") ? "null" : VALUES[type];
      if (!value) throw new Error(`add a value of type ${type} to VALUES`);
      return `"${field}":${value}`;
    });
    return { name, level, body: `{${members.join()}}` };
  });
}

/** The best proof that a thief can forge for an action of that level. */
function proofOf({ name, level }: ProtectedAction): object | undefined {
  return { Signed: undefined, Interaction: keyPressProof(name), Confirmed: confirmationProof(name) }[level];
}

test("attack 1: a stolen cookie reads nothing and does nothing, not even sign out", { tag: "@firefox" }, async ({ account, server, page, browser }) => {
  const { cookie, secrets } = await createPrivateData(account, server);

  // From the thief's machine: without a signature, and with a signature by the thief's own key.
  const thief = new NodeClient(server, account.user);
  thief.cookies.set("__Host-pan", cookie.slice("__Host-pan=".length));
  thief.handle = handleOf(cookie.slice("__Host-pan=".length));
  const actions = readCatalogue();
  const names = ["account", "activity", "display_name", "jitterbug/keys", "jitterbug/stream", "nonces", "restore_browser", "revoke", "revoke_others", "sessions", "sign_out"];
  expect(actions.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  for (const action of actions) {
    const { name, body } = action;
    const path = `/api/${name}`;
    // Requests of the frame go to the sign origin, which does not read that cookie.
    const at = name === "jitterbug/keys" ? "sign" : "app";
    const bare = await send(server, { path, headers: [...(at === "app" ? originHeaders(server.app) : signOriginHeaders(server)), ["cookie", cookie]], body });
    expect(bare.code, path).toBe("invalid_session");
    const signed = await thief.sign({ path, body, proof: proofOf(action), nonce: UNKNOWN_ID, sendTo: at });
    const added = ADDED[name];
    if (added) signed.headers.push([added.header, `${added.value};${thief.confirmationKey.sign([])}`]);
    const forged = await thief.send(signed);
    // Everything was right except the nonce or, where any nonce is accepted, the key.
    const expected = at === "sign" ? "invalid_session" : /^(nonces|restore_browser)$/.test(name) ? "invalid_proof" : "use_fresh_nonce";
    expect(forged.code, path).toBe(expected);
    for (const secret of secrets) expect(bare.body + forged.body).not.toContain(secret);
  }
  // The thief cannot bind a key either: not with the token, and not with the token in the sign origin's cookie.
  const bind = JSON.stringify(await thief.bindStatement(await thief.fetchChallenge()));
  for (const stolen of [cookie, cookie.replace("__Host-pan=", "__Host-pan-sign="), cookie.replace("__Host-pan=", `__Host-pan-sign=${thief.handle}.`)]) {
    expect((await send(server, { path: "/bind", headers: [...signOriginHeaders(server), ["cookie", stolen]], body: bind })).code).toBe("invalid_session");
  }

  // In the thief's browser, with the application itself.
  const theirs = await browser.newContext();
  const [name, value] = cookie.split("=") as [string, string];
  await theirs.addCookies([{ name, value, domain: "pan.localhost", path: "/", secure: true, httpOnly: true, sameSite: "Lax" }]);
  const tab = await theirs.newPage();
  await tab.goto(`${server.app}/account`);
  await expect(tab.getByRole("alert").filter({ hasText: "no longer has the key" })).toBeVisible();
  const seen = await tab.content();
  for (const secret of secrets) expect(seen).not.toContain(secret);
  for (const path of ["/sessions", "/activity"]) {
    await tab.goto(server.app + path);
    await expect(tab.getByRole("alert").filter({ hasText: "no longer has the key" })).toBeVisible();
  }
  // The page does not even show a button for it.
  await expect(tab.getByRole("button", { name: "Sign out" })).toHaveCount(0);
  await theirs.close();

  // The owner's session still works.
  await page.reload();
  await account.changeName("Unharmed");
});

test("attack 2: page script cannot read the token, and the handle alone is useless", { tag: "@firefox" }, async ({ account, server, page }) => {
  const value = await sessionToken(page);
  expect(value).toHaveLength(43);
  const readable = await readEverything(page);
  expect(readable).not.toContain(value);
  expect(readable).not.toContain("__Host-pan");

  // With the handle, which script may know, and all of a valid request except the cookie.
  const intercepted = await interceptNext(page, "/api/account", () => page.reload());
  const without = intercepted.headers.filter(([name]) => name !== "cookie");
  expect((await send(server, { ...intercepted, headers: without })).code).toBe("invalid_session");
  const planted: Headers = [...without, ["cookie", `__Host-pan=${handleOf(value)}`]];
  expect((await send(server, { ...intercepted, headers: planted })).status).toBeGreaterThanOrEqual(400);
  // The positive control: with the cookie it passes, so its nonce was not spent.
  const reply = await send(server, intercepted);
  expect(reply.status, reply.body).toBe(200);
  expect(reply.body).toContain(account.user);
});
