import type { Page } from "@playwright/test";
import { newUserName, PASSWORD } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, type Reply, send } from "../support/http.ts";
import { KeyPair } from "../support/key-pair.ts";
import { enterHeaders, NodeClient, originHeaders, signOriginHeaders } from "../support/node-client.ts";
import { handleOf, sessionToken, tokenOf } from "../support/session-token.ts";
import type { TestServer } from "../support/test-server.ts";

/** Intercepts the form that the browser posts to `/enter`, and returns its fields. */
async function interceptEntry(page: Page, act: () => Promise<unknown>): Promise<Record<string, string>> {
  const [request] = await Promise.all([
    page.waitForRequest("**/enter"),
    page.route("**/enter", (route) => route.fulfill({ contentType: "text/html", body: "intercepted" }), { times: 1 }).then(act),
  ]);
  await expect(page.getByText("intercepted")).toBeVisible();
  return Object.fromEntries(new URLSearchParams(request.postData() ?? ""));
}

async function enter(server: TestServer, fields: Record<string, string>, headers = enterHeaders(server)): Promise<Reply> {
  return send(server, { path: "/enter", headers, body: new URLSearchParams(fields).toString() });
}

/** Checks that no session was entered: an error without a cookie, with a link to sign in. */
function expectNotEntered(reply: Reply, server: TestServer, what: string): void {
  expect(reply.status, what).toBeGreaterThanOrEqual(400);
  expect(reply.status, what).toBeLessThan(500);
  expect(reply.headers["set-cookie"], what).toBeUndefined();
  expect(reply.headers.location, what).toBeUndefined();
  expect(reply.body, what).toContain(`${server.sign}/sign-in`);
}

test("attack 24: no page of the app origin has a password field or accepts a password", async ({ account, server, page }) => {
  // All linked pages, signed in and signed out.
  const seen = new Set<string>();
  const walk = async () => {
    const paths = ["/", "/account", "/sessions", "/activity", "/sign-in", "/register", "/nowhere"];
    while (paths.length) {
      const path = paths.pop() ?? "";
      if (seen.has(path)) continue;
      seen.add(path);
      await page.goto(server.app + path);
      expect(await page.locator("input[type=password], input[autocomplete*=password]").count(), path).toBe(0);
      const links = await page.locator("a[href]").evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).href));
      paths.push(...links.filter((link) => link.startsWith(server.app)).map((link) => new URL(link).pathname));
    }
  };
  await walk();
  await account.open("/account");
  await account.signOut();
  seen.clear();
  await walk();
  // The positive control: the link to sign in leads to the sign origin's page, which has one.
  await page.goto(`${server.app}/account`);
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await expect(page).toHaveURL(`${server.sign}/sign-in?return=/account`);
  await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("type", "password");
});

test("attack 24: script of the app origin cannot watch a sign-in", async ({ account, server, page, context }) => {
  // From now on, it records everything that it can see in every page of the app origin.
  await context.addInitScript((app) => {
    if (location.origin !== app) return;
    const note = (text: unknown) => localStorage.setItem("recorded", `${localStorage.getItem("recorded") ?? ""}\n${String(text)}`);
    for (const type of ["keydown", "input", "message", "paste", "beforeinput", "storage"]) {
      addEventListener(type, (event) => note(`${type} ${(event as KeyboardEvent).key} ${String((event as MessageEvent).data)}`), true);
    }
    addEventListener("DOMContentLoaded", () => {
      note(document.referrer + document.cookie + location.href + JSON.stringify(performance.getEntries()) + document.documentElement.outerHTML);
    });
  }, server.app);
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
  }, `${server.sign}/sign-in`);
  expect(reached).not.toContain("<form");
  const theirs = await popup;
  await theirs.waitForURL(`${server.sign}/sign-in`);
  // The sign-origin page has severed the handle: its opener sees a closed window and cannot navigate it.
  await expect.poll(() => page.evaluate(() => (window as never as { handle: WindowProxy }).handle.closed)).toBe(true);
  await page.evaluate(() => ((window as never as { handle: WindowProxy }).handle.location.href = "about:blank"));
  const reply = theirs.waitForResponse("**/sign-in");
  await account.submitFormQuicklyIn(theirs, account.user);
  await theirs.waitForURL(`${server.app}/account`);
  const { ticket } = (await (await reply).json().catch(() => ({}))) as { ticket?: string };
  await expect(theirs.getByTestId("display-name")).not.toBeEmpty();
  const recorded = await page.evaluate(() => localStorage.getItem("recorded") ?? "");
  expect(recorded, "the script was there").toContain(`${server.app}/account`);
  for (const secret of [PASSWORD, ticket ?? tokenOf(""), await sessionToken(page)]) expect(recorded).not.toContain(secret);
});

