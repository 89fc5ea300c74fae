import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Page } from "@playwright/test";
import canonicalize from "canonicalize";
import { WebSocket } from "ws";
import { AppPage } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { InjectedScript } from "../support/injected-script.ts";
import { Mouse } from "../support/input-device.ts";
import type { IsolatedServers } from "../support/isolated-servers.ts";
import type { MitmProxy, Transport } from "../support/mitm-proxy.ts";
import { NodeClient, type SignedRequest } from "../support/node-client.ts";
import { freePort } from "../support/ports.ts";
import { isSignInMessage, parsePushMessage, rewritten, TAMPERING } from "../support/push-tampering.ts";
import type { TestServer } from "../support/test-server.ts";

interface MitmScene {
  proxy: MitmProxy;
  visitor: AppPage;
  /** The server without the proxy. */
  direct: TestServer;
}

async function startScene(isolated: IsolatedServers, page: Page, transport: Transport): Promise<MitmScene> {
  await isolated.startStore();
  const listen = await freePort();
  await isolated.startServer({ PAN_PUSH_KEYS_PER_MINUTE: "100" }, { listen });
  const proxy = await isolated.startMitmProxy(listen);
  proxy.allowed = new Set([transport]);
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  await visitor.registerQuickly("listener");
  await visitor.waitUntilLive();
  return { proxy, visitor, direct: { ...isolated.server, port: listen } };
}

for (const [at, [name, tamper, reason]] of TAMPERING.entries()) {
  const tag = ["altered", "unsigned", "dropped", "repeated"].includes(name) ? "@firefox" : [];
  test(`attack 20: a push message that is ${name} is rejected, and the page still shows the event`, { tag }, async ({ isolated, page }) => {
    // Push messages are the same on both transports.
    const transport = at % 2 ? "socket" : "stream";
    const { proxy, visitor, direct } = await startScene(isolated, page, transport);
    proxy.tamper = tamper();
    const before = proxy.connections[transport];
    await NodeClient.signedIn(direct, "listener");
    // The page reconnects and receives the missed message once.
    await expect.poll(() => proxy.connections[transport], { timeout: 30_000 }).toBeGreaterThan(before);
    await expect(visitor.notifications).toHaveCount(1);
    await visitor.waitUntilLive();
    await expect(visitor.notifications).toHaveText(/New sign-in/);
    await expect(visitor.notifications).not.toContainText("Evil");
    // The signing frame has reported the reason in a signed request.
    await visitor.open("/activity");
    const row = page.getByRole("row").filter({ hasText: /was not signed for this page|arrived too late/ });
    await expect(row.first()).toContainText(reason);
  });
}

test("attack 20: push messages of another connection, user or old key are rejected", async ({ browser, isolated, page }) => {
  const { proxy, visitor, direct } = await startScene(isolated, page, "socket");
  // Another user's page, through the same proxy.
  const theirs = await browser.newContext();
  const theirPage = await theirs.newPage();
  const other = new AppPage(theirPage, isolated.server.app, new Mouse(theirPage));
  await other.registerQuickly("neighbour");
  await other.waitUntilLive();
  await NodeClient.signedIn(direct, "neighbour");
  await expect(other.notifications).toHaveCount(1);
  const foreign = proxy.messages.filter(isSignInMessage).at(-1) ?? "";
  expect(foreign).not.toBe("");
  await theirs.close();

  // It replaces the next push message to this page.
  let replaced = 0;
  proxy.tamper = (message) => (replaced++ === 0 ? [foreign] : [message]);
  await expect.poll(() => proxy.connections.socket, { timeout: 30_000 }).toBeGreaterThan(2);
  proxy.tamper = (message) => [message];
  await visitor.waitUntilLive();
  await expect(visitor.notifications).toHaveCount(0);

  // A push message to this page under the key of its previous connection.
  await NodeClient.signedIn(direct, "listener");
  await expect(visitor.notifications).toHaveCount(1);
  const old = proxy.messages.filter(isSignInMessage).at(-1) ?? "";
  proxy.dropConnections();
  await expect.poll(() => proxy.connections.socket, { timeout: 30_000 }).toBeGreaterThan(3);
  await visitor.waitUntilLive();
  replaced = 0;
  proxy.tamper = (message) => (replaced++ === 0 ? [old] : [message]);
  await expect.poll(() => proxy.connections.socket, { timeout: 40_000 }).toBeGreaterThan(4);
  await visitor.waitUntilLive();
  await expect(visitor.notifications).toHaveCount(1);
});

