import { Client, confirmation, fromSign, handleOf } from "../support/client.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { token } from "../support/injected.ts";
import type { House } from "../support/servers.ts";
import { houses } from "../support/setup.ts";
import { expect, test } from "../support/test.ts";
import { newName, PASSWORD } from "../support/bank.ts";

test("attack 14: a cookie that was planted before the sign-in is worth nothing after it", async ({ bank, house, page }) => {
  const attacker = await Client.registered(house);
  const planted = attacker.cookies.get("__Host-pan") ?? "";
  const cookie = { name: "__Host-pan", value: planted, domain: "pan.localhost", path: "/", secure: true, httpOnly: true, sameSite: "Lax" as const };
  await page.context().addCookies([cookie]);
  await bank.appear(newName());
  const own = await token(page);
  expect(own).not.toBe(planted);
  // The attacker has what they had: their own session, and nothing of the victim's.
  const read = await attacker.call({ path: "/api/account" });
  expect(read.body).toContain(attacker.name);
  expect(read.body).not.toContain(bank.user);
  await bank.renamed("The victim");

  // With the attacker's cookie back in the browser the frame has no key for it: nothing is done in their name either.
  await page.context().addCookies([cookie]);
  await page.reload();
  await expect(bank.alert.first()).toContainText("no longer has the key");
  expect((await attacker.call({ path: "/api/account" })).body).not.toContain("The victim");
  // A browser takes no such cookie from a neighbour, nor for a part of the site.
  for (const bent of [{ ...cookie, domain: ".pan.localhost" }, { ...cookie, path: "/account" }, { ...cookie, secure: false }]) {
    await expect(page.context().addCookies([bent])).rejects.toThrow(/[Ii]nvalid/);
  }
});

/** Tries a password. */
async function guess(house: House, user: string, password: string, more: Headers = []): Promise<Reply> {
  return send(house, await new Client(house, user).credentials("/sign-in", password, more));
}

test("attack 17: guessing passwords is limited, and tells nothing about which accounts there are", async ({ own }) => {
  const house = own.house;
  const limits = { PAN_LIMITS_SIGN_INS_PER_MINUTE_AND_ACCOUNT: "5", PAN_LIMITS_SIGN_INS_PER_MINUTE_AND_ADDRESS: "1000" };
  await own.startStore();
  await own.startServer(limits);
  const known = (await Client.registered(house)).name;
  const told: string[][] = [];
  for (const user of [known, newName()]) {
    const replies: Reply[] = [];
    for (let times = 0; times < 7; times++) replies.push(await guess(house, user, `wrong guess ${times}`));
    told.push(replies.map((reply) => `${reply.status} ${reply.body.replace(/\d+/, "N")}`));
    expect(replies.map((reply) => reply.status)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(Number(replies[6]?.headers["retry-after"])).toBeGreaterThan(0);
    expect(replies[6]?.headers["ratelimit-policy"]).toBe('"sign_ins";q=5;w=60');
    expect(replies[6]?.headers["ratelimit"]).toMatch(/^"sign_ins";r=0;t=\d+$/);
  }
  expect(told[0]).toEqual(told[1]);
  // Not even the right password, while it lasts.
  expect((await guess(house, known, PASSWORD)).status).toBe(429);
});

test("attack 17: an address is what the trusted proxies say, and no word of the client's", async ({ own }) => {
  const house = own.house;
  const limits = { PAN_LIMITS_SIGN_INS_PER_MINUTE_AND_ADDRESS: "3" };
  for (const trusted of ["0", "1"]) {
    const pan = await own.startServer({ ...limits, PAN_PROXIES_TRUSTED: trusted }, { redis: false });
    const forwarded = (list: string): Headers => [["x-forwarded-for", list]];
    const statuses = [];
    // The client invents another address each time; the proxy, where there is one, appends the real one.
    for (let times = 0; times < 5; times++) {
      statuses.push((await guess(house, newName(), "wrong guess", forwarded(`198.51.100.${times}, 203.0.113.7`))).status);
    }
    expect(statuses, `${trusted} trusted`).toEqual([401, 401, 401, 429, 429]);
    const other = await guess(house, newName(), "wrong guess", forwarded("203.0.113.8"));
    expect(other.status, `${trusted} trusted`).toBe(trusted === "1" ? 401 : 429);
    const silent = await send(house, { path: "/sign-in", headers: fromSign(house), body: "{}" });
    if (trusted === "1") expect(silent.status, "a proxy that says nothing").toBe(503);
    await pan.stop();
  }
});

test("attack 18: a session that was signed out or revoked is over at once, on every instance", async ({ house, store }) => {
  const instances = store === "redis" ? [house, houses().second] : [house];
  const first = await Client.registered(house);
  const others: Client[] = [];
  for (let times = 0; times < 2; times++) {
    const other = new Client(house, first.name);
    await other.enter("/sign-in");
    await other.bind();
    others.push(other);
  }
  const [revoked, signedOut] = others as [Client, Client];
  // With a good nonce and with an invented one, signed as late as can be.
  const nonces = [undefined, "AAAAAAAAAAAAAAAAAAAAAA"];
  const kept = await Promise.all(others.map((other) => Promise.all(nonces.map((nonce) => other.sign({ path: "/api/account", ...(nonce && { nonce }) })))));
  const body = JSON.stringify({ session: handleOf(revoked.cookies.get("__Host-pan") ?? "") });
  expect((await first.call({ path: "/api/revoke", body, proof: confirmation("revoke") })).status).toBe(200);
  expect((await signedOut.call({ path: "/api/sign_out" })).status).toBe(200);
  for (const [at, requests] of kept.entries()) {
    for (const instance of instances) {
      for (const signed of requests) {
        const reply = await send(instance, signed);
        expect(reply.code, reply.body).toBe("invalid_session");
        expect((JSON.parse(reply.body) as { ended: string }).ended).toBe(at === 0 ? "revoked" : "signed_out");
      }
    }
  }
  await first.stillActs();
});
