import { AppPage, signOriginOf } from "../../support/app-page.ts";
import { evictKeys } from "../../support/browser-storage.ts";
import { blockWindows } from "../../support/confirmation-window.ts";
import { expect, test } from "../../support/fixtures.ts";
import { Mouse } from "../../support/input-device.ts";
import { NodeClient } from "../../support/node-client.ts";

/** Submits a transfer of that many euros to a new user. */
async function requestTransfer(account: AppPage, amount: string): Promise<NodeClient> {
  const friend = await NodeClient.registered({ app: account.origin, sign: signOriginOf(account.origin), port: Number(new URL(account.origin).port) });
  await account.submitTransfer({ to: friend.name, amount, note: "" });
  return friend;
}

test("a blocked window opens from the page's own button", async ({ account, page }) => {
  await blockWindows(page, 1);
  await requestTransfer(account, "1");
  await expect(account.confirmationPanel).toContainText("blocked");
  await expect(account.button("Continue in a secure window")).toBeFocused();
  await account.input.activate(account.button("Continue in a secure window"));
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
  await requestTransfer(account, "1");
  await account.confirm("Send 1.00 EUR");
  await expect(page).toHaveTitle("lost");
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("a window that gets no request says so", async ({ account, page }) => {
  const popup = page.waitForEvent("popup");
  await page.evaluate((url) => void window.open(url, "_blank", "popup"), `${signOriginOf(account.origin)}/confirm`);
  const opened = await popup;
  await expect(opened.getByRole("heading", { level: 1 })).toHaveText("Nothing to confirm yet");
  await expect(opened.getByRole("main")).toContainText("Close this window and try again.");
  await opened.getByRole("button", { name: "Close this window" }).click({ noWaitAfter: true }).catch(() => {});
  await expect.poll(() => opened.isClosed()).toBe(true);
});

test("without windows the user confirms in the same tab", async ({ account, page }) => {
  await blockWindows(page, 2);
  await requestTransfer(account, "2");
  await account.input.activate(account.button("Continue in a secure window"));
  await expect(page).toHaveURL(`${signOriginOf(account.origin)}/confirm`);
  await expect(page.getByRole("main")).toContainText("2.00 EUR");
  await account.input.activate(page.getByRole("button", { name: "Send 2.00 EUR" }));
  await expect(page).toHaveURL(`${account.origin}/account`);
  await expect(page.getByText("Confirmed. The change was made.")).toBeVisible();
  await expect(account.balance).toHaveText("998.00 EUR");
});

test("cancelling in the same tab keeps what was typed", async ({ account, page }) => {
  await blockWindows(page, 2);
  await requestTransfer(account, "3");
  await account.input.activate(account.button("Continue in a secure window"));
  await account.input.activate(account.button("Cancel"));
  await expect(page).toHaveURL(`${account.origin}/account`);
  await expect(account.alert).toContainText("You cancelled");
  await expect(page.getByLabel("Amount", { exact: true })).toHaveValue("3");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("three cancelled confirmations start a pause", async ({ account, page }) => {
  await requestTransfer(account, "1");
  for (let count = 0; count < 3; count++) {
    await account.cancel();
    await expect(account.alert).toContainText("You cancelled");
    await account.input.activate(account.button("Send money"));
  }
  await expect(account.alert).toContainText("confirmations are paused");
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");
  for (const window of account.windows) await window.close();
  await requestTransfer(account, "1");
  await expect(account.alert).toContainText("confirmations are paused");
});

test("closing or reloading the window cancels", async ({ account }) => {
  await requestTransfer(account, "1");
  await (await account.confirmationWindow()).page.close();
  await expect(account.alert).toContainText("You cancelled");
  await account.input.activate(account.button("Send money"));
  const window = await account.confirmationWindow();
  await window.page.reload().catch(() => {});
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a browser shows one confirmation at a time", async ({ account, context }) => {
  await requestTransfer(account, "1");
  await account.confirmationWindow();
  const page = await context.newPage();
  const other = new AppPage(page, account.origin, new Mouse(page));
  await other.open("/account");
  await requestTransfer(other, "2");
  await expect(other.alert).toContainText("Another confirmation is open");
  await account.confirm("Send 1.00 EUR");
  await expect(account.balance).toHaveText("999.00 EUR");
  for (const window of other.windows) await window.close();
  await other.input.activate(other.button("Send money"));
  await other.confirm("Send 2.00 EUR");
  await expect(other.balance).toHaveText("997.00 EUR");
});

test("the page's Cancel button and Escape cancel", async ({ account }) => {
  await requestTransfer(account, "1");
  await account.confirmationWindow();
  await account.input.activate(account.confirmationPanel.getByRole("button", { name: "Cancel" }));
  await expect(account.alert).toContainText("You cancelled");
  await account.input.activate(account.button("Send money"));
  const window = await account.confirmationWindow();
  await window.page.keyboard.press("Escape");
  await expect(account.alert).toContainText("You cancelled");
});

test("a press that begins too early is explained and does not count", async ({ account }) => {
  await requestTransfer(account, "1");
  const window = await account.confirmationWindow();
  const box = await window.button(/^Send/).boundingBox();
  if (!box) throw new Error("there is no button");
  // The window's size changes, so the arming delay starts again.
  await window.page.setViewportSize({ width: 471, height: 640 });
  await window.page.mouse.click(box.x + 20, box.y + 20);
  await expect(window.status).toContainText("Not confirmed");
  await account.confirm("Send 1.00 EUR");
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("the keyboard confirms, and a held key does not", async ({ account }) => {
  await requestTransfer(account, "1");
  const window = await account.confirmationWindow();
  await expect(window.button(/^Send/)).toBeEnabled();
  await window.title.focus();
  // The key is pressed elsewhere and repeats on the button.
  await window.page.keyboard.down("Enter");
  await window.button(/^Send/).focus();
  for (let count = 0; count < 3; count++) await window.page.keyboard.down("Enter");
  await expect(window.status).toContainText("Not confirmed");
  await window.page.keyboard.up("Enter");
  await expect(window.button(/^Send/)).toBeEnabled();
  await window.page.keyboard.press("Space", { delay: 30 });
  await expect(account.balance).toHaveText("999.00 EUR");
});

test("a frame that lost its key is restored by the confirmation key", { tag: "@firefox" }, async ({ account, page, server }) => {
  await evictKeys(page, server, "keys");
  await page.reload();
  await expect(account.alert).toContainText("lost one of its keys");
  await account.input.activate(account.button("Restore this browser"));
  await expect((await account.confirmationWindow()).title).toHaveText("Restore this browser");
  await account.confirm("Restore");
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await account.changeName("Restored");
  await account.waitUntilLive();
});
