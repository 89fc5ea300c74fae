import type { Page } from "@playwright/test";
import { AppPage } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { Mouse } from "../support/input-device.ts";
import { NodeClient, signOriginHeaders } from "../support/node-client.ts";
import { plantCookies } from "../support/page-scripts.ts";
import { sessionToken } from "../support/session-token.ts";

const YEAR = "Max-Age=34560000";

/** Cookies that script on the app origin plants and that stay after the script is gone. */
const PLANTED: Record<string, (attacker: string) => string[]> = {
  "a partitioned cookie of the same name": () => [`__Host-pan=${"A".repeat(43)}; Secure; Path=/; ${YEAR}; Partitioned`],
  "a partitioned cookie with the attacker's own token": (attacker) => [`__Host-pan=${attacker}; Secure; Path=/; ${YEAR}; Partitioned`],
  "malformed cookies of the same name": () => [`__Host-pan=x; Secure; Path=/; ${YEAR}; Partitioned`, `__Host-pan; Secure; Path=/; ${YEAR}; Partitioned`],
  "cookies with a narrower path": (attacker) => [
    ...["/api", "/api/display_name", "/account", "/enter"].flatMap((path) => [
      `__Host-pan=${attacker}; Secure; Path=${path}; ${YEAR}`,
      `pan=${attacker}; Path=${path}; ${YEAR}`,
      `__host-pan=${attacker}; Path=${path}; ${YEAR}`,
    ]),
  ],
  "cookies of the parent domain": (attacker) => [
    ...["__Host-pan", "__Host-pan-sign", "__host-pan", "pan-bind", "pan"].flatMap((name) => [
      `${name}=${attacker}; Secure; Domain=pan.localhost; Path=/; ${YEAR}`,
      `${name}=${attacker}; Secure; Domain=pan.localhost; Path=/bind; ${YEAR}`,
      `${name}=${attacker}; Secure; Domain=pan.localhost; Path=/sign-in; ${YEAR}`,
    ]),
  ],
  "other cookies that are not ASCII": () => [
    `name=José; Path=/; ${YEAR}`,
    `name2=José; Domain=pan.localhost; Path=/; ${YEAR}`,
    `\u65e5\u672c=\u8a9e; Domain=pan.localhost; Path=/; ${YEAR}`,
    `__Host-pan\u00e9=1; Secure; Path=/; ${YEAR}`,
  ],
  "very many other cookies": () => Array.from({ length: 60 }, (_, at) => `n${at}=${"x".repeat(50)}; Domain=pan.localhost; Path=/; ${YEAR}`),
};

/** Reloads the page and returns the `Cookie` header that it sends. */
async function sentCookieHeader(page: Page): Promise<string> {
  const request = page.waitForRequest("**/api/account");
  await page.reload();
  return (await (await request).allHeaders())["cookie"] ?? "";
}

for (const [what, cookies] of Object.entries(PLANTED)) {
  const tag = what.startsWith("cookies") || what.includes("token") ? "@firefox" : [];
  test(`attack 26: ${what} lock no user out and end no session`, { tag }, async ({ account, server, page, context }) => {
    const elsewhere = await NodeClient.signedIn(server, account.user);
    const attacker = await NodeClient.registered(server);
    const own = await sessionToken(page);
    const names = async () => (await context.cookies([server.app, server.sign])).map((cookie) => `${cookie.name}=${cookie.value} ${cookie.domain}${cookie.path}`).sort();
    const before = await names();
    await plantCookies(page, cookies(attacker.cookies.get("__Host-pan") ?? ""));
    if (!what.includes("path")) expect(await names(), "the browser keeps at least one of them").not.toEqual(before);

    // The script is gone. The user returns in a new tab, and signs out and in again twice.
    await page.close();
    const tab = await context.newPage();
    const visitor = new AppPage(tab, server.app, new Mouse(tab));
    visitor.user = account.user;
    await visitor.open("/account");
    await visitor.expectLoaded();
    expect(await sentCookieHeader(tab), "the right session cookie is among those sent").toContain(own);
    await visitor.expectLoaded();
    await expect(tab.getByText(`@${account.user}`)).toBeVisible();
    for (let times = 0; times < 2; times++) {
      await visitor.open("/account");
      // Before hydration its buttons have no effect.
      await visitor.expectLoaded();
      await visitor.button("Sign out").click();
      await expect(visitor.button("Sign out")).toBeHidden();
      await visitor.open("/account");
      await expect(tab.getByTestId("display-name")).toBeHidden();
      await visitor.signInQuickly(account.user);
      await expect(tab.getByText(`@${account.user}`)).toBeVisible();
    }
    expect((await context.cookies(server.app)).filter(({ name }) => name === "__Host-pan"), "signing in repairs it").toHaveLength(1);
    // The other device is still signed in, and the attacker's session is unchanged.
    await elsewhere.expectStillWorks();
    await attacker.expectStillWorks();
  });
}

test("attack 26: script that also changes local storage ends no session", { tag: "@firefox" }, async ({ account, server, page, context }) => {
  const attacker = await NodeClient.registered(server);
  await plantCookies(page, [`__Host-pan=${attacker.cookies.get("__Host-pan") ?? ""}; Secure; Path=/; ${YEAR}; Partitioned`]);
  await page.evaluate((handle) => {
    for (const key of Object.keys(localStorage)) localStorage.setItem(key, (localStorage.getItem(key) ?? "").replaceAll(/[\w-]{22}/g, handle));
  }, attacker.handle);
  await page.close();
  const tab = await context.newPage();
  const visitor = new AppPage(tab, server.app, new Mouse(tab));
  await visitor.open("/account");
  // The page does not show the attacker's account: this browser has no key of that session, so it takes the other one.
  await expect(tab.getByText(`@${account.user}`)).toBeVisible();
  await expect(tab.getByText(`@${attacker.name}`)).toBeHidden();
  await visitor.changeName("Still here");
  await visitor.open("/account");
  await expect(tab.getByText(`@${account.user}`)).toBeVisible();
});

test("attack 26: a sign-origin cookie planted by a sibling host binds no key to another session", async ({ account, server, page, context }) => {
  const attacker = await NodeClient.registered(server);
  // Browsers let no other host set this cookie. The test sets it anyway, in place of the right one and together with it.
  const [, theirs] = attacker.cookie("__Host-pan-sign");
  const own = (await context.cookies(server.sign)).find(({ name }) => name === "__Host-pan-sign")?.value ?? "";
  const body = JSON.stringify(await attacker.bindStatement(await attacker.fetchChallenge()));
  const bound = await send(server, { path: "/bind", headers: [...signOriginHeaders(server), ["cookie", theirs]], body });
  // The positive control: the cookie names the attacker's own session.
  expect(JSON.parse(bound.body)).toMatchObject({ session: attacker.handle });
  for (const mixed of [`__Host-pan-sign=${own.split(".")[0]}.${attacker.cookies.get("__Host-pan-sign")?.split(".")[1]}`, `__Host-pan-sign=${attacker.handle}.${own.split(".")[1]}`]) {
    const again = JSON.stringify(await attacker.bindStatement(await attacker.fetchChallenge()));
    expect((await send(server, { path: "/bind", headers: [...signOriginHeaders(server), ["cookie", mixed]], body: again })).code).toBe("invalid_session");
  }
  await page.reload();
  await account.expectLoaded();
});
