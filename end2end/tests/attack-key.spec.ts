import type { Page, Request } from "@playwright/test";
import { newUserName } from "../support/app-page.ts";
import { signingFrame } from "../support/browser-storage.ts";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, send } from "../support/http.ts";
import { KeyPair } from "../support/key-pair.ts";
import { NodeClient, originHeaders } from "../support/node-client.ts";
import type { TestServer } from "../support/test-server.ts";

test("attack 3: page script cannot reach the key", async ({ account, server, page }) => {
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

  // Even script inside the frame could use the key but not export it.
  const inside = await signingFrame(page, server).evaluate(async () => {
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
  // The positive control: the key that was found can sign.
  expect(inside.signs).toBe(64);
  await account.changeName("Still mine");
});

/** The body of `/bind` with the attacker's own key. */
async function bindOfOwnKey(server: TestServer, challenge: string): Promise<string> {
  const key = new KeyPair();
  const signature = key.sign(["pan-bind/1", new URL(server.sign).host, challenge, await key.thumbprint()]);
  return JSON.stringify({ jwk: await key.jwk(), challenge, signature });
}

/** Sends requests to the sign origin in all ways that page script has. Returns the responses that it could read. */
async function attackFromPage(page: Page, server: TestServer, path: string, body: string): Promise<string[]> {
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
    { url: server.sign + path, body },
  );
}

test("attack 4: page script cannot bind its own key, not even during sign-in", async ({ visitor, server, page, context }) => {
  // The frame's own bind request is delayed, so that the attacker is first.
  let release: () => void = () => {};
  const attacked = new Promise<void>((done) => (release = done));
  let held: Request | undefined;
  await page.route(`${server.sign}/bind`, async (route) => {
    if (route.request().headers()["origin"] !== server.sign) return route.continue();
    held = route.request();
    await attacked;
    await route.continue();
  });
  const name = newUserName();
  await page.goto(`${server.sign}/register?return=/account`);
  await visitor.submitFormQuickly(name);
  await expect.poll(() => held !== undefined, { timeout: 30_000 }).toBe(true);

  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(await attackFromPage(page, server, "/challenge", "{}")).toEqual([]);
  // A challenge belongs to no session, so the attacker can have one.
  const challenge = await new NodeClient(server).fetchChallenge();
  const body = await bindOfOwnKey(server, challenge);
  expect(await attackFromPage(page, server, "/bind", body)).toEqual([]);

  // Requests that a browser would not send: with the right cookie, from the page's origin.
  const [sign] = (await context.cookies(server.sign)).filter((cookie) => cookie.name === "__Host-pan-sign");
  expect(sign).toMatchObject({ httpOnly: true, sameSite: "Strict", secure: true, domain: "sign.pan.localhost" });
  const cookie: Headers = [["cookie", `__Host-pan-sign=${sign?.value ?? ""}`]];
  const host: Headers = [["host", new URL(server.sign).host]];
  const sameSite = originHeaders(server.sign).map(([key, value]): [string, string] => [key, key === "sec-fetch-site" ? "same-site" : value]);
  for (const [path, sent] of [["/challenge", "{}"], ["/bind", body]] as const) {
    for (const source of [originHeaders(server.app), sameSite]) {
      expect((await send(server, { path, headers: [...host, ...source, ...cookie], body: sent })).code, path).toBe("forbidden_origin");
    }
  }
  // With the session token in place of that cookie.
  const token: Headers = [["cookie", `__Host-pan-sign=${(await context.cookies(server.app)).find(({ name }) => name === "__Host-pan")?.value ?? ""}`]];
  expect((await send(server, { path: "/bind", headers: [...host, ...originHeaders(server.sign), ...token], body })).code).toBe("invalid_session");

  // The forms have opened windows in front of the page.
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.bringToFront();

  // The frame's request continues and binds the frame's key.
  release();
  await visitor.expectLoaded();
  await visitor.changeName("Mine");

  // With that cookie, an attacker still cannot replay the bind or replace the key: a new key waits for the confirmation key.
  const headers: Headers = [...host, ...originHeaders(server.sign), ...cookie];
  expect((await send(server, { path: "/bind", headers, body: held?.postData() ?? "" })).code).toBe("use_fresh_nonce");
  const pending = await send(server, { path: "/bind", headers, body });
  expect(JSON.parse(pending.body)).toMatchObject({ pending: true, nonces: [] });
  await visitor.changeName("Still mine");
});

test("attack 4: one of many concurrent binds wins, and a bind works only for its session", async ({ server }) => {
  const client = new NodeClient(server);
  await client.signInAndEnter("/register");
  const statement = await client.bindStatement(await client.fetchChallenge());
  const replies = await Promise.all(Array.from({ length: 50 }, () => client.sendBind(statement)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code))).toEqual(new Set(["use_fresh_nonce"]));

  const other = new NodeClient(server);
  await other.signInAndEnter("/register");
  expect((await other.sendBind(statement)).code, "the challenge is spent").toBe("use_fresh_nonce");
  // Of many concurrent keys the first is bound and the others wait: only one can sign.
  const rivals = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const rival = new NodeClient(server);
      rival.cookies = other.cookies;
      return { rival, bound: JSON.parse((await rival.sendBind(await rival.bindStatement(await rival.fetchChallenge()))).body) as { pending: boolean; nonces: string[] } };
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
  // The positive control: the bound key works.
  client.nonces = (JSON.parse(replies.find(({ status }) => status === 200)?.body ?? "{}") as { nonces: string[] }).nonces;
  await client.expectStillWorks();
});
