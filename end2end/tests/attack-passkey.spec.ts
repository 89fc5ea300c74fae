import { type BrowserContext, type Page } from "@playwright/test";
import type { AppPage } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { type InterceptedRequest, interceptNext } from "../support/intercepted-request.ts";
// <demo>
import { NodeClient } from "../support/node-client.ts";
// </demo>
import { addPasskey, assertIn, challengeOf, confirmWithPasskey, createIn, removeIn, withAssertion, withHeader } from "../support/passkeys.ts";
import type { TestServer } from "../support/test-server.ts";
import { VirtualAuthenticator } from "../support/virtual-authenticator.ts";

/** Intercepts the user's request to remove the passkey, which the user has confirmed with it. */
async function interceptRemoval(account: AppPage, key: VirtualAuthenticator, name: string): Promise<InterceptedRequest> {
  await account.page.route("**/api/outcome", (route) => route.abort());
  await account.open("/passkeys");
  await account.input.activate(account.button(`Remove ${name}`));
  return interceptNext(account.page, "/api/remove_passkey", () => confirmWithPasskey(account, key, "Remove passkey"));
}

/** A page of the sign origin in which the attacker's script runs, as after a break-in there. Its passkeys are those of the user. */
async function signPage(context: BrowserContext, server: TestServer, key: VirtualAuthenticator): Promise<Page> {
  const page = await context.newPage();
  await page.addInitScript(() => (PublicKeyCredential.isConditionalMediationAvailable = async () => false));
  await key.plugInto(page);
  await page.goto(`${server.sign}/register`);
  return page;
}

/** The RP ID of the passkeys. */
function rpIdOf(server: TestServer): string {
  return new URL(server.sign).hostname;
}

test("attack 30: a replayed assertion is rejected, whole or with another request", async ({ account, context, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  const first = await interceptRemoval(account, key, "Phone");
  const second = await interceptRemoval(account, key, "Phone");
  const assertion = first.headers.find(([name]) => name === "pan-passkey")?.[1];
  // The newer request with the older assertion, which nothing has used.
  expect((await send(server, withHeader(second, "pan-passkey", assertion))).code).toBe("invalid_proof");
  const reply = await send(server, first);
  expect(reply.status, reply.body).toBe(200);
  expect((await send(server, first)).code).toBe("nonce_used");
  await account.page.reload();
  await expect(account.page.getByText("You have no passkey yet.")).toBeVisible();
});

test("attack 30: an assertion for another challenge, another RP ID or without verifying the user is rejected", async ({ account, context, server }) => {
  // Five confirmations with a mouse.
  test.setTimeout(120_000);
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  const attacker = await signPage(context, server, key);
  const passkey = Buffer.from(key.passkeys[0]?.credentialId ?? "", "base64").toString("base64url");
  const rpId = rpIdOf(server);

  let request = await interceptRemoval(account, key, "Phone");
  let json = await assertIn(attacker, { challenge: Buffer.alloc(32, 1), rpId, passkey });
  expect(json).toContain("clientDataJSON");
  expect((await send(server, withAssertion(request, json))).code, "another challenge").toBe("invalid_proof");

  request = await interceptRemoval(account, key, "Phone");
  const otherRp = new URL(server.app).hostname;
  expect(await createIn(attacker, { challenge: Buffer.alloc(32), rpId: otherRp })).toContain("clientDataJSON");
  json = await assertIn(attacker, { challenge: challengeOf(server, request), rpId: otherRp });
  expect(json).toContain("clientDataJSON");
  expect((await send(server, withAssertion(request, json))).code, "another RP ID").toBe("invalid_proof");

  request = await interceptRemoval(account, key, "Phone");
  const { session, id } = await key.plugInto(attacker);
  await session.send("WebAuthn.setUserVerified", { authenticatorId: id, isUserVerified: false });
  json = await assertIn(attacker, { challenge: challengeOf(server, request), rpId, passkey, userVerification: "discouraged" });
  expect(json).toContain("clientDataJSON");
  expect((await send(server, withAssertion(request, json))).code, "no user verification").toBe("invalid_proof");

  // The positive control: the same script, with everything right.
  request = await interceptRemoval(account, key, "Phone");
  await session.send("WebAuthn.setUserVerified", { authenticatorId: id, isUserVerified: true });
  json = await assertIn(attacker, { challenge: challengeOf(server, request), rpId, passkey });
  const reply = await send(server, withAssertion(request, json));
  expect(reply.status, reply.body).toBe(200);
});

test("attack 30: a copied passkey is rejected and reported to the user", async ({ account, browser, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  const theirs = await browser.newContext();
  const copy = await VirtualAuthenticator.pluggedInto(theirs);
  copy.passkeys = key.copy();
  // The user signs in with the passkey, so the server has seen a higher counter than the copy's.
  await account.signOut();
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await expect(page).toHaveURL(`${server.app}/account`);
  await account.waitUntilLive();

  const request = await interceptRemoval(account, key, "Phone");
  await account.waitUntilLive();
  const json = await assertIn(await signPage(theirs, server, copy), { challenge: challengeOf(server, request), rpId: rpIdOf(server) });
  expect(json).toContain("clientDataJSON");
  expect((await send(server, withAssertion(request, json))).code).toBe("invalid_proof");
  await expect(account.notifications.filter({ hasText: "The passkey “Phone” may have been copied" })).toHaveCount(1);
  // The positive control: the original still works.
  const reply = await send(server, await interceptRemoval(account, key, "Phone"));
  expect(reply.status, reply.body).toBe(200);
  await theirs.close();
});

test("attack 30: no page of the app origin and no frame can use a passkey", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  const options = { challenge: Buffer.alloc(32), rpId: rpIdOf(server) };
  await account.open("/account");
  await account.expectLoaded();
  const frame = page.frames().find((frame) => frame.url().startsWith(server.sign));
  expect(frame, "the signing frame").toBeDefined();
  const before = key.uses;
  for (const place of [page, frame ?? page]) {
    expect(await assertIn(place, options)).toBe("NotAllowedError");
    expect(await createIn(place, options)).toBe("NotAllowedError");
  }
  // A frame that script adds, and that asks for more than its page has.
  await page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.allow = "publickey-credentials-get *; publickey-credentials-create *";
    frame.src = `${url}/?added`;
    document.body.append(frame);
  }, server.sign);
  await expect.poll(() => page.frames().filter((frame) => frame.url().includes("?added")).length).toBe(1);
  const added = page.frames().find((frame) => frame.url().includes("?added")) ?? page;
  expect(await assertIn(added, options)).toBe("NotAllowedError");
  expect(key.uses).toBe(before);
  // The positive control: a top-level page of the sign origin can.
  expect(await assertIn(await signPage(context, server, key), options)).toContain("clientDataJSON");
});

