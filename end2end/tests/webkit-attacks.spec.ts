import { By } from "selenium-webdriver";
import { newUserName, PASSWORD } from "../support/app-page.ts";
// <demo>
import { messagesOf, openConfirmation, runWithHandle, type WindowRequest } from "../support/attacker-window.ts";
// </demo>
import { bindOfOwnKey, enter, expectNotEntered, useStolenTicket } from "../support/attacks.ts";
// <demo>
import { changeSignedRequests, requestTransferOfFrame } from "../support/demo/frame-attacks.ts";
// </demo>
import { send } from "../support/http.ts";
import { InjectedScript } from "../support/injected-script.ts";
import { confirmationProof } from "../support/interaction-proof.ts";
import { NodeClient, signOriginHeaders } from "../support/node-client.ts";
import { changeNameBySyntheticEvents, confirmBySyntheticEvents, exportKeys, NOTHING_REACHED, plantCookies, postForm, postPasswords, reachIntoFrame, readEverything, sendFromPage, submitForbiddenForm } from "../support/page-scripts.ts";
import { isSignInMessage, rewritten, TAMPERING } from "../support/push-tampering.ts";
import { handleOf, sessionToken } from "../support/session-token.ts";
// <demo>
import type { TestServer } from "../support/test-server.ts";
import { WebKitConfirmation } from "../support/webkit/app-page.ts";
// </demo>
import { ALERT, DISPLAY_NAME, NOTIFICATIONS, type WebKitAppPage } from "../support/webkit/app-page.ts";
import { expect, test } from "../support/webkit/fixtures.ts";
import { button } from "../support/webkit/webkit-page.ts";

/** Injects the attacker's script into the page, and has the page use its port to the frame. */
async function injectInto({ page, ...account }: WebKitAppPage): Promise<InjectedScript> {
  const script = await InjectedScript.injectNow(page);
  for (const link of ["Sessions", "Account"]) await page.activate(By.linkText(link));
  await page.expectText(DISPLAY_NAME, account.user);
  return script;
}

test("attack 1: a stolen cookie reads nothing in the thief's browser", async ({ account, server, startBrowser }) => {
  await account.changeName("Secretive");
  const token = await sessionToken(account.page);
  const theirs = await (await startBrowser()).firstPage();
  await theirs.goto(server.app);
  await theirs.context().addCookies([{ name: "__Host-pan", value: token }]);
  for (const path of ["/account", "/sessions", "/activity"]) {
    await theirs.goto(server.app + path);
    await theirs.expectText(ALERT, "no longer has the key");
    expect(await theirs.content()).not.toContain("Secretive");
  }
  expect(await sessionToken(theirs), "the cookie was sent").toBe(token);
  await account.page.reload();
  await account.changeName("Unharmed");
});

test("attack 2: page script cannot read the token, and the handle alone is useless", async ({ account, mitm, server }) => {
  const token = await sessionToken(account.page);
  expect(token).toHaveLength(43);
  const readable = await readEverything(account.page);
  expect(readable).not.toContain(token);
  expect(readable).not.toContain("__Host-pan");

  const held = mitm.hold("/api/sessions");
  await account.follow("Sessions");
  const { request, drop } = await held;
  drop();
  const without = request.headers.filter(([name]) => name !== "cookie");
  expect((await send(server, { ...request, headers: without })).code).toBe("invalid_session");
  expect((await send(server, { ...request, headers: [...without, ["cookie", `__Host-pan=${handleOf(token)}`]] })).status).toBeGreaterThanOrEqual(400);
  // The positive control: with the cookie it passes, so its nonce was not spent.
  expect((await send(server, request)).status).toBe(200);
});

test("attack 3: page script cannot reach the key", async ({ account, server }) => {
  expect(await reachIntoFrame(account.page)).toEqual(NOTHING_REACHED);
  const inFrame = await exportKeys({ evaluate: account.page.evaluateInFrame });
  await account.changeName("Still mine");
  await account.page.goto(`${server.sign}/sign-in`);
  const inWindow = await exportKeys(account.page);
  for (const { keys, extractable, exported, signs } of [inFrame, inWindow]) {
    expect([keys, extractable]).toEqual([1, false]);
    for (const result of exported) expect(["InvalidAccessError", "NotSupportedError"]).toContain(result);
    // The positive control: the key that was found can sign.
    expect(signs).toBe(64);
  }
});

