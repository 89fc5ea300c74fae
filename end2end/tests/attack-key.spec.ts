import type { Frame, Page } from "@playwright/test";
import { generateKeyPairSync, sign } from "node:crypto";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { newName, PASSWORD } from "../support/bank.ts";
import { Client, from } from "../support/client.ts";
import { type Headers, send } from "../support/http.ts";
import type { House } from "../support/servers.ts";
import { expect, test } from "../support/test.ts";

function signingFrame(page: Page, house: House): Frame {
  const frame = page.frames().find((frame) => frame.url().startsWith(house.sign));
  if (!frame) throw new Error("there is no signing frame");
  return frame;
}

test("attack 3: page script cannot reach the key", async ({ account, house, page }) => {
  const reached = await page.evaluate(async () => {
    const attempt = async (work: () => unknown) => {
      try {
        return `reached: ${String(await work())}`;
      } catch (error) {
        return (error as Error).name;
      }
    };
    const element = document.querySelector<HTMLIFrameElement>("#pan-frame");
    const inner = element?.contentWindow as never as Window & typeof globalThis;
    return {
      document: await attempt(() => inner.document.body.innerHTML),
      contentDocument: element?.contentDocument === null,
      database: await attempt(() => inner.indexedDB.databases()),
      crypto: await attempt(() => inner.crypto.subtle),
      global: await attempt(() => (inner as never as Record<string, unknown>)["wasm_bindgen"]),
      own: (await indexedDB.databases()).map(({ name }) => name),
    };
  });
  expect(reached).toEqual({
    document: "SecurityError",
    contentDocument: true,
    database: "SecurityError",
    crypto: "SecurityError",
    global: "SecurityError",
    own: [],
  });

  // Even script that ran inside the frame could use the key, but not take it away.
  const inside = await signingFrame(page, house).evaluate(async () => {
    const opened = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("pan");
      request.onsuccess = () => resolve(request.result);
      request.onerror = reject;
    });
    const keys: CryptoKey[] = [];
    for (const name of opened.objectStoreNames) {
      const records = await new Promise<object[]>((resolve) => {
        const request = opened.transaction(name).objectStore(name).getAll();
        request.onsuccess = () => resolve(request.result as object[]);
      });
      keys.push(...records.flatMap((record) => Object.values(record)).filter((value) => value instanceof CryptoKey));
    }
    const exported = [];
    for (const format of ["jwk", "pkcs8", "raw"] as const) {
      for (const key of keys) exported.push(await crypto.subtle.exportKey(format as "jwk", key).then(String, (error: Error) => error.name));
    }
    const signature = keys[0] && (await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys[0], new Uint8Array(1)));
    return { keys: keys.length, extractable: keys.some((key) => key.extractable), exported, signs: signature?.byteLength };
  });
  expect(inside.keys).toBeGreaterThan(0);
  expect(inside.extractable).toBe(false);
  for (const result of inside.exported) expect(["InvalidAccessError", "NotSupportedError"]).toContain(result);
  // The positive control: what was found is the key.
  expect(inside.signs).toBe(64);
  await account.renamed("Still mine");
});

/** The body of a bind with a key of the attacker's. */
async function bindOfOwnKey(house: House, challenge: string): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { kty, crv, x, y } = await exportJWK(publicKey);
  const text = ["pan-bind/1", new URL(house.sign).host, challenge, await calculateJwkThumbprint({ kty, crv, x, y } as never)].join("\n");
  const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64");
  return JSON.stringify({ jwk: { kty, crv, x, y }, challenge, signature: `pan=:${signature}:` });
}

/** What script in the page can try against the sign origin. Gives what it could read. */
async function attackFromPage(page: Page, house: House, path: string, body: string): Promise<string[]> {
  return page.evaluate(
    async ({ url, body }) => {
      const json = { "content-type": "application/json" };
      const tries: RequestInit[] = [
        { method: "POST", body, credentials: "include", headers: json },
        { method: "POST", body, credentials: "include", mode: "no-cors", headers: { "content-type": "text/plain" } },
        { method: "GET", credentials: "include", mode: "no-cors" },
      ];
      const read = await Promise.all(tries.map((init) => fetch(url, init).then((reply) => reply.text()).catch(() => "")));
      navigator.sendBeacon(url, new Blob([body], { type: "application/json" }));
      const form = Object.assign(document.createElement("form"), { method: "post", action: url, enctype: "text/plain", target: "pan-frame" });
      form.append(Object.assign(document.createElement("input"), { name: body }));
      document.body.append(form);
      form.submit();
      form.remove();
      return read.filter((text) => text !== "");
    },
    { url: house.sign + path, body },
  );
}

