import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { Client, keyPress } from "../support/client.ts";
import { send } from "../support/http.ts";
import { freePort, isOpen } from "../support/servers.ts";
import { expect, test } from "../support/test.ts";

async function get(port: number, path: string): Promise<{ status: number; text: string }> {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: reply.status, text: await reply.text() };
}

test("a server tells its metrics, its health, and that it is not ready without its store", async ({ own }) => {
  const [{ house }, observed, redis] = [own, await freePort(), await own.startRedis()];
  await own.startServer({ METRICS_LISTEN: `127.0.0.1:${observed}` }, { redis: true });
  const client = await Client.registered(house);
  await client.stillActs();
  const signed = await client.sign({ path: "/api/account" });
  expect((await client.send(signed)).status).toBe(200);
  expect((await client.send(signed)).status).toBe(401);
  // A thief with the cookie, more often than ten times a minute.
  const bare = signed.headers.filter(([name]) => !name.startsWith("signature"));
  for (let times = 0; times < 11; times++) expect((await send(house, { ...signed, headers: bare })).status).toBe(401);
  const forged = { ...keyPress("display_name"), action: "transfer" };
  expect((await client.call({ path: "/api/display_name", body: '{"name":"x"}', proof: forged })).status).toBe(403);

  const { text } = await get(observed, "/metrics");
  for (const line of [
    'pan_passed_total{action="register"} 1',
    'pan_passed_total{action="bind"} 1',
    'pan_refused_total{action="account",reason="replayed"} 1',
    'pan_refused_total{action="account",reason="header_missing"} 11',
    'pan_refused_total{action="display_name",reason="proof_of_another_action"} 1',
    'pan_noticed_total{action="theft",reason="header_missing"} 11',
    "pan_failing_addresses 1.0",
    "pan_ready 1.0",
    "pan_audit_lost_total 0",
    'pan_request_seconds_bucket{le="+Inf",host="app"}',
    'pan_store_seconds_bucket{le="+Inf",verb="admit"}',
    'pan_store_errors_total{verb="admit"} 0',
    "pan_sessions_opened_total 1",
    'pan_sessions_ended_total{why="revoked"} 0',
  ]) {
    expect(text).toContain(line);
  }
  for (const secret of [client.name, client.handle, "127.0.0"]) expect(text).not.toContain(secret);
  // The alerting rules ask for nothing that a server does not tell.
  const rules = await readFile(join(import.meta.dirname, "../../docs/alerts.yml"), "utf8");
  const asked = new Set(rules.match(/\bpan_[a-z_]+/g));
  expect(asked.size).toBeGreaterThan(5);
  for (const name of asked) expect(text).toContain(name);

  expect((await get(observed, "/healthz")).status).toBe(200);
  expect((await get(observed, "/readyz")).status).toBe(200);
  await redis.stop();
  expect((await get(observed, "/readyz")).status).toBe(503);
  expect((await get(observed, "/healthz")).status).toBe(200);
  // What cannot be asked is counted.
  expect((await get(observed, "/metrics")).text).toMatch(/pan_store_errors_total\{verb="news_since"\} [1-9]/);
});

test("every reply names its request, whatever name the client sent", async ({ house }) => {
  const headers: [string, string][] = [["x-request-id", "mine"]];
  const names = new Set<unknown>();
  for (const path of ["/", "/account", "/nowhere"]) names.add((await send(house, { method: "GET", path, headers })).headers["x-request-id"]);
  expect(names.size).toBe(3);
  for (const name of names) expect(name).toMatch(/^[0-9a-f]{16}$/);
});

test("a server that is told to stop lets a request in flight finish, and writes its audit log", async ({ own }) => {
  const house = own.house;
  await own.startStore();
  const pan = await own.startServer();
  // The server asks for the rest of this request when it has begun to answer it.
  const { body, ...sent } = await new Client(house).credentials("/register");
  const headers = Object.fromEntries([...sent.headers, ["content-length", `${body.length}`], ["expect", "100-continue"]]);
  const pending = request({ host: "127.0.0.1", port: house.port, method: "POST", path: sent.path, agent: false, headers });
  const answered = once(pending, "response") as Promise<[IncomingMessage]>;
  pending.flushHeaders();
  await once(pending, "continue");

  pan.signal("SIGTERM");
  // It has heard: nobody else gets in. And it waits.
  await expect.poll(() => isOpen(house.port)).toBe(false);
  expect(pan.isRunning()).toBe(true);
  pending.end(body);
  const [reply] = await answered;
  expect(reply.statusCode).toBe(200);
  expect(reply.headers["set-cookie"]?.join()).toContain("__Host-pan-sign=");
  reply.resume();
  await pan.stop();
  expect(pan.exitCode(), "it ended by itself").toBe(0);
  expect(pan.log()).toContain("audit log");
});
