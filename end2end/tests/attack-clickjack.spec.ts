import type { Locator, Page } from "@playwright/test";
import { Client, confirmation } from "../support/client.ts";
import { BUTTON, expect, test } from "../support/confirmation-attack.ts";
import { ScriptWindow } from "../support/script-window.ts";

/** The middle of something that is to be seen. */
async function middle(target: Locator): Promise<[number, number]> {
  const box = await target.boundingBox();
  if (!box) throw new Error(`${target} is not to be seen`);
  return [box.x + box.width / 2, box.y + box.height / 2];
}

/** Makes a window say that it has or has not the focus, and is visible or not: to Playwright's browser every page is in front. */
async function see(page: Page, { focused = true, visible = true }): Promise<void> {
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
  await expect(window.button(BUTTON)).toHaveAttribute("aria-disabled", "false");
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
  await window.button(BUTTON).click();
  await attack.isPaid(window);
});

test("attack 9: a window that is too small, or becomes so, confirms nothing", async ({ attack }) => {
  const window = await attack.open("popup,width=100,height=100");
  await window.page.setViewportSize({ width: 100, height: 100 });
  await expect(window.status).toContainText("too small");
  await window.button(BUTTON).click({ force: true });
  await expect(window.status).toContainText("Not confirmed yet. This window is too small to read. Make it larger to go on.");
  await window.isUndecided();

  // The positive control: at a size that can be read, the same window confirms.
  await window.page.setViewportSize({ width: 480, height: 640 });
  await expect(window.status).toContainText("You can confirm now");
  await window.button(BUTTON).click();
  await attack.isPaid(window);
});

test("attack 9: a window that opens under a clicking pointer takes none of the clicks", async ({ attack, slowClock: _slow }) => {
  const window = await attack.open();
  await expect(window.button(BUTTON)).toBeVisible();
  const place = await middle(window.button(BUTTON));
  // The third click of someone who clicks on, a press that began too early, and a double click.
  await window.page.mouse.click(...place);
  await window.page.mouse.click(...place, { clickCount: 2 });
  await expect(window.status).toContainText("Not confirmed yet. You can confirm in a moment");
  await window.isUndecided();
  await window.page.mouse.down();
  await expect(window.button(BUTTON)).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await window.page.mouse.up();
  await expect(window.status).toContainText("that press began too early. You can confirm now.");
  await window.isUndecided();

  // The positive control: the next click counts.
  await window.page.mouse.click(...place);
  await attack.isPaid(window);
});

for (const [name, key] of [["Enter", "Enter"], ["the space bar", " "]] as const) {
  test(`attack 9: ${name} held since before the window opened confirms nothing`, async ({ attack, slowClock: _slow }) => {
    const window = await attack.open();
    const { keyboard } = window.page;
    const button = window.button(BUTTON);
    // It was pressed elsewhere. Here it repeats on the button, before that works and after, and is released.
    await expect(window.title).toBeFocused();
    await keyboard.down(key);
    await button.focus();
    for (let times = 0; times < 3; times++) await keyboard.down(key);
    await expect(window.status).toContainText("Not confirmed yet");
    await expect(button).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
    await keyboard.down(key);
    await keyboard.up(key);
    await window.isUndecided();
    // The positive control: pressed again, it confirms.
    await keyboard.press(key);
    await attack.isPaid(window);
  });
}

test("attack 9: a second window that takes the first one's place takes no click of its double click", async ({ attack, house, page, slowClock: _slow }) => {
  test.setTimeout(120_000);
  const friend = await Client.registered(house);
  const small = JSON.stringify({ to: friend.name, amount: 100, note: "" });
  const first = await ScriptWindow.open(page, house.sign, { ...(await attack.request()), body: small });
  await expect(first.button("Send 1.00 EUR")).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  const place = await middle(first.button("Send 1.00 EUR"));
  await first.page.mouse.click(...place);
  expect(await first.answer()).toHaveProperty("signed");
  // The script has waited for that.
  const second = await attack.open();
  await expect(second.button(BUTTON)).toBeVisible();
  await second.page.mouse.click(...place, { clickCount: 2 });
  await second.page.mouse.click(...(await middle(second.button(BUTTON))));
  await expect(second.status).toContainText("Not confirmed yet");
  await second.isUndecided();

  // The positive control: it was a good window.
  await expect(second.button(BUTTON)).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await second.page.mouse.click(...(await middle(second.button(BUTTON))));
  await attack.isPaid(second);
});

