import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AppPage, newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { sharedServers } from "../support/global-setup.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { InjectedScript, signedHeaders } from "../support/injected-script.ts";
import { keyPressProof } from "../support/interaction-proof.ts";
import { type InterceptedRequest, interceptNext } from "../support/intercepted-request.ts";
import { NodeClient } from "../support/node-client.ts";
import { saveRedis } from "../support/redis.ts";
import { sessionToken } from "../support/session-token.ts";

/** Intercepts the page's own request to read the account. */
async function interceptRead(account: AppPage): Promise<InterceptedRequest> {
  return interceptNext(account.page, "/api/account", () => account.page.reload());
}

/** Checks that the owner's session still works. */
async function expectOwnerStillActs(account: AppPage): Promise<void> {
  await account.page.reload();
  const name = `Owner ${Date.now()}`;
  await account.changeName(name);
}

function countAccepted(replies: Reply[]): number {
  return replies.filter(({ status }) => status === 200).length;
}

test("attack 10: a captured request is accepted once, on any instance", { tag: "@firefox" }, async ({ account, server, store }) => {
  const elsewhere = store === "redis" ? [sharedServers().second] : [];
  const intercepted = await interceptRead(account);
  const first = await send(server, intercepted);
  expect(first.status, first.body).toBe(200);
  expect(first.body).toContain(account.user);
  for (const instance of [server, ...elsewhere]) {
    const again = await send(instance, intercepted);
    expect(again.code).toBe("nonce_used");
    expect(again.body).not.toContain(account.user);
  }
  await expectOwnerStillActs(account);
});

test("attack 10: one of a thousand concurrent copies over all instances is accepted", { tag: "@memory" }, async ({ account, server, store }) => {
  const instances = store === "redis" ? [server, sharedServers().second] : [server];
  const intercepted = await interceptRead(account);
  const copies = Array.from({ length: 1_000 }, (_, at) => send(instances[at % instances.length] ?? server, intercepted));
  const replies = await Promise.all(copies);
  expect(countAccepted(replies)).toBe(1);
  const others = new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code));
  expect([...others]).toEqual(["nonce_used"]);
  await expectOwnerStillActs(account);
});

// <demo>
test("attack 10: a replayed transfer moves money once", { tag: "@memory" }, async ({ account, server }) => {
  const friend = await NodeClient.registered(server);
  // The page must not ask for the outcome, which would void the intercepted request.
  await account.page.route("**/api/outcome", (route) => route.abort());
  await account.submitTransfer({ to: friend.name, amount: "10", note: "" });
  const intercepted = await interceptNext(account.page, "/api/transfer", () => account.confirm("Send 10.00 EUR"));
  const replies = await Promise.all(Array.from({ length: 100 }, () => send(server, intercepted)));
  expect(countAccepted(replies)).toBe(1);
  await account.page.reload();
  await expect(account.balance).toHaveText("990.00 EUR");
});
// </demo>

test("attack 10: a restart of the store opens no replay window", { tag: "@memory" }, async ({ isolated }) => {
  test.setTimeout(90_000);
  const { server } = isolated;
  await isolated.startStore();
  await isolated.startServer();
  const client = await NodeClient.registered(server);
  const signed = await client.sign({ path: "/api/account" });
  expect((await send(server, signed)).status).toBe(200);

  // The store stops and restarts with its snapshot, which the memory store writes at most 100 ms late.
  await sleep(300);
  await isolated.stop();
  await isolated.startStore();
  await isolated.startServer();
  const replay = await send(server, signed);
  // Redis remembers the nonce; the memory store knows only that it may have forgotten it.
  expect(replay.code, replay.body).toMatch(/^(nonce_used|use_fresh_nonce)$/);
  // The session still exists, so only the replay was rejected. Nonces do not outlive a restart.
  client.nonces = [];
  await client.expectStillWorks();
});

