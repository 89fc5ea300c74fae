import { type BrowserContext, expect, type Page, test as base } from "@playwright/test";
import { compactVerify, CompactSign, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK } from "jose";
import { DbscSite, type Exchange } from "../support/dbsc-site.ts";

const COOKIE = "__Host-bound";
const REGISTER = "/dbsc/register";
const REFRESH = "/dbsc/refresh";

const test = base.extend<{ variables: Record<string, string>; site: DbscSite; browserContext: BrowserContext; tab: Page }>({
  variables: [{ COOKIE_SECONDS: "3" }, { option: true }],
  site: async ({ variables }, use) => {
    const site = await DbscSite.start(variables);
    await use(site);
    // DBSC_LOG=1 prints what the site has received and answered.
    if (process.env["DBSC_LOG"]) console.log(site.log());
    await site.stop();
  },
  browserContext: async ({ site }, use) => use(await site.launch()),
  tab: async ({ browserContext }, use) => use(browserContext.pages()[0] ?? (await browserContext.newPage())),
});

/** Signs in, and waits until the browser has registered its key and has the cookie. */
async function signIn(tab: Page, site: DbscSite, user = "alice"): Promise<void> {
  await tab.goto(site.origin);
  await tab.locator("input").fill(user);
  await tab.locator("button").click();
  await expect.poll(() => boundCookie(tab)).toBeTruthy();
}

async function boundCookie(tab: Page): Promise<string | undefined> {
  return (await tab.context().cookies()).find(({ name }) => name === COOKIE)?.value;
}

async function cookieHasExpired(tab: Page): Promise<void> {
  await expect.poll(() => boundCookie(tab)).toBeUndefined();
}

/** What the page learns of its account: the user's name, or the status. */
async function account(tab: Page, path = "/account"): Promise<string> {
  return tab.evaluate(async (url) => fetch(url).then((response) => (response.ok ? response.text() : `${response.status}`)), path);
}

const proofOf = (exchange: Exchange) => String(exchange.headers["secure-session-response"]);
const challengeOf = (header: unknown) => /"([\w-]+)";id=/.exec(String(header))?.[1];
const offered = (header: unknown) => /challenge="([\w-]+)"/.exec(String(header))?.[1];

test("Chromium registers a key, and refreshes the cookie when it has expired", async ({ site, tab }) => {
  await signIn(tab, site);
  const registration = site.of(REGISTER)[0]!;
  expect(registration.status).toBe(200);
  expect(registration.headers).toMatchObject({ origin: site.origin, "sec-fetch-mode": "no-cors", "sec-fetch-site": "same-origin" });
  // Another implementation of JWS reads the same proof.
  const { jwk, ...header } = decodeProtectedHeader(proofOf(registration));
  expect(header).toEqual({ alg: "ES256", typ: "dbsc+jwt" });
  const key = await importJWK(jwk!, "ES256");
  await compactVerify(proofOf(registration), key);
  const signInResponse = site.of("/sign-in")[0]!.responseHeaders;
  expect(decodeJwt(proofOf(registration))).toEqual({
    authorization: "alice",
    jti: offered(signInResponse["secure-session-registration"]),
  });

  const first = await boundCookie(tab);
  await cookieHasExpired(tab);
  // The browser may have refreshed in the background before, when it asked for the icon.
  const latest = site.exchanges.filter(({ responseHeaders }) => responseHeaders["secure-session-challenge"]).at(-1)!;
  site.forget();
  expect(await account(tab)).toBe("alice");
  const [refresh, request] = site.exchanges;
  // The refresh comes first, with the challenge of the latest response. The request waits for the new cookie.
  expect(refresh).toMatchObject({ method: "POST", path: REFRESH, status: 200 });
  const instructions = JSON.parse(registration.body) as { session_identifier: string };
  expect(refresh!.headers["sec-secure-session-id"]).toBe(instructions.session_identifier);
  expect(decodeProtectedHeader(proofOf(refresh!))).toEqual({ alg: "ES256", typ: "dbsc+jwt" });
  expect(decodeJwt(proofOf(refresh!))).toEqual({ jti: challengeOf(latest.responseHeaders["secure-session-challenge"]) });
  await compactVerify(proofOf(refresh!), key);
  expect(request!.headers.cookie).toContain(String(refresh!.responseHeaders["set-cookie"]).split(";")[0]);
  expect(request!.headers.cookie).not.toContain(first);
});

test("a navigation waits for the refresh", async ({ site, tab }) => {
  await signIn(tab, site);
  await cookieHasExpired(tab);
  site.forget();
  const response = await tab.goto(`${site.origin}/account`);
  expect(await response!.text()).toBe("alice");
  expect(site.exchanges[0]!.path).toBe(REFRESH);
});

test("concurrent requests of two tabs wait for one refresh", async ({ site, tab, browserContext }) => {
  await signIn(tab, site);
  const second = await browserContext.newPage();
  await second.goto(`${site.origin}/`);
  await cookieHasExpired(tab);
  site.forget();
  const answers = [account(tab), account(tab), account(second), account(second)];
  expect(await Promise.all(answers)).toEqual(["alice", "alice", "alice", "alice"]);
  const until = site.exchanges.findIndex(({ path }) => path === "/account");
  expect(site.exchanges.slice(0, until).map(({ path }) => path)).toEqual([REFRESH]);
});

