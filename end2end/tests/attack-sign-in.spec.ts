import type { Page } from "@playwright/test";
import { newName, PASSWORD } from "../support/bank.ts";
import { Client, from, fromSign, handleOf, Pair, tokenOf } from "../support/client.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { token } from "../support/injected.ts";
import type { House } from "../support/servers.ts";
import { expect, test } from "../support/test.ts";

/** The fields of the form that a browser posts to `/enter`, caught on its way. It does not reach the server. */
async function caughtEntry(page: Page, act: () => Promise<unknown>): Promise<Record<string, string>> {
  const [request] = await Promise.all([
    page.waitForRequest("**/enter"),
    page.route("**/enter", (route) => route.fulfill({ contentType: "text/html", body: "caught" }), { times: 1 }).then(act),
  ]);
  await expect(page.getByText("caught")).toBeVisible();
  return Object.fromEntries(new URLSearchParams(request.postData() ?? ""));
}

/** What the sign origin's page makes a browser send with the form. */
function entryHeaders(house: House): Headers {
  return [
    ["origin", house.sign],
    ["sec-fetch-site", "same-site"],
    ["sec-fetch-mode", "navigate"],
    ["content-type", "application/x-www-form-urlencoded"],
  ];
}

async function enter(house: House, fields: Record<string, string>, headers = entryHeaders(house)): Promise<Reply> {
  return send(house, { path: "/enter", headers, body: new URLSearchParams(fields).toString() });
}

/** Nobody has entered: no session cookie, and a sentence with the way to sign in. */
function expectNotEntered(reply: Reply, house: House, what: string): void {
  expect(reply.status, what).toBeGreaterThanOrEqual(400);
  expect(reply.status, what).toBeLessThan(500);
  expect(reply.headers["set-cookie"], what).toBeUndefined();
  expect(reply.headers.location, what).toBeUndefined();
  expect(reply.body, what).toContain(`${house.sign}/sign-in`);
}

test("attack 24: no page of the app origin has a password field or takes a password", async ({ account, house, page }) => {
  // Also those behind links, and also signed out.
  const seen = new Set<string>();
  const walk = async () => {
    const paths = ["/", "/account", "/sessions", "/activity", "/sign-in", "/register", "/nowhere"];
    while (paths.length) {
      const path = paths.pop() ?? "";
      if (seen.has(path)) continue;
      seen.add(path);
      await page.goto(house.app + path);
      expect(await page.locator("input[type=password], input[autocomplete*=password]").count(), path).toBe(0);
      const links = await page.locator("a[href]").evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).href));
      paths.push(...links.filter((link) => link.startsWith(house.app)).map((link) => new URL(link).pathname));
    }
  };
  await walk();
  await account.open("/account");
  await account.signOut();
  seen.clear();
  await walk();
  // The positive control: the way in leads to the page that has one, on the sign origin.
  await page.goto(`${house.app}/account`);
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await expect(page).toHaveURL(`${house.sign}/sign-in?return=/account`);
  await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("type", "password");
});

