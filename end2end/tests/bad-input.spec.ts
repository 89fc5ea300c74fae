import { generateKeyPairSync } from "node:crypto";
import { exportJWK } from "jose";
import { AppPage, newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, type Reply, send, sendRawBytes } from "../support/http.ts";
import { Mouse } from "../support/input-device.ts";
import { keyPressProof } from "../support/interaction-proof.ts";
import { digestOf, NodeClient, signOriginHeaders } from "../support/node-client.ts";
import type { TestServer } from "../support/test-server.ts";

const CODES = ["invalid_session", "invalid_proof", "use_fresh_nonce", "nonce_used", "step_up_required", "rate_limited", "unavailable", "forbidden_origin", "malformed"];

/** Checks that the reply is a problem document with a public code and no other information. */
function expectRejected(reply: Reply, what: string): void {
  expect(CODES, `${what}: ${reply.status} ${reply.body}`).toContain(reply.code);
  expect(reply.status, what).toBeGreaterThanOrEqual(400);
  expect(reply.status, what).toBeLessThan(500);
  const members = Object.keys(JSON.parse(reply.body) as object);
  expect(members.filter((member) => !["type", "title", "status", "code", "retry_after"].includes(member)), what).toEqual([]);
  expect(reply.headers["pan-nonce"], what).toBeUndefined();
}

const without = (headers: Headers, name: string): Headers => headers.filter(([key]) => key !== name);
const replaced = (headers: Headers, name: string, value: string): Headers => headers.map(([key, old]) => [key, key === name ? value : old]);

/** Sends a malformed copy of a valid request, then the valid one. It passes, so the copy has spent no nonce. */
async function expectEachRejectedAtNoCost(client: NodeClient, malformations: Record<string, (good: Headers) => Headers>): Promise<void> {
  for (const [what, malform] of Object.entries(malformations)) {
    const good = await client.sign({ path: "/api/account" });
    expectRejected(await send(client.server, { ...good, headers: malform(good.headers) }), what);
    const reply = await client.send(good);
    expect(reply.status, `after ${what}: ${reply.body}`).toBe(200);
  }
}

const REQUIRED = ["origin", "content-type", "cookie", "content-digest", "x-session-id", "x-interaction-proof", "signature-input", "signature"];

test("attack 19: a missing header is rejected and spends no nonce", async ({ client }) => {
  await expectEachRejectedAtNoCost(client, Object.fromEntries(REQUIRED.map((name) => [`no ${name}`, (good: Headers) => without(good, name)])));
});

test("attack 19: a repeated header is rejected and spends no nonce", async ({ client }) => {
  const twice = (name: string) => (good: Headers) => [...good, ...good.filter(([key]) => key === name)];
  // Other sites' scripts may add cookies: see attack 26.
  const names = [...REQUIRED.filter((name) => name !== "cookie"), "sec-fetch-site"];
  await expectEachRejectedAtNoCost(client, Object.fromEntries(names.map((name) => [`${name} twice`, twice(name)])));
});

test("attack 26: other session cookies before and after the right one make no difference", async ({ client, server }) => {
  const other = await NodeClient.registered(server);
  const [, own] = client.cookie();
  const foreign = [other.cookie()[1], `__Host-pan=${"A".repeat(43)}`, "__Host-pan=x", "__Host-pan", "__host-pan=A", "name=Jos\u00e9", "\u00ff=\u00ff", "", "=", ";"];
  for (const cookie of foreign) {
    for (const value of [`${cookie}; ${own}`, `${own}; ${cookie}`, `${own};${cookie};${own}`]) {
      const signed = await client.sign({ path: "/api/account" });
      const reply = await send(server, { ...signed, headers: replaced(signed.headers, "cookie", value) });
      expect([reply.status, JSON.parse(reply.body)], value).toMatchObject([200, { user: client.name }]);
      client.nonces.push(...String(reply.headers["pan-nonce"] ?? "").split(", ").filter(Boolean));
    }
    // In place of the right cookie it names no session.
    const signed = await client.sign({ path: "/api/account" });
    const reply = await send(server, { ...signed, headers: replaced(signed.headers, "cookie", cookie) });
    expect(reply.code, cookie).toBe("invalid_session");
  }
  await client.expectStillWorks();
  await other.expectStillWorks();
});

