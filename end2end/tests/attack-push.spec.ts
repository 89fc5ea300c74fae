import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Page } from "@playwright/test";
import canonicalize from "canonicalize";
import { WebSocket } from "ws";
import { AppPage } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { InjectedScript } from "../support/injected-script.ts";
import { Mouse } from "../support/input-device.ts";
import type { IsolatedServers } from "../support/isolated-servers.ts";
import type { MitmProxy, Tamper, Transport } from "../support/mitm-proxy.ts";
import { NodeClient, type SignedRequest } from "../support/node-client.ts";
import { freePort } from "../support/ports.ts";
import type { TestServer } from "../support/test-server.ts";

interface PushMessage {
  kid: string;
  ts: number;
  nonce: string;
  sig: string;
  payload: { seq: number; conn: string; type: string; id: string; data: Record<string, unknown> };
}

const parse = (message: string) => JSON.parse(message) as PushMessage;
const isSignInMessage = (message: string) => message.includes('"signed_in"');
const rewritten = (message: string, change: (message: PushMessage) => void): string => {
  const parsed = parse(message);
  change(parsed);
  return canonicalize(parsed) ?? "";
};

function flipped(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[31] = (bytes[31] ?? 0) ^ 1;
  return bytes.toString("base64");
}

/** Tampers with the first push message about a sign-in and passes the others through. */
function tamperOnce(change: Tamper): Tamper {
  let done = false;
  return (message) => {
    if (done || !isSignInMessage(message)) return [message];
    done = true;
    return change(message);
  };
}

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

/** Holds the first push message about a sign-in back until the next message arrives. */
function swapped(): Tamper {
  let held: string | undefined;
  return (message) => {
    if (held === undefined && isSignInMessage(message)) {
      held = message;
      return [];
    }
    const late = held ? [held] : [];
    held = held && "";
    return [message, ...late];
  };
}

/** The ways of tampering with a push message, and the rejection reason that the signing frame reports. */
const TAMPERING: [name: string, tamper: () => Tamper, reason: string][] = [
  ["altered", () => tamperOnce((message) => [message.replace(/"device":"[^"]*"/, '"device":"Evil phone"')]), "frame signature bad"],
  ["altered in one bit of its signature", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.sig = flipped(parsed.sig)))]), "frame signature bad"],
  ["given a later time", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.ts += 1))]), "frame signature bad"],
  ["given another nonce", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.nonce = Buffer.alloc(32, 7).toString("base64")))]), "frame signature bad"],
  ["given another sequence number", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.payload.seq += 1))]), "frame out of order"],
  ["given another key ID", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.kid = `pan.${"B".repeat(21)}A`))]), "frame of unknown key"],
  ["serialized differently", () => tamperOnce((message) => [JSON.stringify(parse(message), null, 1)]), "frame malformed"],
  ["unsigned", () => tamperOnce((message) => [canonicalize({ payload: parse(message).payload }) ?? ""]), "frame malformed"],
  ["dropped", () => tamperOnce(() => []), "frame out of order"],
  ["repeated", () => tamperOnce((message) => [message, message]), "frame replayed"],
  ["swapped with the next one", swapped, "frame out of order"],
  ["delayed", () => tamperOnce(async (message) => new Promise((done) => setTimeout(() => done([message]), 6_500))), "frame stale"],
];

for (const [at, [name, tamper, reason]] of TAMPERING.entries()) {
  test(`attack 20: a push message that is ${name} is rejected, and the page still shows the event`, async ({ isolated, page }) => {
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

test("attack 20: page script cannot extract a push key or have a forged message accepted", async ({ isolated, page }) => {
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
    const { conn, seq } = parse(message).payload;
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
