import { newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { createPrivateData } from "../support/private-data.ts";

test("a page rendered for a cookie alone contains nothing private", async ({ account, server, page }) => {
  const { cookie, secrets } = await createPrivateData(account, server);
  for (const path of ["/", "/account", "/sessions", "/activity", "/register", "/sign-in", "/nowhere"]) {
    const reply = await send(server, { method: "GET", path, headers: [["cookie", cookie]] });
    expect(reply.body, path).toContain("PAN");
    for (const secret of secrets) expect(reply.body, `${secret} in ${path}`).not.toContain(secret);
  }
  // The positive control: the owner sees all of it.
  await page.reload();
  for (const secret of secrets) await expect(page.getByText(secret).first()).toBeVisible();
});

test("both origins send security headers", async ({ server }) => {
  for (const origin of [server.app, server.sign]) {
    const { headers } = await send(server, { method: "GET", path: "/", headers: [["host", new URL(origin).host]] });
    expect(headers["origin-agent-cluster"]).toBe("?1");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBeTruthy();
    expect(headers["permissions-policy"]).toBeTruthy();
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe-inline");
    expect(policy).not.toMatch(/(?<!wasm-)unsafe-eval/);
    expect(policy).toContain(origin === server.sign ? `frame-ancestors ${server.app}` : "frame-ancestors 'none'");
  }
});

test("the sign-in, registration, recovery and confirmation pages cannot be framed, cached or scripted", async ({ server }) => {
  for (const path of ["/sign-in", "/register", "/recover", "/confirm"]) {
    const reply = await send(server, { method: "GET", path, headers: [["host", new URL(server.sign).host]] });
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
    // An error page cannot be framed either.
    const missing = await send(server, { method: "GET", path: `${path}x`, headers: [["host", new URL(server.sign).host]] });
    expect([missing.status, String(missing.headers["content-security-policy"])]).toEqual([404, expect.stringContaining("frame-ancestors 'none'")]);
  }
});

test("an unknown host gets 421, and localhost redirects to the application", async ({ server }) => {
  const get = (host: string) => send(server, { method: "GET", path: "/account", headers: [["host", host]] });
  expect((await get("evil.example")).status).toBe(421);
  expect((await get(`pan.localhost.evil.example:${new URL(server.app).port}`)).status).toBe(421);
  for (const name of ["localhost", "127.0.0.1"]) {
    const reply = await get(`${name}:${new URL(server.app).port}`);
    expect(reply.headers.location).toBe(`${server.app}/account`);
  }
});

test("the browser reports no policy violation and no error", async ({ visitor, page }) => {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || /Content Security Policy|hydrat/i.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await visitor.register(newUserName());
  await visitor.changeName("Quiet");
  await visitor.signOut();
  expect(complaints).toEqual([]);
  // The positive control: a forbidden style is reported.
  await page.evaluate(() => document.body.setAttribute("style", "color: red"));
  await expect.poll(() => complaints.join()).toContain("Content Security Policy");
});
