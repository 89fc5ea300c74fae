import { AppPage, newUserName } from "../support/app-page.ts";
import { bindOfOwnKey } from "../support/attacks.ts";
import { signingFrame } from "../support/browser-storage.ts";
import { expect, test } from "../support/fixtures.ts";
import { type Headers, send } from "../support/http.ts";
import { Mouse } from "../support/input-device.ts";
import { NodeClient, originHeaders } from "../support/node-client.ts";
import { exportKeys, NOTHING_REACHED, reachIntoFrame, sendFromPage } from "../support/page-scripts.ts";

test("attack 3: page script cannot reach the key", { tag: "@firefox" }, async ({ account, server, page }) => {
  expect(await reachIntoFrame(page)).toEqual(NOTHING_REACHED);

  // Even script inside the frame could use the key but not export it.
  const inside = await exportKeys(signingFrame(page, server));
  expect(inside.keys, "the frame key and the confirmation key").toBe(2);
  expect(inside.extractable).toBe(false);
  for (const result of inside.exported) expect(["InvalidAccessError", "NotSupportedError"]).toContain(result);
  // The positive control: the key that was found can sign.
  expect(inside.signs).toBe(64);
  await account.changeName("Still mine");
});

test("attack 4: page script cannot bind its own key, not even during sign-in", { tag: "@firefox" }, async ({ isolated, page, context }) => {
  const { server } = isolated;
  const proxy = await isolated.startHeldServer();
  const visitor = new AppPage(page, server.app, new Mouse(page));
  // The frame's own bind request is delayed, so that the attacker is first.
  const held = proxy.hold("/bind");
  await page.goto(`${server.sign}/register?return=/account`);
  await visitor.submitFormQuickly(newUserName());
  const { request, release } = await held;

  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(await sendFromPage(page, server, "/challenge", "{}")).toEqual([]);
  // A challenge belongs to no session, so the attacker can have one.
  const challenge = await new NodeClient(server).fetchChallenge();
  const body = await bindOfOwnKey(server, challenge);
  expect(await sendFromPage(page, server, "/bind", body)).toEqual([]);

  // Requests that a browser would not send: with the right cookie, from the page's origin.
  const [sign] = (await context.cookies(server.sign)).filter((cookie) => cookie.name === "__Host-pan-sign");
  expect(sign).toMatchObject({ httpOnly: true, sameSite: "Strict", secure: true, domain: "sign.pan.localhost" });
  const cookie: Headers = [["cookie", `__Host-pan-sign=${sign?.value ?? ""}`]];
  const host: Headers = [["host", new URL(server.sign).host]];
  const sameSite = originHeaders(server.sign).map(([key, value]): [string, string] => [key, key === "sec-fetch-site" ? "same-site" : value]);
  for (const [path, sent] of [["/challenge", "{}"], ["/bind", body]] as const) {
    for (const source of [originHeaders(server.app), sameSite]) {
      expect((await send(server, { path, headers: [...host, ...source, ...cookie], body: sent })).code, path).toBe("forbidden_origin");
    }
  }
  // With the session token in place of that cookie.
  const token: Headers = [["cookie", `__Host-pan-sign=${(await context.cookies(server.app)).find(({ name }) => name === "__Host-pan")?.value ?? ""}`]];
  expect((await send(server, { path: "/bind", headers: [...host, ...originHeaders(server.sign), ...token], body })).code).toBe("invalid_session");

  // The forms have opened windows in front of the page.
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.bringToFront();

  // The frame's request continues and binds the frame's key.
  release();
  await visitor.expectLoaded();
  await visitor.changeName("Mine");

  // With that cookie, an attacker still cannot replay the bind or replace the key: a new key waits for the confirmation key.
  const headers: Headers = [...host, ...originHeaders(server.sign), ...cookie];
  expect((await send(server, { path: "/bind", headers, body: request.body })).code).toBe("use_fresh_nonce");
  const pending = await send(server, { path: "/bind", headers, body });
  expect(JSON.parse(pending.body)).toMatchObject({ pending: true, nonces: [] });
  await visitor.changeName("Still mine");
});

test("attack 4: one of many concurrent binds wins, and a bind works only for its session", async ({ server }) => {
  const client = new NodeClient(server);
  await client.signInAndEnter("/register");
  const statement = await client.bindStatement(await client.fetchChallenge());
  const replies = await Promise.all(Array.from({ length: 50 }, () => client.sendBind(statement)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(new Set(replies.filter(({ status }) => status !== 200).map(({ code }) => code))).toEqual(new Set(["use_fresh_nonce"]));

  const other = new NodeClient(server);
  await other.signInAndEnter("/register");
  expect((await other.sendBind(statement)).code, "the challenge is spent").toBe("use_fresh_nonce");
  // Of many concurrent keys the first is bound and the others wait: only one can sign.
  const rivals = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const rival = new NodeClient(server);
      rival.cookies = other.cookies;
      return { rival, bound: JSON.parse((await rival.sendBind(await rival.bindStatement(await rival.fetchChallenge()))).body) as { pending: boolean; nonces: string[] } };
    }),
  );
  const winners = rivals.filter(({ bound }) => !bound.pending);
  expect(winners).toHaveLength(1);
  for (const { rival, bound } of rivals) {
    rival.handle = other.handle;
    rival.nonces = [winners[0]?.bound.nonces.pop() ?? ""];
    const reply = await rival.call({ path: "/api/account" });
    expect(reply.code, reply.body).toBe(bound.pending ? "invalid_proof" : undefined);
  }
  // The positive control: the bound key works.
  client.nonces = (JSON.parse(replies.find(({ status }) => status === 200)?.body ?? "{}") as { nonces: string[] }).nonces;
  await client.expectStillWorks();
});
