import { Client, from, handleOf, keyPress } from "../support/client.ts";
import { type Headers, send } from "../support/http.ts";
import { catchNext, token } from "../support/injected.ts";
import { signedIn } from "../support/private.ts";
import { expect, test } from "../support/test.ts";

/** Every protected action, with a body that it takes. */
const PROTECTED: Record<string, string> = {
  "/api/account": "{}",
  "/api/display_name": '{"name":"Thief"}',
  "/api/transfer": '{"to":"thief","amount":1,"note":""}',
  "/api/sign_out": "{}",
  "/api/nonces": "{}",
};

test("attack 1: a stolen cookie reads nothing and does nothing, not even sign out", async ({ account, house, page, browser }) => {
  const { cookie, secrets } = await signedIn(account, house);

  // From a machine of the thief's, by hand: no signature, and a signature by a key of their own.
  const thief = new Client(house, account.user);
  thief.cookies.set("__Host-pan", cookie.slice("__Host-pan=".length));
  thief.handle = handleOf(cookie.slice("__Host-pan=".length));
  thief.nonces = Array.from({ length: 20 }, () => "AAAAAAAAAAAAAAAAAAAAAA");
  for (const [path, body] of Object.entries(PROTECTED)) {
    const bare = await send(house, { path, headers: [...from(house.app), ["cookie", cookie]], body });
    expect(bare.code, path).toBe("invalid_session");
    const forged = await thief.call({ path, body, proof: path.endsWith("display_name") ? keyPress("display_name") : undefined });
    expect([401, 403], `${path} ${forged.body}`).toContain(forged.status);
    for (const secret of secrets) expect(bare.body + forged.body).not.toContain(secret);
  }
  const frame: Headers = [["host", new URL(house.sign).host], ...from(house.sign), ["cookie", cookie]];
  expect((await send(house, { path: "/challenge", headers: frame })).code).toBe("invalid_session");

  // In a browser of the thief's, with the application itself.
  const theirs = await browser.newContext();
  const [name, value] = cookie.split("=") as [string, string];
  await theirs.addCookies([{ name, value, domain: "pan.localhost", path: "/", secure: true, httpOnly: true, sameSite: "Strict" }]);
  const tab = await theirs.newPage();
  await tab.goto(`${house.app}/account`);
  await expect(tab.getByRole("alert")).toContainText("no longer has the key");
  const seen = await tab.content();
  for (const secret of secrets) expect(seen).not.toContain(secret);
  const signOut = tab.getByRole("button", { name: "Sign out" });
  if (await signOut.isVisible()) await signOut.click();
  await theirs.close();

  // The owner did not even notice.
  await page.reload();
  await account.renamed("Unharmed");
});

test("attack 2: page script cannot read the token, and the handle alone is worth nothing", async ({ account, house, page }) => {
  const value = await token(page);
  expect(value).toHaveLength(43);
  const readable = await page.evaluate(async () => {
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify(store));
    const html = document.documentElement.outerHTML;
    const shown = await fetch("/account").then(async (reply) => (await reply.text()) + JSON.stringify([...reply.headers]));
    const listed = "cookieStore" in window ? JSON.stringify(await (window as never as { cookieStore: { getAll(): Promise<object> } }).cookieStore.getAll()) : "";
    return [document.cookie, ...stores, html, shown, listed, window.name].join("\n");
  });
  expect(readable).not.toContain(value);
  expect(readable).not.toContain("__Host-pan");

  // With the handle, which script may know, and everything else of a good request but the cookie.
  const caught = await catchNext(page, "/api/account", () => page.reload());
  const without = caught.headers.filter(([name]) => name !== "cookie");
  expect((await send(house, { ...caught, headers: without })).code).toBe("invalid_session");
  const planted: Headers = [...without, ["cookie", `__Host-pan=${handleOf(value)}`]];
  expect((await send(house, { ...caught, headers: planted })).status).toBeGreaterThanOrEqual(400);
  // The positive control: with the cookie it passes, so nothing of it was wrong or spent.
  const reply = await send(house, caught);
  expect(reply.status, reply.body).toBe(200);
  expect(reply.body).toContain(account.user);
});
