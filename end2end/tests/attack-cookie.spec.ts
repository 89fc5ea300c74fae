import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, confirmation, from, fromSign, handleOf, keyPress } from "../support/client.ts";
import { type Headers, send } from "../support/http.ts";
import { catchNext, token } from "../support/injected.ts";
import { signedIn } from "../support/private.ts";
import { expect, test } from "../support/test.ts";

/** 22 characters that name nothing. */
const NOTHING = "AAAAAAAAAAAAAAAAAAAAAA";

/** An argument of each type, as JSON. */
const VALUES: Record<string, string> = {
  Amount: "1",
  ConnectionId: `"${NOTHING}"`,
  DisplayName: '"Thief"',
  KeyId: `"pan.${NOTHING}"`,
  KeyThumbprint: `"${"A".repeat(43)}"`,
  Note: '""',
  PublicKey: `"BA${"A".repeat(85)}"`,
  SessionHandle: `"${NOTHING}"`,
  UserName: '"thief"',
};

interface Protected {
  name: string;
  level: string;
  /** A body that it takes. */
  body: string;
}

/** Every protected action, from the catalogue itself: also those that you have added. */
function catalogue(): Protected[] {
  const files = ["protocol/src/built_in.rs", "actions/src/lib.rs"];
  const text = files.map((file) => readFileSync(join(import.meta.dirname, "../..", file), "utf8")).join("").replaceAll(/\/\/.*/g, "");
  return [...text.matchAll(/\w+ at "([^"]+)" needs (\w+)(?: on \w+)? \{([^}]*)\}/g)].map(([, name = "", level = "", fields = ""]) => {
    const members = [...fields.matchAll(/(\w+): ([\w<>]+)/g)].map(([, field = "", type = ""]) => {
      const value = type.startsWith("Option<") ? "null" : VALUES[type];
      if (!value) throw new Error(`give this test a ${type}`);
      return `"${field}":${value}`;
    });
    return { name, level, body: `{${members.join()}}` };
  });
}

/** The best proof that a thief can make of an action of that level. */
function proofOf({ name, level }: Protected): object | undefined {
  return { Signed: undefined, Interaction: keyPress(name), Confirmed: confirmation(name) }[level];
}

test("attack 1: a stolen cookie reads nothing and does nothing, not even sign out", async ({ account, house, page, browser }) => {
  const { cookie, secrets } = await signedIn(account, house);

  // From a machine of the thief's, by hand: no signature, and a signature by a key of their own.
  const thief = new Client(house, account.user);
  thief.cookies.set("__Host-pan", cookie.slice("__Host-pan=".length));
  thief.handle = handleOf(cookie.slice("__Host-pan=".length));
  const actions = catalogue();
  const names = ["account", "activity", "display_name", "jitterbug/keys", "jitterbug/stream", "nonces", "restore_browser", "revoke", "revoke_others", "sessions", "sign_out", "transfer"];
  expect(actions.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  for (const action of actions) {
    const { name, body } = action;
    const path = `/api/${name}`;
    // The frame's own requests go to its own origin, where that cookie is none.
    const at = name === "jitterbug/keys" ? "sign" : "app";
    const bare = await send(house, { path, headers: [...(at === "app" ? from(house.app) : fromSign(house)), ["cookie", cookie]], body });
    expect(bare.code, path).toBe("invalid_session");
    const forged = await thief.call({ path, body, proof: proofOf(action), nonce: NOTHING, at });
    // Everything was right but for the nonce, and where that may be invented, the key.
    const expected = at === "sign" ? "invalid_session" : /^(nonces|restore_browser)$/.test(name) ? "invalid_proof" : "use_fresh_nonce";
    expect(forged.code, path).toBe(expected);
    for (const secret of secrets) expect(bare.body + forged.body).not.toContain(secret);
  }
  // The thief can bind no key either: neither with the token, nor with the token for the sign origin's cookie.
  const bind = JSON.stringify(await thief.statement(await thief.challenge()));
  for (const stolen of [cookie, cookie.replace("__Host-pan=", "__Host-pan-sign="), cookie.replace("__Host-pan=", `__Host-pan-sign=${thief.handle}.`)]) {
    expect((await send(house, { path: "/bind", headers: [...fromSign(house), ["cookie", stolen]], body: bind })).code).toBe("invalid_session");
  }

  // In a browser of the thief's, with the application itself.
  const theirs = await browser.newContext();
  const [name, value] = cookie.split("=") as [string, string];
  await theirs.addCookies([{ name, value, domain: "pan.localhost", path: "/", secure: true, httpOnly: true, sameSite: "Lax" }]);
  const tab = await theirs.newPage();
  await tab.goto(`${house.app}/account`);
  await expect(tab.getByRole("alert")).toContainText("no longer has the key");
  const seen = await tab.content();
  for (const secret of secrets) expect(seen).not.toContain(secret);
  for (const path of ["/sessions", "/activity"]) {
    await tab.goto(house.app + path);
    await expect(tab.getByRole("alert")).toContainText("no longer has the key");
  }
  // There is not even a button for it.
  await expect(tab.getByRole("button", { name: "Sign out" })).toHaveCount(0);
  await theirs.close();

  // The owner works on as before.
  await page.reload();
  await account.renamed("Unharmed");
});

test("attack 2: page script cannot read the token, and the handle alone is worth nothing", async ({ account, house, page }) => {
  const value = await token(page);
  expect(value).toHaveLength(43);
  const readable = await page.evaluate(async () => {
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify(store));
    const html = document.documentElement.outerHTML;
    const shown = await fetch("/account").then(async (reply) => (await reply.text()) + JSON.stringify([...reply.headers]));
    const listed = "cookieStore" in window ? JSON.stringify(await (window as never as { cookieStore: { getAll(): Promise<object> } }).cookieStore.getAll()) : "";
    return [document.cookie, ...stores, html, shown, listed, window.name].join("\n");
  });
  expect(readable).not.toContain(value);
  expect(readable).not.toContain("__Host-pan");

  // With the handle, which script may know, and everything else of a good request but the cookie.
  const caught = await catchNext(page, "/api/account", () => page.reload());
  const without = caught.headers.filter(([name]) => name !== "cookie");
  expect((await send(house, { ...caught, headers: without })).code).toBe("invalid_session");
  const planted: Headers = [...without, ["cookie", `__Host-pan=${handleOf(value)}`]];
  expect((await send(house, { ...caught, headers: planted })).status).toBeGreaterThanOrEqual(400);
  // The positive control: with the cookie it passes, so nothing of it was wrong or spent.
  const reply = await send(house, caught);
  expect(reply.status, reply.body).toBe(200);
  expect(reply.body).toContain(account.user);
});