test("attack 4: page script cannot bind its own key, not even during sign-in", async ({ visitor, mitm, server }) => {
  // The frame's own bind request is delayed, so that the attacker is first.
  const held = mitm.hold("/bind");
  await visitor.openForm("/register");
  await visitor.submitFormQuickly(newUserName());
  const { request, release } = await held;
  expect(await visitor.page.evaluate(() => document.cookie)).toBe("");
  expect(await sendFromPage(visitor.page, server, "/challenge", "{}")).toEqual([]);
  // A challenge belongs to no session, so the attacker can have one.
  const body = await bindOfOwnKey(server, await new NodeClient(server).fetchChallenge());
  expect(await sendFromPage(visitor.page, server, "/bind", body)).toEqual([]);

  // The frame's request continues and binds the frame's key.
  release();
  await visitor.expectLoaded();
  await visitor.changeName("Mine");
  // Sent again, it binds nothing.
  expect((await send(server, request)).code).toBe("use_fresh_nonce");
  await visitor.changeName("Still mine");
});

// <demo>
/** A transfer that script in the page requests. */
async function transferOf(script: InjectedScript, server: TestServer): Promise<WindowRequest & { nonce: string }> {
  const friend = await NodeClient.registered(server);
  const body = JSON.stringify({ to: friend.name, amount: 4200, note: "a gift" });
  return { session: await script.sessionHandle(), path: "/api/transfer", body, nonce: await script.nonce() };
}

test("attack 5: script that requests a transfer gets no signature without the user", async ({ account, server }) => {
  const { page } = account;
  const script = await injectInto(account);
  const transfer = await transferOf(script, server);
  await requestTransferOfFrame(script, transfer);

  // Script can open the confirmation window and dispatch a click, but cannot reach into the window.
  await openConfirmation(page, server.sign, transfer, { onClick: true });
  const window = new WebKitConfirmation(await page.popup(() => page.activate(By.css("h1"))));
  await window.waitUntilArmed();
  expect(await runWithHandle(page, 0, (handle) => handle.dispatchEvent(new MouseEvent("click")))).toBe("SecurityError");
  await runWithHandle(page, 0, (handle) => handle.postMessage('{"signed":{}}', "*"));
  await window.expectText("42.00 EUR");
  expect(await messagesOf(page, 0)).toEqual([{ shown: {} }]);
  // The positive control: the user confirms it, and the window signs.
  await window.confirm("Send 42.00 EUR");
  await expect.poll(async () => (await messagesOf(page, 0)).some((message) => "signed" in message)).toBe(true);
});

test("attack 8: a signed request cannot be changed, and the frame signs only catalogue actions", async ({ account, server }) => {
  await changeSignedRequests(await injectInto(account), server);
  await account.page.reload();
  await account.page.expectText(DISPLAY_NAME, "Signed");
});
// </demo>

test("attack 6: synthetic events make no proof and do not activate the confirmation button", async ({ account, mitm }) => {
  const { page } = account;
  // Without a proof, the change needs a confirmation, and WebKit opens no window without the user.
  const openWindow = async () => {
    await changeNameBySyntheticEvents(page);
    await page.expectText(By.css("[aria-label=Confirmation]"), "blocked");
    return account.confirmation(() => page.activate(button("Continue in a secure window")));
  };
  const window = await openWindow();
  await window.waitUntilArmed();
  await confirmBySyntheticEvents(window.page);
  await window.expectText("Check every line");
  expect(await window.page.isClosed()).toBe(false);
  await window.cancel();
  await page.reload();
  await page.expectText(DISPLAY_NAME, account.user);

  // The positive control: trusted events make a proof and activate the button.
  const held = mitm.hold("/api/display_name");
  const changed = account.changeName("Person");
  const { request, release } = await held;
  release();
  await changed;
  expect(request.headers.find(([name]) => name === "x-interaction-proof")?.[1]).not.toBe("none");
  await (await openWindow()).confirm("Change name");
  await page.expectText(DISPLAY_NAME, "Robot");
});

