import type { Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import { centreOf } from "../support/input-device.ts";

interface ReceivedProof {
  kind: string;
  path: number[][];
}

/** A press of the main mouse button and its release, by the browser's debugging interface, without a movement. */
async function press(page: Page, force = 0): Promise<void> {
  const at = await centreOf(page.getByRole("button", { name: "Change name" }));
  const devtools = await page.context().newCDPSession(page);
  for (const type of ["mousePressed", "mouseReleased"] as const) {
    await devtools.send("Input.dispatchMouseEvent", { type, ...at, button: "left", clickCount: 1, ...(force && { force }) });
  }
}

/** Makes clicks name the main button as pressed. Neither a device nor the debugging interface can. */
async function holdButtonInClicks(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { get } = Object.getOwnPropertyDescriptor(MouseEvent.prototype, "buttons")!;
    Object.defineProperty(MouseEvent.prototype, "buttons", {
      get(this: MouseEvent) {
        return this.type === "click" ? 1 : (get!.call(this) as number);
      },
    });
  });
}

/** The proof of the last request that changed the name. */
async function proofOf(page: Page, activate: () => Promise<unknown>): Promise<ReceivedProof> {
  const sent = page.waitForRequest("**/api/display_name");
  await activate();
  const header = (await sent).headers()["x-interaction-proof"] ?? "";
  return JSON.parse(Buffer.from(header, "base64url").toString()) as ReceivedProof;
}

/** Ways to press the button of a form: by assistive technology, which acts like a key, or by a machine. */
const PRESSES: Record<string, { prepare?: (page: Page) => Promise<unknown>; force?: number; kind: "keyboard" | "pointer" }> = {
  // Firefox: a trusted click that counts as a pointer's, and no pointer events.
  "a click by assistive technology without pointer events": {
    prepare: (page) =>
      page.evaluate(() => {
        for (const type of ["pointerdown", "pointerup", "pointermove"]) addEventListener(type, (event) => event.stopImmediatePropagation(), true);
      }),
    kind: "keyboard",
  },
  // Chromium, also for TalkBack: a mouse without pressure, whose button is still down in the click.
  "a click by assistive technology with pointer events": { prepare: holdButtonInClicks, kind: "keyboard" },
  "a press far from the pointer without pressure": { kind: "pointer" },
  "a press far from the pointer with a mouse's pressure": { prepare: holdButtonInClicks, force: 0.5, kind: "pointer" },
};

for (const [what, { prepare, force, kind }] of Object.entries(PRESSES)) {
  test(`${what} ${kind === "keyboard" ? "acts like a key" : "leads to a confirmation"}`, async ({ account, page }) => {
    await page.mouse.move(40, 60);
    await prepare?.(page);
    await page.getByLabel("Display name").fill("Pressed");
    const proof = await proofOf(page, () => press(page, force));
    expect(proof.kind).toBe(kind);
    if (kind === "pointer") await account.confirm("Change name");
    else expect(proof.path).toEqual([]);
    await expect(account.displayName).toHaveText("Pressed");
    expect(account.windows.length, "confirmations").toBe(kind === "pointer" ? 1 : 0);
  });
}

test("a click by script is no interaction", async ({ account, page }) => {
  await page.getByLabel("Display name").fill("Scripted");
  await page.getByRole("button", { name: "Change name" }).evaluate((button: HTMLElement) => button.click());
  await account.cancel();
  await expect(account.alert).toContainText("You cancelled");
  await expect(account.displayName).toHaveText(account.user);
});
