import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, keyPress } from "../support/client.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { type Caught, catchNext, Injected, signedHeaders, token } from "../support/injected.ts";
import { saveRedis } from "../support/servers.ts";
import { houses } from "../support/setup.ts";
import { expect, test } from "../support/test.ts";
import type { Bank } from "../support/bank.ts";

/** Catches the page's own request to read the account, before the server sees it. */
async function caughtRead(account: Bank): Promise<Caught> {
  return catchNext(account.page, "/api/account", () => account.page.reload());
}

/** The owner works on, whatever was tried. */
async function ownerStillActs(account: Bank): Promise<void> {
  await account.page.reload();
  const name = `Owner ${Date.now()}`;
  await account.renamed(name);
}

function accepted(replies: Reply[]): number {
  return replies.filter(({ status }) => status === 200).length;
}

test("attack 10: a captured request is accepted once, however soon and on whichever instance it is replayed", async ({ account, house, store }) => {
  const elsewhere = store === "redis" ? [houses().second] : [];
  const caught = await caughtRead(account);
  const first = await send(house, caught);
  expect(first.status, first.body).toBe(200);
  expect(first.body).toContain(account.user);
  for (const instance of [house, ...elsewhere]) {
    const again = await send(instance, caught);
    expect(again.code).toBe("use_fresh_nonce");
    expect(again.body).not.toContain(account.user);
  }
  await ownerStillActs(account);
});

test("attack 10: of a thousand copies at once, over all instances, one is accepted", async ({ account, house, store }) => {
  const instances = store === "redis" ? [house, houses().second] : [house];
  const caught = await caughtRead(account);
  const copies = Array.from({ length: 1_000 }, (_, at) => send(instances[at % instances.length] ?? house, caught));
  const replies = await Promise.all(copies);
  expect(accepted(replies)).toBe(1);
  const others = new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code));
  expect([...others]).toEqual(["use_fresh_nonce"]);
  await ownerStillActs(account);
});

test("attack 10: a transfer that is replayed moves money once", async ({ account, house }) => {
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "10", note: "" });
  const caught = await catchNext(account.page, "/api/transfer", () => account.confirm("Send 10.00 EUR"));
  const replies = await Promise.all(Array.from({ length: 100 }, () => send(house, caught)));
  expect(accepted(replies)).toBe(1);
  await account.page.reload();
  await expect(account.balance).toHaveText("990.00 EUR");
});

test("attack 10: a restart of the store opens no replay window", async ({ own }) => {
  test.setTimeout(90_000);
  const { house } = own;
  await own.startStore();
  await own.startServer();
  const client = await Client.registered(house);
  const signed = await client.sign({ path: "/api/account" });
  expect((await send(house, signed)).status).toBe(200);

  // The store goes, with what it has written, and comes back. (The memory's file is at most 100 ms behind.)
  await sleep(300);
  await own.stop();
  await own.startStore();
  await own.startServer();
  const replay = await send(house, signed);
  expect(replay.code, replay.body).toBe("use_fresh_nonce");
  // The session is still there: what was refused is the replay. Nonces do not outlive a restart.
  client.nonces = [];
  await client.stillActs();
});

test("attack 10: a store that comes back with an older snapshot opens no replay window", async ({ own }) => {
  test.setTimeout(90_000);
  const { house, folder } = own;
  const inRedis = own.store === "redis";
  const file = join(folder, inRedis ? "dump.rdb" : "store.json");
  // What is killed is what keeps the sessions: Redis, or the server itself.
  const startKeeper = () => (inRedis ? own.startRedis() : own.startServer());
  const keeper = await startKeeper();
  if (inRedis) await own.startServer();
  const client = await Client.registered(house);
  if (inRedis) await saveRedis(own.port);
  else await sleep(300);
  const older = await readFile(file);
  const signed = await client.sign({ path: "/api/account" });
  expect((await send(house, signed)).status).toBe(200);
  // In what was saved the nonce is not spent yet.
  await keeper.stop("SIGKILL");
  await writeFile(file, older);
  await startKeeper();
  const replies: Reply[] = [];
  await expect(async () => {
    replies.push(await send(house, signed));
    expect(replies.at(-1)?.status).not.toBe(503);
  }).toPass({ timeout: 10_000 });
  expect(replies.at(-1)?.code).toBe("use_fresh_nonce");
  expect(accepted(replies)).toBe(0);
  client.nonces = [];
  await client.stillActs();
});

test("attack 10: a store that comes back empty knows nobody", async ({ own }) => {
  test.setTimeout(90_000);
  const { house, folder } = own;
  await own.startStore();
  await own.startServer({}, { folder: join(folder, "1") });
  const client = await Client.registered(house);
  const signed = await client.sign({ path: "/api/account" });
  await own.stop("SIGKILL");
  await own.startStore(join(folder, "1"));
  await own.startServer({}, { folder: join(folder, "2") });
  expect((await send(house, signed)).code).toBe("invalid_session");
});

test("attack 11: a nonce of another session, an invented one and a spent one are refused", async ({ bank, house, page }) => {
  const script = await Injected.into(page);
  await bank.appear(`u${Math.random().toString(36).slice(2)}`);
  const other = await Client.registered(house);
  const foreign = other.nonces[0] ?? "";
  const invented = Buffer.alloc(16, 9).toString("base64url");
  for (const nonce of [foreign, invented]) {
    const signed = await script.signed({ path: "/api/account", nonce });
    expect((await script.post("/api/account", "{}", signed)).code).toBe("use_fresh_nonce");
    // The frame does not sign with it twice.
    expect((await script.wish({ path: "/api/account", nonce }))?.Err).toBe("bad_nonce");
  }
  // The nonce is still good where it belongs.
  expect((await other.call({ path: "/api/account", nonce: foreign })).status).toBe(200);
  expect((await other.call({ path: "/api/account", nonce: foreign })).code).toBe("use_fresh_nonce");
  // The positive control: a nonce of this session passes.
  const signed = await script.signed({ path: "/api/account", nonce: await script.nonce() });
  expect((await script.post("/api/account", "{}", signed)).status).toBe(200);
});