test("attack 10: a captured request is accepted once", async ({ account, mitm, server }) => {
  const held = mitm.hold("/api/sessions");
  await account.follow("Sessions");
  const { request, drop } = await held;
  drop();
  const replies = await Promise.all(Array.from({ length: 50 }, () => send(server, request)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect([...new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code))]).toEqual(["nonce_used"]);
  await account.open("/account");
  await account.changeName("Still here");
});

test("attack 18: a session ended elsewhere ends here at once, with its connection", async ({ account, server }) => {
  await account.waitUntilLive();
  const elsewhere = await NodeClient.signedIn(server, account.user);
  await account.page.activate(By.css("summary"));
  // The positive control: until then it works, and the message of the sign-in arrives.
  await account.page.expectText(NOTIFICATIONS, "New sign-in");
  expect((await elsewhere.call({ path: "/api/revoke_others", proof: confirmationProof("revoke_others") })).status).toBe(200);
  await account.page.expectText(By.css("body"), "You ended this session from another device");
  await account.page.reload();
  await account.page.expectText(ALERT, /./);
  await elsewhere.expectStillWorks();
});

for (const [name, transport] of [["altered", "stream"], ["dropped", "stream"], ["unsigned", "socket"], ["repeated", "socket"]] as const) {
  test(`attack 20: a push message that is ${name} is rejected, and the page still shows the event`, async ({ account, mitm, server }) => {
    const [, tamper, reason] = TAMPERING.find(([each]) => each === name)!;
    mitm.allowed = new Set([transport]);
    await account.page.reload();
    await account.waitUntilLive();
    mitm.tamper = tamper();
    const before = mitm.connections[transport];
    await NodeClient.signedIn(server, account.user);
    await expect.poll(() => mitm.connections[transport], { timeout: 30_000 }).toBeGreaterThan(before);
    await account.page.activate(By.css("summary"));
    await account.page.expectText(NOTIFICATIONS, "New sign-in");
    await account.waitUntilLive();
    expect(await account.page.count(By.css(".notification-list li"))).toBe(1);
    expect(await account.page.text(NOTIFICATIONS)).not.toContain("Evil");
    await account.open("/activity");
    await account.page.expectText(By.css("main"), reason);
  });
}

test("attack 20: page script cannot have a forged message accepted", async ({ account, mitm, server }) => {
  await account.waitUntilLive();
  const script = await injectInto(account);
  await NodeClient.signedIn(server, account.user);
  await expect.poll(() => mitm.messages.some(isSignInMessage)).toBe(true);
  const genuine = mitm.messages.filter(isSignInMessage).at(-1) ?? "";
  const forged = rewritten(genuine, (message) => (message.payload.data = { latest: 0 }));
  for (const message of [genuine, forged, "", "{}"]) {
    expect(await script.sendToFrame({ hear: { frame: message } })).toEqual({ Err: "rejected" });
  }
  // The positive control: the page has shown the genuine message.
  await account.page.activate(By.css("summary"));
  await account.page.expectText(NOTIFICATIONS, "New sign-in");
});

test("attack 24: no page of the app origin has a password field or accepts a password", async ({ account, client, server }) => {
  const { page } = account;
  await account.signOut();
  for (const path of ["/", "/account", "/sessions", "/activity", "/sign-in", "/register", "/nowhere"]) {
    await page.goto(server.app + path);
    expect(await page.count(By.css("input[type=password]")), path).toBe(0);
  }
  // The attacker has the user's password and a valid statement of the attacker's own key.
  const { body } = await new NodeClient(server, client.name).signInRequest("/sign-in");
  expect((await postPasswords(page, server, body)).filter((outcome) => /ticket|basic 2\d\d/.test(outcome))).toEqual([]);
  const fields = { user: client.name, password: PASSWORD };
  expect(await submitForbiddenForm(page, `${server.sign}/sign-in`, "text/plain", fields)).toBe("form-action");
  expect(await sessionToken(page)).toBe("");
  // The positive control: from the sign origin the same request signs in.
  expect((await send(server, { path: "/sign-in", headers: signOriginHeaders(server), body })).status).toBe(200);
});

