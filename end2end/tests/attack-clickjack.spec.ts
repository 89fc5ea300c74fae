import type { Locator, Page } from "@playwright/test";
import { newName } from "../support/bank.ts";
import { Client } from "../support/client.ts";
import { Injected } from "../support/injected.ts";
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
  // `moveBefore` moves the frame without loading it anew, so the sheet stays open.
  "scrolled out of a box": () => {
    const frame = document.getElementById("pan-frame")!;
    const box = document.createElement("div");
    box.style.cssText = "position:fixed;inset:0;overflow:auto;z-index:2147483647";
    const content = document.createElement("div");
    content.style.height = "300vh";
    box.append(content);
    document.body.append(box);
    box.moveBefore(frame, null);
    frame.style.setProperty("position", "absolute", "important");
    box.scrollTop = 0.6 * innerHeight;
  },
  "clipped by a box": () => {
    const frame = document.getElementById("pan-frame")!;
    const box = document.createElement("div");
    box.style.cssText = "position:fixed;left:0;right:0;bottom:0;height:52%;overflow:hidden;z-index:2147483647";
    document.body.append(box);
    box.moveBefore(frame, null);
    frame.style.setProperty("position", "absolute", "important");
    frame.style.setProperty("top", "auto", "important");
    frame.style.setProperty("height", "100vh", "important");
  },
};

/** Undoes every trick. */
function undo(page: Page): Promise<void> {
  return page.evaluate(() => {
    const frame = document.getElementById("pan-frame")!;
    if (frame.parentElement !== document.body) document.body.moveBefore(frame, null);
    for (const name of ["opacity", "filter", "transform", "width", "height", "clip-path", "position", "top"]) {
      frame.style.removeProperty(name);
    }
    document.documentElement.style.removeProperty("opacity");
    document.querySelectorAll("body > dialog, body > div[style*='2147483647']").forEach((cover) => cover.remove());
  });
}

/** The middle of something that is to be seen. */
async function middle(target: Locator): Promise<[number, number]> {
  const box = await target.boundingBox();
  if (!box) throw new Error(`${target} is not to be seen`);
  return [box.x + box.width / 2, box.y + box.height / 2];
}

test("attack 9: a sheet that is covered, faded, moved, shrunk, clipped or scrolled away signs nothing", async ({ account, house, page }) => {
  test.setTimeout(120_000);
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "5", note: "" });
  const button = account.confirmButton("Send 5.00 EUR");
  const status = account.frame.locator("#status");
  for (const [what, trick] of Object.entries(TRICKS)) {
    await test.step(what, async () => {
      await button.hover();
      await expect(button, what).toBeEnabled();
      const place = await middle(button);

      await page.evaluate(trick);
      await expect(button, what).toBeDisabled();
      // Not only for a moment: the sheet says what is wrong, and waits.
      await expect(status, what).toContainText(/covers this window|out of sight/);
      await expect(button, what).toBeDisabled();
      // Where the person believes the button to be, and where it was.
      await page.mouse.click(...place);
      await button.dispatchEvent("click");
      // The trick ends between press and release: that click began before the person could see anything.
      await page.mouse.down();
      await undo(page);
      await expect(button, what).toBeEnabled();
      await page.mouse.up();
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

test("attack 9: a sheet that takes the place of another under the resting pointer does not take the next click", async ({ bank, house, page }) => {
  // The frame's clock goes ten times slower. So on a busy machine, too, the next click comes long before the button works.
  await page.addInitScript((sign) => {
    if (location.origin !== sign) return;
    const now = performance.now.bind(performance);
    performance.now = () => now() / 10;
  }, house.sign);
  const script = await Injected.into(page);
  await bank.register(newName());
  const friend = await Client.registered(house);
  const body = JSON.stringify({ to: friend.name, amount: 50_000, note: "" });
  const large = { session: await script.handle(), path: "/api/transfer", body, level: "confirmed", nonce: await script.nonce(), proof: null };

  // The person confirms a small transfer. Script asks for a large one in the moment when that sheet closes.
  await bank.order({ to: friend.name, amount: "1", note: "" });
  const answer = script.ask({ sign: large }, 60_000, { afterSheet: true });
  const button = bank.confirmButton("Send 1.00 EUR");
  await button.hover();
  await expect(button).toBeEnabled();
  const place = await middle(button);
  // Some people double-click everything.
  await page.mouse.click(...place, { clickCount: 2 });
  const swapped = bank.confirmButton("Send 500.00 EUR");
  await expect(swapped).toBeDisabled();
  const box = (await swapped.boundingBox())!;
  expect(place[0], "the next button is under the pointer").toBeGreaterThan(box.x);
  expect(place[0]).toBeLessThan(box.x + box.width);
  expect(place[1]).toBeGreaterThan(box.y);
  expect(place[1]).toBeLessThan(box.y + box.height);
  await page.mouse.click(...place);
  await expect(swapped).toBeEnabled();
  await expect(bank.sheet).toBeVisible();
  await expect(bank.balance, "the small one went through, and nothing else").toHaveText("999.00 EUR");

  // The positive control: it was a good sheet. Once it has been seen for long enough, a click on it confirms it.
  await page.mouse.click(...place);
  const { Ok: signed } = (await answer) ?? {};
  expect((await script.post("/api/transfer", body, signed!.signed!)).status).toBe(200);
  await page.reload();
  await expect(bank.balance).toHaveText("499.00 EUR");
});
