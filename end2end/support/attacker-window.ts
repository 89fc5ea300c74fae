import { expect, type Page } from "@playwright/test";
import { ConfirmationWindow } from "./confirmation-window.ts";
import type { SignedHeaders } from "./injected-script.ts";
import { Mouse } from "./input-device.ts";
import type { ScriptedPage } from "./page-scripts.ts";

/** The request that a confirmation window shows. */
export interface WindowRequest {
  session: string;
  path: string;
  body: string;
  nonce: string | null;
}

/** A message from a confirmation window to its opener. */
export type WindowMessage = { shown: object } | { signed: SignedHeaders } | { rejected: string | { paused: { seconds: number } } };

interface OpenedWindow {
  handle: WindowProxy | null;
  messages: WindowMessage[];
}

declare global {
  interface Window {
    /** The confirmation windows that the attacker's script opened. */
    opened: OpenedWindow[] | undefined;
  }
}

/** How the script opens its window. */
export interface OpenOptions {
  features?: string | undefined;
  /** Open it in the user's next click: a browser that blocks windows lets no script open one otherwise. */
  onClick?: boolean;
}

/** Makes script in the page open a confirmation window and send it the request. Returns the window's number. */
export async function openConfirmation(
  opener: ScriptedPage,
  sign: string,
  request: WindowRequest,
  { features = "popup,width=480,height=640", onClick = false }: OpenOptions = {},
): Promise<number> {
  return opener.evaluate(
    ({ url, features, request, onClick }) => {
      const opened: OpenedWindow = { handle: null, messages: [] };
      const open = () => void (opened.handle = window.open(url, "_blank", features));
      if (onClick) addEventListener("click", open, { capture: true, once: true });
      else open();
      addEventListener("message", (event) => {
        if (event.data !== "pan:ready" || event.source !== opened.handle) return;
        // The window repeats this message until it has a port. After any other message it was reloaded.
        if (opened.messages.length > 0) return;
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => opened.messages.push(JSON.parse(data as string) as WindowMessage);
        opened.handle?.postMessage("pan:connect", "*", [port2]);
        port1.postMessage(JSON.stringify(request));
      });
      return (window.opened ??= []).push(opened) - 1;
    },
    { url: `${sign}/confirm`, features, request, onClick },
  );
}

/** The messages that a confirmation window has sent to the script that opened it. */
export async function messagesOf(opener: ScriptedPage, number: number): Promise<WindowMessage[]> {
  return opener.evaluate((number) => window.opened?.[number]?.messages ?? [], number);
}

/** Runs a function of the script on the window's handle. Returns its result as a string, or the name of its error. */
export async function runWithHandle(opener: ScriptedPage, number: number, act: (handle: WindowProxy) => unknown): Promise<string> {
  // The function is passed as source text of the expression, because the page's policy forbids `eval`.
  return opener.evaluate<string>(`(() => {
    try {
      return String((${act})(window.opened[${number}].handle));
    } catch (error) {
      return error.name;
    }
  })()`);
}

/** A confirmation window that the attacker's script opens, without the application's own code. */
export class AttackerWindow extends ConfirmationWindow {
  private constructor(
    /** The page with the attacker's script. */
    readonly opener: Page,
    window: Page,
    private readonly number: number,
  ) {
    super(window, new Mouse(window));
  }

  /** Opens it and sends the request as soon as the window is ready. */
  static async open(opener: Page, sign: string, request: WindowRequest, features?: string): Promise<AttackerWindow> {
    const popup = opener.waitForEvent("popup");
    const number = await openConfirmation(opener, sign, request, { features });
    return new AttackerWindow(opener, await popup, number);
  }

  /** The messages that it has sent so far. */
  async messages(): Promise<WindowMessage[]> {
    return messagesOf(this.opener, this.number);
  }

  /** Waits for its last message: signed or rejected. */
  async outcome(): Promise<WindowMessage> {
    const isOutcome = (message: WindowMessage) => !("shown" in message);
    await expect.poll(async () => (await this.messages()).some(isOutcome), { message: "the window sends its outcome", timeout: 40_000 }).toBe(true);
    return (await this.messages()).find(isOutcome) as WindowMessage;
  }

  /** Runs a function of the script on the window's handle. Returns its result as a string, or the name of its error. */
  async withHandle(act: (handle: WindowProxy) => unknown): Promise<string> {
    return runWithHandle(this.opener, this.number, act);
  }

  /** Checks that the window is still open and has neither signed nor rejected. */
  async expectUndecided(): Promise<void> {
    await expect(this.button("Cancel")).toBeVisible();
    expect(await this.messages()).toEqual([{ shown: {} }]);
  }
}