test("attack 9: a window that is closed and opened again under the pointer takes no click", async ({ attack, slowClock: _slow }) => {
  test.setTimeout(120_000);
  let place: [number, number] = [0, 0];
  for (let times = 0; times < 2; times++) {
    const window = await attack.open();
    await expect(window.button(BUTTON)).toBeVisible();
    place = await middle(window.button(BUTTON));
    await window.page.mouse.click(...place);
    await window.isUndecided();
    await window.handle((handle) => handle.close());
    await expect.poll(() => window.page.isClosed()).toBe(true);
    expect((await window.said()).every((message) => !("signed" in message))).toBe(true);
  }
  const last = await attack.open();
  await expect(last.button(BUTTON)).toBeVisible();
  await last.page.mouse.click(...place);
  await last.isUndecided();
  // The positive control.
  await expect(last.button(BUTTON)).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await last.page.mouse.click(...place);
  await attack.isPaid(last);
});

test("attack 9: of ten windows one confirms, and the others say why not", async ({ attack, house, page }) => {
  test.setTimeout(120_000);
  const request = await attack.request();
  const first = await ScriptWindow.open(page, house.sign, request);
  await expect(first.button(BUTTON)).toBeVisible();
  const others: ScriptWindow[] = [];
  // None waits for the one before it, and all stay open.
  while (others.length < 9) others.push(await ScriptWindow.open(page, house.sign, request));
  for (const other of others) {
    expect(await other.answer()).toEqual({ rejected: "busy" });
    await expect(other.button(BUTTON)).toBeHidden();
    await expect(other.page.getByRole("heading", { level: 1 })).toHaveText("Another confirmation is open");
  }
  for (const other of others) await other.page.close();
  await first.page.bringToFront();
  await first.button(BUTTON).click();
  await attack.isPaid(first);
});

test("attack 9: script can neither move, resize, read nor write the window", async ({ attack }) => {
  const window = await attack.open();
  await expect(window.button(BUTTON)).toBeVisible();
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
  for (const [what, act] of Object.entries(acts)) expect(await window.handle(act), what).toBe("SecurityError");
  // What browsers allow does nothing to it: messages of the script's, whatever they say, and losing the focus.
  await window.handle((handle) => {
    handle.blur();
    for (const message of ["pan:connect", '{"signed":{}}', { click: true }]) handle.postMessage(message, "*");
    handle.postMessage("pan:connect", "*", [new MessageChannel().port2]);
  });
  expect(await window.page.evaluate(() => [screenX, screenY, innerWidth, innerHeight, name])).toEqual(place);
  await window.isUndecided();
  // The positive control.
  await window.button(BUTTON).click();
  await attack.isPaid(window);
});

test("attack 9: a window that script closes or navigates has cancelled", async ({ attack, house, page }) => {
  const acts: ((handle: WindowProxy) => unknown)[] = [
    (handle) => handle.close(),
    // To a page of its own that imitates the confirmation, and will be clicked.
    (handle) => (handle.location = "/account"),
  ];
  for (const act of acts) {
    const window = await attack.open();
    await expect(window.button(BUTTON)).toBeVisible();
    expect(await window.handle(act)).not.toBe("SecurityError");
    expect(await window.answer()).toEqual({ rejected: "cancelled" });
    await window.page.close();
  }
  await attack.isUnharmed();

  // The application's own window: it stops waiting for it, and says so.
  const friend = await Client.registered(house);
  await page.getByLabel("To", { exact: true }).fill(friend.name);
  await page.getByLabel("Amount", { exact: true }).fill("5");
  await page.getByLabel("Note", { exact: true }).press("Enter");
  const own = await attack.bank.confirmation();
  await own.page.goto(`${house.app}/`);
  await expect(attack.bank.alert).toContainText("You cancelled");
  await own.page.close();
  await attack.isUnharmed();
});

