import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { keyPressProof } from "../support/interaction-proof.ts";
import { NodeClient } from "../support/node-client.ts";
import { freePort, isPortOpen } from "../support/ports.ts";

async function get(port: number, path: string): Promise<{ status: number; text: string }> {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: reply.status, text: await reply.text() };
}

test("a server reports metrics, health and readiness", async ({ isolated }) => {
  const [{ server }, metricsPort, redis] = [isolated, await freePort(), await isolated.startRedis()];
  await isolated.startServer({ METRICS_LISTEN: `127.0.0.1:${metricsPort}` }, { redis: true });
  const client = await NodeClient.registered(server);
  await client.expectStillWorks();
  const signed = await client.sign({ path: "/api/account" });
  expect((await client.send(signed)).status).toBe(200);
  expect((await client.send(signed)).code).toBe("nonce_used");
  // A thief presents the cookie more than ten times a minute.
  const bare = signed.headers.filter(([name]) => !name.startsWith("signature"));
  for (let times = 0; times < 11; times++) expect((await send(server, { ...signed, headers: bare })).status).toBe(401);
  const forged = { ...keyPressProof("display_name"), action: "revoke" };
  expect((await client.call({ path: "/api/display_name", body: '{"name":"x"}', proof: forged })).status).toBe(403);

  const { text } = await get(metricsPort, "/metrics");
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
  // The server reports every metric that the alerting rules use.
  const rules = await readFile(join(import.meta.dirname, "../../docs/alerts.yml"), "utf8");
  const used = new Set(rules.match(/\bpan_[a-z_]+/g));
  expect(used.size).toBeGreaterThan(5);
  for (const name of used) expect(text).toContain(name);

  expect((await get(metricsPort, "/healthz")).status).toBe(200);
  expect((await get(metricsPort, "/readyz")).status).toBe(200);
  await redis.stop();
  expect((await get(metricsPort, "/readyz")).status).toBe(503);
  expect((await get(metricsPort, "/healthz")).status).toBe(200);
  // Failed store calls are counted.
  expect((await get(metricsPort, "/metrics")).text).toMatch(/pan_store_errors_total\{verb="news_since"\} [1-9]/);
});

test("every response has a new request ID, whatever ID the client sent", async ({ server }) => {
  const headers: [string, string][] = [["x-request-id", "mine"]];
  const names = new Set<unknown>();
  for (const path of ["/", "/account", "/nowhere"]) names.add((await send(server, { method: "GET", path, headers })).headers["x-request-id"]);
  expect(names.size).toBe(3);
  for (const name of names) expect(name).toMatch(/^[0-9a-f]{16}$/);
});

test("a graceful shutdown finishes requests in flight and writes the audit log", async ({ isolated }) => {
  const { server } = isolated;
  await isolated.startStore();
  const pan = await isolated.startServer();
  // The server sends `100 Continue` when it starts to handle the request.
  const { body, ...sent } = await new NodeClient(server).signInRequest("/register");
  const headers = Object.fromEntries([...sent.headers, ["content-length", `${body.length}`], ["expect", "100-continue"]]);
  const pending = request({ host: "127.0.0.1", port: server.port, method: "POST", path: sent.path, agent: false, headers });
  const answered = once(pending, "response") as Promise<[IncomingMessage]>;
  pending.flushHeaders();
  await once(pending, "continue");

  pan.signal("SIGTERM");
  // It accepts no new connections and waits for the open request.
  await expect.poll(() => isPortOpen(server.port)).toBe(false);
  expect(pan.isRunning()).toBe(true);
  pending.end(body);
  const [reply] = await answered;
  expect(reply.statusCode).toBe(200);
  expect(reply.headers["set-cookie"]?.join()).toContain("__Host-pan-sign=");
  reply.resume();
  await pan.stop();
  expect(pan.exitCode(), "it exited by itself").toBe(0);
  expect(pan.log()).toContain("audit log");
});
