import { newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { keyPressProof } from "../support/interaction-proof.ts";
import { NodeClient, type SignedRequest, signOriginHeaders } from "../support/node-client.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Every code of a rejected request, except `unavailable`. */
const CODES = ["invalid_session", "invalid_proof", "use_fresh_nonce", "nonce_used", "step_up_required", "rate_limited", "forbidden_origin", "malformed"];

/** Checks that each signed body is rejected and spends no nonce: all name the same nonce, which works afterwards. */
async function expectRejectedAtNoCost(client: NodeClient, action: string, bodies: Record<string, string>): Promise<void> {
  const nonce = await client.takeNonce();
  for (const [what, body] of Object.entries(bodies)) {
    const reply = await send(client.server, await client.sign({ path: `/api/${action}`, body, proof: keyPressProof(action), nonce }));
    expect([reply.status, reply.code], `${what}: ${reply.body}`).toEqual([400, "malformed"]);
  }
  expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
}

test("attack 19: a body of 10 MB is rejected before it arrives, and no nonce is spent", async ({ client, server }) => {
  const [nonce = ""] = client.nonces;
  const body = JSON.stringify({ name: "x".repeat(10_000_000) });
  const signed = await client.sign({ path: "/api/display_name", body, proof: keyPressProof("display_name"), nonce });
  for (const sent of [signed, { path: "/sign-in", headers: signOriginHeaders(server), body }]) {
    // One byte more than the limit is sent. The server replies without waiting for the rest.
    const reply = await send(server, { ...sent, body: body.slice(0, 64 * 1024 + 1), announcedLength: body.length });
    expect([reply.status, reply.code], sent.path).toEqual([413, "malformed"]);
  }
  expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
});

/** JSON with that many levels. */
function nested(levels: number): Record<string, string> {
  const lists = "[".repeat(levels) + "]".repeat(levels);
  const objects = '{"a":'.repeat(levels / 3) + "1" + "}".repeat(levels / 3);
  return {
    lists,
    objects,
    "lists that do not end": "[".repeat(2 * levels),
    "lists where a name should be": `{"name":${lists}}`,
    "lists where a password should be": `{"user":"unknown-user","password":${lists}}`,
    "lists in an extra member": `{"user":"unknown-user","password":"wrong","more":${lists}}`,
  };
}

test("attack 19: JSON with thousands of levels is rejected, signed or not, and no nonce is spent", async ({ client, server }) => {
  await expectRejectedAtNoCost(client, "display_name", nested(30_000));
  // The limit at sign-in is lower.
  for (const [what, body] of Object.entries(nested(3_900))) {
    const reply = await send(server, { path: "/sign-in", headers: signOriginHeaders(server), body });
    expect([reply.status, reply.code], what).toEqual([400, "malformed"]);
    expect(reply.headers["set-cookie"], what).toBeUndefined();
  }
  await client.expectStillWorks();
});

test("attack 19: bodies that are almost JSON or almost the action are rejected, and no nonce is spent", async ({ client }) => {
  await expectRejectedAtNoCost(client, "display_name", {
    NaN: '{"name":NaN}',
    "a member twice": '{"name":"a","name":"b"}',
    "an extra member": '{"name":"a","admin":true}',
    "white space": '{ "name": "a" }',
    "a lone surrogate": '{"name":"\\ud800"}',
  });
  // <demo>
  const transfer = (amount: string) => `{"to":"somebody","amount":${amount},"note":""}`;
  await expectRejectedAtNoCost(client, "transfer", {
    NaN: transfer("NaN"),
    "a number out of range": transfer("1e999"),
    "a number below range": transfer("-1"),
    "a fraction": transfer("1.5"),
    "a member twice": '{"to":"somebody","to":"thief","amount":1,"note":""}',
    "another member order": '{"amount":1,"to":"somebody","note":""}',
  });
  // </demo>
});

/** Damages a text in one place. */
function damage(text: string, below: (most: number) => number): string {
  const at = below(text.length + 1);
  const byte = String.fromCharCode(0x20 + below(0x5f));
  switch (below(5)) {
    case 0:
      return text.slice(0, at) + byte + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + below(8));
    case 2:
      return text.slice(0, at) + byte + text.slice(at + 1);
    case 3:
      return text + text.slice(at);
    default:
      return text.slice(0, at).trimEnd();
  }
}

