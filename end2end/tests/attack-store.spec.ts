import { Bank, newName } from "../support/bank.ts";
import { fromSign } from "../support/client.ts";
import { type Reply, send } from "../support/http.ts";
import { type Caught, catchNext } from "../support/injected.ts";
import { Mouse } from "../support/hand.ts";
import type { Own } from "../support/own.ts";
import { type House, saveRedis, type Server, tellRedis } from "../support/servers.ts";
import { expect, test as base } from "../support/test.ts";

/** The person's browser is at a house with a Redis of its own, which may go away. */
const test = base.extend<{ redis: Server; bank: Bank }>({
  redis: async ({ own }, use) => {
    const redis = await own.startRedis();
    await own.startServer();
    await use(redis);
  },
  bank: async ({ page, own, redis: _started }, use) => use(new Bank(page, own.house.app, new Mouse(page))),
});

/** A request of the page that the server has accepted once, and that somebody has kept. */
async function keptRequest(bank: Bank, house: House): Promise<Caught> {
  const caught = await catchNext(bank.page, "/api/account", () => bank.page.reload());
  expect((await send(house, caught)).status).toBe(200);
  await bank.page.reload();
  await expect(bank.balance).not.toBeEmpty();
  return caught;
}

/** Nobody gets in or does anything, and nobody hears of anything private. */
async function isClosed({ house }: Own, bank: Bank, kept: Caught): Promise<void> {
  const headers = fromSign(house);
  const replies = [
    await send(house, kept),
    await send(house, { path: "/challenge", headers, body: "{}" }),
    await send(house, { path: "/sign-in", headers, body: "{}" }),
    await send(house, { path: "/register", headers, body: "{}" }),
  ];
  for (const reply of replies) {
    expect(reply.status, reply.body).toBe(503);
    expect(reply.body).not.toContain(bank.user);
    expect(reply.headers["set-cookie"]).toBeUndefined();
  }
  expect(replies[0]?.code).toBe("unavailable");
  await bank.rename("Nobody hears");
  await expect(bank.alert).toContainText("temporarily unavailable");
}

/** The page works again without being loaded again, and what was kept is still worth nothing. */
async function isOpenAgain({ house }: Own, bank: Bank, kept: Caught): Promise<void> {
  const replies: Reply[] = [];
  await expect(async () => {
    replies.push(await send(house, kept));
    expect(replies.at(-1)?.status).not.toBe(503);
  }).toPass({ timeout: 20_000 });
  expect(replies.at(-1)?.code).toBe("use_fresh_nonce");
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(0);
  await bank.renamed("Everybody hears");
}

test("attack 21: while the store is down nothing happens, and when it is back the page goes on by itself", async ({ bank, own, redis }) => {
  await bank.appear(newName());
  const kept = await keptRequest(bank, own.house);
  await saveRedis(own.port);
  await redis.stop("SIGKILL");
  await isClosed(own, bank, kept);
  await own.startRedis();
  await isOpenAgain(own, bank, kept);
});

test("attack 21: a store that hangs is as one that is down", async ({ bank, own, redis }) => {
  await bank.appear(newName());
  const kept = await keptRequest(bank, own.house);
  redis.signal("SIGSTOP");
  await isClosed(own, bank, kept);
  redis.signal("SIGCONT");
  await isOpenAgain(own, bank, kept);
});

test("attack 21: a store that is full lets nothing through and loses nothing", async ({ bank, own }) => {
  await bank.appear(newName());
  const kept = await keptRequest(bank, own.house);
  await tellRedis(own.port, "CONFIG SET maxmemory 1");
  await isClosed(own, bank, kept);
  await tellRedis(own.port, "CONFIG SET maxmemory 0");
  await isOpenAgain(own, bank, kept);
});

test("attack 21: a store that comes back empty knows nobody, and the page says so", async ({ bank, own, redis }) => {
  await bank.appear(newName());
  const kept = await keptRequest(bank, own.house);
  // Without what it had saved.
  await redis.stop("SIGKILL");
  await own.startRedis();
  await expect(async () => expect((await send(own.house, kept)).status).not.toBe(503)).toPass({ timeout: 20_000 });
  expect((await send(own.house, kept)).code).toBe("invalid_session");
  // The page asks again by itself.
  await expect(bank.alert.first()).toContainText("session has ended", { timeout: 30_000 });
  await bank.appear(newName());
  await expect(bank.balance).toHaveText("1,000.00 EUR");
});