test("attack 24: a fake sign-in page on the app origin gets no session for a stolen password", async ({ client, server, page }) => {
  await page.goto(server.app);
  const statuses: number[] = [];
  page.on("response", (response) => void statuses.push(response.status()));
  // The attacker has the user's password and a valid statement of the attacker's own key.
  const { body } = await new NodeClient(server, client.name).signInRequest("/sign-in");
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
    { ...server, body },
  );
  expect(outcomes.filter((outcome) => /ticket|basic 2\d\d/.test(outcome))).toEqual([]);
  expect(await page.context().cookies(), "no session was opened").toEqual([]);
  const statements = { "the app origin": originHeaders(server.app), "another site": originHeaders("http://evil.localhost") };
  for (const [what, headers] of Object.entries(statements)) {
    for (const path of ["/sign-in", "/register"]) {
      const sent = { path, headers: [["host", new URL(server.sign).host], ...headers] as Headers, body };
      expect((await send(server, sent)).code, `${path} from ${what}`).toBe("forbidden_origin");
    }
  }
  // The positive control: from the sign origin the same request signs in.
  const reply = await send(server, { path: "/sign-in", headers: signOriginHeaders(server), body });
  expect(reply.status, reply.body).toBe(200);
});

test("attack 24: a form that script posts from the app origin to the sign origin opens no session", async ({ client, server, page }) => {
  for (const enctype of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
    await page.goto(server.app);
    const violated = await page.evaluate(
      ({ action, enctype, user, password }) =>
        new Promise<string>((done) => {
          addEventListener("securitypolicyviolation", ({ effectiveDirective }) => done(effectiveDirective));
          const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
          for (const [name, value] of [["user", user], ["password", password]]) form.append(Object.assign(document.createElement("input"), { name, value }));
          document.body.append(form);
          form.submit();
        }),
      { action: `${server.sign}/sign-in`, enctype, user: client.name, password: PASSWORD },
    );
    // The application's policy blocks the form. Without the policy, the server rejects it.
    expect(violated).toBe("form-action");
    const body = new URLSearchParams({ user: client.name, password: PASSWORD }).toString();
    const reply = await send(server, { path: "/sign-in", headers: [["host", new URL(server.sign).host], ["origin", server.app], ["content-type", enctype]], body });
    expect(reply.headers["set-cookie"], enctype).toBeUndefined();
    expect(reply.body, enctype).not.toContain(PASSWORD);
    expect(reply.body, enctype).not.toContain("ticket");
  }
  expect(await page.context().cookies()).toEqual([]);
});

test("attack 25: a stolen ticket is useless, and its owner can still use it", async ({ visitor, server, page }) => {
  const name = newUserName();
  await page.goto(`${server.sign}/register?return=/activity`);
  const fields = await interceptEntry(page, () => visitor.submitFormQuickly(name));
  const { ticket = "", signature = "" } = fields;
  expect(fields).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), signature: expect.stringMatching(/^pan=:.+:$/), return: "/activity" });
  expect(await sessionToken(page), "no session was entered yet").toBe("");

  // The ticket with a signature by another key, of another session or over another path, and without a signature.
  const thief = new KeyPair();
  const statement = ["pan-enter/1", new URL(server.app).host, handleOf(tokenOf(ticket))];
  const attacker = await NodeClient.registered(server);
  const stolen: Record<string, Record<string, string>> = {
    "signed by another key": { ticket, signature: thief.sign([...statement, "/activity"]), return: "/activity" },
    "signed by the key of another session": { ticket, signature: attacker.confirmationKey.sign([...statement, "/activity"]), return: "/activity" },
    redirected: { ...fields, return: "/account" },
    "redirected to another origin": { ...fields, return: "//evil.localhost/" },
    "with an extra field": { ...fields, user: attacker.name },
    "without a signature": { ticket, return: "/activity" },
    "with another ticket": { ...fields, ticket: Buffer.alloc(32, 7).toString("base64url") },
  };
  for (const [what, body] of Object.entries(stolen)) expectNotEntered(await enter(server, body), server, what);
  // A valid form from another origin, site or fetch mode.
  for (const [header, value] of [
    ["origin", server.app],
    ["origin", "null"],
    ["origin", "http://evil.localhost"],
    ["sec-fetch-site", "cross-site"],
    ["sec-fetch-site", "none"],
    ["sec-fetch-mode", "cors"],
    ["sec-fetch-mode", "no-cors"],
  ] as const) {
    const headers = enterHeaders(server).map(([name, old]): [string, string] => [name, name === header ? value : old]);
    expectNotEntered(await enter(server, fields, headers), server, `${header}: ${value}`);
  }
  // A session that was not entered can do nothing.
  const early = await send(server, { path: "/api/account", headers: [...originHeaders(server.app), ["cookie", `__Host-pan=${tokenOf(ticket)}`]], body: "{}" });
  expect(early.code).toBe("invalid_session");

  // The positive control: it is still valid. Until a frame key is bound, the same form enters the same session again.
  const replies = await Promise.all(Array.from({ length: 20 }, () => enter(server, { ticket, signature, return: "/activity" })));
  expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(303));
  expect(new Set(replies.map(({ headers }) => String(headers["set-cookie"]))).size).toBe(1);
  expect(replies[0]?.headers.location).toBe("/activity");
});

