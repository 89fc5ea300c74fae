import { Client, fromSign, keyPress, type Signed } from "../support/client.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { numbers } from "../support/random.ts";
import { expect, test } from "../support/test.ts";

const CODES = ["invalid_session", "invalid_proof", "use_fresh_nonce", "step_up_required", "rate_limited", "forbidden_origin", "malformed"];

/** Sends a signed body that is refused, and shows that this has cost nothing: the nonce that it named is still good. */
async function expectRefusedFree(client: Client, action: string, bodies: Record<string, string>): Promise<void> {
  const nonce = await client.nonce();
  for (const [what, body] of Object.entries(bodies)) {
    const reply = await send(client.house, await client.sign({ path: `/api/${action}`, body, proof: keyPress(action), nonce }));
    expect([reply.status, reply.code], `${what}: ${reply.body}`).toEqual([400, "malformed"]);
  }
  expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
}

test("attack 19: a body of 10 MB is refused before it has come, and nothing is spent", async ({ client, house }) => {
  const [nonce = ""] = client.nonces;
  const body = JSON.stringify({ name: "x".repeat(10_000_000) });
  const signed = await client.sign({ path: "/api/display_name", body, proof: keyPress("display_name"), nonce });
  for (const sent of [signed, { path: "/sign-in", headers: fromSign(house), body }]) {
    // One byte more than may come is sent, and the rest never: the answer does not wait for it.
    const reply = await send(house, { ...sent, body: body.slice(0, 64 * 1024 + 1), announced: body.length });
    expect([reply.status, reply.code], sent.path).toEqual([413, "malformed"]);
  }
  expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
});

/** JSON of so many levels. */
function nested(levels: number): Record<string, string> {
  const lists = "[".repeat(levels) + "]".repeat(levels);
  const objects = '{"a":'.repeat(levels / 3) + "1" + "}".repeat(levels / 3);
  return {
    lists,
    objects,
    "lists that do not end": "[".repeat(2 * levels),
    "lists where a name should be": `{"name":${lists}}`,
    "lists where a password should be": `{"user":"nobody-at-all","password":${lists}}`,
    "lists in a member too many": `{"user":"nobody-at-all","password":"wrong","more":${lists}}`,
  };
}

test("attack 19: JSON of many thousand levels is refused, signed or not, and nothing is spent", async ({ client, house }) => {
  await expectRefusedFree(client, "display_name", nested(30_000));
  // At sign-in less may come.
  for (const [what, body] of Object.entries(nested(3_900))) {
    const reply = await send(house, { path: "/sign-in", headers: fromSign(house), body });
    expect([reply.status, reply.code], what).toEqual([400, "malformed"]);
    expect(reply.headers["set-cookie"], what).toBeUndefined();
  }
  await client.stillActs();
});

test("attack 19: bodies that are not quite JSON, or not quite the action, are refused, and nothing is spent", async ({ client }) => {
  await expectRefusedFree(client, "display_name", {
    NaN: '{"name":NaN}',
    "a member twice": '{"name":"a","name":"b"}',
    "a member too many": '{"name":"a","admin":true}',
    "white space": '{ "name": "a" }',
    "a lone surrogate": '{"name":"\\ud800"}',
  });
  const order = (amount: string) => `{"to":"somebody","amount":${amount},"note":""}`;
  await expectRefusedFree(client, "transfer", {
    NaN: order("NaN"),
    "a number out of range": order("1e999"),
    "a number below range": order("-1"),
    "a fraction": order("1.5"),
    "a member twice": '{"to":"somebody","to":"thief","amount":1,"note":""}',
    "another order": '{"amount":1,"to":"somebody","note":""}',
  });
});

