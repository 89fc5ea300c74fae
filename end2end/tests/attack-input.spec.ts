import { keyPress } from "../support/client.ts";
import { type Headers, send } from "../support/http.ts";
import { expect, test } from "../support/test.ts";

const CODES = ["invalid_session", "invalid_proof", "use_fresh_nonce", "step_up_required", "rate_limited", "forbidden_origin", "malformed"];

test("attack 19: bodies that are huge, deep or not quite JSON are refused, and nothing is spent", async ({ client, house }) => {
  const bodies: Record<string, string> = {
    "10 MB": JSON.stringify({ name: "x".repeat(10_000_000) }),
    "100,000 levels": `{"name":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    NaN: '{"name":NaN}',
    "a number out of range": '{"to":"somebody","amount":1e999,"note":""}',
    "a fraction": '{"to":"somebody","amount":1.5,"note":""}',
    "a member twice": '{"name":"a","name":"b"}',
    "a member too many": '{"name":"a","admin":true}',
    "another order": '{"amount":1,"to":"somebody","note":""}',
    "white space": '{ "name": "a" }',
    "a lone surrogate": '{"name":"\\ud800"}',
  };
  for (const [what, body] of Object.entries(bodies)) {
    const action = body.includes("amount") ? "transfer" : "display_name";
    const signed = await client.sign({ path: `/api/${action}`, body, proof: keyPress(action) });
    const reply = await send(house, signed).catch((error: Error) => ({ status: 400, code: "malformed", body: String(error) }));
    expect(CODES, `${what}: ${reply.status} ${reply.body}`).toContain(reply.code);
    expect(reply.status, what).toBeLessThan(500);
  }
  await client.stillActs();
});

/** A generator that gives the same numbers each time (mulberry32). */
function numbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test("attack 19: of ten thousand damaged requests none passes, none is a fault of the server's, and nothing is spent", async ({ client, house }) => {
  test.setTimeout(180_000);
  const random = numbers(19);
  const below = (most: number) => Math.floor(random() * most);
  const damaged = (text: string): string => {
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
  };
  const good = await client.sign({ path: "/api/display_name", body: '{"name":"Damaged"}', proof: keyPress("display_name") });
  const codes = new Map<string, number>();
  for (let sent = 0; sent < 10_000; sent += 50) {
    const batch = Array.from({ length: 50 }, () => {
      const which = below(good.headers.length + 1);
      const headers: Headers = good.headers.map(([name, value], at) => [name, at === which ? damaged(value) : value]);
      const body = which === good.headers.length ? damaged(good.body) : good.body;
      const isDamaged = body !== good.body || headers.some(([, value], at) => value !== good.headers[at]?.[1]);
      // What is not damaged, and what only has white space more around a value, is the good request.
      const isOther = isDamaged && headers.some(([, value], at) => value.trim() !== good.headers[at]?.[1]) || body !== good.body;
      return isOther ? send(house, { ...good, headers, body }) : undefined;
    });
    for (const reply of await Promise.all(batch)) {
      if (!reply) continue;
      expect(reply.status, reply.body).toBeGreaterThanOrEqual(400);
      expect(reply.status, reply.body).toBeLessThan(500);
      codes.set(reply.code ?? "none", (codes.get(reply.code ?? "none") ?? 0) + 1);
    }
  }
  expect([...codes.keys()].filter((code) => !CODES.includes(code))).toEqual([]);
  expect(codes.size).toBeGreaterThan(3);
  // The one that they were made of was fresh for six seconds and is not any more; the owner has all else.
  await client.stillActs();
});

test("attack 22: a device whose clock is hours off, or is set in between, works; a signature from the future does not", async ({ bank, client, page }) => {
  for (const [at, hours] of [-5, 7].entries()) {
    await page.context().addInitScript((by) => {
      const now = Date.now;
      Date.now = () => now() + by;
    }, hours * 3_600_000 - (at ? -5 * 3_600_000 : 0));
    if (at) await page.reload();
    else await bank.register(`clock-${Date.now().toString(36)}`);
    await bank.renamed(`Off by ${hours}`);
  }
  for (const seconds of [-3600, -10, 10, 3600]) {
    const created = Math.floor(Date.now() / 1000) + seconds;
    expect((await client.call({ path: "/api/account", created })).code, `${seconds} s`).toBe("use_fresh_nonce");
  }
  await client.stillActs();
});
