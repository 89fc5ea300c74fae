import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Page } from "@playwright/test";
import { newUserName } from "../support/app-page.ts";
import { expect, test as base } from "../support/fixtures.ts";
import { type Headers, send } from "../support/http.ts";
import { InjectedScript } from "../support/injected-script.ts";
import { keyPressProof } from "../support/interaction-proof.ts";
import { NodeClient, signOriginHeaders } from "../support/node-client.ts";
import { sessionToken } from "../support/session-token.ts";

/** The attacker's own site. It returns the same page for every path. */
const test = base.extend<{ evil: { origin: string; serve(html: string): void } }>({
  evil: async ({ store: _store }, use) => {
    let page = "";
    const server: Server = createServer((_request, response) => response.setHeader("content-type", "text/html").end(page));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const origin = `http://evil.localhost:${(server.address() as AddressInfo).port}`;
    await use({ origin, serve: (html) => (page = `<!doctype html><title>evil</title>${html}`) });
    server.closeAllConnections();
    server.close();
  },
});

/** Checks that the account is unchanged. */
async function expectUnharmed(page: Page, origin: string, user: string): Promise<void> {
  await page.goto(`${origin}/account`);
  await expect(page.getByTestId("display-name")).toHaveText(user);
  // <demo>
  await expect(page.getByTestId("balance")).toHaveText("1,000.00 EUR");
  // </demo>
}

test("attack 15: another site's forms, fetches and navigations do nothing", async ({ account, evil, server, page }) => {
  const calls: Record<string, string> = {
    "/api/sign_out": "{}",
    "/api/display_name": '{"name":"Forged"}',
    "/api/revoke_others": "{}",
    // <demo>
    "/api/transfer": `{"to":"${account.user}","amount":1,"note":""}`,
    // </demo>
    "/api/nonces": "{}",
  };
  const statuses: number[] = [];
  page.on("response", (reply) => void (reply.url().startsWith(`${server.app}/api/`) && statuses.push(reply.status())));
  for (const [path, body] of Object.entries(calls)) {
    for (const kind of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
      evil.serve(`<form id=f method=post action="${server.app + path}" enctype="${kind}"><input name='${body.slice(0, -1)},"x":"' value='"}'></form>`);
      await page.goto(evil.origin);
      await Promise.all([page.waitForURL(`${server.app}${path}`), page.evaluate(() => (document.getElementById("f") as HTMLFormElement).submit())]);
    }
    evil.serve("");
    await page.goto(evil.origin);
    const outcomes = await page.evaluate(
      async ({ url, body }) => {
        const tries: RequestInit[] = [
          { mode: "no-cors", headers: { "content-type": "text/plain" } },
          { mode: "no-cors", headers: { "content-type": "application/x-www-form-urlencoded" } },
          { headers: { "content-type": "application/json" } },
          { mode: "no-cors", keepalive: true },
        ];
        const outcomes = [];
        for (const init of tries) {
          const reply = await fetch(url, { method: "POST", credentials: "include", body, ...init }).catch(() => null);
          outcomes.push(reply ? reply.type : "failed");
        }
        navigator.sendBeacon(url, body);
        const image = new Image();
        await new Promise((done) => ((image.onload = image.onerror = done), (image.src = url)));
        return outcomes;
      },
      { url: server.app + path, body },
    );
    // Script gets no response, not even an opaque one. Requests that are not simple are not sent at all.
    expect(outcomes).toEqual(["failed", "failed", "failed", "failed"]);
    await page.goto(server.app + path).catch(() => null);
  }
  expect(statuses).toHaveLength(Object.keys(calls).length * (3 + 1));
  expect(statuses.filter((status) => status < 400)).toEqual([]);
  await expectUnharmed(page, server.app, account.user);
});

test("attack 15: a request from another origin or site is rejected, even with a valid signature", async ({ client, server }) => {
  const elsewhere: [string, string][][] = [
    [["origin", "http://evil.localhost:1"]],
    [["origin", server.sign]],
    [["origin", "null"]],
    [["sec-fetch-site", "cross-site"]],
    [["sec-fetch-site", "same-site"]],
    [["sec-fetch-site", "none"]],
  ];
  for (const changed of elsewhere) {
    const signed = await client.sign({ path: "/api/display_name", body: '{"name":"Forged"}', proof: keyPressProof("display_name") });
    const kept = signed.headers.filter(([name]) => !changed.some(([other]) => other === name));
    expect((await send(server, { ...signed, headers: [...kept, ...changed] })).code, String(changed)).toBe("forbidden_origin");
  }
  await client.expectStillWorks();
});