test("attack 19: an oversized header is rejected and spends no nonce", async ({ client }) => {
  const long = (name: string) => (good: Headers) => good.map(([key, value]): [string, string] => [key, key === name ? value + "A".repeat(8_000) : value]);
  await expectEachRejectedAtNoCost(client, Object.fromEntries(REQUIRED.map((name) => [`${name} of 8 kB`, long(name)])));
});

test("attack 19: a mis-encoded header is rejected and spends no nonce", async ({ client }) => {
  const changed = (name: string, change: (value: string) => string) => (good: Headers) =>
    good.map(([key, value]): [string, string] => [key, key === name ? change(value) : value]);
  for (const name of REQUIRED) {
    await expectEachRejectedAtNoCost(client, {
      [`${name} empty`]: changed(name, () => ""),
      [`${name} with a byte over 0x7f`]: changed(name, (value) => `${value}\u00ff`),
      // The case of a media type means nothing (RFC 9110 §8.3.1).
      ...(name !== "content-type" && { [`${name} in another case`]: changed(name, (value) => value.replace(/[a-z]/g, (letter) => letter.toUpperCase())) }),
      [`${name} with a comma`]: changed(name, (value) => `${value}, ${value}`),
    });
  }
});

test("attack 19: malformed signatures, digests and proofs are rejected and spend no nonce", async ({ client }) => {
  const of = (headers: Headers, name: string) => headers.find(([key]) => key === name)?.[1] ?? "";
  const proof = (value: object | string) => (good: Headers) =>
    replaced(good, "x-interaction-proof", typeof value === "string" ? value : Buffer.from(JSON.stringify(value)).toString("base64url"));
  await expectEachRejectedAtNoCost(client, {
    "a DER signature": (good) => {
      const raw = Buffer.from(of(good, "signature").slice(5, -1), "base64");
      const integer = (bytes: Buffer) => Buffer.concat([Buffer.from([2, 33, 0]), bytes]);
      const inner = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
      const der = Buffer.concat([Buffer.from([0x30, inner.length]), inner]).toString("base64");
      return replaced(good, "signature", `pan=:${der}:`);
    },
    "a signature in base64url": (good) => replaced(good, "signature", of(good, "signature").replaceAll("+", "-").replaceAll("/", "_").replaceAll("=:", ":")),
    "a signature under another label": (good) => replaced(good, "signature", of(good, "signature").replace("pan", "sig1")),
    "another algorithm": (good) => replaced(good, "signature-input", of(good, "signature-input").replace("ecdsa-p256-sha256", "hmac-sha256")),
    "fewer components": (good) => replaced(good, "signature-input", of(good, "signature-input").replace(' "@query"', "")),
    "components in another order": (good) => replaced(good, "signature-input", of(good, "signature-input").replace('"@method" "@authority"', '"@authority" "@method"')),
    "an extra parameter": (good) => replaced(good, "signature-input", `${of(good, "signature-input")};expires=9999999999`),
    "created in the far future": (good) => replaced(good, "signature-input", of(good, "signature-input").replace(/created=\d+/, "created=999999999999999")),
    "a digest of another algorithm": (good) => replaced(good, "content-digest", of(good, "content-digest").replace("sha-256", "sha-512")),
    "a digest of another body": (good) => replaced(good, "content-digest", digestOf("[]")),
    "a proof that is not JSON": proof("AAAA"),
    "a proof that is padded": proof(`${Buffer.from("{}").toString("base64")}==`),
    "a proof with an unknown member": proof({ ...keyPressProof("account"), mood: "good" }),
    "a proof of a later version": proof({ ...keyPressProof("account"), v: 2 }),
    "a proof with fractions": proof({ ...keyPressProof("account"), hold: 1.5 }),
    "a proof over 4096 bytes": proof({ ...keyPressProof("account"), path: Array.from({ length: 100 }, () => [-1_000_000_000, -1_000_000_000, 1_000_000_000]) }),
    "a proof of 101 points": proof({ ...keyPressProof("account"), path: Array.from({ length: 101 }, () => [1, 1, 1]) }),
  });
});

