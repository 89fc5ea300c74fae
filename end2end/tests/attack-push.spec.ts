import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Page } from "@playwright/test";
import canonicalize from "canonicalize";
import { WebSocket } from "ws";
import { Bank } from "../support/bank.ts";
import { Client, type Signed } from "../support/client.ts";
import { Mouse } from "../support/hand.ts";
import { Injected } from "../support/injected.ts";
import type { Middle, Tamper, Transport } from "../support/middle.ts";
import type { Own } from "../support/own.ts";
import { freePort, type House } from "../support/servers.ts";
import { expect, test } from "../support/test.ts";

interface Frame {
  kid: string;
  ts: number;
  nonce: string;
  sig: string;
  payload: { seq: number; conn: string; type: string; id: string; data: Record<string, unknown> };
}

const parse = (frame: string) => JSON.parse(frame) as Frame;
const isNews = (frame: string) => frame.includes('"signed_in"');
const rewritten = (frame: string, change: (frame: Frame) => void): string => {
  const parsed = parse(frame);
  change(parsed);
  return canonicalize(parsed) ?? "";
};

function flipped(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[31] = (bytes[31] ?? 0) ^ 1;
  return bytes.toString("base64");
}

/** Does it to the first frame that tells of a sign-in, and leaves the others. */
function once(change: Tamper): Tamper {
  let done = false;
  return (frame) => {
    if (done || !isNews(frame)) return [frame];
    done = true;
    return change(frame);
  };
}

interface Scene {
  middle: Middle;
  bank: Bank;
  /** The server, past whoever is in the middle. */
  direct: House;
}

async function scene(own: Own, page: Page, transport: Transport): Promise<Scene> {
  await own.startStore();
  const listen = await freePort();
  await own.startServer({ PAN_PUSH_KEYS_PER_MINUTE: "100" }, { listen });
  const middle = await own.startMiddle(listen);
  middle.open = new Set([transport]);
  const bank = new Bank(page, own.house.app, new Mouse(page));
  await bank.appear("listener");
  await bank.live();
  return { middle, bank, direct: { ...own.house, port: listen } };
}

async function signInElsewhere(house: House, user: string): Promise<void> {
  const client = new Client(house, user);
  await client.enter("/sign-in");
  expect((await client.bind()).status).toBe(200);
}

/** Holds the first frame that tells of a sign-in back until the next one has come. */
function swapped(): Tamper {
  let held: string | undefined;
  return (frame) => {
    if (held === undefined && isNews(frame)) {
      held = frame;
      return [];
    }
    const late = held ? [held] : [];
    held = held && "";
    return [frame, ...late];
  };
}

