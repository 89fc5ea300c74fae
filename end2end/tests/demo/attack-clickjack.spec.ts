import type { Locator, Page } from "@playwright/test";
import { AttackerWindow } from "../../support/attacker-window.ts";
import { expect, SEND_BUTTON, test } from "../../support/demo/confirmation-attack.ts";
import { centreOf } from "../../support/input-device.ts";
import { confirmationProof } from "../../support/interaction-proof.ts";
import { NodeClient, type RequestOptions } from "../../support/node-client.ts";

/** The centre of an element, as arguments for `mouse.click`. */
async function centre(target: Locator): Promise<[number, number]> {
  const { x, y } = await centreOf(target);
  return [x, y];
}

/** Sets the focus and visibility that a window reports. In Playwright's browser, every page has the focus and is visible. */
async function setFocusAndVisibility(page: Page, { focused = true, visible = true }): Promise<void> {
  await page.evaluate(
    ({ focused, visible }) => {
      document.hasFocus = () => focused;
      Object.defineProperty(document, "hidden", { value: !visible, configurable: true });
      dispatchEvent(new Event(focused ? "focus" : "blur"));
    },
    { focused, visible },
  );
}

test("attack 9: styles of the page do not reach the confirmation window", async ({ attack, page }) => {
  const window = await attack.open();
  await expect(window.button(SEND_BUTTON)).toHaveAttribute("aria-disabled", "false");
  const shots = async () => ({ own: await page.screenshot(), window: await window.page.screenshot() });
  await expect(window.status).toContainText("Check every line");
  const before = await shots();
  await page.evaluate(() => {
    const cover = document.createElement("div");
    cover.style.cssText = "position:fixed;inset:0;background:#fff;z-index:2147483647";
    document.body.append(cover);
    for (const element of document.querySelectorAll<HTMLElement>("html, body, iframe, div")) {
      const tricks: Record<string, string> = {
        ...{ zoom: "0.2", mask: "linear-gradient(transparent, transparent)", transform: "scale(0.3)", filter: "blur(4px)" },
        ...{ "clip-path": "inset(60% 0 0 0)", opacity: "0.4", position: "fixed", width: "90px", height: "60px" },
      };
      for (const [name, value] of Object.entries(tricks)) element.style.setProperty(name, value, "important");
    }
  });
  const after = await shots();
  expect(after.own.equals(before.own), "the tricks do work, on the page itself").toBe(false);
  expect(after.window.equals(before.window), "the window looks as before").toBe(true);
  await window.button(SEND_BUTTON).click();
  await attack.expectPaid(window);
});

test("attack 9: a window that is too small confirms nothing", async ({ attack }) => {
  const window = await attack.open("popup,width=100,height=100");
  await window.page.setViewportSize({ width: 100, height: 100 });
  await expect(window.status).toContainText("too small");
  await window.button(SEND_BUTTON).click({ force: true });
  await expect(window.status).toContainText("Not confirmed yet. This window is too small to read. Make it larger to go on.");
  await window.expectUndecided();

  // The positive control: at a readable size, the same window confirms.
  await window.page.setViewportSize({ width: 480, height: 640 });
  await expect(window.status).toContainText("You can confirm now");
  await window.button(SEND_BUTTON).click();
  await attack.expectPaid(window);
});

test("attack 9: a window that opens under a clicking pointer ignores the clicks", async ({ attack, slowClock: _slow }) => {
  const window = await attack.open();
  await expect(window.button(SEND_BUTTON)).toBeVisible();
  const place = await centre(window.button(SEND_BUTTON));
  // A first and a second click of a series, and a press that begins too early.
  await window.page.mouse.click(...place);
  await window.page.mouse.click(...place, { clickCount: 2 });
  await expect(window.status).toContainText("Not confirmed yet. You can confirm in a moment");
  await window.expectUndecided();
  await window.page.mouse.down();
  await expect(window.button(SEND_BUTTON)).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await window.page.mouse.up();
  await expect(window.status).toContainText("that press began too early. You can confirm now.");
  await window.expectUndecided();

  // The positive control: the next click counts.
  await window.page.mouse.click(...place);
  await attack.expectPaid(window);
});

for (const [name, key] of [["Enter", "Enter"], ["the space bar", " "]] as const) {
  test(`attack 9: ${name} held since before the window opened confirms nothing`, async ({ attack, slowClock: _slow }) => {
    const window = await attack.open();
    const { keyboard } = window.page;
    const button = window.button(SEND_BUTTON);
    // The key was pressed elsewhere. It repeats on the button before and after the button is armed, and is released.
    await expect(window.title).toBeFocused();
    await keyboard.down(key);
    await button.focus();
    for (let times = 0; times < 3; times++) await keyboard.down(key);
    await expect(window.status).toContainText("Not confirmed yet");
    await expect(button).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
    await keyboard.down(key);
    await keyboard.up(key);
    await window.expectUndecided();
    // The positive control: pressed again, it confirms.
    await keyboard.press(key);
    await attack.expectPaid(window);
  });
}