test("attack 25: a used ticket is useless, also from the browser's history", async ({ visitor, server, page }) => {
  const name = newUserName();
  await page.goto(`${server.sign}/register?return=/account`);
  const posted = page.waitForRequest("**/enter");
  await visitor.submitFormQuickly(name);
  const fields = Object.fromEntries(new URLSearchParams((await posted).postData() ?? ""));
  await visitor.expectLoaded();
  const entered = await sessionToken(page);
  expectNotEntered(await enter(server, fields), server, "replayed");
  // It is neither in the URL nor in the history, and script on the app origin cannot read it.
  const readable = await page.evaluate(() => [location.href, document.referrer, document.documentElement.outerHTML, JSON.stringify(performance.getEntries()), JSON.stringify(history.state)].join());
  expect(readable).not.toContain(fields["ticket"] ?? "no ticket");
  await page.goBack();
  await page.goForward();
  await visitor.expectLoaded();
  expect(await sessionToken(page), "the same session").toBe(entered);
});

test("attack 25: the attacker's own ticket signs no user in to the attacker's account", async ({ account, server, page }) => {
  const before = await sessionToken(page);
  // The attacker has an unused ticket of the attacker's own account, with a valid signature.
  const attacker = new NodeClient(server);
  expect((await attacker.signIn("/register")).status).toBe(200);
  const { ticket } = attacker;
  const signature = attacker.confirmationKey.sign(["pan-enter/1", new URL(server.app).host, handleOf(tokenOf(ticket)), "/account"]);
  const fields = { ticket, signature, return: "/account" };
  // Posted by script of another site and of the app origin itself.
  const evil = "http://evil.localhost";
  await page.context().route(`${evil}/*`, (route) => route.fulfill({ contentType: "text/html", body: "<title>evil</title>" }));
  for (const from of [`${evil}/`, `${server.app}/account`]) {
    await page.goto(from);
    const reply = page.waitForResponse("**/enter", { timeout: 3_000 }).catch(() => null);
    await page.evaluate(
      ({ action, fields }) => {
        const form = Object.assign(document.createElement("form"), { method: "post", action });
        for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value, type: "hidden" }));
        document.body.append(form);
        form.submit();
      },
      { action: `${server.app}/enter`, fields },
    );
    expect((await reply)?.status(), from).toBe(403);
    await page.waitForURL("**/enter");
    expect(await sessionToken(page), from).toBe(before);
  }
  await page.goto(`${server.app}/account`);
  const fetched = await page.evaluate(
    async (body) => (await fetch("/enter", { method: "POST", body, headers: { "content-type": "application/x-www-form-urlencoded" } })).status,
    new URLSearchParams(fields).toString(),
  );
  expect(fetched).toBe(403);
  // A form posted to the sign origin by another site opens no session.
  const posted = await send(server, { path: "/sign-in", headers: [["host", new URL(server.sign).host], ["origin", evil], ["content-type", "application/x-www-form-urlencoded"]], body: `user=${attacker.name}&password=${encodeURIComponent(PASSWORD)}` });
  expect(posted.headers["set-cookie"]).toBeUndefined();

  expect(await sessionToken(page)).toBe(before);
  await page.reload();
  await expect(account.displayName).toHaveText(account.user);
  // The positive control: from the sign origin the same form enters.
  expect((await enter(server, fields)).status).toBe(303);
});

test("attack 25: a return path to another origin leads to the account", async ({ visitor, client, server, page }) => {
  // Each with its own account, because sign-ins are limited per account.
  const elsewhere = [
    "//evil.localhost", "https://evil.localhost", "http:evil.localhost", "/\\evil.localhost", "\\/evil.localhost", "javascript:alert(1)", "/\t/evil.localhost",
    "///evil.localhost", "/..//evil.localhost", "@evil.localhost", ".evil.localhost", ":80", "%2F%2Fevil.localhost", "", `/${"a".repeat(600)}`,
  ];
  for (const path of elsewhere) {
    // The path is signed unchanged.
    const registered = new NodeClient(server);
    await registered.signIn("/register");
    const reply = await registered.enterWithTicket(registered.ticket, { path });
    expect([reply.status, reply.headers.location], path).toEqual([303, "/account"]);
    const url = new URL(reply.headers.location ?? "", server.app);
    expect(url.origin, path).toBe(server.app);
  }
  // In the browser, with the path in the sign-in page's URL.
  for (const path of ["//evil.localhost", "https://evil.localhost/", "/\\evil.localhost", "javascript:alert(1)"]) {
    await page.goto(`${server.sign}/sign-in?return=${encodeURIComponent(path)}`);
    await visitor.submitFormQuickly(client.name);
    await page.waitForURL((url) => url.origin !== server.sign);
    expect(page.url(), path).toBe(`${server.app}/account`);
  }
  // The positive control: a path of the application is kept.
  await page.goto(`${server.sign}/sign-in?return=${encodeURIComponent("/activity?page=2")}`);
  await visitor.submitFormQuickly(client.name);
  await page.waitForURL(`${server.app}/activity?page=2`);
});
