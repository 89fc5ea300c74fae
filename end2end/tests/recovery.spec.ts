import { createHash } from "node:crypto";
import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { AppPage, newUserName, waitUntilReady } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { send } from "../support/http.ts";
import { Keyboard } from "../support/input-device.ts";
import { interceptNext } from "../support/intercepted-request.ts";
import { addPasskey, confirmWithPasskey, withHeader } from "../support/passkeys.ts";
import { codesIn, confirmCodes, createCodes, openCodes, submitRecovery } from "../support/recovery.ts";
import { VirtualAuthenticator } from "../support/virtual-authenticator.ts";

const CODE = /^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/;

test("a user who has lost the passkey signs in with a recovery code and adds another", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  await expect(account.status.filter({ hasText: "Now create recovery codes" })).toBeVisible();
  const codes = await createCodes(account, key);
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) expect(code).toMatch(CODE);
  await account.signOut();
  await key.lose();

  await page.goto(`${server.sign}/sign-in?return=/passkeys`);
  await waitUntilReady(page);
  await account.input.activate(page.getByRole("link", { name: "Lost your passkey?" }));
  await waitUntilReady(page);
  await account.input.fill(page.getByLabel("User name"), account.user);
  await account.input.fill(page.getByLabel("Password", { exact: true }), "correct horse battery staple");
  // As it may be read from paper.
  const typed = (codes[4] ?? "").toUpperCase().replaceAll("-", " ").replaceAll("0", "O").replaceAll("1", "l");
  await account.input.fill(page.getByLabel("Recovery code"), typed);
  await account.input.activate(account.button("Remove passkeys and sign in"));
  await expect(page).toHaveURL(`${server.app}/passkeys`);
  await expect(page.getByText("You have no passkey yet.")).toBeVisible();
  await expect(account.button("Create recovery codes")).toBeHidden();

  await addPasskey(account, key, "New phone");
  await account.signOut();
  for (const code of codes.slice(4, 6)) {
    await submitRecovery(page, server, account.user, code);
    await expect(account.alert).toContainText("User name, password or code is wrong.");
  }
  // The suggestion of the new passkey.
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await expect(page).toHaveURL(`${server.app}/account`);
  await account.expectLoaded();
  await account.open("/passkeys");
  await expect(page.getByRole("heading", { name: "New phone" })).toBeVisible();
  await account.open("/activity");
  await expect(page.getByRole("cell", { name: "Used a recovery code passkeys removed", exact: true })).toHaveCount(1);
});

test("the window copies the codes, and the new ones replace the old ones only when confirmed", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  for (const origin of [server.sign, server.app]) await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
  await addPasskey(account, key, "Phone");
  const codes = await createCodes(account, key);
  const created = await page.getByTestId("codes").getByRole("time").getAttribute("datetime");

  const cancelled = await openCodes(account, key);
  expect(await codesIn(cancelled)).not.toEqual(codes);
  await cancelled.cancel();
  await expect(account.alert).toContainText("You cancelled.");
  await account.open("/passkeys");
  await expect(page.getByTestId("codes").getByRole("time")).toHaveAttribute("datetime", created ?? "");

  const window = await openCodes(account, key);
  await account.input.forPage(window.page).activate(window.button("Copy"));
  await expect(window.page.getByText("Copied.")).toBeVisible();
  const newer = await codesIn(window);
  await confirmCodes(account, window);
  // No script can read the clipboard, not even with the user's permission. The user can paste.
  expect(await page.evaluate(() => navigator.clipboard.readText().catch((error: Error) => error.name))).toBe("NotAllowedError");
  await page.getByLabel("Name", { exact: true }).focus();
  await page.keyboard.press("ControlOrMeta+V");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue(new RegExp(newer[9] ?? "-"));
  await account.signOut();
  await submitRecovery(page, server, account.user, codes[0] ?? "");
  await expect(account.alert).toContainText("User name, password or code is wrong.");
  await submitRecovery(page, server, account.user, newer[0] ?? "");
  await expect(page).toHaveURL(`${server.app}/passkeys`);
});

test("other sessions learn that codes were created and that one was used", async ({ account, browser, context, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  await account.waitUntilLive();
  const codes = await createCodes(account, key);
  await expect(account.notifications.filter({ hasText: "New recovery codes were created." })).toHaveCount(1);
  const thief = await (await browser.newContext()).newPage();
  await submitRecovery(thief, server, account.user, codes[0] ?? "");
  await expect(thief).toHaveURL(`${server.app}/passkeys`);
  await expect(account.notifications.filter({ hasText: "all your passkeys were removed" })).toHaveClass(/error/);
  // The open page shows that there are no passkeys and no codes any more.
  await expect(account.page.getByText("You have no passkey yet.")).toBeVisible();
  await thief.context().close();
});

test("a user whose code was used without a response signs in with the password", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  const [code = ""] = await createCodes(account, key);
  await account.signOut();
  await page.addInitScript(() => {
    const send = window.fetch.bind(window);
    let isLost = false;
    window.fetch = async (...request) => {
      const response = await send(...request);
      if (!response.url.endsWith("/recover") || isLost) return response;
      isLost = true;
      throw new TypeError("the response is lost");
    };
  });
  await submitRecovery(page, server, account.user, code);
  await expect(account.alert).toContainText("if you have just used it, sign in with your password");
  await key.lose();
  await account.signInQuickly(account.user);
  await account.open("/passkeys");
  await expect(page.getByText("You have no passkey yet.")).toBeVisible();
});

