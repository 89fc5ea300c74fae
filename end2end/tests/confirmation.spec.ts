import type { Page } from "@playwright/test";
import { Bank, signOrigin } from "../support/bank.ts";
import { Client } from "../support/client.ts";
import { Mouse } from "../support/hand.ts";
import { expect, test } from "../support/test.ts";

/** Asks for a transfer of that many euros to a new account. */
async function ask(account: Bank, amount: string): Promise<Client> {
  const friend = await Client.registered({ app: account.origin, sign: signOrigin(account.origin), port: Number(new URL(account.origin).port) });
  await account.order({ to: friend.name, amount, note: "" });
  return friend;
}

/** Makes `window.open` of the page give nothing, so many times. */
async function block(page: Page, times: number): Promise<void> {
  await page.evaluate((times) => {
    const open = window.open.bind(window);
    window.open = (...given) => (times-- > 0 ? null : open(...given));
  }, times);
}

test("a blocked window opens from the page's own button", async ({ account, page }) => {
  await block(page, 1);
  await ask(account, "1");
  await expect(account.confirming).toContainText("blocked");
  await expect(account.button("Continue in a secure window")).toBeFocused();
  await account.hand.press(account.button("Continue in a secure window"));
  await account.confirm("Send 1.00 EUR");
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("a window whose first message is lost says it again", async ({ account, page }) => {
  await page.evaluate(() => {
    const lose = (event: MessageEvent) => {
      if (event.data !== "pan:ready") return;
      removeEventListener("message", lose, true);
      event.stopImmediatePropagation();
      document.title = "lost";
    };
    addEventListener("message", lose, true);
  });
  await ask(account, "1");
  await account.confirm("Send 1.00 EUR");
  await expect(page).toHaveTitle("lost");
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("a window that gets no request says so", async ({ account, context, page }) => {
  // Nine of its ten seconds pass at once.
  await context.addInitScript(() => {
    const later = window.setTimeout.bind(window);
    window.setTimeout = ((act: () => void, ms = 0) => later(act, ms / 10)) as typeof setTimeout;
  });
  const popup = page.waitForEvent("popup");
  await page.evaluate((url) => void window.open(url, "_blank", "popup"), `${signOrigin(account.origin)}/confirm`);
  const opened = await popup;
  await expect(opened.getByRole("heading", { level: 1 })).toHaveText("Nothing to confirm yet");
  await expect(opened.getByRole("main")).toContainText("Close this window and try again.");
  await opened.getByRole("button", { name: "Close this window" }).click();
  await expect.poll(() => opened.isClosed()).toBe(true);
});

test("without windows the user confirms in the same tab", async ({ account, page }) => {
  await block(page, 2);
  await ask(account, "2");
  await account.hand.press(account.button("Continue in a secure window"));
  await expect(page).toHaveURL(`${signOrigin(account.origin)}/confirm`);
  await expect(page.getByRole("main")).toContainText("2.00 EUR");
  await account.hand.press(page.getByRole("button", { name: "Send 2.00 EUR" }));
  await expect(page).toHaveURL(`${account.origin}/account`);
  await expect(page.getByText("You confirmed it, and it was done.")).toBeVisible();
  await expect(account.balance).toHaveText("998.00 EUR");
});

test("cancelling in the same tab keeps what was typed", async ({ account, page }) => {
  await block(page, 2);
  await ask(account, "3");
  await account.hand.press(account.button("Continue in a secure window"));
  await account.hand.press(account.button("Cancel"));
  await expect(page).toHaveURL(`${account.origin}/account`);
  await expect(account.alert).toContainText("You cancelled");
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("3");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("three cancelled confirmations start a pause", async ({ account, page }) => {
  await ask(account, "1");
  for (let count = 0; count < 3; count++) {
    await account.cancel();
    await expect(account.alert).toContainText("You cancelled");
    await account.hand.press(account.button("Send money"));
  }
  await expect(account.alert).toContainText("there is a pause");
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");
  for (const window of account.windows) await window.close();
  await ask(account, "1");
  await expect(account.alert).toContainText("there is a pause");
});

test("closing and reloading the window cancels", async ({ account }) => {
  await ask(account, "1");
  await (await account.confirmation()).page.close();
  await expect(account.alert).toContainText("You cancelled");
  await account.hand.press(account.button("Send money"));
  const window = await account.confirmation();
  await window.page.reload().catch(() => {});
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("there is one confirmation at a time in a browser", async ({ account, context }) => {
  await ask(account, "1");
  await account.confirmation();
  const page = await context.newPage();
  const other = new Bank(page, account.origin, new Mouse(page));
  await other.open("/account");
  await ask(other, "2");
  await expect(other.alert).toContainText("Another confirmation is open");
  await account.confirm("Send 1.00 EUR");
  await expect(account.balance).toHaveText("999.00 EUR");
  for (const window of other.windows) await window.close();
  await other.hand.press(other.button("Send money"));
  await other.confirm("Send 2.00 EUR");
  await expect(other.balance).toHaveText("997.00 EUR");
});

test("the page's own buttons cancel and Escape cancels", async ({ account }) => {
  await ask(account, "1");
  await account.confirmation();
  await account.hand.press(account.confirming.getByRole("button", { name: "Cancel" }));
  await expect(account.alert).toContainText("You cancelled");
  await account.hand.press(account.button("Send money"));
  const window = await account.confirmation();
  await window.page.keyboard.press("Escape");
  await expect(account.alert).toContainText("You cancelled");
});

test("a press that begins too early says so and does not count", async ({ account }) => {
  await ask(account, "1");
  const window = await account.confirmation();
  const box = await window.button(/^Send/).boundingBox();
  if (!box) throw new Error("there is no button");
  // The window changes, so the wait begins again.
  await window.page.setViewportSize({ width: 471, height: 640 });
  await window.page.mouse.click(box.x + 20, box.y + 20);
  await expect(window.status).toContainText("Not confirmed");
  await account.confirm("Send 1.00 EUR");
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("the keyboard confirms, and a held key does not", async ({ account }) => {
  await ask(account, "1");
  const window = await account.confirmation();
  await expect(window.button(/^Send/)).toBeEnabled();
  await window.title.focus();
  // The key goes down elsewhere, and repeats on the button.
  await window.page.keyboard.down("Enter");
  await window.button(/^Send/).focus();
  for (let count = 0; count < 3; count++) await window.page.keyboard.down("Enter");
  await expect(window.status).toContainText("Not confirmed");
  await window.page.keyboard.up("Enter");
  await expect(window.button(/^Send/)).toBeEnabled();
  await window.page.keyboard.press("Space", { delay: 30 });
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("a frame that lost its key is restored by the confirmation key", async ({ account, page }) => {
  const frame = page.frames().find((frame) => frame.url().startsWith(signOrigin(account.origin)));
  if (!frame) throw new Error("there is no frame");
  await frame.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((done) => {
      const opening = indexedDB.open("pan");
      opening.onsuccess = () => done(opening.result);
    });
    const transaction = database.transaction("keys", "readwrite");
    transaction.objectStore("keys").clear();
    await new Promise((done) => (transaction.oncomplete = done));
    database.close();
  });
  await page.reload();
  await expect(account.alert).toContainText("lost one of its keys");
  await account.hand.press(account.button("Restore this browser"));
  await expect((await account.confirmation()).title).toHaveText("Restore this browser");
  await account.confirm("Restore");
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await account.renamed("Restored");
  await account.live();
});
