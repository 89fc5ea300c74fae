import { type Page } from "@playwright/test";
import { Client } from "../support/client.ts";
import { expect, test } from "../support/test.ts";

/** What script of the page does to the frame's element, or around it, while the sheet is open. */
const TRICKS: Record<string, () => void> = {
  "covered by something that lets clicks through": () => {
    const cover = document.createElement("div");
    cover.style.cssText = "position:fixed;inset:0;background:#fff;z-index:2147483647;pointer-events:none";
    document.body.append(cover);
  },
  "covered by a dialog of the top layer": () => {
    const cover = document.createElement("dialog");
    cover.textContent = "You have won";
    document.body.append(cover);
    cover.showModal();
  },
  "covered but for its button": () => {
    const cover = document.createElement("div");
    cover.style.cssText = "position:fixed;left:0;right:0;top:0;height:55%;background:#fff;z-index:2147483647;pointer-events:none";
    document.body.append(cover);
  },
  faded: () => document.getElementById("pan-frame")?.style.setProperty("opacity", "0.4", "important"),
  filtered: () => document.getElementById("pan-frame")?.style.setProperty("filter", "blur(4px)", "important"),
  shrunk: () => document.getElementById("pan-frame")?.style.setProperty("transform", "scale(0.3)", "important"),
  "made small": () => {
    const style = document.getElementById("pan-frame")?.style;
    style?.setProperty("width", "90px", "important");
    style?.setProperty("height", "60px", "important");
  },
  "moved out of sight": () => document.getElementById("pan-frame")?.style.setProperty("transform", "translateY(70vh)", "important"),
  clipped: () => document.getElementById("pan-frame")?.style.setProperty("clip-path", "inset(60% 0 0 0)", "important"),
  "put into a page that is faded": () => document.documentElement.style.setProperty("opacity", "0.5", "important"),
};

/** Undoes every trick. */
function undo(page: Page): Promise<void> {
  return page.evaluate(() => {
    for (const name of ["opacity", "filter", "transform", "width", "height", "clip-path"]) {
      document.getElementById("pan-frame")?.style.removeProperty(name);
    }
    document.documentElement.style.removeProperty("opacity");
    document.querySelectorAll("body > dialog, body > div[style*='2147483647']").forEach((cover) => cover.remove());
  });
}

test("attack 9: a sheet that is covered, faded, moved, shrunk or clipped signs nothing", async ({ account, house, page }) => {
  test.setTimeout(120_000);
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "5", note: "" });
  const button = account.confirmButton("Send 5.00 EUR");
  for (const [what, trick] of Object.entries(TRICKS)) {
    await test.step(what, async () => {
      await button.hover();
      await expect(button, what).toBeEnabled();
      const place = await button.boundingBox();
      if (!place) throw new Error("the button is not to be seen");

      await page.evaluate(trick);
      await expect(button, what).toBeDisabled();
      // Where the person believes the button to be, and where it was.
      await page.mouse.click(place.x + place.width / 2, place.y + place.height / 2);
      await button.dispatchEvent("click");
      // The trick ends at the last moment: the button does not work at once.
      await undo(page);
      expect(await button.isDisabled(), what).toBe(true);
      await expect(account.sheet, what).toBeVisible();
    });
  }
  // The positive control: once it is wholly seen again for a while, the person can still decide, and has not before.
  await button.hover();
  await account.confirm("Send 5.00 EUR");
  await expect(account.balance).toHaveText("995.00 EUR");
});

test("attack 9: a button that comes under a resting pointer does not work at once", async ({ account, house, page }) => {
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "5", note: "" });
  const button = account.confirmButton("Send 5.00 EUR");
  await button.hover();
  await expect(button).toBeEnabled();
  // The page takes the sheet away and puts it back, under a pointer that is clicking on.
  const place = await button.boundingBox();
  if (!place) throw new Error("the button is not to be seen");
  await page.evaluate(() => document.getElementById("pan-frame")?.style.setProperty("visibility", "hidden", "important"));
  await page.mouse.down();
  await page.evaluate(() => document.getElementById("pan-frame")?.style.removeProperty("visibility"));
  await page.mouse.up();
  await page.mouse.click(place.x + place.width / 2, place.y + place.height / 2);
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.balance).toHaveText("1,000.00 EUR");
});