test("attack 30: no page of the app origin and no request contains a code", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await recordMessages(page);
  await addPasskey(account, key, "Phone");
  const sent: string[] = [];
  context.on("request", (request) => sent.push(request.url(), JSON.stringify(request.headers()), request.postData() ?? ""));
  const window = await openCodes(account, key);
  const seen = [await page.content(), ...(await messages(page))];
  const codes = await confirmCodes(account, window);
  await expect(page.getByTestId("codes")).toContainText("You have 10 unused codes");
  seen.push(...sent, await page.content(), ...(await messages(page)), JSON.stringify(await storageIn(page)));
  const sign = await context.newPage();
  await sign.goto(`${server.sign}/register`);
  seen.push(JSON.stringify(await storageIn(sign)));
  const text = seen.join("\n").toLowerCase();
  // The positive control: their hashes are in what was recorded.
  expect(text).toContain("pan-recovery-codes");
  expect((await messages(page)).join()).toContain('"recovery_codes":"');
  for (const code of codes) {
    expect(text).not.toContain(code);
    expect(text).not.toContain(code.replaceAll("-", ""));
  }
});

test("attack 30: script of the page cannot replace the codes that the window has shown", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  await page.route("**/api/outcome", (route) => route.abort());
  const intercept = async () => {
    const window = await openCodes(account, key);
    let codes: string[] = [];
    const request = await interceptNext(page, "/api/create_recovery_codes", async () => (codes = await confirmCodes(account, window)));
    return { request, codes };
  };
  const mine = "0000-0000-0000-0000";
  const user = createHash("sha256").update(`pan-passkey-user\0${account.user}`).digest("base64url");
  const hash = createHash("sha256").update(`pan-recovery-code\0${user}\0${mine}`).digest("base64url");
  const { request } = await intercept();
  const signature = request.headers.find(([name]) => name === "pan-recovery-codes")?.[1].split(";")[1];
  const forged = withHeader(request, "pan-recovery-codes", `${Array(10).fill(hash).join(",")};${signature}`);
  expect((await send(server, forged)).code).toBe("invalid_proof");
  // The positive control.
  const { request: genuine, codes } = await intercept();
  const reply = await send(server, genuine);
  expect(reply.status, reply.body).toBe(200);
  await account.signOut();
  await submitRecovery(page, server, account.user, mine);
  await expect(account.alert).toContainText("User name, password or code is wrong.");
  await submitRecovery(page, server, account.user, codes[0] ?? "");
  await expect(page).toHaveURL(`${server.app}/passkeys`);
});

test("the window makes no codes for a user without a passkey", async ({ account, page }) => {
  // The page believes that there is one.
  await page.addInitScript(() => {
    const send = window.fetch.bind(window);
    window.fetch = async (...request) => {
      const response = await send(...request);
      const passkey = { id: "A".repeat(22), name: "Phone", created: 0, used: 0 };
      return response.url.endsWith("/api/passkeys") ? new Response(JSON.stringify({ passkeys: [passkey], codes: null }), response) : response;
    };
  });
  await account.open("/passkeys");
  await account.input.activate(account.button("Create recovery codes"));
  await expect(account.alert).toContainText("You have no passkey that recovery codes could replace. Add a passkey first.");
  const opened = account.windows[0] as Page;
  await expect(opened.getByRole("heading", { name: "Add a passkey first" })).toBeVisible();
  expect(await opened.getByRole("listitem").count()).toBe(0);
});

test("codes that other software has changed in the window are not confirmed", async ({ account, context }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  const window = await openCodes(account, key);
  await window.button("Cancel").scrollIntoViewIfNeeded();
  await expect(window.button("Activate these codes")).toBeEnabled();
  const code = window.page.getByRole("listitem").first();
  const genuine = await code.textContent();
  await code.evaluate((item) => (item.textContent = "0000-0000-0000-0000"));
  await expect(window.status.filter({ hasText: "Other software has changed what this window shows." })).toHaveCount(1);
  await expect(window.button("Activate these codes")).toBeDisabled();
  await code.evaluate((item, text) => (item.textContent = text), genuine);
  await expect(window.button("Activate these codes")).toBeEnabled();
  await window.cancel();
});

