import { randomBytes } from "node:crypto";
import { Bank, newName } from "../support/bank.ts";
import { fromSign } from "../support/client.ts";
import { Mouse } from "../support/hand.ts";
import { send } from "../support/http.ts";
import { secureHouseAt, startProxy } from "../support/proxy.ts";
import { freePort } from "../support/servers.ts";
import { expect, test } from "../support/test.ts";

// The certificate is the test's own.
test.use({ ignoreHTTPSErrors: true });

test("a server in production mode, with Redis and behind the proxy of docs/DEPLOYMENT.md, does it all", async ({ own, browser, page, context }) => {
  test.setTimeout(90_000);
  const [https, http, listen] = [await freePort(), await freePort(), await freePort()];
  const house = secureHouseAt(https, listen);
  await own.startRedis();
  await own.startServer(
    {
      ENVIRONMENT: "production",
      ALLOWED_ORIGINS: `${house.app},${house.sign}`,
      PAN_PROXIES_TRUSTED: "1",
      AUDIT_SECRET: randomBytes(32).toString("base64"),
    },
    { listen },
  );
  const proxy = await startProxy({ folder: `${own.folder}/proxy`, server: listen, https, http });
  try {
    const plain = await send({ ...house, app: "http://pan.localhost", port: http }, { method: "GET", path: "/account", headers: [] });
    expect([plain.status, plain.headers.location]).toEqual([301, "https://pan.localhost/account"]);

    const entry = await page.goto(`${house.app}/register`);
    expect(entry?.headers()["strict-transport-security"]).toBe("max-age=63072000; includeSubDomains");
    const protocol = await page.evaluate(() => (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming).nextHopProtocol);
    expect(protocol).toBe("h2");

    const bank = new Bank(page, house.app, new Mouse(page));
    await bank.register(newName());
    const [cookie] = (await context.cookies()).filter(({ name }) => name === "__Host-pan");
    expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: "Lax", domain: "pan.localhost", path: "/" });
    await bank.renamed("Grace");

    // What the server says comes at once, over HTTP/2; and over a socket where that does not get through.
    await expect(bank.push).toHaveText("Live, by event stream");
    const theirs = await browser.newContext({ ignoreHTTPSErrors: true });
    const theirPage = await theirs.newPage();
    await theirPage.route("**/api/jitterbug/stream", (route) => route.abort());
    const elsewhere = new Bank(theirPage, house.app, new Mouse(theirPage));
    await elsewhere.signIn(bank.user);
    await expect(bank.bell(1)).toBeVisible();
    await expect(bank.news).toContainText("New sign-in");
    await expect(elsewhere.push).toHaveText("Live, by WebSocket");

    const friend = newName();
    const friendly = await browser.newContext({ ignoreHTTPSErrors: true });
    const friendPage = await friendly.newPage();
    await new Bank(friendPage, house.app, new Mouse(friendPage)).register(friend);
    await bank.order({ to: friend, amount: "12.50", note: "lunch" });
    await bank.confirm(/^Send 12.50 EUR/);
    for (const one of [bank, elsewhere]) await expect(one.balance).toHaveText("987.50 EUR");
    await expect(friendPage.getByTestId("balance")).toHaveText("1,012.50 EUR");

    // Nobody but the proxy is listened to: it says whose address it is.
    const past = { path: "/sign-in", headers: fromSign(house), body: "{}" };
    expect((await send(house, past)).code).toBe("unavailable");
    for (const context of [theirs, friendly]) await context.close();
  } finally {
    await proxy.stop();
  }
});
