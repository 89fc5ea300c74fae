import type { Page } from "@playwright/test";
import { expectAccessible } from "../../support/accessibility.ts";
import { expect, SEND_BUTTON, test } from "../../support/demo/confirmation-attack.ts";

/** Stops the window's clock, or sets it ahead by that many milliseconds. */
async function setClock(window: Page, ahead: number | "stopped"): Promise<void> {
  await window.evaluate((ahead) => {
    const stopped = performance.now();
    performance.now = () => (ahead === "stopped" ? stopped : stopped + ahead);
  }, ahead);
}

test("every state of the confirmation window is accessible", async ({ attack, server, page }) => {
  const popup = page.waitForEvent("popup");
  await page.evaluate((url) => void open(url, "_blank", "popup"), `${server.sign}/confirm`);
  const silent = await popup;
  await expect(silent.getByRole("status")).toContainText("Waiting for the request");
  await expectAccessible(silent, "waiting for the request");
  await silent.close();

  const { page: window, status, title } = await attack.open();
  await expect(status).toContainText("Check every line");
  await expectAccessible(window, "armed");
  await window.setViewportSize({ width: 479, height: 640 });
  await expect(status).toContainText("in a moment");
  await setClock(window, "stopped");
  await expectAccessible(window, "waiting");
  await window.getByRole("button", { name: SEND_BUTTON }).click({ force: true });
  await window.setViewportSize({ width: 479, height: 90 });
  await expect(status).toContainText("too small");
  await expectAccessible(window, "too small");
  await window.setViewportSize({ width: 479, height: 180 });
  await expect(status).toContainText("more below");
  await expectAccessible(window, "not read to the end");
  await setClock(window, 300_000);
  await expect(title).toHaveText("Too late");
  await expectAccessible(window, "too late");
  await window.close();

  const first = await attack.open();
  await expect(first.title).toHaveText("Send money");
  const second = await attack.open();
  await expect(second.title).toHaveText("Another confirmation is open");
  await expectAccessible(second.page, "busy");
  await second.page.close();
  await first.cancel();
  const third = await attack.open();
  await expect(third.title).toHaveText("Send money");
  await third.cancel();
  const paused = await attack.open();
  await expect(paused.title).toHaveText("Confirmations are paused");
  await expectAccessible(paused.page, "paused");
});