/** A freshly signed valid request with that nonce. */
function freshRequest(client: NodeClient, nonce: string): Promise<SignedRequest> {
  return client.sign({ path: "/api/display_name", body: '{"name":"Damaged"}', proof: keyPressProof("display_name"), nonce });
}

/** Sends copies of valid requests with one nonce, each damaged in one header or in its body. Returns the replies. */
async function sendDamaged(client: NodeClient, nonce: string, copies: number, random: () => number): Promise<Reply[]> {
  const below = (most: number) => Math.floor(random() * most);
  const replies: Reply[] = [];
  while (replies.length < copies) {
    // A fresh signature for each batch, so that on a busy machine the undamaged request would still pass.
    const good = await freshRequest(client, nonce);
    const batch = Array.from({ length: Math.min(50, copies - replies.length) }, () => {
      for (;;) {
        const which = below(good.headers.length + 1);
        const headers: Headers = good.headers.map(([name, value], at) => [name, at === which ? damage(value, below) : value]);
        const body = which === good.headers.length ? damage(good.body, below) : good.body;
        // White space around a header value does not damage the request.
        const isDamaged = body !== good.body || headers.some(([, value], at) => value.trim() !== good.headers[at]?.[1]);
        if (isDamaged) return send(client.server, { ...good, headers, body });
      }
    });
    replies.push(...(await Promise.all(batch)));
  }
  return replies;
}

// A well-formed request with a wrong signature does spend the live nonce that it names, because the store is asked before the
// signature is verified. Only the owner's page knows that nonce, so an attacker must steal it first, and the owner's page
// signs with another one.
test("attack 19: ten thousand damaged requests are rejected without a server error, and spend only the nonces that they name", async ({
  client,
}) => {
  test.setTimeout(180_000);
  const random = seededRandom(19);
  const kept = client.nonces.splice(0, 2);
  expect(kept).toHaveLength(2);
  const codes = new Set<string | undefined>();
  for (let round = 0; round < 20; round++) {
    const nonce = await client.takeNonce();
    const replies = await sendDamaged(client, nonce, 500, random);
    expect(replies.filter(({ status }) => status < 400 || status >= 500)).toEqual([]);
    for (const { code } of replies) codes.add(code);
    // Some were well formed with a wrong signature, so the nonce that all of them name is spent.
    expect((await send(client.server, await freshRequest(client, nonce))).code).toBe("nonce_used");
  }
  expect(CODES).toEqual(expect.arrayContaining([...codes]));
  expect(codes.size).toBeGreaterThan(3);
  for (const nonce of kept) expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
  await client.expectStillWorks();
});

test("attack 19: damaged requests do not fill the server's log", async ({ isolated }) => {
  await isolated.startStore();
  const pan = await isolated.startServer();
  const client = await NodeClient.registered(isolated.server);
  const before = pan.lineCount();
  const random = seededRandom(2);
  for (let round = 0; round < 4; round++) await sendDamaged(client, await client.takeNonce(), 500, random);
  // The positive control: the server counted them, and the owner sees the count.
  expect(await countThefts(client)).toBeGreaterThan(100);
  expect(pan.lineCount() - before, "lines").toBeLessThanOrEqual(100);
});

/** How often the cookie was presented without its key, as the owner sees it. */
async function countThefts(client: NodeClient): Promise<number> {
  const reply = await client.call({ path: "/api/sessions" });
  expect(reply.status, reply.body).toBe(200);
  const sessions = JSON.parse(reply.body) as { theft: [times: number, last: number] | null }[];
  return sessions.reduce((sum, { theft }) => sum + (theft?.[0] ?? 0), 0);
}

test("attack 22: a device whose clock is hours off or changes works, and a signature from the future does not", async ({ visitor, client, page }) => {
  for (const [at, hours] of [-5, 7].entries()) {
    await page.context().addInitScript((by) => {
      const now = Date.now;
      Date.now = () => now() + by;
    }, hours * 3_600_000 - (at ? -5 * 3_600_000 : 0));
    if (at) await page.reload();
    else await visitor.registerQuickly(newUserName());
    await visitor.changeName(`Off by ${hours}`);
  }
  for (const seconds of [-3600, -10, 10, 3600]) {
    const created = Math.floor(Date.now() / 1000) + seconds;
    expect((await client.call({ path: "/api/account", created })).code, `${seconds} s`).toBe("use_fresh_nonce");
  }
  await client.expectStillWorks();
});
