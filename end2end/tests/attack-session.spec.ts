import { newUserName, PASSWORD } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { sharedServers } from "../support/global-setup.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { confirmationProof } from "../support/interaction-proof.ts";
import { NodeClient, signOriginHeaders } from "../support/node-client.ts";
import { handleOf, sessionToken } from "../support/session-token.ts";
import type { TestServer } from "../support/test-server.ts";

test("attack 14: a cookie planted before the sign-in is useless after it", async ({ visitor, server, page }) => {
  const attacker = await NodeClient.registered(server);
  const planted = attacker.cookies.get("__Host-pan") ?? "";
  const cookie = { name: "__Host-pan", value: planted, domain: "pan.localhost", path: "/", secure: true, httpOnly: true, sameSite: "Lax" as const };
  await page.context().addCookies([cookie]);
  await visitor.registerQuickly(newUserName());
  const token = await sessionToken(page);
  expect(token).not.toBe(planted);
  // The attacker still has only their own session.
  const read = await attacker.call({ path: "/api/account" });
  expect(read.body).toContain(attacker.name);
  expect(read.body).not.toContain(visitor.user);
  await visitor.changeName("The victim");

  // With the attacker's cookie back in the browser, the frame has no key for it and signs nothing.
  await page.context().addCookies([cookie]);
  await page.reload();
  await expect(visitor.alert.first()).toContainText("no longer has the key");
  expect((await attacker.call({ path: "/api/account" })).body).not.toContain("The victim");
  // A browser rejects such a cookie from a sibling host, for a path, and without `Secure`.
  for (const variant of [{ ...cookie, domain: ".pan.localhost" }, { ...cookie, path: "/account" }, { ...cookie, secure: false }]) {
    await expect(page.context().addCookies([variant])).rejects.toThrow(/[Ii]nvalid/);
  }
});

/** Attempts to sign in with a password. */
async function guessPassword(server: TestServer, user: string, password: string, more: Headers = []): Promise<Reply> {
  return send(server, await new NodeClient(server, user).signInRequest("/sign-in", password, more));
}

test("attack 17: guessing passwords is limited, and does not reveal which accounts exist", async ({ isolated }) => {
  const { server } = isolated;
  const limits = { PAN_LIMITS_SIGN_INS_PER_MINUTE_AND_ACCOUNT: "5", PAN_LIMITS_SIGN_INS_PER_MINUTE_AND_ADDRESS: "1000" };
  await isolated.startStore();
  await isolated.startServer(limits);
  const known = (await NodeClient.registered(server)).name;
  const outcomes: string[][] = [];
  for (const user of [known, newUserName()]) {
    const replies: Reply[] = [];
    for (let times = 0; times < 7; times++) replies.push(await guessPassword(server, user, `wrong guess ${times}`));
    // The seconds until the next attempt may differ by one.
    outcomes.push(replies.map((reply) => `${reply.status} ${reply.body.replace(/"retry_after":\d+/, '"retry_after":N')}`));
    expect(replies.map((reply) => reply.status)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(Number(replies[6]?.headers["retry-after"])).toBeGreaterThan(0);
    expect(replies[6]?.headers["ratelimit-policy"]).toBe('"sign_ins";q=5;w=60');
    expect(replies[6]?.headers["ratelimit"]).toMatch(/^"sign_ins";r=0;t=\d+$/);
  }
  expect(outcomes[0]).toEqual(outcomes[1]);
  // While the limit lasts, the right password is rejected too.
  expect((await guessPassword(server, known, PASSWORD)).status).toBe(429);
});

test("attack 17: the client IP is what the trusted proxies report, not the client", async ({ isolated }) => {
  const { server } = isolated;
  const limits = { PAN_LIMITS_SIGN_INS_PER_MINUTE_AND_ADDRESS: "3" };
  for (const trusted of ["0", "1"]) {
    const pan = await isolated.startServer({ ...limits, PAN_PROXIES_TRUSTED: trusted }, { redis: false });
    const forwarded = (list: string): Headers => [["x-forwarded-for", list]];
    const statuses = [];
    // The client sends another forged address each time. A trusted proxy appends the real one.
    for (let times = 0; times < 5; times++) {
      statuses.push((await guessPassword(server, newUserName(), "wrong guess", forwarded(`198.51.100.${times}, 203.0.113.7`))).status);
    }
    expect(statuses, `${trusted} trusted`).toEqual([401, 401, 401, 429, 429]);
    const other = await guessPassword(server, newUserName(), "wrong guess", forwarded("203.0.113.8"));
    expect(other.status, `${trusted} trusted`).toBe(trusted === "1" ? 401 : 429);
    const silent = await send(server, { path: "/sign-in", headers: signOriginHeaders(server), body: "{}" });
    if (trusted === "1") expect(silent.status, "a proxy that says nothing").toBe(503);
    await pan.stop();
  }
});

test("attack 18: a signed-out or revoked session ends at once on every instance", { tag: "@memory" }, async ({ server, store }) => {
  const instances = store === "redis" ? [server, sharedServers().second] : [server];
  const first = await NodeClient.registered(server);
  const others: NodeClient[] = [];
  for (let times = 0; times < 2; times++) {
    others.push(await NodeClient.signedIn(server, first.name));
  }
  const [revoked, signedOut] = others as [NodeClient, NodeClient];
  // With a live nonce and with an invented one, signed just before the sessions end.
  const nonces = [undefined, "AAAAAAAAAAAAAAAAAAAAAA"];
  const kept = await Promise.all(others.map((other) => Promise.all(nonces.map((nonce) => other.sign({ path: "/api/account", ...(nonce && { nonce }) })))));
  const body = JSON.stringify({ session: handleOf(revoked.cookies.get("__Host-pan") ?? "") });
  expect((await first.call({ path: "/api/revoke", body, proof: confirmationProof("revoke") })).status).toBe(200);
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
  await first.expectStillWorks();
});