test("attack 19: another content type is rejected and spends no nonce", async ({ client }) => {
  const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "application/json; charset=utf-16", "application/jsonp", "application/cbor"];
  await expectEachRejectedAtNoCost(client, Object.fromEntries(types.map((type) => [type, (good: Headers) => replaced(good, "content-type", type)])));
});

test("attack 15: another origin or site is rejected and spends no nonce", async ({ client, server }) => {
  const origins = ["null", "http://evil.example", server.sign, `${server.app}/`, server.app.replace("http:", "https:"), `${server.app}.evil.example`];
  await expectEachRejectedAtNoCost(client, {
    ...Object.fromEntries(origins.map((origin) => [origin, (good: Headers) => replaced(good, "origin", origin)])),
    ...Object.fromEntries(["same-site", "cross-site", "none", ""].map((site) => [`site ${site}`, (good: Headers) => replaced(good, "sec-fetch-site", site)])),
  });
});

test("attack 19: a body over 64 KiB, or 8 KiB at sign-in, is rejected, and one of that size is read", async ({ client, server }) => {
  const of = (size: number) => `{"name":"${"a".repeat(size - 11)}"}`;
  const sent = async (more: number) => {
    const signed = await client.sign({ path: "/api/display_name", body: of(64 * 1024 + more), proof: keyPressProof("display_name") });
    const replies = [await send(server, signed), await send(server, { path: "/sign-in", headers: signOriginHeaders(server), body: of(8 * 1024 + more) })];
    return replies.map(({ status, code }) => `${status} ${code}`);
  };
  expect(await sent(1)).toEqual(["413 malformed", "413 malformed"]);
  // A body of the largest size is read, and is neither a display name nor a sign-in.
  expect(await sent(0)).toEqual(["400 malformed", "400 malformed"]);
  await client.expectStillWorks();
});

test("attack 19: a body that is not the action's is rejected before the nonce is spent", async ({ client, server }) => {
  const nonce = client.nonces[0] ?? "";
  const bodies = [
    "", "null", "[]", '["a"]', "{}", '{"name":null}', '{"name":1}', '{"name":""}', '{"name":"a","name":"b"}', '{"name":"a","extra":1}', '{"name":"a"} ', '{"name":"a"}{}',
    '{"order":{"name":"a"}}', `{"name":"${"a".repeat(65)}"}`, "[".repeat(60_000), '{"name":NaN}', "\ufeff{}", '{"name":"\\ud800"}', '{"name":"a\u0000"}',
  ];
  for (const body of bodies) {
    const signed = await client.sign({ path: "/api/display_name", body, proof: keyPressProof("display_name"), nonce });
    expectRejected(await send(server, signed), JSON.stringify(body.slice(0, 60)));
  }
  const reply = await client.call({ path: "/api/display_name", body: '{"name":"Good"}', proof: keyPressProof("display_name"), nonce });
  expect(reply.status, reply.body).toBe(200);
});

test("attack 19: a body that is not UTF-8 is rejected", async ({ client, server }) => {
  const signed = await client.sign({ path: "/api/display_name", body: '{"name":"a"}', proof: keyPressProof("display_name") });
  expectRejected(await send(server, { ...signed, body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }), "not UTF-8");
  expect((await client.send(signed)).status).toBe(200);
});

