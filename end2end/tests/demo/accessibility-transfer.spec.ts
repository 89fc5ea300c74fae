import { focus, liveRegions } from "../../support/accessibility-tree.ts";
import { AppPage, newUserName } from "../../support/app-page.ts";
import { blockWindows, type ConfirmationWindow } from "../../support/confirmation-window.ts";
import { expect, test } from "../../support/fixtures.ts";
import { Keyboard } from "../../support/input-device.ts";
import { confirmationProof } from "../../support/interaction-proof.ts";
import { NodeClient } from "../../support/node-client.ts";
import { withZoom } from "../../support/zoomed-browser.ts";

test("a transfer by keyboard shows everything at its button, and the focus returns", async ({ account, server, page }) => {
  const friend = await NodeClient.registered(server);
  const keys = new AppPage(page, server.app, new Keyboard(page));
  const focused = async () => (await focus(page)).name;
  await keys.submitTransfer({ to: "", amount: "1", note: "" });
  await expect.poll(() => focus(page)).toMatchObject({ name: "textbox To", description: "Enter the recipient's user name." });

  await keys.submitTransfer({ to: friend.name, amount: "12.50", note: "for José" });
  const window = await account.confirmationWindow();
  await expect.poll(async () => (await focus(window.page)).name).toBe("heading Send money");
  await expect(window.status).toContainText("Check every line");
  await window.page.keyboard.press("Tab");
  await expect(window.status).toContainText("Check every line");
  const { name, description } = await focus(window.page);
  expect(name).toBe(`button Send 12.50 EUR to ${friend.name}`);
  // A screen reader reads the whole request at the button.
  for (const text of ["Amount 12.50 EUR", `To ${friend.name}`, "Note for José", "Check every line"]) expect(description).toContain(text);
  await window.page.keyboard.press("Enter", { delay: 70 });
  await expect(account.status).toHaveText(`Sent 12.50 EUR to ${friend.name}.`);
  expect(await focused()).toBe("button Send money");

  // The focus goes to the button that opens a blocked window, and back when the confirmation is over.
  await blockWindows(page, 1);
  await keys.submitTransfer({ to: friend.name, amount: "1", note: "" });
  await expect.poll(focused).toBe("button Continue in a secure window");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(account.alert).toContainText("You cancelled");
  await expect.poll(focused).toBe("button Send money");

  // Money that arrives is announced.
  await account.waitUntilLive();
  const balance = async () => [...(await liveRegions(page))].find(([, { text }]) => text.startsWith("Balance"));
  const before = await balance();
  expect(before?.[1]).toEqual({ live: "polite", text: "Balance 987.50 EUR" });
  const body = JSON.stringify({ to: account.user, amount: 100, note: "" });
  expect((await friend.call({ path: "/api/transfer", body, proof: confirmationProof("transfer") })).status).toBe(200);
  await expect.poll(balance).toEqual([before?.[0], { live: "polite", text: "Balance 988.50 EUR" }]);
});

/** Requests a transfer of 1 EUR with a note that fills the window. Returns the window. */
async function requestTransfer(visitor: AppPage, to: string): Promise<ConfirmationWindow> {
  const { page } = visitor;
  await page.getByLabel("To", { exact: true }).fill(to);
  await page.getByLabel("Amount", { exact: true }).fill("1");
  await page.getByLabel("Note", { exact: true }).fill("word ".repeat(27).trim());
  await page.keyboard.press("Enter");
  return visitor.confirmationWindow();
}

/** How to confirm a request that does not fit into the window. */
const CONFIRM = {
  mouse: async (window: ConfirmationWindow) => {
    await window.page.mouse.move(150, 60);
    await window.page.mouse.wheel(0, 9_000);
    await expect(window.status).toContainText("Check every line");
    await window.button(/^Send/).click();
  },
  keyboard: async (window: ConfirmationWindow) => {
    // The button, at the end, comes into view when it takes the focus.
    await window.page.keyboard.press("Tab");
    await expect(window.button(/^Send/)).toBeFocused();
    await expect(window.status).toContainText("Check every line");
    await window.page.keyboard.press("Enter", { delay: 70 });
  },
};

test("the keyboard confirms in a small window, once its end is in view", async ({ account, server, page }) => {
  const friend = await NodeClient.registered(server);
  for (const [width, height, left] of [
    [320, 180, "999.00 EUR"],
    [341, 162, "998.00 EUR"],
  ] as const) {
    await page.setViewportSize({ width, height });
    const window = await requestTransfer(account, friend.name);
    await window.page.setViewportSize({ width, height });
    await expect(window.status).toContainText("There is more below");
    await CONFIRM.keyboard(window);
    await expect(account.balance).toHaveText(left);
    await expect(account.status).toBeInViewport();
    await expect.poll(() => window.page.isClosed()).toBe(true);
  }
});

for (const [zoom, width, device] of [
  [4, 341, "mouse"],
  [5, 273, "keyboard"],
] as const) {
  test(`the ${device} confirms in a browser that zooms to ${zoom * 100} %`, async ({ server, playwright, launchOptions }) => {
    const friend = await NodeClient.registered(server);
    await withZoom({ playwright, launchOptions }, zoom, async (context) => {
      const page = context.pages()[0]!;
      const visitor = new AppPage(page, server.app, new Keyboard(page));
      await visitor.registerQuickly(newUserName());
      const window = await requestTransfer(visitor, friend.name);
      expect(await window.page.evaluate(() => [innerWidth, devicePixelRatio])).toEqual([width, zoom]);
      await expect(window.status).toContainText("There is more below");
      await CONFIRM[device](window);
      await expect(visitor.balance).toHaveText("999.00 EUR");
    });
  });
}
