import { type Bank, newName } from "./bank.ts";
import { Client } from "./client.ts";
import { Injected } from "./injected.ts";
import { ScriptWindow, type WindowRequest } from "./script-window.ts";
import { expect, test as base } from "./test.ts";

/** What the button of that transfer says first. */
export const BUTTON = "Send 500.00 EUR";

/** The attacker's script in the user's page, and what it would like to have confirmed. */
export interface Attack {
  script: Injected;
  bank: Bank;
  /** A transfer of 500 EUR. Each has a nonce of its own. */
  request(): Promise<WindowRequest>;
  /** Opens a confirmation window for it. */
  open(features?: string): Promise<ScriptWindow>;
  /** Sends what the window has signed: the positive control. */
  isPaid(window: ScriptWindow): Promise<void>;
  /** Nothing was paid. */
  isUnharmed(): Promise<void>;
}

/** Tests with script in the page that wants a transfer confirmed. */
export const test = base.extend<{ attack: Attack; slowClock: void }>({
  attack: async ({ bank, house, page }, use) => {
    const script = await Injected.into(page);
    await bank.appear(newName());
    const friend = await Client.registered(house);
    const body = JSON.stringify({ to: friend.name, amount: 50_000, note: "" });
    const request = async () => ({ session: await script.handle(), path: "/api/transfer", body, nonce: await script.nonce() });
    await use({
      script,
      bank,
      request,
      open: async (features) => ScriptWindow.open(page, house.sign, await request(), features),
      isPaid: async (window) => {
        const answer = await window.answer();
        if (!("signed" in answer)) throw new Error(`not signed: ${JSON.stringify(answer)}`);
        expect((await script.post("/api/transfer", body, answer.signed)).status).toBe(200);
        await page.reload();
        await expect(bank.balance).toHaveText("500.00 EUR");
      },
      isUnharmed: async () => {
        await page.reload();
        await expect(bank.balance).toHaveText("1,000.00 EUR");
      },
    });
  },
  // The sign origin's clock goes ten times slower. So on a busy machine, too, a click comes long before the button works.
  slowClock: async ({ context, house }, use) => {
    await context.addInitScript((sign) => {
      if (location.origin !== sign) return;
      const now = performance.now.bind(performance);
      performance.now = () => now() / 10;
    }, house.sign);
    await use();
  },
});

export { expect };
