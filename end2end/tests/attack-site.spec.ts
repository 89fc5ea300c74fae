import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Page } from "@playwright/test";
import { Client, fromSign, keyPress } from "../support/client.ts";
import { type Headers, send } from "../support/http.ts";
import { Injected, token } from "../support/injected.ts";
import { expect, test as base } from "../support/test.ts";

/** Another site of an attacker's, which answers every path with the same page. */
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

/** Nothing was done to the account. */
async function expectUnharmed(page: Page, origin: string, user: string): Promise<void> {
  await page.goto(`${origin}/account`);
  await expect(page.getByTestId("display-name")).toHaveText(user);
  await expect(page.getByTestId("balance")).toHaveText("1,000.00 EUR");
}

test("attack 15: another site's forms, fetches and navigations do nothing", async ({ account, evil, house, page }) => {
  const calls: Record<string, string> = {
    "/api/sign_out": "{}",
    "/api/display_name": '{"name":"Forged"}',
    "/api/transfer": `{"to":"${account.user}","amount":1,"note":""}`,
    "/api/nonces": "{}",
  };
  const statuses: number[] = [];
  page.on("response", (reply) => void (reply.url().startsWith(`${house.app}/api/`) && statuses.push(reply.status())));
  for (const [path, body] of Object.entries(calls)) {
    for (const kind of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
      evil.serve(`<form id=f method=post action="${house.app + path}" enctype="${kind}"><input name='${body.slice(0, -1)},"x":"' value='"}'></form>`);
      await page.goto(evil.origin);
      await Promise.all([page.waitForURL(`${house.app}${path}`), page.evaluate(() => (document.getElementById("f") as HTMLFormElement).submit())]);
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
        const told = [];
        for (const init of tries) {
          const reply = await fetch(url, { method: "POST", credentials: "include", body, ...init }).catch(() => null);
          told.push(reply ? reply.type : "failed");
        }
        navigator.sendBeacon(url, body);
        const image = new Image();
        await new Promise((done) => ((image.onload = image.onerror = done), (image.src = url)));
        return told;
      },
      { url: house.app + path, body },
    );
    // Script gets no answer, not even one that it cannot read; what is not a simple request is not even sent.
    expect(outcomes).toEqual(["failed", "failed", "failed", "failed"]);
    await page.goto(house.app + path).catch(() => null);
  }
  expect(statuses).toHaveLength(4 * (3 + 1));
  expect(statuses.filter((status) => status < 400)).toEqual([]);
  await expectUnharmed(page, house.app, account.user);
});

test("attack 15: a request that says it comes from elsewhere is refused, whatever it is signed with", async ({ client, house }) => {
  const elsewhere: [string, string][][] = [
    [["origin", "http://evil.localhost:1"]],
    [["origin", house.sign]],
    [["origin", "null"]],
    [["sec-fetch-site", "cross-site"]],
    [["sec-fetch-site", "same-site"]],
    [["sec-fetch-site", "none"]],
  ];
  for (const changed of elsewhere) {
    const signed = await client.sign({ path: "/api/display_name", body: '{"name":"Forged"}', proof: keyPress("display_name") });
    const kept = signed.headers.filter(([name]) => !changed.some(([other]) => other === name));
    expect((await send(house, { ...signed, headers: [...kept, ...changed] })).code, String(changed)).toBe("forbidden_origin");
  }
  await client.stillActs();
});

test("attack 16: another site cannot sign a person in as somebody else", async ({ account, evil, house, page }) => {
  const attacker = await Client.registered(house);
  const before = await token(page);
  evil.serve("");
  await page.goto(evil.origin);
  const { body } = await attacker.credentials("/sign-in");
  await page.evaluate(
    async ({ url, body }) => {
      for (const kind of ["text/plain", "application/json"]) {
        await fetch(url, { method: "POST", mode: kind === "text/plain" ? "no-cors" : "cors", credentials: "include", body, headers: { "content-type": kind } }).catch(() => null);
      }
    },
    { url: `${house.sign}/sign-in`, body },
  );
  const foreign: Headers = fromSign(house).map(([name, value]) => [name, name === "origin" ? evil.origin : value]);
  expect((await send(house, { path: "/sign-in", headers: foreign, body })).code).toBe("forbidden_origin");
  expect(await token(page)).toBe(before);
  await expectUnharmed(page, house.app, account.user);
});

test("attack 16: neither the application nor a page of the sign origin works inside another site's page", async ({ account, evil, house, page }) => {
  const framed = [`${house.app}/account`, `${house.sign}/`, `${house.sign}/sign-in`, `${house.sign}/register`, `${house.sign}/confirm`];
  evil.serve(framed.map((url, at) => `<iframe name=n${at} src="${url}"></iframe>`).join(""));
  await page.goto(evil.origin);
  for (const [at, url] of framed.entries()) {
    await expect.poll(() => page.frame({ name: `n${at}` })?.url() ?? "", url).toMatch(/^chrome-error:/);
  }
  // A window of its own does not answer its opener either.
  const heard = await page.evaluate(async (sign) => {
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
  }, house.sign);
  expect(heard).toEqual([]);
  await expectUnharmed(page, house.app, account.user);
});

test("attack 16: a page of the application inside a page of the application gets no frame that signs", async ({ account, house, page }) => {
  const framed = await page.evaluate(async (url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
    await new Promise((done) => (frame.onload = done));
    return frame.contentDocument === null;
  }, `${house.app}/account`);
  expect(framed, "the application lets nobody frame it, itself included").toBe(true);
  await expectUnharmed(page, house.app, account.user);
});

test("attack 16: a second port, a flood and nonsense leave the frame as it was", async ({ bank, page }) => {
  const script = await Injected.into(page);
  await bank.appear(`flood-${Date.now().toString(36)}`);
  const answered = await page.evaluate(async (origin) => {
    const frame = document.querySelector<HTMLIFrameElement>("#pan-frame")?.contentWindow;
    const real = window.stolenPort;
    const heard: unknown[] = [];
    for (let times = 0; times < 20; times++) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = (event) => heard.push(event.data);
      frame?.postMessage("pan:connect", origin, [port2]);
      port1.postMessage(JSON.stringify({ id: 1, ask: { forget: { session: "A".repeat(22) } } }));
    }
    for (const message of ["", "{}", null, { id: 1 }, new ArrayBuffer(8)]) frame?.postMessage(message, origin);
    for (let times = 0; times < 1_000; times++) real?.postMessage(times % 2 ? "nonsense" : '{"id":7,"ask":"nothing"}');
    real?.postMessage("x".repeat(2_000_000));
    window.stolenPort = real;
    await new Promise((done) => setTimeout(done, 1_000));
    return heard;
  }, new URL(await page.locator("#pan-frame").getAttribute("src").then(String)).origin);
  expect(answered, "a port that is offered later is not taken").toEqual([]);
  expect(await script.ask({ unheard_of: {} })).toEqual({ Err: "malformed" });
  await bank.renamed("Still here");
});