/** What is done to a frame, and why the signing frame then says that it does not believe it. */
const TAMPERING: [name: string, tamper: () => Tamper, reason: string][] = [
  ["altered", () => once((frame) => [frame.replace(/"device":"[^"]*"/, '"device":"Evil phone"')]), "frame signature bad"],
  ["altered in one bit of its signature", () => once((frame) => [rewritten(frame, (parsed) => (parsed.sig = flipped(parsed.sig)))]), "frame signature bad"],
  ["told to be later", () => once((frame) => [rewritten(frame, (parsed) => (parsed.ts += 1))]), "frame signature bad"],
  ["given another nonce", () => once((frame) => [rewritten(frame, (parsed) => (parsed.nonce = Buffer.alloc(32, 7).toString("base64")))]), "frame signature bad"],
  ["given another number", () => once((frame) => [rewritten(frame, (parsed) => (parsed.payload.seq += 1))]), "frame out of order"],
  ["given another key's name", () => once((frame) => [rewritten(frame, (parsed) => (parsed.kid = `pan.${"B".repeat(21)}A`))]), "frame of unknown key"],
  ["spelled anew", () => once((frame) => [JSON.stringify(parse(frame), null, 1)]), "frame malformed"],
  ["unsigned", () => once((frame) => [canonicalize({ payload: parse(frame).payload }) ?? ""]), "frame malformed"],
  ["dropped", () => once(() => []), "frame out of order"],
  ["repeated", () => once((frame) => [frame, frame]), "frame replayed"],
  ["swapped with the next one", swapped, "frame out of order"],
  ["delayed", () => once(async (frame) => new Promise((done) => setTimeout(() => done([frame]), 6_500))), "frame stale"],
];

for (const [at, [name, tamper, reason]] of TAMPERING.entries()) {
  test(`attack 20: a frame that is ${name} is not believed, and what was meant is told all the same`, async ({ own, page }) => {
    // The frames are the same on either transport.
    const transport = at % 2 ? "socket" : "stream";
    const { middle, bank, direct } = await scene(own, page, transport);
    middle.tamper = tamper();
    const before = middle.connections[transport];
    await signInElsewhere(direct, "listener");
    // The page comes back by itself, and is told what it missed: once.
    await expect.poll(() => middle.connections[transport], { timeout: 30_000 }).toBeGreaterThan(before);
    await expect(bank.news).toHaveCount(1);
    await bank.live();
    await expect(bank.news).toHaveText(/New sign-in/);
    await expect(bank.news).not.toContainText("Evil");
    // The frame has told the server why, signed.
    await bank.open("/activity");
    const row = page.getByRole("row").filter({ hasText: /was not signed for this page|arrived too late/ });
    await expect(row.first()).toContainText(reason);
  });
}

test("attack 20: frames of another connection, of another user and of an old key are not believed", async ({ browser, own, page }) => {
  const { middle, bank, direct } = await scene(own, page, "socket");
  // Another user's page, through the same middle.
  const theirs = await browser.newContext();
  const theirPage = await theirs.newPage();
  const other = new Bank(theirPage, own.house.app, new Mouse(theirPage));
  await other.appear("neighbour");
  await other.live();
  await signInElsewhere(direct, "neighbour");
  await expect(other.news).toHaveCount(1);
  const foreign = middle.frames.filter(isNews).at(-1) ?? "";
  expect(foreign).not.toBe("");
  await theirs.close();

  // It is put in the place of the next frame that this page gets.
  let puts = 0;
  middle.tamper = (frame) => (puts++ === 0 ? [foreign] : [frame]);
  await expect.poll(() => middle.connections.socket, { timeout: 30_000 }).toBeGreaterThan(2);
  middle.tamper = (frame) => [frame];
  await bank.live();
  await expect(bank.news).toHaveCount(0);

  // A frame that this very page was sent, under a key of its connection before.
  await signInElsewhere(direct, "listener");
  await expect(bank.news).toHaveCount(1);
  const old = middle.frames.filter(isNews).at(-1) ?? "";
  middle.cut();
  await expect.poll(() => middle.connections.socket, { timeout: 30_000 }).toBeGreaterThan(3);
  await bank.live();
  puts = 0;
  middle.tamper = (frame) => (puts++ === 0 ? [old] : [frame]);
  await expect.poll(() => middle.connections.socket, { timeout: 40_000 }).toBeGreaterThan(4);
  await bank.live();
  await expect(bank.news).toHaveCount(1);
});

test("attack 20: script in the page gets no key out of the frame, and no word that no agreed key has signed", async ({ own, page }) => {
  const injected = await Injected.into(page);
  const { middle, bank, direct } = await scene(own, page, "socket");
  await signInElsewhere(direct, "listener");
  await expect(bank.news).toHaveCount(1);
  const genuine = middle.frames.filter(isNews).at(-1) ?? "";
  const forged = rewritten(genuine, (frame) => (frame.payload.data = { latest: 0 }));
  for (const frame of [genuine, forged, "", "{}", "x".repeat(2_000)]) {
    expect(await injected.ask({ hear: { frame } })).toEqual({ Err: "rejected" });
  }
  // Neither does the frame sign a request for a key that is not its own.
  const wish = { session: "A".repeat(22), path: "/api/jitterbug/keys", body: "{}", level: "signed", nonce: null, proof: null };
  expect(await injected.ask({ sign: wish })).toEqual({ Err: "unknown_action" });
});

test("attack 20: what is sent is canonical, small, and of one connection without gaps", async ({ own, page }) => {
  const { middle, bank, direct } = await scene(own, page, "socket");
  await signInElsewhere(direct, "listener");
  await expect(bank.news).toHaveCount(1);
  await expect.poll(() => middle.frames.length).toBeGreaterThan(2);
  const conns = new Map<string, number>();
  for (const frame of middle.frames) {
    // By another implementation of RFC 8785.
    expect(canonicalize(JSON.parse(frame))).toBe(frame);
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(1024);
    const { conn, seq } = parse(frame).payload;
    expect(seq).toBe((conns.get(conn) ?? 0) + 1);
    conns.set(conn, seq);
  }
});

test("attack 20: a socket that is held up until its hello is stale is refused, and that is no theft; a thief's hello is one", async ({ client }) => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]).toString("base64url");
  const conn = randomBytes(16).toString("base64url");
  const agreed = await client.call({ path: "/api/jitterbug/keys", body: JSON.stringify({ key: point, conn }), at: "sign" });
  expect(agreed.status, agreed.body).toBe(200);
  const { kid } = JSON.parse(agreed.body) as { kid: string };
  const body = JSON.stringify({ conn, kid, key: point, after: null, rejected: null });

  const thefts = async () => {
    const sessions = await client.call({ path: "/api/sessions" });
    return (JSON.parse(sessions.body) as { theft: [number, number] | null }[]).map(({ theft }) => theft?.[0] ?? 0);
  };
  const ask = async (ago: number) => client.sign({ path: "/api/jitterbug/stream", body, created: Math.floor(Date.now() / 1000) - ago });

  const late = await ask(8);
  expect(await hello(client, late)).toBe(4401);
  expect(await thefts()).toEqual([0]);
  const bare = late.headers.map(([name, value]): [string, string] => [name, name === "signature" ? value.replace(/[A-Za-z]{4}/, "AAAA") : value]);
  expect(await hello(client, { ...late, headers: bare })).toBe(4401);
  expect(await thefts()).toEqual([1]);
  expect(await hello(client, await ask(0))).toContain(`"conn":"${conn}"`);
});

/** Opens a socket and says hello: the first frame, or the code that it is closed with. */
async function hello(client: Client, { headers, body }: Signed): Promise<string | number> {
  const { app, port } = client.house;
  const of = (wanted: string) => headers.find(([name]) => name === wanted)?.[1] ?? "";
  const signed = {
    ...{ session: of("x-session-id"), proof: of("x-interaction-proof"), digest: of("content-digest") },
    ...{ signature_input: of("signature-input"), signature: of("signature") },
  };
  const own = { cookie: of("cookie"), origin: app, host: new URL(app).host };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/jitterbug/socket`, { headers: own });
  socket.on("open", () => socket.send(JSON.stringify({ headers: signed, body })));
  const end = await new Promise<string | number>((done, failed) => {
    socket.on("message", (frame: Buffer) => done(frame.toString()));
    socket.on("close", done);
    socket.on("error", failed);
  });
  socket.terminate();
  return end;
}