test("attack 4: page script cannot enrol a key of its own, not even at the moment of sign-in", async ({ bank, house, page, context }) => {
  // The frame's own binding is held up, so that the attacker is first.
  let release: () => void = () => {};
  const attacked = new Promise<void>((done) => (release = done));
  let atBind = false;
  await page.route(`${house.sign}/challenge`, async (route) => {
    if (route.request().headers()["origin"] !== house.sign) return route.continue();
    atBind = true;
    await attacked;
    await route.continue();
  });
  await bank.open("/register");
  const name = newName();
  await bank.hand.write(page.getByLabel("User name"), name);
  await bank.hand.write(page.getByLabel("Password"), PASSWORD);
  await bank.hand.press(bank.button("Register"));
  await expect.poll(() => atBind).toBe(true);

  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(await attackFromPage(page, house, "/challenge", "")).toEqual([]);
  const guessed = Buffer.alloc(32, 7).toString("base64url");
  expect(await attackFromPage(page, house, "/bind", await bindOfOwnKey(house, guessed))).toEqual([]);

  // What the server answers where a browser would not even ask: the cookie is right, the origin is the page's.
  const bind = (await context.cookies(house.sign)).find((cookie) => cookie.name === "pan-bind");
  expect(bind?.httpOnly).toBe(true);
  const cookie: Headers = [["cookie", `pan-bind=${bind?.value ?? ""}`]];
  const host: Headers = [["host", new URL(house.sign).host]];
  const bodies = { "/challenge": "", "/bind": await bindOfOwnKey(house, guessed) };
  for (const [path, body] of Object.entries(bodies)) {
    const fromPage = await send(house, { path, headers: [...host, ...from(house.app), ...cookie], body });
    expect(fromPage.code, path).toBe("forbidden_origin");
    const sameSite = from(house.sign).map(([key, value]): [string, string] => [key, key === "sec-fetch-site" ? "same-site" : value]);
    expect((await send(house, { path, headers: [...host, ...sameSite, ...cookie], body })).code, path).toBe("forbidden_origin");
  }

  // The forms have opened windows of their own, and the page lies behind them.
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.bringToFront();

  // The frame goes on, and what is bound is its key.
  const bound = page.waitForRequest(`${house.sign}/bind`);
  release();
  const request = await bound;
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  await bank.renamed("Mine");

  // Replaying the bind that was caught on the wire, and binding once more with the spent cookie.
  const headers: Headers = [...host, ...from(house.sign), ...cookie];
  expect((await send(house, { path: "/bind", headers, body: request.postData() ?? "" })).code).toBe("invalid_session");
  expect((await send(house, { path: "/challenge", headers })).code).toBe("invalid_session");
  const { challenge } = JSON.parse(request.postData() ?? "{}") as { challenge: string };
  expect((await send(house, { path: "/bind", headers, body: await bindOfOwnKey(house, challenge) })).code).toBe("invalid_session");
  await bank.renamed("Still mine");
});

test("attack 4: of many binds at once one wins, and a bind is good for its own session only", async ({ house }) => {
  const client = new Client(house);
  await client.enter("/api/register");
  const statement = await client.statement(await client.challenge());
  const replies = await Promise.all(Array.from({ length: 50 }, () => client.sendBind(statement)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code))).toEqual(new Set(["invalid_session"]));

  const other = new Client(house);
  await other.enter("/api/register");
  expect((await other.sendBind(statement)).code).toBe("invalid_session");
  // The positive control: what was bound works, and the other's own key can still be bound.
  client.nonces = (JSON.parse(replies.find(({ status }) => status === 200)?.body ?? "{}") as { nonces: string[] }).nonces;
  await client.stillActs();
  expect((await other.bind()).status).toBe(200);
  await other.stillActs();
});