test("attack 24: script of the app origin cannot watch a sign-in", async ({ account, house, page, context }) => {
  // It writes down everything that it can see, in every page of the app origin, from now on.
  await context.addInitScript((app) => {
    if (location.origin !== app) return;
    const note = (text: unknown) => localStorage.setItem("loot", `${localStorage.getItem("loot") ?? ""}\n${String(text)}`);
    for (const type of ["keydown", "input", "message", "paste", "beforeinput", "storage"]) {
      addEventListener(type, (event) => note(`${type} ${(event as KeyboardEvent).key} ${String((event as MessageEvent).data)}`), true);
    }
    addEventListener("DOMContentLoaded", () => {
      note(document.referrer + document.cookie + location.href + JSON.stringify(performance.getEntries()) + document.documentElement.outerHTML);
    });
  }, house.app);
  await account.open("/account");
  await account.signOut();
  const popup = page.waitForEvent("popup");
  const reached = await page.evaluate((url) => {
    const handle = window.open(url, "_blank", "popup,width=480,height=640");
    (window as never as { handle: unknown }).handle = handle;
    try {
      return handle?.document.body.innerHTML ?? "";
    } catch (error) {
      return (error as Error).name;
    }
  }, `${house.sign}/sign-in`);
  expect(reached).not.toContain("<form");
  const theirs = await popup;
  await theirs.waitForURL(`${house.sign}/sign-in`);
  // The page of the sign origin has cut the handle: its opener sees a closed window, and cannot navigate it.
  await expect.poll(() => page.evaluate(() => (window as never as { handle: WindowProxy }).handle.closed)).toBe(true);
  await page.evaluate(() => ((window as never as { handle: WindowProxy }).handle.location.href = "about:blank"));
  const reply = theirs.waitForResponse("**/sign-in");
  await account.fillIn(theirs, account.user);
  await theirs.waitForURL(`${house.app}/account`);
  const { ticket } = (await (await reply).json().catch(() => ({}))) as { ticket?: string };
  await expect(theirs.getByTestId("balance")).not.toBeEmpty();
  const loot = await page.evaluate(() => localStorage.getItem("loot") ?? "");
  expect(loot, "the script was there").toContain(`${house.app}/account`);
  for (const secret of [PASSWORD, ticket ?? tokenOf(""), await token(page)]) expect(loot).not.toContain(secret);
});

test("attack 24: a fake sign-in page on the app origin gets no session for the password that it was given", async ({ client, house, page }) => {
  await page.goto(house.app);
  const statuses: number[] = [];
  page.on("response", (response) => void statuses.push(response.status()));
  // The attacker has a user's password, everything that script can make, and a good statement of their own key.
  const { body } = await new Client(house, client.name).credentials("/sign-in");
  const outcomes = await page.evaluate(
    async ({ app, sign, body }) => {
      const outcomes: string[] = [];
      for (const url of [`${app}/api/sign_in`, `${app}/api/register`, `${app}/sign-in`, `${app}/register`, `${sign}/sign-in`, `${sign}/register`]) {
        for (const init of [
          { headers: { "content-type": "application/json" } },
          { headers: { "content-type": "text/plain" }, mode: "no-cors" as const },
          { headers: { "content-type": "application/x-www-form-urlencoded" }, mode: "no-cors" as const },
        ]) {
          const reply = await fetch(url, { method: "POST", credentials: "include", body, ...init }).catch(() => null);
          outcomes.push(`${url} ${reply ? `${reply.type} ${reply.status} ${await reply.text()}` : "failed"}`);
        }
      }
      return outcomes;
    },
    { ...house, body },
  );
  expect(outcomes.filter((outcome) => /ticket|basic 2\d\d/.test(outcome))).toEqual([]);
  expect(await page.context().cookies(), "nobody is signed in").toEqual([]);
  const statements = { "the app origin": from(house.app), "another site": from("http://evil.localhost") };
  for (const [what, headers] of Object.entries(statements)) {
    for (const path of ["/sign-in", "/register"]) {
      const sent = { path, headers: [["host", new URL(house.sign).host], ...headers] as Headers, body };
      expect((await send(house, sent)).code, `${path} from ${what}`).toBe("forbidden_origin");
    }
  }
  // The positive control: from the sign origin the very same request signs in. Nothing of it was wrong or spent.
  const reply = await send(house, { path: "/sign-in", headers: fromSign(house), body });
  expect(reply.status, reply.body).toBe(200);
});

test("attack 24: a form that script of the app origin posts to the sign origin gives no session", async ({ client, house, page }) => {
  for (const enctype of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
    await page.goto(house.app);
    const violated = await page.evaluate(
      ({ action, enctype, user, password }) =>
        new Promise<string>((done) => {
          addEventListener("securitypolicyviolation", ({ effectiveDirective }) => done(effectiveDirective));
          const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
          for (const [name, value] of [["user", user], ["password", password]]) form.append(Object.assign(document.createElement("input"), { name, value }));
          document.body.append(form);
          form.submit();
        }),
      { action: `${house.sign}/sign-in`, enctype, user: client.name, password: PASSWORD },
    );
    // The application's policy does not even let the form go; without it, the server takes none.
    expect(violated).toBe("form-action");
    const body = new URLSearchParams({ user: client.name, password: PASSWORD }).toString();
    const reply = await send(house, { path: "/sign-in", headers: [["host", new URL(house.sign).host], ["origin", house.app], ["content-type", enctype]], body });
    expect(reply.headers["set-cookie"], enctype).toBeUndefined();
    expect(reply.body, enctype).not.toContain(PASSWORD);
    expect(reply.body, enctype).not.toContain("ticket");
  }
  expect(await page.context().cookies()).toEqual([]);
});

