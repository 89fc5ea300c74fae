import { AppPage, newUserName, PASSWORD } from "../support/app-page.ts";
import { enter, expectNotEntered, useStolenTicket } from "../support/attacks.ts";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, send } from "../support/http.ts";
import { Mouse } from "../support/input-device.ts";
import { NodeClient, originHeaders, signOriginHeaders } from "../support/node-client.ts";
import { postForm, postPasswords, submitForbiddenForm } from "../support/page-scripts.ts";
import { sessionToken, tokenOf } from "../support/session-token.ts";

test("attack 24: no page of the app origin has a password field or accepts a password", { tag: "@firefox" }, async ({ account, server, page }) => {
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

test("attack 24: script of the app origin cannot watch a sign-in", { tag: "@firefox" }, async ({ account, server, page, context }) => {
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

test("attack 24: a fake sign-in page on the app origin gets no session for a stolen password", { tag: "@firefox" }, async ({ client, server, page }) => {
  await page.goto(server.app);
  const statuses: number[] = [];
  page.on("response", (response) => void statuses.push(response.status()));
  // The attacker has the user's password and a valid statement of the attacker's own key.
  const { body } = await new NodeClient(server, client.name).signInRequest("/sign-in");
  const outcomes = await postPasswords(page, server, body);
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

test("attack 24: a form that script posts from the app origin to the sign origin opens no session", { tag: "@firefox" }, async ({ client, server, page }) => {
  for (const enctype of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
    await page.goto(server.app);
    const violated = await submitForbiddenForm(page, `${server.sign}/sign-in`, enctype, { user: client.name, password: PASSWORD });
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

test("attack 25: a stolen ticket is useless, and its owner can still use it", { tag: "@firefox" }, async ({ isolated, page }) => {
  const { server } = isolated;
  const proxy = await isolated.startHeldServer();
  const visitor = new AppPage(page, server.app, new Mouse(page));
  await page.goto(`${server.sign}/register?return=/activity`);
  const held = proxy.hold("/enter");
  await visitor.submitFormQuickly(newUserName());
  // The form never arrives. If it were dropped, the browser would send it again.
  const { request } = await held;
  const fields = Object.fromEntries(new URLSearchParams(request.body));
  expect(fields).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), signature: expect.stringMatching(/^pan=:.+:$/), return: "/activity" });
  expect(await sessionToken(page), "no session was entered yet").toBe("");
  await useStolenTicket(server, fields);
});

test("attack 25: a used ticket is useless, also from the browser's history", { tag: "@firefox" }, async ({ isolated, page }) => {
  const { server } = isolated;
  const proxy = await isolated.startHeldServer();
  const visitor = new AppPage(page, server.app, new Mouse(page));
  await page.goto(`${server.sign}/register?return=/account`);
  const held = proxy.hold("/enter");
  await visitor.submitFormQuickly(newUserName());
  const { request, release } = await held;
  release();
  const fields = Object.fromEntries(new URLSearchParams(request.body));
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

test("attack 25: the attacker's own ticket signs no user in to the attacker's account", { tag: "@firefox" }, async ({ account, server, page }) => {
  const before = await sessionToken(page);
  // The attacker has an unused ticket of the attacker's own account, with a valid signature.
  const attacker = new NodeClient(server);
  expect((await attacker.signIn("/register")).status).toBe(200);
  const fields = attacker.enterFields("/account");
  // Posted by script of another site and of the app origin itself.
  const evil = "http://evil.localhost";
  await page.context().route(`${evil}/*`, (route) => route.fulfill({ contentType: "text/html", body: "<title>evil</title>" }));
  for (const from of [`${evil}/`, `${server.app}/account`]) {
    await page.goto(from);
    const reply = page.waitForResponse("**/enter", { timeout: 3_000 }).catch(() => null);
    await postForm(page, `${server.app}/enter`, fields);
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
