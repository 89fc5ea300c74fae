import type { Page } from "@playwright/test";
import { Bank } from "../support/bank.ts";
import { Client, fromSign } from "../support/client.ts";
import { Mouse } from "../support/hand.ts";
import { send } from "../support/http.ts";
import { token } from "../support/injected.ts";
import { expect, test } from "../support/test.ts";

const YEAR = "Max-Age=34560000";

/** Cookies that script of the app origin plants, and that would outlive it. */
const PLANTED: Record<string, (attacker: string) => string[]> = {
  "a partitioned one of the same name": () => [`__Host-pan=${"A".repeat(43)}; Secure; Path=/; ${YEAR}; Partitioned`],
  "a partitioned one with the attacker's own token": (attacker) => [`__Host-pan=${attacker}; Secure; Path=/; ${YEAR}; Partitioned`],
  "malformed ones of the same name": () => [`__Host-pan=x; Secure; Path=/; ${YEAR}; Partitioned`, `__Host-pan; Secure; Path=/; ${YEAR}; Partitioned`],
  "ones with a narrower path": (attacker) => [
    ...["/api", "/api/transfer", "/account", "/enter"].flatMap((path) => [
      `__Host-pan=${attacker}; Secure; Path=${path}; ${YEAR}`,
      `pan=${attacker}; Path=${path}; ${YEAR}`,
      `__host-pan=${attacker}; Path=${path}; ${YEAR}`,
    ]),
  ],
  "ones of the parent domain": (attacker) => [
    ...["__Host-pan", "__Host-pan-sign", "__host-pan", "pan-bind", "pan"].flatMap((name) => [
      `${name}=${attacker}; Secure; Domain=pan.localhost; Path=/; ${YEAR}`,
      `${name}=${attacker}; Secure; Domain=pan.localhost; Path=/bind; ${YEAR}`,
      `${name}=${attacker}; Secure; Domain=pan.localhost; Path=/sign-in; ${YEAR}`,
    ]),
  ],
  "neighbours that are not ASCII": () => [
    `name=José; Path=/; ${YEAR}`,
    `name2=José; Domain=pan.localhost; Path=/; ${YEAR}`,
    `\u65e5\u672c=\u8a9e; Domain=pan.localhost; Path=/; ${YEAR}`,
    `__Host-pan\u00e9=1; Secure; Path=/; ${YEAR}`,
  ],
  "very many neighbours": () => Array.from({ length: 60 }, (_, at) => `n${at}=${"x".repeat(50)}; Domain=pan.localhost; Path=/; ${YEAR}`),
};

/** Plants cookies, by script of the app origin. */
async function plant(page: Page, cookies: string[]): Promise<void> {
  await page.evaluate((cookies) => cookies.forEach((cookie) => (document.cookie = cookie)), cookies);
}

/** What the server is sent by a page: the `Cookie` header, as it is. */
async function sent(page: Page): Promise<string> {
  const request = page.waitForRequest("**/api/account");
  await page.reload();
  return (await (await request).allHeaders())["cookie"] ?? "";
}

for (const [what, cookies] of Object.entries(PLANTED)) {
  test(`attack 26: ${what} lock no user out and end no session`, async ({ account, house, page, context }) => {
    const elsewhere = new Client(house, account.user);
    await elsewhere.enter("/sign-in");
    expect((await elsewhere.bind()).status).toBe(200);
    const attacker = await Client.registered(house);
    const own = await token(page);
    const names = async () => (await context.cookies([house.app, house.sign])).map((cookie) => `${cookie.name}=${cookie.value} ${cookie.domain}${cookie.path}`).sort();
    const before = await names();
    await plant(page, cookies(attacker.cookies.get("__Host-pan") ?? ""));
    if (!what.includes("path")) expect(await names(), "the browser keeps at least one of them").not.toEqual(before);

    // The script is gone. The user comes back in a new tab, goes on, signs out, and signs in again: twice.
    await page.close();
    const tab = await context.newPage();
    const bank = new Bank(tab, house.app, new Mouse(tab));
    bank.user = account.user;
    await bank.open("/account");
    await expect(bank.balance).toHaveText("1,000.00 EUR");
    expect(await sent(tab), "the own session is among what is sent").toContain(own);
    await expect(bank.balance).toHaveText("1,000.00 EUR");
    await expect(tab.getByText(`@${account.user}`)).toBeVisible();
    for (let times = 0; times < 2; times++) {
      await bank.open("/account");
      // Before that its buttons do nothing yet.
      await expect(bank.balance).not.toBeEmpty();
      await bank.button("Sign out").click();
      await expect(bank.button("Sign out")).toBeHidden();
      await bank.open("/account");
      await expect(tab.getByTestId("balance")).toBeHidden();
      await bank.reappear(account.user);
      await expect(tab.getByText(`@${account.user}`)).toBeVisible();
    }
    expect((await context.cookies(house.app)).filter(({ name }) => name === "__Host-pan"), "signing in repairs it").toHaveLength(1);
    // The other device is still signed in, and neither side has anything of the other's.
    await elsewhere.stillActs();
    await attacker.stillActs();
  });
}

test("attack 26: script that also poisons the page's memory ends no session", async ({ account, house, page, context }) => {
  const attacker = await Client.registered(house);
  await plant(page, [`__Host-pan=${attacker.cookies.get("__Host-pan") ?? ""}; Secure; Path=/; ${YEAR}; Partitioned`]);
  await page.evaluate((handle) => {
    for (const key of Object.keys(localStorage)) localStorage.setItem(key, (localStorage.getItem(key) ?? "").replaceAll(/[\w-]{22}/g, handle));
  }, attacker.handle);
  await page.close();
  const tab = await context.newPage();
  const bank = new Bank(tab, house.app, new Mouse(tab));
  await bank.open("/account");
  // Nothing is done or shown in the attacker's name. This browser has no key of that session, so the page takes the other.
  await expect(tab.getByText(`@${account.user}`)).toBeVisible();
  await expect(tab.getByText(`@${attacker.name}`)).toBeHidden();
  await bank.renamed("Still here");
  await bank.open("/account");
  await expect(tab.getByText(`@${account.user}`)).toBeVisible();
});

test("attack 26: a cookie of the sign origin that a sibling host plants binds no key to another session", async ({ account, house, page, context }) => {
  const attacker = await Client.registered(house);
  // Browsers let no other host set it; here something did, beside the own one, and instead of it.
  const [, theirs] = attacker.cookie("__Host-pan-sign");
  const own = (await context.cookies(house.sign)).find(({ name }) => name === "__Host-pan-sign")?.value ?? "";
  const body = JSON.stringify(await attacker.statement(await attacker.challenge()));
  const bound = await send(house, { path: "/bind", headers: [...fromSign(house), ["cookie", theirs]], body });
  // The positive control: it is the attacker's own session that this names.
  expect(JSON.parse(bound.body)).toMatchObject({ session: attacker.handle });
  for (const bent of [`__Host-pan-sign=${own.split(".")[0]}.${attacker.cookies.get("__Host-pan-sign")?.split(".")[1]}`, `__Host-pan-sign=${attacker.handle}.${own.split(".")[1]}`]) {
    const again = JSON.stringify(await attacker.statement(await attacker.challenge()));
    expect((await send(house, { path: "/bind", headers: [...fromSign(house), ["cookie", bent]], body: again })).code).toBe("invalid_session");
  }
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");
});