test("attack 10: a store that comes back with an older snapshot opens no replay window", { tag: "@memory" }, async ({ isolated }) => {
  test.setTimeout(90_000);
  const { server, folder } = isolated;
  const inRedis = isolated.store === "redis";
  const file = join(folder, inRedis ? "dump.rdb" : "store.json");
  // The process with the sessions is killed: Redis, or the server itself.
  const startStoreProcess = () => (inRedis ? isolated.startRedis() : isolated.startServer());
  const storeProcess = await startStoreProcess();
  if (inRedis) await isolated.startServer();
  const client = await NodeClient.registered(server);
  if (inRedis) await saveRedis(isolated.redisPort);
  else await sleep(300);
  const older = await readFile(file);
  const signed = await client.sign({ path: "/api/account" });
  expect((await send(server, signed)).status).toBe(200);
  // In the snapshot the nonce is not spent yet.
  await storeProcess.stop("SIGKILL");
  await writeFile(file, older);
  await startStoreProcess();
  const replies: Reply[] = [];
  await expect(async () => {
    replies.push(await send(server, signed));
    expect(replies.at(-1)?.status).not.toBe(503);
  }).toPass({ timeout: 10_000 });
  expect(replies.at(-1)?.code).toBe("use_fresh_nonce");
  expect(countAccepted(replies)).toBe(0);
  client.nonces = [];
  await client.expectStillWorks();
});

test("attack 10: a store that comes back empty knows no session", { tag: "@memory" }, async ({ isolated }) => {
  test.setTimeout(90_000);
  const { server, folder } = isolated;
  await isolated.startStore();
  await isolated.startServer({}, { folder: join(folder, "1") });
  const client = await NodeClient.registered(server);
  const signed = await client.sign({ path: "/api/account" });
  await isolated.stop("SIGKILL");
  await isolated.startStore(join(folder, "1"));
  await isolated.startServer({}, { folder: join(folder, "2") });
  expect((await send(server, signed)).code).toBe("invalid_session");
});

test("attack 11: a nonce of another session, an invented one and a spent one are rejected", async ({ visitor, server, page }) => {
  const script = await InjectedScript.injectInto(page);
  await visitor.registerQuickly(newUserName());
  const other = await NodeClient.registered(server);
  const foreign = other.nonces[0] ?? "";
  const invented = Buffer.alloc(16, 9).toString("base64url");
  for (const nonce of [foreign, invented]) {
    const signed = await script.sign({ path: "/api/account", nonce });
    expect((await script.post("/api/account", "{}", signed)).code).toBe("use_fresh_nonce");
    // The frame signs with a nonce once.
    expect((await script.requestSignature({ path: "/api/account", nonce }))?.Err).toBe("bad_nonce");
  }
  // The nonce still works in its own session.
  expect((await other.call({ path: "/api/account", nonce: foreign })).status).toBe(200);
  expect((await other.call({ path: "/api/account", nonce: foreign })).code).toBe("nonce_used");
  // The positive control: a nonce of this session passes.
  const signed = await script.sign({ path: "/api/account", nonce: await script.nonce() });
  expect((await script.post("/api/account", "{}", signed)).status).toBe(200);
});

test("attack 11: an expired nonce is rejected", async ({ isolated }) => {
  test.setTimeout(90_000);
  const { server } = isolated;
  await isolated.startStore();
  await isolated.startServer({ NONCE_TTL: "12" });
  const client = await NodeClient.registered(server);
  const [early, late] = client.nonces;
  expect((await client.call({ path: "/api/account", nonce: early })).status).toBe(200);
  await sleep(12_500);
  expect((await client.call({ path: "/api/account", nonce: late })).code).toBe("use_fresh_nonce");
  client.nonces = [];
  await client.expectStillWorks();
});