/** Damages one place of a text. */
function damaged(text: string, below: (most: number) => number): string {
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

/** Somebody's good request that is to be damaged: signed just now, with that nonce. */
function fresh(client: Client, nonce: string): Promise<Signed> {
  return client.sign({ path: "/api/display_name", body: '{"name":"Damaged"}', proof: keyPress("display_name"), nonce });
}

/** Sends so many copies of good requests with one nonce, each damaged in one header or in its body. Gives what was answered. */
async function sendDamaged(client: Client, nonce: string, copies: number, random: () => number): Promise<Reply[]> {
  const below = (most: number) => Math.floor(random() * most);
  const replies: Reply[] = [];
  while (replies.length < copies) {
    // However busy the machine is: what is damaged would have passed.
    const good = await fresh(client, nonce);
    const batch = Array.from({ length: Math.min(50, copies - replies.length) }, () => {
      for (;;) {
        const which = below(good.headers.length + 1);
        const headers: Headers = good.headers.map(([name, value], at) => [name, at === which ? damaged(value, below) : value]);
        const body = which === good.headers.length ? damaged(good.body, below) : good.body;
        // What only has more white space around a value is the good request.
        const isDamaged = body !== good.body || headers.some(([, value], at) => value.trim() !== good.headers[at]?.[1]);
        if (isDamaged) return send(client.house, { ...good, headers, body });
      }
    });
    replies.push(...(await Promise.all(batch)));
  }
  return replies;
}

// A request that is well formed, names a live nonce of the owner's and is wrongly signed does spend that nonce: the store
// looks first, and the signature is verified by what it says. It takes the nonce, which the server tells to nobody but the
// owner's page. So the owner loses what was taken from them, and signs the next time with another.
test("attack 19: of ten thousand damaged requests none passes, none is a fault of the server's, and none costs a nonce that it does not name", async ({
  client,
}) => {
  test.setTimeout(180_000);
  const random = numbers(19);
  const kept = client.nonces.splice(0, 2);
  expect(kept).toHaveLength(2);
  const codes = new Set<string | undefined>();
  for (let round = 0; round < 20; round++) {
    const nonce = await client.nonce();
    const replies = await sendDamaged(client, nonce, 500, random);
    expect(replies.filter(({ status }) => status < 400 || status >= 500)).toEqual([]);
    for (const { code } of replies) codes.add(code);
    // Some were well formed and wrongly signed: the nonce that all of them named is gone.
    expect((await send(client.house, await fresh(client, nonce))).code).toBe("use_fresh_nonce");
  }
  expect(CODES).toEqual(expect.arrayContaining([...codes]));
  expect(codes.size).toBeGreaterThan(3);
  for (const nonce of kept) expect((await client.call({ path: "/api/account", nonce })).status).toBe(200);
  await client.stillActs();
});

test("attack 19: damaged requests do not fill the server's log", async ({ own }) => {
  await own.startStore();
  const server = await own.startServer();
  const client = await Client.registered(own.house);
  const before = server.lines();
  const random = numbers(2);
  for (let round = 0; round < 4; round++) await sendDamaged(client, await client.nonce(), 500, random);
  // The positive control: they were seen, and the owner is told of them.
  expect(await thefts(client)).toBeGreaterThan(100);
  expect(server.lines() - before, "lines").toBeLessThanOrEqual(100);
});

/** How often the owner is told that their cookie was presented without its key. */
async function thefts(client: Client): Promise<number> {
  const reply = await client.call({ path: "/api/sessions" });
  expect(reply.status, reply.body).toBe(200);
  const sessions = JSON.parse(reply.body) as { theft: [times: number, last: number] | null }[];
  return sessions.reduce((sum, { theft }) => sum + (theft?.[0] ?? 0), 0);
}

test("attack 22: a device whose clock is hours off, or is set in between, works; a signature from the future does not", async ({ bank, client, page }) => {
  for (const [at, hours] of [-5, 7].entries()) {
    await page.context().addInitScript((by) => {
      const now = Date.now;
      Date.now = () => now() + by;
    }, hours * 3_600_000 - (at ? -5 * 3_600_000 : 0));
    if (at) await page.reload();
    else await bank.appear(`clock-${Date.now().toString(36)}`);
    await bank.renamed(`Off by ${hours}`);
  }
  for (const seconds of [-3600, -10, 10, 3600]) {
    const created = Math.floor(Date.now() / 1000) + seconds;
    expect((await client.call({ path: "/api/account", created })).code, `${seconds} s`).toBe("use_fresh_nonce");
  }
  await client.stillActs();
});