test("attack 16: another site cannot sign the user in to another account", async ({ account, evil, server, page }) => {
  const attacker = await NodeClient.registered(server);
  const before = await sessionToken(page);
  evil.serve("");
  await page.goto(evil.origin);
  const { body } = await attacker.signInRequest("/sign-in");
  await page.evaluate(
    async ({ url, body }) => {
      for (const kind of ["text/plain", "application/json"]) {
        await fetch(url, { method: "POST", mode: kind === "text/plain" ? "no-cors" : "cors", credentials: "include", body, headers: { "content-type": kind } }).catch(() => null);
      }
    },
    { url: `${server.sign}/sign-in`, body },
  );
  const foreign: Headers = signOriginHeaders(server).map(([name, value]) => [name, name === "origin" ? evil.origin : value]);
  expect((await send(server, { path: "/sign-in", headers: foreign, body })).code).toBe("forbidden_origin");
  expect(await sessionToken(page)).toBe(before);
  await expectUnharmed(page, server.app, account.user);
});

test("attack 16: another site cannot frame the application or a sign-origin page", async ({ account, evil, server, page }) => {
  const framed = [`${server.app}/account`, `${server.sign}/`, `${server.sign}/sign-in`, `${server.sign}/register`, `${server.sign}/confirm`];
  evil.serve(framed.map((url, at) => `<iframe name=n${at} src="${url}"></iframe>`).join(""));
  await page.goto(evil.origin);
  for (const [at, url] of framed.entries()) {
    await expect.poll(() => page.frame({ name: `n${at}` })?.url() ?? "", url).toMatch(/^chrome-error:/);
  }
  // The sign origin's pages do not reply to another site that opened them either.
  const received = await page.evaluate(async (sign) => {
    const messages: unknown[] = [];
    addEventListener("message", (event) => messages.push(event.data));
    for (const path of ["/", "/confirm", "/sign-in"]) {
      const popup = open(sign + path);
      await new Promise((done) => setTimeout(done, 1_000));
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = (event) => messages.push(event.data);
      popup?.postMessage("pan:connect", "*", [port2]);
      port1.postMessage(JSON.stringify({ session: "A".repeat(22), path: "/api/revoke_others", body: "{}", nonce: "A".repeat(22) }));
      await new Promise((done) => setTimeout(done, 500));
      popup?.close();
    }
    return messages;
  }, server.sign);
  expect(received).toEqual([]);
  await expectUnharmed(page, server.app, account.user);
});

test("attack 16: the application cannot frame itself", async ({ account, server, page }) => {
  const framed = await page.evaluate(async (url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
    await new Promise((done) => (frame.onload = done));
    return frame.contentDocument === null;
  }, `${server.app}/account`);
  expect(framed, "no page can frame the application, not even its own").toBe(true);
  await expectUnharmed(page, server.app, account.user);
});

test("attack 16: a second port, a flood of messages and nonsense do not disturb the frame", async ({ visitor, page }) => {
  const script = await InjectedScript.injectInto(page);
  await visitor.registerQuickly(newUserName());
  const replies = await page.evaluate(async (origin) => {
    const frame = document.querySelector<HTMLIFrameElement>("#pan-frame")?.contentWindow;
    const real = window.stolenPort;
    const received: unknown[] = [];
    for (let times = 0; times < 20; times++) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = (event) => received.push(event.data);
      frame?.postMessage("pan:connect", origin, [port2]);
      port1.postMessage(JSON.stringify({ id: 1, ask: { forget: { session: "A".repeat(22) } } }));
    }
    for (const message of ["", "{}", null, { id: 1 }, new ArrayBuffer(8)]) frame?.postMessage(message, origin);
    for (let times = 0; times < 1_000; times++) real?.postMessage(times % 2 ? "nonsense" : '{"id":7,"ask":"nothing"}');
    real?.postMessage("x".repeat(2_000_000));
    window.stolenPort = real;
    await new Promise((done) => setTimeout(done, 1_000));
    return received;
  }, new URL(await page.locator("#pan-frame").getAttribute("src").then(String)).origin);
  expect(replies, "a second port is ignored").toEqual([]);
  expect(await script.sendToFrame({ unheard_of: {} })).toEqual({ Err: "malformed" });
  await visitor.changeName("Still here");
});
