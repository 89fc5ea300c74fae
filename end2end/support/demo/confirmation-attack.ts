import { AttackerWindow, type WindowRequest } from "../attacker-window.ts";
import { type AppPage, newUserName } from "../app-page.ts";
import { slowClock } from "../confirmation-window.ts";
import { expect, test as base } from "../fixtures.ts";
import { InjectedScript } from "../injected-script.ts";
import { NodeClient } from "../node-client.ts";

/** The label of the confirmation button for the transfer. */
export const SEND_BUTTON = "Send 500.00 EUR";

/** The attacker's script in the user's page, and the transfer that it wants to have confirmed. */
export interface ConfirmationAttack {
  script: InjectedScript;
  visitor: AppPage;
  /** A request to transfer 500 EUR. Each call uses another nonce. */
  request(): Promise<WindowRequest>;
  /** Opens a confirmation window for such a request. */
  open(features?: string): Promise<AttackerWindow>;
  /** Sends the request that the window signed, and checks that the money was sent: the positive control. */
  expectPaid(window: AttackerWindow): Promise<void>;
  /** Checks that no money was sent. */
  expectUnharmed(): Promise<void>;
}

/** Tests in which the attacker's script tries to have a transfer confirmed. */
export const test = base.extend<{ attack: ConfirmationAttack; slowClock: void }>({
  attack: async ({ visitor, server, page }, use) => {
    const script = await InjectedScript.injectInto(page);
    await visitor.registerQuickly(newUserName());
    const friend = await NodeClient.registered(server);
    const body = JSON.stringify({ to: friend.name, amount: 50_000, note: "" });
    const request = async () => ({ session: await script.sessionHandle(), path: "/api/transfer", body, nonce: await script.nonce() });
    await use({
      script,
      visitor,
      request,
      open: async (features) => AttackerWindow.open(page, server.sign, await request(), features),
      expectPaid: async (window) => {
        const outcome = await window.outcome();
        if (!("signed" in outcome)) throw new Error(`not signed: ${JSON.stringify(outcome)}`);
        expect((await script.post("/api/transfer", body, outcome.signed)).status).toBe(200);
        await page.reload();
        await expect(visitor.balance).toHaveText("500.00 EUR");
      },
      expectUnharmed: async () => {
        await page.reload();
        await expect(visitor.balance).toHaveText("1,000.00 EUR");
      },
    });
  },
  slowClock: async ({ context, server }, use) => {
    await slowClock(context, server.sign);
    await use();
  },
});

export { expect };
