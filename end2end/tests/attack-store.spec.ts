import { AppPage, newUserName } from "../support/app-page.ts";
import { expect, test as base } from "../support/fixtures.ts";
import { type Reply, send } from "../support/http.ts";
import { Mouse } from "../support/input-device.ts";
import { type InterceptedRequest, interceptNext } from "../support/intercepted-request.ts";
import type { IsolatedServers } from "../support/isolated-servers.ts";
import { signOriginHeaders } from "../support/node-client.ts";
import { saveRedis, sendRedisCommand } from "../support/redis.ts";
import type { ServerProcess } from "../support/server-process.ts";
import type { TestServer } from "../support/test-server.ts";

/** The browser uses a server with its own Redis, which the test can stop. */
const test = base.extend<{ redis: ServerProcess; visitor: AppPage }>({
  redis: async ({ isolated }, use) => {
    const redis = await isolated.startRedis();
    await isolated.startServer();
    await use(redis);
  },
  visitor: async ({ page, isolated, redis: _started }, use) => use(new AppPage(page, isolated.server.app, new Mouse(page))),
});

/** A request of the page that the server has accepted once, kept for a replay. */
async function replayableRequest(visitor: AppPage, server: TestServer): Promise<InterceptedRequest> {
  const intercepted = await interceptNext(visitor.page, "/api/account", () => visitor.page.reload());
  expect((await send(server, intercepted)).status).toBe(200);
  await visitor.page.reload();
  await visitor.expectLoaded();
  return intercepted;
}

/** Checks that every request gets 503 without private data, and that the page reports it. */
async function expectUnavailable({ server }: IsolatedServers, visitor: AppPage, replay: InterceptedRequest): Promise<void> {
  const headers = signOriginHeaders(server);
  const replies = [
    await send(server, replay),
    await send(server, { path: "/challenge", headers, body: "{}" }),
    await send(server, { path: "/sign-in", headers, body: "{}" }),
    await send(server, { path: "/register", headers, body: "{}" }),
  ];
  for (const reply of replies) {
    expect(reply.status, reply.body).toBe(503);
    expect(reply.body).not.toContain(visitor.user);
    expect(reply.headers["set-cookie"]).toBeUndefined();
  }
  expect(replies[0]?.code).toBe("unavailable");
  await visitor.submitName("Not saved");
  await expect(visitor.alert).toContainText("temporarily unavailable");
}

/** Checks that the page works again without a reload, and that the replay is rejected. */
async function expectRecovered({ server }: IsolatedServers, visitor: AppPage, replay: InterceptedRequest): Promise<void> {
  const replies: Reply[] = [];
  await expect(async () => {
    replies.push(await send(server, replay));
    expect(replies.at(-1)?.status).not.toBe(503);
  }).toPass({ timeout: 20_000 });
  expect(replies.at(-1)?.code).toMatch(/^(nonce_used|use_fresh_nonce)$/);
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(0);
  await visitor.changeName("Saved again");
}

test("attack 21: while the store is down nothing passes, and the page recovers by itself", async ({ visitor, isolated, redis }) => {
  await visitor.registerQuickly(newUserName());
  const replay = await replayableRequest(visitor, isolated.server);
  await saveRedis(isolated.redisPort);
  await redis.stop("SIGKILL");
  await expectUnavailable(isolated, visitor, replay);
  await isolated.startRedis();
  await expectRecovered(isolated, visitor, replay);
});

test("attack 21: a store that hangs is treated as down", async ({ visitor, isolated, redis }) => {
  await visitor.registerQuickly(newUserName());
  const replay = await replayableRequest(visitor, isolated.server);
  redis.signal("SIGSTOP");
  await expectUnavailable(isolated, visitor, replay);
  redis.signal("SIGCONT");
  await expectRecovered(isolated, visitor, replay);
});

test("attack 21: a full store lets nothing pass and loses nothing", async ({ visitor, isolated }) => {
  await visitor.registerQuickly(newUserName());
  const replay = await replayableRequest(visitor, isolated.server);
  await sendRedisCommand(isolated.redisPort, "CONFIG SET maxmemory 1");
  await expectUnavailable(isolated, visitor, replay);
  await sendRedisCommand(isolated.redisPort, "CONFIG SET maxmemory 0");
  await expectRecovered(isolated, visitor, replay);
});

test("attack 21: a store that comes back empty knows no session, and the page says so", async ({ visitor, isolated, redis }) => {
  await visitor.registerQuickly(newUserName());
  const replay = await replayableRequest(visitor, isolated.server);
  // Without its snapshot.
  await redis.stop("SIGKILL");
  await isolated.startRedis();
  await expect(async () => expect((await send(isolated.server, replay)).status).not.toBe(503)).toPass({ timeout: 20_000 });
  expect((await send(isolated.server, replay)).code).toBe("invalid_session");
  // The page fetches again by itself.
  await expect(visitor.alert.first()).toContainText("session has ended", { timeout: 30_000 });
  await visitor.registerQuickly(newUserName());
  await visitor.expectLoaded();
});