test.describe("with RS256 only", () => {
  test.use({ variables: { COOKIE_SECONDS: "3", ALGORITHM: "RS256" } });

  test("Chromium registers an RSA key and refreshes with it", async ({ site, tab }) => {
    await signIn(tab, site);
    const { alg, jwk } = decodeProtectedHeader(proofOf(site.of(REGISTER)[0]!));
    expect({ alg, kty: jwk?.kty }).toEqual({ alg: "RS256", kty: "RSA" });
    await cookieHasExpired(tab);
    expect(await account(tab)).toBe("alice");
  });
});

test("while refreshes fail, requests are sent without the cookie, and the session survives", async ({ site, tab }) => {
  await signIn(tab, site);
  await cookieHasExpired(tab);
  for (const [fault, reason] of [["unavailable", "server_error"], ["reset", "unreachable"]] as const) {
    site.fault = fault;
    site.forget();
    expect(await account(tab)).toBe("401");
    expect(site.of("/account")[0]!.headers["secure-session-skipped"]).toMatch(new RegExp(`^${reason};session_identifier="[\\w-]+"$`));
  }
  site.fault = "none";
  expect(await account(tab)).toBe("alice");
});

test("a session that the server has ended stays ended", async ({ site, tab }) => {
  await signIn(tab, site);
  await tab.evaluate(() => fetch("/end", { method: "POST" }).then(() => null));
  await cookieHasExpired(tab);
  expect(await account(tab)).toBe("401");
  expect(JSON.parse(site.of(REFRESH).at(-1)!.body)).toMatchObject({ continue: false });
  site.forget();
  expect(await account(tab)).toBe("401");
  expect(site.of(REFRESH)).toHaveLength(0);
});

test("signing out ends the session in the browser at once", async ({ site, tab }) => {
  await signIn(tab, site);
  await tab.evaluate(() => fetch("/sign-out", { method: "POST" }).then(() => null));
  await cookieHasExpired(tab);
  site.forget();
  expect(await account(tab)).toBe("401");
  expect(site.of(REFRESH)).toHaveLength(0);
});

test("a copied cookie and a copied proof do not outlive the cookie", async ({ site, tab }) => {
  await signIn(tab, site);
  await cookieHasExpired(tab);
  site.forget();
  await account(tab);
  const refresh = site.of(REFRESH)[0]!;
  const cookie = `${COOKIE}=${await boundCookie(tab)}`;
  // Until it expires, the cookie can be used.
  expect((await site.send("GET", "/account", { cookie })).status).toBe(200);
  const headers = refresh.headers as Record<string, string>;
  const replayed = await site.send("POST", REFRESH, headers);
  expect(replayed.status).toBe(403);
  expect(replayed.responseHeaders["set-cookie"]).toBeUndefined();
  // The attacker has no key to sign the new challenge with.
  const { privateKey } = await generateKeyPair("ES256");
  const payload = JSON.stringify({ jti: challengeOf(replayed.responseHeaders["secure-session-challenge"]) });
  const forged = await new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg: "ES256", typ: "dbsc+jwt" }).sign(privateKey);
  expect((await site.send("POST", REFRESH, { ...headers, "secure-session-response": forged })).status).toBe(400);
  // The server allows for the time that a request is under way.
  await expect.poll(async () => (await site.send("GET", "/account", { cookie })).status).toBe(401);
  await cookieHasExpired(tab);
  // The browser still has the session.
  expect(await account(tab)).toBe("alice");
});

test("a script that reads the offer cannot register a key of its own", async ({ site, tab }) => {
  await tab.goto(site.origin);
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const sign = async (challenge: string | undefined) =>
    new CompactSign(Buffer.from(JSON.stringify({ jti: challenge, authorization: "alice" })))
      .setProtectedHeader({ alg: "ES256", typ: "dbsc+jwt", jwk: await exportJWK(publicKey) })
      .sign(privateKey);
  const body = "user=alice";
  const type = { "content-type": "application/x-www-form-urlencoded" };
  const offer = async () => offered((await site.send("POST", "/sign-in", type, body)).responseHeaders["secure-session-registration"]);
  for (const mode of ["cors", "same-origin", "no-cors"] as const) {
    const proof = await sign(await offer());
    site.forget();
    await tab.evaluate(
      ([path, value, mode]) => fetch(path, { method: "POST", mode, headers: { "Secure-Session-Response": value } }).then(() => null),
      [REGISTER, proof, mode] as const,
    );
    expect(site.of(REGISTER)[0]!.status, mode).toBe(400);
  }
  // The same proof is accepted with the headers of the browser's own request, which no script can send.
  const headers = { origin: site.origin, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin" };
  const accepted = await site.send("POST", REGISTER, { ...headers, "secure-session-response": await sign(await offer()) });
  expect(accepted.status).toBe(200);
});
