import { expect, type Page } from "@playwright/test";
import { Confirmation } from "./bank.ts";
import { Mouse } from "./hand.ts";
import type { SignedHeaders } from "./injected.ts";

/** What a confirmation window is asked to confirm. */
export interface WindowRequest {
  session: string;
  path: string;
  body: string;
  nonce: string | null;
}

/** What a confirmation window says. */
export type FromWindow = { shown: object } | { signed: SignedHeaders } | { rejected: string | { paused: { seconds: number } } };

interface Opened {
  handle: WindowProxy | null;
  said: FromWindow[];
}

declare global {
  interface Window {
    /** The windows that the attacker has opened. */
    opened: Opened[] | undefined;
  }
}

/** A confirmation window that script of an attacker opens, past the application's own code. */
export class ScriptWindow extends Confirmation {
  private constructor(
    /** The page that the script runs in. */
    readonly opener: Page,
    window: Page,
    private readonly number: number,
  ) {
    super(window, new Mouse(window));
  }

  /** Opens it and hands over the request, as soon as the window is ready. */
  static async open(opener: Page, sign: string, request: WindowRequest, features = "popup,width=480,height=640"): Promise<ScriptWindow> {
    const popup = opener.waitForEvent("popup");
    const number = await opener.evaluate(
      ({ url, features, request }) => {
        const opened: Opened = { handle: window.open(url, "_blank", features), said: [] };
        addEventListener("message", (event) => {
          if (event.data !== "pan:ready" || event.source !== opened.handle) return;
          // It says so until it has a port. Once it has said more, it was reloaded.
          if (opened.said.length > 0) return;
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = ({ data }) => opened.said.push(JSON.parse(data as string) as FromWindow);
          opened.handle?.postMessage("pan:connect", "*", [port2]);
          port1.postMessage(JSON.stringify(request));
        });
        return (window.opened ??= []).push(opened) - 1;
      },
      { url: `${sign}/confirm`, features, request },
    );
    return new ScriptWindow(opener, await popup, number);
  }

  /** What it has said so far. */
  async said(): Promise<FromWindow[]> {
    return this.opener.evaluate((number) => window.opened?.[number]?.said ?? [], this.number);
  }

  /** Waits for what it says last. */
  async answer(): Promise<FromWindow> {
    const isLast = (message: FromWindow) => !("shown" in message);
    await expect.poll(async () => (await this.said()).some(isLast), { message: "the window answers", timeout: 40_000 }).toBe(true);
    return (await this.said()).find(isLast) as FromWindow;
  }

  /** Has the script do something to the window's handle. Gives what came of it, or the name of the error. */
  async handle(act: (handle: WindowProxy) => unknown): Promise<string> {
    // As a text: the page's policy lets no function be made of one.
    return this.opener.evaluate<string>(`(() => {
      try {
        return String((${act})(window.opened[${this.number}].handle));
      } catch (error) {
        return error.name;
      }
    })()`);
  }

  /** Shows that the window has signed nothing, and that its user has decided nothing. */
  async isUndecided(): Promise<void> {
    await expect(this.button("Cancel")).toBeVisible();
    expect(await this.said()).toEqual([{ shown: {} }]);
  }
}
