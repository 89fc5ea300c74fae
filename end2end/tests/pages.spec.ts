import { newName } from "../support/bank.ts";
import { send } from "../support/http.ts";
import { signedIn } from "../support/private.ts";
import { expect, test } from "../support/test.ts";

test("a page that is rendered for a cookie alone holds nothing private", async ({ account, house, page }) => {
  const { cookie, secrets } = await signedIn(account, house);
  for (const path of ["/", "/account", "/sessions", "/activity", "/register", "/sign-in", "/nowhere"]) {
    const reply = await send(house, { method: "GET", path, headers: [["cookie", cookie]] });
    expect(reply.body, path).toContain("PAN");
    for (const secret of secrets) expect(reply.body, `${secret} in ${path}`).not.toContain(secret);
  }
  // The positive control: its owner does see all of it.
  await page.reload();
  for (const secret of secrets) await expect(page.getByText(secret).first()).toBeVisible();
});

test("both origins send the headers that keep others out", async ({ house }) => {
  for (const origin of [house.app, house.sign]) {
    const { headers } = await send(house, { method: "GET", path: "/", headers: [["host", new URL(origin).host]] });
    expect(headers["origin-agent-cluster"]).toBe("?1");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBeTruthy();
    expect(headers["permissions-policy"]).toBeTruthy();
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe-inline");
    expect(policy).not.toMatch(/(?<!wasm-)unsafe-eval/);
    expect(policy).toContain(origin === house.sign ? `frame-ancestors ${house.app}` : "frame-ancestors 'none'");
  }
});

test("the pages where users decide cannot be framed, kept or reached by script", async ({ house }) => {
  for (const path of ["/sign-in", "/register", "/confirm"]) {
    const reply = await send(house, { method: "GET", path, headers: [["host", new URL(house.sign).host]] });
    expect(reply.status, path).toBe(200);
    expect(reply.headers, path).toMatchObject({
      "x-frame-options": "DENY",
      "cross-origin-opener-policy": path === "/confirm" ? "unsafe-none" : "same-origin",
      "cache-control": expect.stringMatching(/no-store|no-cache/),
    });
    const policy = String(reply.headers["content-security-policy"]);
    for (const rule of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"]) {
      expect(policy, path).toContain(rule);
    }
    expect(policy, path).not.toContain("unsafe-inline");
    // Not even an error of it can be framed.
    const missing = await send(house, { method: "GET", path: `${path}x`, headers: [["host", new URL(house.sign).host]] });
    expect([missing.status, String(missing.headers["content-security-policy"])]).toEqual([404, expect.stringContaining("frame-ancestors 'none'")]);
  }
});

test("another host is misdirected, and this machine's names lead to the application", async ({ house }) => {
  const get = (host: string) => send(house, { method: "GET", path: "/account", headers: [["host", host]] });
  expect((await get("evil.example")).status).toBe(421);
  expect((await get(`pan.localhost.evil.example:${new URL(house.app).port}`)).status).toBe(421);
  for (const name of ["localhost", "127.0.0.1"]) {
    const reply = await get(`${name}:${new URL(house.app).port}`);
    expect(reply.headers.location).toBe(`${house.app}/account`);
  }
});

test("the browser reports no broken policy and no error on the whole way", async ({ bank, page }) => {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || /Content Security Policy|hydrat/i.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await bank.register(newName());
  await bank.renamed("Quiet");
  await bank.signOut();
  expect(complaints).toEqual([]);
  // The positive control: a style that the policy forbids is reported.
  await page.evaluate(() => document.body.setAttribute("style", "color: red"));
  await expect.poll(() => complaints.join()).toContain("Content Security Policy");
});
