import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "../support/fixtures.ts";
import { keyPressProof } from "../support/interaction-proof.ts";
import { NodeClient } from "../support/node-client.ts";
import { runPan } from "../support/test-server.ts";

test("altered, removed and moved audit entries are found and named", async ({ isolated }) => {
  const { server, folder } = isolated;
  await isolated.startRedis();
  const pan = await isolated.startServer({}, { redis: true });

  // Entries for accepted and rejected requests.
  const client = await NodeClient.registered(server);
  for (const name of ["Ada", "Grace", "Emmy"]) {
    const body = JSON.stringify({ name });
    expect((await client.call({ path: "/api/display_name", body, proof: keyPressProof("display_name") })).status).toBe(200);
  }
  expect((await client.call({ path: "/api/account", created: 1 })).status).toBe(401);
  // When the server has stopped, it has written all entries.
  await pan.stop();

  // `--head` takes the number and hash that an earlier verification printed.
  const env = { REDIS_URL: `redis://127.0.0.1:${isolated.redisPort}` };
  const audit = (...args: string[]) => runPan(["audit", ...args], env);
  const whole = await audit("verify");
  expect(whole).toMatchObject({ code: 0, output: expect.stringMatching(/security log: .*: whole\..*\ntraffic log: .*: whole\./) });
  const head = /Last entry: (\S+)/.exec(whole.output)?.[1] ?? "";

  const lines = (await audit("export")).output.trim().split("\n");
  expect(lines.join("\n")).toContain('"action":"display_name","outcome":"passed"');
  expect((await audit("export", "--log", "traffic")).output).toContain('"reason":"not_fresh"');
  expect(lines.length).toBeGreaterThanOrEqual(5);

  const verify = async (changed: string[], ...more: string[]) => {
    const file = join(folder, "log");
    await writeFile(file, changed.join("\n"));
    return audit("verify", file, ...more);
  };
  expect(await verify(lines, "--head", head)).toMatchObject({ code: 0 });
  for (const [change, changed] of [
    ["entry 2 was altered", lines.map((line, at) => (at === 1 ? line.replace('"times":', '"times":1') : line))],
    ["entry 3 is missing", lines.filter((_, at) => at !== 2)],
    ["entry 3 is not in its place", [...lines.slice(0, 2), lines[3] ?? "", lines[2] ?? "", ...lines.slice(4)]],
    [`entry ${lines.length} is missing`, lines.slice(0, -1)],
    ["line 1 is not an entry", ["", ...lines].map((line) => line || "x")],
  ] as const) {
    const found = await verify([...changed], "--head", head);
    expect(found, change).toMatchObject({ code: 1, output: expect.stringContaining(change) });
  }

  // The chain cannot be verified without the secret.
  const secret = Buffer.alloc(32, 7).toString("base64");
  expect(await runPan(["audit", "verify"], { ...env, AUDIT_SECRET: secret })).toMatchObject({ code: 1 });
  expect(await audit("verify", join(folder, "none"))).toMatchObject({ code: 2, output: expect.stringContaining("none") });
  expect(await runPan(["audit", "verify"], {})).toMatchObject({ code: 2, output: expect.stringContaining("no Redis") });
});