test("attack 19: an unknown action is rejected and spends no nonce", async ({ client, server }) => {
  const nonce = client.nonces[0] ?? "";
  for (const path of ["/api/unheard_of", "/api/", "/api/account/", "/api//account", "/API/account", "/api/account%00", "/api/../api/account", "/api/%61ccount"]) {
    const signed = await client.sign({ path: "/api/account", nonce });
    const reply = await send(server, { ...signed, path });
    expect([reply.status, reply.code], path).toEqual([404, "malformed"]);
  }
  expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
});

test("attack 19: a server function rejects every method but POST", async ({ client, server }) => {
  const signed = await client.sign({ path: "/api/account" });
  for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) {
    const reply = await send(server, { ...signed, method, body: "" });
    expect(reply.status, method).toBeGreaterThanOrEqual(400);
    expect(reply.body, method).not.toContain(client.name);
  }
  expect((await client.send(signed)).status).toBe(200);
});

test("attack 10: a nonce works once, also for its owner", async ({ client }) => {
  const nonce = client.nonces[0] ?? "";
  expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
  const again = await client.call({ path: "/api/account", nonce });
  expectRejected(again, "the nonce again");
  expect(again.code).toBe("nonce_used");
  await client.expectStillWorks();
});

test("attack 19: invalid HTTP gets an HTTP error, and the server keeps running", async ({ client, server }) => {
  const head = `POST /api/account HTTP/1.1\r\nhost: ${new URL(server.app).host}\r\n`;
  for (const bytes of [
    "\0\0\0\0\r\n\r\n",
    "POST /api/account\r\n\r\n",
    `${head}content-length: -1\r\n\r\n`,
    `${head}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
    `${head}x-session-id: a\u0000b\r\ncontent-length: 0\r\n\r\n`,
    `${head}bad header: 1\r\n\r\n`,
    `${head}${"a: b\r\n".repeat(5_000)}\r\n`,
    `${head}host: evil.example\r\ncontent-length: 0\r\n\r\n`,
  ]) {
    const line = await sendRawBytes(server, Buffer.from(bytes, "latin1"));
    expect(line, JSON.stringify(bytes.slice(0, 90))).toMatch(/^HTTP\/1\.[01] 4\d\d |^$/);
  }
  await client.expectStillWorks();
});

test.describe("at bind", () => {
  /** A signed-in client that has a challenge and no bound frame key. */
  async function unboundClient(server: TestServer): Promise<{ client: NodeClient; challenge: string }> {
    const client = new NodeClient(server);
    await client.signInAndEnter("/register");
    return { client, challenge: await client.fetchChallenge() };
  }

  test("attack 19: bind accepts only P-256 keys and r‖s signatures", async ({ server }) => {
    const { client, challenge } = await unboundClient(server);
    const good = await client.bindStatement(challenge);
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const p384 = await exportJWK(publicKey);
    const zero = Buffer.alloc(32).toString("base64url");
    const changed: Record<string, unknown> = {
      "a private member": { ...good, jwk: { ...good.jwk, d: zero } },
      "a P-384 key": { ...good, jwk: { kty: p384.kty, crv: p384.crv, x: p384.x, y: p384.y } },
      "a P-384 key that says P-256": { ...good, jwk: { kty: "EC", crv: "P-256", x: p384.x, y: p384.y } },
      "a point off the curve": { ...good, jwk: { ...good.jwk, x: good.jwk.y, y: good.jwk.x } },
      "the point (0, 0)": { ...good, jwk: { ...good.jwk, x: zero, y: zero } },
      "an RSA key": { ...good, jwk: { kty: "RSA", n: "AQAB", e: "AQAB" } },
      "a symmetric key": { ...good, jwk: { kty: "oct", k: "AQAB" } },
      "a DER signature": await client.bindStatement(challenge, "der"),
      "another challenge": { ...good, challenge: zero },
      "no signature": { jwk: good.jwk, challenge },
      "an unknown member": { ...good, session: client.handle },
      "a list": [good.jwk, good.challenge, good.signature],
      nothing: null,
    };
    for (const [what, body] of Object.entries(changed)) expectRejected(await client.sendBind(body as object), what);
    expectRejected(await client.sendBind({ ...good, padding: "a".repeat(3_000) }), "3 kB");

    const reply = await client.bind();
    expect(reply.status, `none of these attempts has spent the sign-in: ${reply.body}`).toBe(200);
    await client.expectStillWorks();
  });

  test("attack 19: bind requires its cookie, origin and site", async ({ server }) => {
    const { client, challenge } = await unboundClient(server);
    const body = JSON.stringify(await client.bindStatement(challenge));
    const good = client.frameHeaders();
    const malformations: Record<string, Headers> = {
      "no cookie": without(good, "cookie"),
      "another cookie": replaced(good, "cookie", `__Host-pan-sign=${client.handle}.${Buffer.alloc(32).toString("base64url")}`),
      "half a cookie": replaced(good, "cookie", `__Host-pan-sign=${client.handle}`),
      "the session cookie for it": replaced(good, "cookie", `__Host-pan-sign=${client.cookies.get("__Host-pan") ?? ""}`),
      "the session cookie": replaced(good, "cookie", client.cookie()[1]),
      "no origin": without(good, "origin"),
      "the page's origin": replaced(good, "origin", server.app),
      "no site": without(good, "sec-fetch-site"),
      "same-site": replaced(good, "sec-fetch-site", "same-site"),
      "text/plain": replaced(good, "content-type", "text/plain"),
    };
    for (const [what, headers] of Object.entries(malformations)) {
      expectRejected(await send(server, { path: "/bind", headers, body: JSON.stringify(await client.bindStatement(await client.fetchChallenge())) }), what);
      // A challenge needs no session, only the right origin.
      const challenged = await send(server, { path: "/challenge", headers, body: "{}" });
      if (what.includes("cookie")) expect(challenged.status, what).toBe(200);
      else expectRejected(challenged, what);
    }
    expect((await send(server, { path: "/bind", headers: good, body })).status).toBe(200);
  });
});

test("attack 4: a session can do nothing before its frame key is bound", async ({ server }) => {
  const client = new NodeClient(server);
  await client.signInAndEnter("/register");
  for (const signingKey of ["frame", "confirmation"] as const) {
    const nonce = Buffer.alloc(16).toString("base64url");
    for (const [path, code] of [["/api/account", "use_fresh_nonce"], ["/api/nonces", "invalid_proof"]] as const) {
      const reply = await send(server, await client.sign({ path, nonce, signingKey }));
      expectRejected(reply, `${path} by the ${signingKey} key`);
      expect(reply.code, `${path} by the ${signingKey} key`).toBe(code);
    }
  }
  // The positive control: with a bound key it works.
  expect((await client.bind()).status).toBe(200);
  await client.expectStillWorks();
});

for (const hours of [3, -3]) {
  test(`attack 22: a device whose clock is ${hours} h off works, at every level`, async ({ page, server }) => {
    // In the page and in the frame, because the device's clock is wrong.
    await page.addInitScript((offset) => {
      const RealDate = Date;
      const now = () => RealDate.now() + offset;
      globalThis.Date = new Proxy(RealDate, {
        construct: (target, given) => Reflect.construct(target, given.length ? given : [now()]) as object,
        apply: () => new RealDate(now()).toString(),
        get: (target, name) => (name === "now" ? now : (Reflect.get(target, name) as unknown)),
      });
    }, hours * 3_600_000);
    const visitor = new AppPage(page, server.app, new Mouse(page));
    await visitor.registerQuickly(newUserName());
    const there = await page.evaluate(() => Date.now());
    expect(Math.abs(there - Date.now() - hours * 3_600_000)).toBeLessThan(60_000);
    await visitor.changeName("Out of time");
    await NodeClient.signedIn(server, visitor.user);
    await visitor.open("/sessions");
    await visitor.input.activate(visitor.button("End all other sessions"));
    await visitor.confirm("End them");
    await page.reload();
    await expect(page.getByRole("list", { name: "Sessions" }).getByRole("listitem")).toHaveCount(1);
  });
}