test("attack 20: page script cannot extract a push key or have a forged message accepted", { tag: "@firefox" }, async ({ isolated, page }) => {
  const injected = await InjectedScript.injectInto(page);
  const { proxy, visitor, direct } = await startScene(isolated, page, "socket");
  await NodeClient.signedIn(direct, "listener");
  await expect(visitor.notifications).toHaveCount(1);
  const genuine = proxy.messages.filter(isSignInMessage).at(-1) ?? "";
  const forged = rewritten(genuine, (message) => (message.payload.data = { latest: 0 }));
  for (const message of [genuine, forged, "", "{}", "x".repeat(2_000)]) {
    expect(await injected.sendToFrame({ hear: { frame: message } })).toEqual({ Err: "rejected" });
  }
  // The signing frame does not sign a key agreement for page script either.
  const request = { session: "A".repeat(22), path: "/api/jitterbug/keys", body: "{}", level: "signed", nonce: null, proof: null };
  expect(await injected.sendToFrame({ sign: request })).toEqual({ Err: "unknown_action" });
});

test("attack 20: push messages are canonical, small and numbered without gaps per connection", async ({ isolated, page }) => {
  const { proxy, visitor, direct } = await startScene(isolated, page, "socket");
  await NodeClient.signedIn(direct, "listener");
  await expect(visitor.notifications).toHaveCount(1);
  await expect.poll(() => proxy.messages.length).toBeGreaterThan(2);
  const conns = new Map<string, number>();
  for (const message of proxy.messages) {
    // An independent implementation of RFC 8785.
    expect(canonicalize(JSON.parse(message))).toBe(message);
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1024);
    const { conn, seq } = parsePushMessage(message).payload;
    expect(seq).toBe((conns.get(conn) ?? 0) + 1);
    conns.set(conn, seq);
  }
});

test("attack 20: a delayed socket hello is rejected without a theft signal, and a thief's hello raises one", async ({ client }) => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]).toString("base64url");
  const conn = randomBytes(16).toString("base64url");
  const agreed = await client.call({ path: "/api/jitterbug/keys", body: JSON.stringify({ key: point, conn }), sendTo: "sign" });
  expect(agreed.status, agreed.body).toBe(200);
  const { kid } = JSON.parse(agreed.body) as { kid: string };
  const body = JSON.stringify({ conn, kid, key: point, after: null, rejected: null });

  const thefts = async () => {
    const sessions = await client.call({ path: "/api/sessions" });
    return (JSON.parse(sessions.body) as { theft: [number, number] | null }[]).map(({ theft }) => theft?.[0] ?? 0);
  };
  const signHello = async (ago: number) => client.sign({ path: "/api/jitterbug/stream", body, created: Math.floor(Date.now() / 1000) - ago });

  const late = await signHello(8);
  expect(await hello(client, late)).toBe(4401);
  expect(await thefts()).toEqual([0]);
  const forged = late.headers.map(([name, value]): [string, string] => [name, name === "signature" ? value.replace(/[A-Za-z]{4}/, "AAAA") : value]);
  expect(await hello(client, { ...late, headers: forged })).toBe(4401);
  expect(await thefts()).toEqual([1]);
  expect(await hello(client, await signHello(0))).toContain(`"conn":"${conn}"`);
});

/** Opens a WebSocket and sends the hello. Returns the first push message or the close code. */
async function hello(client: NodeClient, { headers, body }: SignedRequest): Promise<string | number> {
  const { app, port } = client.server;
  const of = (wanted: string) => headers.find(([name]) => name === wanted)?.[1] ?? "";
  const signed = {
    ...{ session: of("x-session-id"), proof: of("x-interaction-proof"), digest: of("content-digest") },
    ...{ signature_input: of("signature-input"), signature: of("signature") },
  };
  const own = { cookie: of("cookie"), origin: app, host: new URL(app).host };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/jitterbug/socket`, { headers: own });
  socket.on("open", () => socket.send(JSON.stringify({ headers: signed, body })));
  const end = await new Promise<string | number>((done, failed) => {
    socket.on("message", (message: Buffer) => done(message.toString()));
    socket.on("close", done);
    socket.on("error", failed);
  });
  socket.terminate();
  return end;
}