test("attack 30: script of the app origin cannot remove a passkey", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  await expect.poll(() => key.idsIn(page)).toHaveLength(1);
  const [passkey = ""] = await key.idsIn(page);
  for (const rpId of [rpIdOf(server), new URL(server.app).hostname]) await removeIn(page, { rpId, passkey });
  expect(await key.idsIn(page)).toEqual([passkey]);
  // The positive control: a page of the sign origin can.
  const attacker = await signPage(context, server, key);
  expect(await removeIn(attacker, { rpId: rpIdOf(server), passkey })).toBe("");
  await expect.poll(() => key.idsIn(attacker)).toEqual([]);
});

test("attack 30: script in the page cannot replace the passkey that the user adds", async ({ account, browser, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  const theirs = await browser.newContext();
  const attacker = await signPage(theirs, server, await VirtualAuthenticator.pluggedInto(theirs));
  await page.route("**/api/outcome", (route) => route.abort());
  const intercept = async () => {
    await account.open("/passkeys");
    await account.input.fill(page.getByLabel("Name", { exact: true }), "Phone");
    await account.input.activate(account.button("Add a passkey"));
    return interceptNext(page, "/api/add_passkey", () => confirmWithPasskey(account, key, "Add passkey"));
  };
  const request = await intercept();
  const json = await createIn(attacker, { challenge: challengeOf(server, request), rpId: rpIdOf(server) });
  expect(json).toContain("clientDataJSON");
  const signature = request.headers.find(([name]) => name === "pan-new-passkey")?.[1].split(";")[1];
  const forged = `${Buffer.from(json).toString("base64url")};${signature}`;
  expect((await send(server, withHeader(request, "pan-new-passkey", forged))).code).toBe("invalid_proof");
  // The positive control.
  const reply = await send(server, await intercept());
  expect(reply.status, reply.body).toBe(200);
  await theirs.close();
});

// <demo>
/** The account page of a user who has a passkey, and a recipient. */
async function prepareTransfer(account: AppPage, server: TestServer): Promise<{ friend: NodeClient; key: VirtualAuthenticator }> {
  const friend = await NodeClient.registered(server);
  const key = await VirtualAuthenticator.pluggedInto(account.page.context());
  await addPasskey(account, key, "Phone");
  await account.page.route("**/api/outcome", (route) => route.abort());
  await account.open("/account");
  await account.expectLoaded();
  return { friend, key };
}

test("attack 30: malware that drives the browser cannot send 500 EUR without the passkey", async ({ account, server }) => {
  const { friend, key } = await prepareTransfer(account, server);
  // It clicks through the window, but the user does not touch the key.
  await account.submitTransfer({ to: friend.name, amount: "500", note: "" });
  const window = await account.confirmationWindow();
  const { session, id } = await key.plugInto(window.page);
  await session.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: id });
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  await account.input.forPage(window.page).activate(window.button("Send 500.00 EUR"));
  await expect(window.page.getByRole("heading", { name: "The passkey was not used" })).toBeVisible();
  await window.page.close();
  await expect(account.alert).toContainText("This needs your passkey.");
});

test("attack 30: a transfer of 500 EUR without the passkey's signature is rejected", async ({ account, page, server }) => {
  const { friend, key } = await prepareTransfer(account, server);
  // The passkey's signature is taken out of the request.
  await account.submitTransfer({ to: friend.name, amount: "500", note: "" });
  const request = await interceptNext(page, "/api/transfer", () => confirmWithPasskey(account, key, "Send 500.00 EUR"));
  expect((await send(server, withHeader(request, "pan-passkey", undefined))).code).toBe("passkey_required");
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");

  // The positive controls: below 500 EUR without a passkey, from 500 EUR with it.
  const uses = key.uses;
  await account.submitTransfer({ to: friend.name, amount: "499.99", note: "" });
  await account.confirm("Send 499.99 EUR");
  await expect(account.balance).toHaveText("500.01 EUR");
  expect(key.uses).toBe(uses);
  await account.submitTransfer({ to: friend.name, amount: "500", note: "" });
  await confirmWithPasskey(account, key, "Send 500.00 EUR");
  await expect(account.balance).toHaveText("0.01 EUR");
  expect(key.uses).toBe(uses + 1);
});
// </demo>