test("attack 24: script of the app origin cannot watch a sign-in in a window that it opened", async ({ account, server }) => {
  const { page } = account;
  await account.signOut();
  await page.evaluate((url) => {
    const open = () => void ((window as never as { handle: unknown }).handle = window.open(url, "_blank", "popup"));
    addEventListener("click", open, { capture: true, once: true });
  }, `${server.sign}/sign-in`);
  const theirs = await page.popup(() => page.activate(By.css("h1")));
  await account.waitUntilReady(theirs);
  // The sign-origin page has severed the handle: its opener sees a closed window and cannot navigate it.
  await expect.poll(() => page.evaluate(() => (window as never as { handle: WindowProxy }).handle.closed)).toBe(true);
  await page.evaluate(() => ((window as never as { handle: WindowProxy }).handle.location.href = "about:blank"));
  await account.submitFormQuickly(account.user, theirs);
  await theirs.expectText(DISPLAY_NAME, account.user);
});

test("attack 25: a stolen ticket is useless, and its owner can still use it", async ({ visitor, mitm, server }) => {
  const held = mitm.hold("/enter");
  await visitor.openForm("/register", "/activity");
  await visitor.submitFormQuickly(newUserName());
  // The form never arrives. If it were dropped, the browser would send it again.
  const { request } = await held;
  const fields = Object.fromEntries(new URLSearchParams(request.body));
  expect(fields).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), signature: expect.stringMatching(/^pan=:.+:$/), return: "/activity" });
  await useStolenTicket(server, fields);
});

test("attack 25: a used ticket is useless, and page script cannot read it", async ({ visitor, mitm, server }) => {
  const held = mitm.hold("/enter");
  await visitor.openForm("/register");
  await visitor.submitFormQuickly(newUserName());
  const { request, release } = await held;
  release();
  await visitor.expectLoaded();
  const fields = Object.fromEntries(new URLSearchParams(request.body));
  expectNotEntered(await enter(server, fields), server, "replayed");
  expect(await readEverything(visitor.page)).not.toContain(fields["ticket"]);
  await visitor.changeName("Entered once");
});

test("attack 25: the attacker's own ticket signs no user in to the attacker's account", async ({ account, mitm, server }) => {
  const before = await sessionToken(account.page);
  const attacker = new NodeClient(server);
  expect((await attacker.signIn("/register")).status).toBe(200);
  const fields = attacker.enterFields("/account");
  const held = mitm.hold("/enter");
  await postForm(account.page, `${server.app}/enter`, fields);
  (await held).release();
  await expect.poll(() => account.page.url()).toBe(`${server.app}/enter`);
  expect(await sessionToken(account.page)).toBe(before);
  await account.open("/account");
  await account.page.expectText(DISPLAY_NAME, account.user);
  // The positive control: from the sign origin the same form enters.
  expect((await enter(server, fields)).status).toBe(303);
});

test("attack 26: cookies that script plants lock no user out and end no session", async ({ account, mitm, server }) => {
  const elsewhere = await NodeClient.signedIn(server, account.user);
  const attacker = await NodeClient.registered(server);
  const token = attacker.cookies.get("__Host-pan") ?? "";
  const year = "Max-Age=34560000";
  const host = new URL(server.app).host;
  const own = await sessionToken(account.page);
  await plantCookies(account.page, [
    `__Host-pan=${token}; Secure; Path=/; ${year}; Partitioned`,
    ...["/api", "/api/account", "/account", "/enter"].flatMap((path) => [`__Host-pan=${token}; Secure; Path=${path}; ${year}`, `pan=${token}; Path=${path}; ${year}`]),
    ...["__Host-pan", "__Host-pan-sign", "pan"].map((name) => `${name}=${token}; Secure; Domain=${host}; Path=/; ${year}`),
    `name=José; Path=/; ${year}`,
    ...Array.from({ length: 40 }, (_, at) => `n${at}=${"x".repeat(50)}; Domain=${host}; Path=/; ${year}`),
  ]);
  const held = mitm.hold("/api/account");
  await account.page.reload();
  const { request, release } = await held;
  release();
  const sent = request.headers.find(([name]) => name === "cookie")?.[1] ?? "";
  expect(sent, "planted cookies are sent").toContain("n39=");
  expect(sent, "with the right one").toContain(`__Host-pan=${own}`);
  await account.page.expectText(DISPLAY_NAME, account.user);
  await account.signOut();
  await account.enter("/sign-in", account.user);
  await account.changeName("Still here");
  // The other device is still signed in, and the attacker's session is unchanged.
  await elsewhere.expectStillWorks();
  await attacker.expectStillWorks();
});