test("attack 9: a second window in the place of the first ignores the rest of a double click", async ({ attack, server, page, slowClock: _slow }) => {
  test.setTimeout(120_000);
  const friend = await NodeClient.registered(server);
  const small = JSON.stringify({ to: friend.name, amount: 100, note: "" });
  const first = await AttackerWindow.open(page, server.sign, { ...(await attack.request()), body: small });
  await expect(first.button("Send 1.00 EUR")).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  const place = await centre(first.button("Send 1.00 EUR"));
  await first.page.mouse.click(...place);
  expect(await first.outcome()).toHaveProperty("signed");
  // The script opens the second window as soon as the first one has signed.
  const second = await attack.open();
  await expect(second.button(SEND_BUTTON)).toBeVisible();
  await second.page.mouse.click(...place, { clickCount: 2 });
  await second.page.mouse.click(...(await centre(second.button(SEND_BUTTON))));
  await expect(second.status).toContainText("Not confirmed yet");
  await second.expectUndecided();

  // The positive control: the same window confirms once it is armed.
  await expect(second.button(SEND_BUTTON)).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await second.page.mouse.click(...(await centre(second.button(SEND_BUTTON))));
  await attack.expectPaid(second);
});

test("attack 9: a window that reopens under the pointer ignores the click", async ({ attack, slowClock: _slow }) => {
  test.setTimeout(120_000);
  let place: [number, number] = [0, 0];
  for (let times = 0; times < 2; times++) {
    const window = await attack.open();
    await expect(window.button(SEND_BUTTON)).toBeVisible();
    place = await centre(window.button(SEND_BUTTON));
    await window.page.mouse.click(...place);
    await window.expectUndecided();
    await window.withHandle((handle) => handle.close());
    await expect.poll(() => window.page.isClosed()).toBe(true);
    expect((await window.messages()).every((message) => !("signed" in message))).toBe(true);
  }
  const last = await attack.open();
  await expect(last.button(SEND_BUTTON)).toBeVisible();
  await last.page.mouse.click(...place);
  await last.expectUndecided();
  // The positive control.
  await expect(last.button(SEND_BUTTON)).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await last.page.mouse.click(...place);
  await attack.expectPaid(last);
});

test("attack 9: one of ten windows confirms, and the others show the reason", async ({ attack, server, page }) => {
  test.setTimeout(120_000);
  const request = await attack.request();
  const first = await AttackerWindow.open(page, server.sign, request);
  await expect(first.button(SEND_BUTTON)).toBeVisible();
  const others: AttackerWindow[] = [];
  // No window waits for the one before it, and all stay open.
  while (others.length < 9) others.push(await AttackerWindow.open(page, server.sign, request));
  for (const other of others) {
    expect(await other.outcome()).toEqual({ rejected: "busy" });
    await expect(other.button(SEND_BUTTON)).toBeHidden();
    await expect(other.page.getByRole("heading", { level: 1 })).toHaveText("Another confirmation is open");
  }
  for (const other of others) await other.page.close();
  await first.page.bringToFront();
  await first.button(SEND_BUTTON).click();
  await attack.expectPaid(first);
});

test("attack 9: script cannot move, resize, read or write the window", async ({ attack }) => {
  const window = await attack.open();
  await expect(window.button(SEND_BUTTON)).toBeVisible();
  const place = await window.page.evaluate(() => [screenX, screenY, innerWidth, innerHeight, name]);
  const acts: Record<string, (handle: WindowProxy) => unknown> = {
    moveTo: (handle) => handle.moveTo(3_000, 3_000),
    moveBy: (handle) => handle.moveBy(1_000, 0),
    resizeTo: (handle) => handle.resizeTo(100, 100),
    resizeBy: (handle) => handle.resizeBy(-300, -300),
    scrollTo: (handle) => handle.scrollTo(0, 500),
    document: (handle) => handle.document.body.innerHTML,
    indexedDB: (handle) => handle.indexedDB.databases(),
    localStorage: (handle) => handle.localStorage.length,
    "the location's URL": (handle) => handle.location.href,
    "an event": (handle) => handle.dispatchEvent(new MouseEvent("click")),
    "a frame of it": (handle) => handle[0]?.document ?? handle.frameElement,
  };
  for (const [what, act] of Object.entries(acts)) expect(await window.withHandle(act), what).toBe("SecurityError");
  // Browsers allow script to blur the window and to send it messages. Neither has an effect.
  await window.withHandle((handle) => {
    handle.blur();
    for (const message of ["pan:connect", '{"signed":{}}', { click: true }]) handle.postMessage(message, "*");
    handle.postMessage("pan:connect", "*", [new MessageChannel().port2]);
  });
  expect(await window.page.evaluate(() => [screenX, screenY, innerWidth, innerHeight, name])).toEqual(place);
  await window.expectUndecided();
  // The positive control.
  await window.button(SEND_BUTTON).click();
  await attack.expectPaid(window);
});