test("attack 11: an expired nonce is refused", async ({ own }) => {
  test.setTimeout(90_000);
  const { house } = own;
  await own.startStore();
  await own.startServer({ NONCE_TTL: "12" });
  const client = await Client.registered(house);
  const [early, late] = client.nonces;
  expect((await client.call({ path: "/api/account", nonce: early })).status).toBe(200);
  await sleep(12_500);
  expect((await client.call({ path: "/api/account", nonce: late })).code).toBe("use_fresh_nonce");
  client.nonces = [];
  await client.stillActs();
});

test("attack 12: a signature is good for its own method, host, path, query, body and session only", async ({ bank, house, page }) => {
  const script = await Injected.into(page);
  await bank.appear(`u${Math.random().toString(36).slice(2)}`);
  const other = await Client.registered(house);
  const cookie: [string, string] = ["cookie", `__Host-pan=${await token(page)}`];
  const base = { path: "/api/account", body: "{}" };
  /** A signature of the frame that nobody has used. */
  const fresh = async (): Promise<Headers> => {
    const signed = await script.signed({ ...base, nonce: await script.nonce() });
    return [["origin", house.app], ["content-type", "application/json"], cookie, ...signedHeaders(signed)];
  };
  const replaced = (headers: Headers, name: string, value: string): Headers =>
    headers.map(([key, old]) => [key, key === name ? value : old]);
  const code = async (change: Partial<Parameters<typeof send>[1]>) => (await send(house, { ...base, headers: await fresh(), ...change })).code;

  expect(await code({ path: "/api/account?a=1" })).toBe("invalid_proof");
  expect(await code({ path: "/api/sign_out" })).toBe("invalid_proof");
  expect(await code({ body: "{ }" })).toBe("invalid_proof");
  for (const method of ["PUT", "DELETE", "PATCH", "GET"]) expect(await code({ method }), method).toBe("malformed");
  const port = new URL(house.app).port;
  for (const host of [`sign.pan.localhost:${port}`, `127.0.0.1:${port}`, "pan.localhost", `PAN.localhost:${port}`]) {
    const reply = await send(house, { ...base, headers: [["host", host], ...(await fresh())] });
    expect(reply.status, host).not.toBe(200);
    expect(reply.body).not.toContain(bank.user);
  }
  // In the name of another session, whose cookie the attacker has, too.
  const theirs = replaced(replaced(await fresh(), "x-session-id", other.handle), "cookie", other.cookie()[1]);
  expect((await send(house, { ...base, headers: theirs })).status).toBeGreaterThanOrEqual(400);
  const mixed = replaced(await fresh(), "cookie", other.cookie()[1]);
  expect((await send(house, { ...base, headers: mixed })).code).toBe("invalid_session");
  // By another key: a right nonce of this session, signed by somebody else.
  const thief = await Client.registered(house);
  thief.handle = await script.handle();
  thief.cookies.set("__Host-pan", await token(page));
  expect((await thief.call({ path: "/api/account", nonce: await script.nonce() })).code).toBe("invalid_proof");

  // The positive control: as it was signed, it passes.
  const reply = await send(house, { ...base, headers: await fresh() });
  expect(reply.status, reply.body).toBe(200);
  expect(reply.body).toContain(bank.user);
  await ownerStillActs(bank);
});

test("attack 13: a signature that was hoarded for six seconds is refused", async ({ account, house }) => {
  const hoarded = await caughtRead(account);
  await sleep(6_500);
  const late = await send(house, hoarded);
  expect(late.code).toBe("use_fresh_nonce");
  expect(late.body).not.toContain(account.user);
  // The positive control: the same at once.
  const reply = await send(house, await caughtRead(account));
  expect(reply.status, reply.body).toBe(200);
  await ownerStillActs(account);
});

test("attack 13: a page that moves its clock cannot make the frame sign for later", async ({ bank, page }) => {
  const script = await Injected.into(page);
  await bank.appear(`u${Math.random().toString(36).slice(2)}`);
  const nonce = await script.nonce();
  await page.evaluate(() => {
    const hour = 3_600_000;
    const now = Date.now;
    Date.now = () => now() + hour;
  });
  const signed = await script.signed({ path: "/api/account", nonce });
  const created = Number(/created=(\d+)/.exec(signed.signature_input)?.[1]);
  expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(60);
  const proof = keyPress("display_name", Date.now() + 3_600_000);
  const later = await script.signed({ path: "/api/display_name", body: '{"name":"Later"}', level: "interaction", nonce: await script.nonce(), proof });
  expect((await script.post("/api/display_name", '{"name":"Later"}', later)).code).toBe("invalid_proof");
  // The positive control: at the right time the same passes.
  const order = { path: "/api/display_name", body: '{"name":"Now"}', level: "interaction" as const, nonce: await script.nonce() };
  const now = await script.signed({ ...order, proof: keyPress("display_name") });
  expect((await script.post("/api/display_name", '{"name":"Now"}', now)).status).toBe(200);
});