test("attack 12: a signature is valid only for its method, host, path, query, body and session", async ({ visitor, server, page }) => {
  const script = await InjectedScript.injectInto(page);
  await visitor.registerQuickly(newUserName());
  const other = await NodeClient.registered(server);
  const cookie: [string, string] = ["cookie", `__Host-pan=${await sessionToken(page)}`];
  const original = { path: "/api/account", body: "{}" };
  /** The headers of a freshly signed request. */
  const fresh = async (): Promise<Headers> => {
    const signed = await script.sign({ ...original, nonce: await script.nonce() });
    return [["origin", server.app], ["content-type", "application/json"], cookie, ...signedHeaders(signed)];
  };
  const replaced = (headers: Headers, name: string, value: string): Headers =>
    headers.map(([key, old]) => [key, key === name ? value : old]);
  const code = async (change: Partial<Parameters<typeof send>[1]>) => (await send(server, { ...original, headers: await fresh(), ...change })).code;

  expect(await code({ path: "/api/account?a=1" })).toBe("invalid_proof");
  expect(await code({ path: "/api/sign_out" })).toBe("invalid_proof");
  expect(await code({ body: "{ }" })).toBe("invalid_proof");
  for (const method of ["PUT", "DELETE", "PATCH", "GET"]) expect(await code({ method }), method).toBe("malformed");
  const port = new URL(server.app).port;
  for (const host of [`sign.pan.localhost:${port}`, `127.0.0.1:${port}`, "pan.localhost", `pan.localhost.:${port}`]) {
    const reply = await send(server, { ...original, headers: [["host", host], ...(await fresh())] });
    expect(reply.status, host).not.toBe(200);
    expect(reply.body).not.toContain(visitor.user);
  }
  // For another session, whose cookie the attacker has too.
  const theirs = replaced(replaced(await fresh(), "x-session-id", other.handle), "cookie", other.cookie()[1]);
  expect((await send(server, { ...original, headers: theirs })).status).toBeGreaterThanOrEqual(400);
  const mixed = replaced(await fresh(), "cookie", other.cookie()[1]);
  expect((await send(server, { ...original, headers: mixed })).code).toBe("invalid_session");
  // By another key, with a live nonce of this session.
  const thief = await NodeClient.registered(server);
  thief.handle = await script.sessionHandle();
  thief.cookies.set("__Host-pan", await sessionToken(page));
  expect((await thief.call({ path: "/api/account", nonce: await script.nonce() })).code).toBe("invalid_proof");

  // The positive control: unchanged, it passes.
  const reply = await send(server, { ...original, headers: await fresh() });
  expect(reply.status, reply.body).toBe(200);
  expect(reply.body).toContain(visitor.user);
  await expectOwnerStillActs(visitor);
});

test("attack 13: a signature hoarded for six seconds is rejected", async ({ account, server }) => {
  const hoarded = await interceptRead(account);
  await sleep(6_500);
  const late = await send(server, hoarded);
  expect(late.code).toBe("use_fresh_nonce");
  expect(late.body).not.toContain(account.user);
  // The positive control: the same request without a delay.
  const reply = await send(server, await interceptRead(account));
  expect(reply.status, reply.body).toBe(200);
  await expectOwnerStillActs(account);
});

test("attack 13: a page that changes its clock cannot make the frame sign for later", async ({ visitor, page }) => {
  const script = await InjectedScript.injectInto(page);
  await visitor.registerQuickly(newUserName());
  const nonce = await script.nonce();
  await page.evaluate(() => {
    const hour = 3_600_000;
    const now = Date.now;
    Date.now = () => now() + hour;
  });
  const signed = await script.sign({ path: "/api/account", nonce });
  const created = Number(/created=(\d+)/.exec(signed.signature_input)?.[1]);
  expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(60);
  const proof = keyPressProof("display_name", Date.now() + 3_600_000);
  const later = await script.sign({ path: "/api/display_name", body: '{"name":"Later"}', level: "interaction", nonce: await script.nonce(), proof });
  expect((await script.post("/api/display_name", '{"name":"Later"}', later)).code).toBe("invalid_proof");
  // The positive control: with the right time it passes.
  const request = { path: "/api/display_name", body: '{"name":"Now"}', level: "interaction" as const, nonce: await script.nonce() };
  const now = await script.sign({ ...request, proof: keyPressProof("display_name") });
  expect((await script.post("/api/display_name", '{"name":"Now"}', now)).status).toBe(200);
});