test("codes are created and used with the keyboard, in a small window", async ({ context, page, server }) => {
  const account = new AppPage(page, server.app, new Keyboard(page));
  const key = await VirtualAuthenticator.pluggedInto(context);
  await account.registerQuickly(newUserName());
  await account.open("/passkeys");
  await account.input.fill(page.getByLabel("Name", { exact: true }), "Phone");
  await account.input.activate(account.button("Add a passkey"));
  await confirmWithPasskey(account, key, "Add passkey");
  const window = await openCodes(account, key);
  await window.page.setViewportSize({ width: 320, height: 480 });
  // Everything must have been in view before the button works.
  await window.page.evaluate(() => scrollTo(0, 0));
  await expect(window.status.filter({ hasText: "There is more below" })).toHaveCount(1);
  await expect(window.button("Activate these codes")).toBeDisabled();
  await window.page.keyboard.press("End");
  const codes = await confirmCodes(account, window);
  await account.signOut();
  await page.goto(`${server.sign}/recover?return=/passkeys`);
  await waitUntilReady(page);
  await account.input.fill(page.getByLabel("User name"), account.user);
  await account.input.fill(page.getByLabel("Password", { exact: true }), "correct horse battery staple");
  await account.input.fill(page.getByLabel("Recovery code"), "abcd");
  await page.keyboard.press("Enter");
  await expect(page.getByText("A recovery code has 16 letters and digits.")).toBeVisible();
  await expect(page.getByLabel("Recovery code")).toBeFocused();
  await account.input.fill(page.getByLabel("Recovery code"), codes[9] ?? "");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${server.app}/passkeys`);
});

test("the pages of recovery codes are accessible", async ({ account, context, page, server }) => {
  const key = await VirtualAuthenticator.pluggedInto(context);
  await addPasskey(account, key, "Phone");
  await expectAccessible(page, "a passkey without codes");
  const shown = await openCodes(account, key);
  await shown.page.setViewportSize({ width: 480, height: 640 });
  await expectAccessible(shown.page, "the window with new codes");
  await shown.cancel();
  // After the check of a page, Chromium has unplugged the key from it.
  const window = await openCodes(account, key);
  await window.page.setViewportSize({ width: 480, height: 640 });
  await window.button("Cancel").scrollIntoViewIfNeeded();
  await account.input.forPage(window.page).activate(window.button("Activate these codes"));
  await expect(window.title.filter({ hasText: "Confirmed" })).toBeVisible();
  await expectAccessible(window.page, "confirmed codes");
  await window.page.close();
  await expect(page.getByTestId("codes")).toContainText("You have 10 unused codes");
  await expectAccessible(page, "a passkey with codes");
  await account.signOut();
  await page.goto(`${server.sign}/recover`);
  await waitUntilReady(page);
  await expectAccessible(page, "recovery");
  await page.getByLabel("User name").fill(account.user);
  await page.getByLabel("Password", { exact: true }).fill("wrong");
  await page.getByLabel("Recovery code").fill("0000-0000-0000-0000");
  await page.keyboard.press("Enter");
  await expect(account.alert).toContainText("User name, password or code is wrong.");
  await expectAccessible(page, "recovery with a wrong code");
});

/** Records every message that the page receives on a port. */
async function recordMessages(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const received: string[] = [];
    Object.assign(window, { received });
    const listen = MessagePort.prototype.addEventListener;
    MessagePort.prototype.addEventListener = function (this: MessagePort, ...args: Parameters<typeof listen>) {
      listen.call(this, "message", (event) => received.push(String((event as MessageEvent).data)));
      listen.apply(this, args);
    } as typeof listen;
    addEventListener("message", (event) => received.push(JSON.stringify(event.data)));
  });
}

async function messages(page: Page): Promise<string[]> {
  return page.evaluate(() => (window as never as { received: string[] }).received);
}

/** What script of an origin can read in the browser's storage. */
async function storageIn(page: Page): Promise<unknown> {
  return page.evaluate(async () => {
    const databases = await indexedDB.databases();
    const contents = databases.map(
      ({ name }) =>
        new Promise((resolve, reject) => {
          const opening = indexedDB.open(name ?? "");
          opening.onerror = reject;
          opening.onsuccess = () => {
            const stores = [...opening.result.objectStoreNames];
            const reads = stores.map(
              (store) =>
                new Promise((resolve, reject) => {
                  const read = opening.result.transaction(store).objectStore(store).getAll();
                  read.onsuccess = () => resolve(JSON.stringify(read.result));
                  read.onerror = reject;
                }),
            );
            void Promise.all(reads).then((all) => (opening.result.close(), resolve(all)), reject);
          };
        }),
    );
    return [{ ...localStorage }, { ...sessionStorage }, await Promise.all(contents)];
  });
}