test("attack 25: a stolen ticket enters nothing, and its owner can still use it", async ({ bank, house, page }) => {
  const name = newName();
  await page.goto(`${house.sign}/register?return=/activity`);
  const fields = await caughtEntry(page, () => bank.fill(name));
  const { ticket = "", signature = "" } = fields;
  expect(fields).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), signature: expect.stringMatching(/^pan=:.+:$/), return: "/activity" });
  expect(await token(page), "nobody has entered yet").toBe("");

  // The ticket with a signature of another key, of another session, over another path, and without one.
  const thief = new Pair();
  const statement = ["pan-enter/1", new URL(house.app).host, handleOf(tokenOf(ticket))];
  const attacker = await Client.registered(house);
  const stolen: Record<string, Record<string, string>> = {
    "signed by another key": { ticket, signature: thief.sign([...statement, "/activity"]), return: "/activity" },
    "signed by the key of another session": { ticket, signature: attacker.confirmationKey.sign([...statement, "/activity"]), return: "/activity" },
    redirected: { ...fields, return: "/account" },
    "redirected to another origin": { ...fields, return: "//evil.localhost/" },
    "with a field more": { ...fields, user: attacker.name },
    "without a signature": { ticket, return: "/activity" },
    "with another ticket": { ...fields, ticket: Buffer.alloc(32, 7).toString("base64url") },
  };
  for (const [what, body] of Object.entries(stolen)) expectNotEntered(await enter(house, body), house, what);
  // From anywhere but the sign origin, also when everything else is right.
  for (const [header, value] of [
    ["origin", house.app],
    ["origin", "null"],
    ["origin", "http://evil.localhost"],
    ["sec-fetch-site", "cross-site"],
    ["sec-fetch-site", "none"],
    ["sec-fetch-mode", "cors"],
    ["sec-fetch-mode", "no-cors"],
  ] as const) {
    const headers = entryHeaders(house).map(([name, old]): [string, string] => [name, name === header ? value : old]);
    expectNotEntered(await enter(house, fields, headers), house, `${header}: ${value}`);
  }
  // A session that was not entered can do nothing, whatever is sent in its name.
  const early = await send(house, { path: "/api/account", headers: [...from(house.app), ["cookie", `__Host-pan=${tokenOf(ticket)}`]], body: "{}" });
  expect(early.code).toBe("invalid_session");

  // The positive control: it was good all the time, and is good once.
  const replies = await Promise.all(Array.from({ length: 20 }, () => enter(house, { ticket, signature, return: "/activity" })));
  expect(replies.filter(({ status }) => status === 303)).toHaveLength(1);
  for (const reply of replies.filter(({ status }) => status !== 303)) expectNotEntered(reply, house, "replayed");
  expect(replies.find(({ status }) => status === 303)?.headers.location).toBe("/activity");
});

test("attack 25: a ticket that was used is worth nothing, also from the browser's history", async ({ bank, house, page }) => {
  const name = newName();
  await page.goto(`${house.sign}/register?return=/account`);
  const posted = page.waitForRequest("**/enter");
  await bank.fill(name);
  const fields = Object.fromEntries(new URLSearchParams((await posted).postData() ?? ""));
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  const entered = await token(page);
  expectNotEntered(await enter(house, fields), house, "replayed");
  // Neither URL, history nor any script of the app origin has it.
  const readable = await page.evaluate(() => [location.href, document.referrer, document.documentElement.outerHTML, JSON.stringify(performance.getEntries()), JSON.stringify(history.state)].join());
  expect(readable).not.toContain(fields["ticket"] ?? "no ticket");
  await page.goBack();
  await page.goForward();
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  expect(await token(page), "the same session").toBe(entered);
});

