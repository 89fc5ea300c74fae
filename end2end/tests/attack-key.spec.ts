import type { Frame, Page, Request } from "@playwright/test";
import { generateKeyPairSync, sign } from "node:crypto";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { newName } from "../support/bank.ts";
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
  expect(inside.keys, "the frame key and the confirmation key").toBe(2);
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

test("attack 4: page script cannot bind a key of its own, not even at the moment of sign-in", async ({ bank, house, page, context }) => {
  // The frame's own binding is held up, so that the attacker is first.
  let release: () => void = () => {};
  const attacked = new Promise<void>((done) => (release = done));
  let held: Request | undefined;
  await page.route(`${house.sign}/bind`, async (route) => {
    if (route.request().headers()["origin"] !== house.sign) return route.continue();
    held = route.request();
    await attacked;
    await route.continue();
  });
  const name = newName();
  await page.goto(`${house.sign}/register?return=/account`);
  await bank.fill(name);
  await expect.poll(() => held !== undefined, { timeout: 30_000 }).toBe(true);

  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(await attackFromPage(page, house, "/challenge", "{}")).toEqual([]);
  // A challenge belongs to no session: the attacker may have one.
  const challenge = await new Client(house).challenge();
  const body = await bindOfOwnKey(house, challenge);
  expect(await attackFromPage(page, house, "/bind", body)).toEqual([]);

  // What the server answers where a browser would not even ask: the cookie is right, the origin is the page's.
  const [sign] = (await context.cookies(house.sign)).filter((cookie) => cookie.name === "__Host-pan-sign");
  expect(sign).toMatchObject({ httpOnly: true, sameSite: "Strict", secure: true, domain: "sign.pan.localhost" });
  const cookie: Headers = [["cookie", `__Host-pan-sign=${sign?.value ?? ""}`]];
  const host: Headers = [["host", new URL(house.sign).host]];
  const sameSite = from(house.sign).map(([key, value]): [string, string] => [key, key === "sec-fetch-site" ? "same-site" : value]);
  for (const [path, sent] of [["/challenge", "{}"], ["/bind", body]] as const) {
    for (const source of [from(house.app), sameSite]) {
      expect((await send(house, { path, headers: [...host, ...source, ...cookie], body: sent })).code, path).toBe("forbidden_origin");
    }
  }
  // With the session's token in place of that cookie.
  const token: Headers = [["cookie", `__Host-pan-sign=${(await context.cookies(house.app)).find(({ name }) => name === "__Host-pan")?.value ?? ""}`]];
  expect((await send(house, { path: "/bind", headers: [...host, ...from(house.sign), ...token], body })).code).toBe("invalid_session");

  // The forms have opened windows of their own, and the page lies behind them.
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.bringToFront();

  // The frame goes on, and what is bound is its key.
  release();
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  await bank.renamed("Mine");

  // An attacker who has even that cookie can replay nothing and replace no key: theirs waits for the confirmation key.
  const headers: Headers = [...host, ...from(house.sign), ...cookie];
  expect((await send(house, { path: "/bind", headers, body: held?.postData() ?? "" })).code).toBe("use_fresh_nonce");
  const pending = await send(house, { path: "/bind", headers, body });
  expect(JSON.parse(pending.body)).toMatchObject({ pending: true, nonces: [] });
  await bank.renamed("Still mine");
});

test("attack 4: of many binds at once one wins, and a bind is good for its own session only", async ({ house }) => {
  const client = new Client(house);
  await client.enter("/register");
  const statement = await client.statement(await client.challenge());
  const replies = await Promise.all(Array.from({ length: 50 }, () => client.sendBind(statement)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code))).toEqual(new Set(["use_fresh_nonce"]));

  const other = new Client(house);
  await other.enter("/register");
  expect((await other.sendBind(statement)).code, "the challenge is spent").toBe("use_fresh_nonce");
  // Of many keys at once the first is bound, and the others wait: no two can sign.
  const rivals = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const rival = new Client(house);
      rival.cookies = other.cookies;
      return { rival, bound: JSON.parse((await rival.sendBind(await rival.statement(await rival.challenge()))).body) as { pending: boolean; nonces: string[] } };
    }),
  );
  const winners = rivals.filter(({ bound }) => !bound.pending);
  expect(winners).toHaveLength(1);
  for (const { rival, bound } of rivals) {
    rival.handle = other.handle;
    rival.nonces = [winners[0]?.bound.nonces.pop() ?? ""];
    const reply = await rival.call({ path: "/api/account" });
    expect(reply.code, reply.body).toBe(bound.pending ? "invalid_proof" : undefined);
  }
  // The positive control: what was bound works.
  client.nonces = (JSON.parse(replies.find(({ status }) => status === 200)?.body ?? "{}") as { nonces: string[] }).nonces;
  await client.stillActs();
});
