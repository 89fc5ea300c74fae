import { randomBytes } from "node:crypto";
import { AppPage, newUserName } from "../../support/app-page.ts";
import { expect, test } from "../../support/fixtures.ts";
import { send } from "../../support/http.ts";
import { Mouse } from "../../support/input-device.ts";
import { startNginx } from "../../support/nginx.ts";
import { signOriginHeaders } from "../../support/node-client.ts";
import { freePort } from "../../support/ports.ts";
import { httpsTestServer } from "../../support/test-server.ts";

// The test makes its own certificate.
test.use({ ignoreHTTPSErrors: true });

test("everything works in production mode behind the nginx of docs/DEPLOYMENT.md", async ({ isolated, browser, page, context }) => {
  test.setTimeout(90_000);
  const [https, http, listen] = [await freePort(), await freePort(), await freePort()];
  const server = httpsTestServer(https, listen);
  await isolated.startRedis();
  await isolated.startServer(
    {
      ENVIRONMENT: "production",
      ALLOWED_ORIGINS: `${server.app},${server.sign}`,
      PAN_PROXIES_TRUSTED: "1",
      AUDIT_SECRET: randomBytes(32).toString("base64"),
    },
    { listen },
  );
  const proxy = await startNginx({ folder: `${isolated.folder}/proxy`, upstream: listen, https, http });
  try {
    const plain = await send({ ...server, app: "http://pan.localhost", port: http }, { method: "GET", path: "/account", headers: [] });
    expect([plain.status, plain.headers.location]).toEqual([301, "https://pan.localhost/account"]);

    const entry = await page.goto(`${server.app}/register`);
    expect(entry?.headers()["strict-transport-security"]).toBe("max-age=63072000; includeSubDomains");
    const protocol = await page.evaluate(() => (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming).nextHopProtocol);
    expect(protocol).toBe("h2");

    const visitor = new AppPage(page, server.app, new Mouse(page));
    await visitor.register(newUserName());
    const [cookie] = (await context.cookies()).filter(({ name }) => name === "__Host-pan");
    expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: "Lax", domain: "pan.localhost", path: "/" });
    await visitor.changeName("Grace");

    // Push messages arrive at once over HTTP/2, and over a WebSocket if the event stream is blocked.
    await expect(visitor.pushState).toHaveText("Live, by event stream");
    const theirs = await browser.newContext({ ignoreHTTPSErrors: true });
    const theirPage = await theirs.newPage();
    await theirPage.route("**/api/jitterbug/stream", (route) => route.abort());
    const elsewhere = new AppPage(theirPage, server.app, new Mouse(theirPage));
    await elsewhere.signIn(visitor.user);
    await expect(visitor.bell(1)).toBeVisible();
    await expect(visitor.notifications).toContainText("New sign-in");
    await expect(elsewhere.pushState).toHaveText("Live, by WebSocket");

    const friend = newUserName();
    const friendly = await browser.newContext({ ignoreHTTPSErrors: true });
    const friendPage = await friendly.newPage();
    await new AppPage(friendPage, server.app, new Mouse(friendPage)).register(friend);
    await visitor.submitTransfer({ to: friend, amount: "12.50", note: "lunch" });
    await visitor.confirm(/^Send 12.50 EUR/);
    for (const one of [visitor, elsewhere]) await expect(one.balance).toHaveText("987.50 EUR");
    await expect(friendPage.getByTestId("balance")).toHaveText("1,012.50 EUR");

    // A request without the proxy's forwarded client IP is rejected.
    const direct = { path: "/sign-in", headers: signOriginHeaders(server), body: "{}" };
    expect((await send(server, direct)).code).toBe("unavailable");
    for (const context of [theirs, friendly]) await context.close();
  } finally {
    await proxy.stop();
  }
});