test("attack 25: the attacker's own ticket signs no user in to the attacker's account", async ({ account, house, page }) => {
  const before = await token(page);
  // The attacker has a ticket of their own account, with a good signature, that nobody has used.
  const attacker = new Client(house);
  expect((await attacker.signIn("/register")).status).toBe(200);
  const { ticket } = attacker;
  const signature = attacker.confirmationKey.sign(["pan-enter/1", new URL(house.app).host, handleOf(tokenOf(ticket)), "/account"]);
  const fields = { ticket, signature, return: "/account" };
  // Posted by script of another site, of the app origin itself, and by another site in a sandbox, whose origin is null.
  const evil = "http://evil.localhost";
  await page.context().route(`${evil}/*`, (route) => route.fulfill({ contentType: "text/html", body: "<title>evil</title>" }));
  for (const from of [`${evil}/`, `${house.app}/account`]) {
    await page.goto(from);
    const reply = page.waitForResponse("**/enter", { timeout: 3_000 }).catch(() => null);
    await page.evaluate(
      ({ action, fields }) => {
        const form = Object.assign(document.createElement("form"), { method: "post", action });
        for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value, type: "hidden" }));
        document.body.append(form);
        form.submit();
      },
      { action: `${house.app}/enter`, fields },
    );
    expect((await reply)?.status(), from).toBe(403);
    await page.waitForURL("**/enter");
    expect(await token(page), from).toBe(before);
  }
  await page.goto(`${house.app}/account`);
  const fetched = await page.evaluate(
    async (body) => (await fetch("/enter", { method: "POST", body, headers: { "content-type": "application/x-www-form-urlencoded" } })).status,
    new URLSearchParams(fields).toString(),
  );
  expect(fetched).toBe(403);
  // Nor over the sign origin's own page: what it is sent by others is not checked, and signs nobody in.
  const posted = await send(house, { path: "/sign-in", headers: [["host", new URL(house.sign).host], ["origin", evil], ["content-type", "application/x-www-form-urlencoded"]], body: `user=${attacker.name}&password=${encodeURIComponent(PASSWORD)}` });
  expect(posted.headers["set-cookie"]).toBeUndefined();

  expect(await token(page)).toBe(before);
  await page.reload();
  await expect(account.displayName).toHaveText(account.user);
  // The positive control: nothing of it was wrong. From the sign origin it enters.
  expect((await enter(house, fields)).status).toBe(303);
});

test("attack 25: a return path to another origin leads to the account", async ({ bank, client, house, page }) => {
  // Each with an account of its own: sign-ins are limited by account.
  const elsewhere = [
    "//evil.localhost", "https://evil.localhost", "http:evil.localhost", "/\\evil.localhost", "\\/evil.localhost", "javascript:alert(1)", "/\t/evil.localhost",
    "///evil.localhost", "/..//evil.localhost", "@evil.localhost", ".evil.localhost", ":80", "%2F%2Fevil.localhost", "", `/${"a".repeat(600)}`,
  ];
  for (const path of elsewhere) {
    // Signed as it is.
    const registered = new Client(house);
    await registered.signIn("/register");
    const reply = await registered.present(registered.ticket, { path });
    expect([reply.status, reply.headers.location], path).toEqual([303, "/account"]);
    const url = new URL(reply.headers.location ?? "", house.app);
    expect(url.origin, path).toBe(house.app);
  }
  // In the browser, whose page says where to.
  for (const path of ["//evil.localhost", "https://evil.localhost/", "/\\evil.localhost", "javascript:alert(1)"]) {
    await page.goto(`${house.sign}/sign-in?return=${encodeURIComponent(path)}`);
    await bank.fill(client.name);
    await page.waitForURL((url) => url.origin !== house.sign);
    expect(page.url(), path).toBe(`${house.app}/account`);
  }
  // The positive control: a path of the application is kept.
  await page.goto(`${house.sign}/sign-in?return=${encodeURIComponent("/activity?page=2")}`);
  await bank.fill(client.name);
  await page.waitForURL(`${house.app}/activity?page=2`);
});