test("attack 9: a window that script closes or navigates reports a cancellation", async ({ attack, server, page }) => {
  const acts: ((handle: WindowProxy) => unknown)[] = [
    (handle) => handle.close(),
    // To a page of the application that could imitate the confirmation.
    (handle) => (handle.location = "/account"),
  ];
  for (const act of acts) {
    const window = await attack.open();
    await expect(window.button(SEND_BUTTON)).toBeVisible();
    expect(await window.withHandle(act)).not.toBe("SecurityError");
    expect(await window.outcome()).toEqual({ rejected: "cancelled" });
    await window.page.close();
  }
  await attack.expectUnharmed();

  // The application's own window: the application stops waiting and reports it.
  const friend = await NodeClient.registered(server);
  await page.getByLabel("To", { exact: true }).fill(friend.name);
  await page.getByLabel("Amount", { exact: true }).fill("5");
  await page.getByLabel("Note", { exact: true }).press("Enter");
  const window = await attack.visitor.confirmationWindow();
  await window.page.goto(`${server.app}/`);
  await expect(attack.visitor.alert).toContainText("You cancelled");
  await window.page.close();
  await attack.expectUnharmed();
});

test("attack 9: a confirmation that opens in the same tab under the pointer ignores the click", async ({ attack, server, page, slowClock: _slow }) => {
  const link = { request: await attack.request(), return_path: "/account" };
  const fragment = Buffer.from(JSON.stringify(link)).toString("base64url");
  await page.evaluate((url) => (location.href = url), `${server.sign}/confirm#${fragment}`);
  const button = page.getByRole("button", { name: SEND_BUTTON });
  await expect(button).toBeVisible();
  await page.mouse.click(...(await centre(button)));
  await expect(page.getByRole("status").last()).toContainText("Not confirmed yet");
  await expect(button).toBeVisible();
  expect(new URL(page.url()).hash, "the request is not left in the URL").toBe("");

  // The positive control: once armed, it signs. The application did not request it and ignores the result.
  await expect(button).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await page.mouse.click(...(await centre(button)));
  await page.waitForURL(`${server.app}/account`);
  await expect(attack.visitor.balance).toHaveText("1,000.00 EUR");
});

test("attack 9: a window that is hidden or not focused confirms nothing", async ({ attack }) => {
  const window = await attack.open();
  await expect(window.button(SEND_BUTTON)).toHaveAttribute("aria-disabled", "false");
  for (const unseen of [{ focused: false }, { visible: false }]) {
    await setFocusAndVisibility(window.page, unseen);
    await expect(window.status).toContainText("in the background");
    await window.button(SEND_BUTTON).click({ force: true });
    await expect(window.status).toContainText("Not confirmed yet");
    await window.expectUndecided();
    await setFocusAndVisibility(window.page, {});
    await expect(window.button(SEND_BUTTON)).toHaveAttribute("aria-disabled", "false");
  }
  // The positive control.
  await window.button(SEND_BUTTON).click();
  await attack.expectPaid(window);
});

test("attack 9: sign-origin pages cannot be framed by the application", async ({ attack, server, page }) => {
  for (const path of ["/confirm", "/sign-in", "/register"]) {
    const name = path.slice(1);
    await page.evaluate(
      ({ name, url }) => document.body.append(Object.assign(document.createElement("iframe"), { name, src: url })),
      { name, url: server.sign + path },
    );
    await expect.poll(() => page.frame({ name })?.url(), { message: path }).toMatch(/^chrome-error:/);
    // The positive control: it loads at the top level.
    const tab = await page.context().newPage();
    await tab.goto(server.sign + path);
    await expect(tab.getByRole("heading", { level: 1 })).toBeVisible();
    await tab.close();
  }
  await attack.expectUnharmed();
});

test("attack 9: a Confirmed request signed by the frame key is rejected", async ({ attack, server }) => {
  const { path, body, nonce } = await attack.request();
  for (const proof of [null, confirmationProof("transfer")]) {
    expect(await attack.script.requestSignature({ path, body, nonce, level: "confirmed", proof })).toEqual({ Err: "not_here" });
  }
  // A Confirmed request signed by the frame key, and a Signed request by the confirmation key.
  const client = await NodeClient.registered(server);
  const proof = confirmationProof("transfer");
  const crossed: RequestOptions[] = [
    { path, body, proof, signingKey: "frame" },
    { path: "/api/account", signingKey: "confirmation" },
  ];
  for (const request of crossed) expect((await client.call(request)).code, request.path).toBe("invalid_proof");
  // The positive control: each key for its own level.
  expect((await client.call({ path: "/api/account" })).status).toBe(200);
  expect((await client.call({ path, body, proof })).status).toBe(200);
});