test("attack 9: a page that navigates itself to the confirmation under the pointer takes no click", async ({ attack, house, page, slowClock: _slow }) => {
  const link = { request: await attack.request(), return_path: "/account" };
  const fragment = Buffer.from(JSON.stringify(link)).toString("base64url");
  await page.evaluate((url) => (location.href = url), `${house.sign}/confirm#${fragment}`);
  const button = page.getByRole("button", { name: BUTTON });
  await expect(button).toBeVisible();
  await page.mouse.click(...(await middle(button)));
  await expect(page.getByRole("status").last()).toContainText("Not confirmed yet");
  await expect(button).toBeVisible();
  expect(new URL(page.url()).hash, "the request is not left in the URL").toBe("");

  // The positive control: once it works, it signs; and the application, which has not asked, does nothing with it.
  await expect(button).toHaveAttribute("aria-disabled", "false", { timeout: 30_000 });
  await page.mouse.click(...(await middle(button)));
  await page.waitForURL(`${house.app}/account`);
  await expect(attack.bank.balance).toHaveText("1,000.00 EUR");
});

test("attack 9: a window without the focus, or hidden, confirms nothing", async ({ attack }) => {
  const window = await attack.open();
  await expect(window.button(BUTTON)).toHaveAttribute("aria-disabled", "false");
  for (const unseen of [{ focused: false }, { visible: false }]) {
    await see(window.page, unseen);
    await expect(window.status).toContainText("in the background");
    await window.button(BUTTON).click({ force: true });
    await expect(window.status).toContainText("Not confirmed yet");
    await window.isUndecided();
    await see(window.page, {});
    await expect(window.button(BUTTON)).toHaveAttribute("aria-disabled", "false");
  }
  // The positive control.
  await window.button(BUTTON).click();
  await attack.isPaid(window);
});

test("attack 9: the sign origin's pages do not work inside another page", async ({ attack, house, page }) => {
  for (const path of ["/confirm", "/sign-in", "/register"]) {
    const name = path.slice(1);
    await page.evaluate(
      ({ name, url }) => document.body.append(Object.assign(document.createElement("iframe"), { name, src: url })),
      { name, url: house.sign + path },
    );
    await expect.poll(() => page.frame({ name })?.url(), { message: path }).toMatch(/^chrome-error:/);
    // The positive control: at the top level it is there.
    const tab = await page.context().newPage();
    await tab.goto(house.sign + path);
    await expect(tab.getByRole("heading", { level: 1 })).toBeVisible();
    await tab.close();
  }
  await attack.isUnharmed();
});

test("attack 9: a confirmed request that the frame has signed is rejected", async ({ attack, house }) => {
  const { path, body, nonce } = await attack.request();
  for (const proof of [null, confirmation("transfer")]) {
    expect(await attack.script.wish({ path, body, nonce, level: "confirmed", proof })).toEqual({ Err: "not_here" });
  }
  // What the frame would sign, signed by its key, and an ordinary request by the key of the window.
  const client = await Client.registered(house);
  const proof = confirmation("transfer");
  const crossed = [
    { path, body, proof, by: "frame" as const },
    { path: "/api/account", by: "confirmation" as const },
  ];
  for (const order of crossed) expect((await client.call(order)).code, order.path).toBe("invalid_proof");
  // The positive control: each key for its own.
  expect((await client.call({ path: "/api/account" })).status).toBe(200);
  expect((await client.call({ path, body, proof })).status).toBe(200);
});
