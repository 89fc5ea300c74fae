import type { Page } from "@playwright/test";
import type { Headers } from "./http.ts";
import type { ScriptedPage } from "./page-scripts.ts";
import { type CookieHolder, handleOf, sessionToken } from "./session-token.ts";

declare global {
  interface Window {
    /** The page's own port to the signing frame, stolen by the injected script. */
    stolenPort: MessagePort | undefined;
  }
}

/** A request that the script asks the frame to sign. */
export interface SignRequest {
  path: string;
  body?: string;
  level?: "signed" | "interaction" | "confirmed";
  nonce?: string | null;
  proof?: object | null;
  session?: string;
}

/** The headers of a signed request, as the frame returns them. */
export interface SignedHeaders {
  session: string;
  proof: string;
  digest: string;
  signature_input: string;
  signature: string;
}

/** The frame's reply, `{Ok: …}` or `{Err: "reason"}`; undefined after a timeout. */
export type FrameReply = { Ok?: { signed?: SignedHeaders }; Err?: unknown } | undefined;

/** Keeps the page's port to the signing frame the first time that the page sends a message on it. */
function stealPort(): void {
  if (window !== window.top) return;
  const post = MessagePort.prototype.postMessage as (this: MessagePort, ...args: unknown[]) => void;
  MessagePort.prototype.postMessage = function (this: MessagePort, ...args: unknown[]) {
    // The port to a confirmation window carries other messages.
    if (String(args[0]).includes(`"ask"`)) window.stolenPort = this;
    post.apply(this, args);
  };
}

/**
 * An attacker's script in the page. It can do everything that the page's own script can. It also uses the page's port to
 * the signing frame, which it steals the first time that the page sends a message on it.
 */
export class InjectedScript {
  private constructor(private readonly page: ScriptedPage & CookieHolder) {}

  /** Injects the script into every page that loads from now on. */
  static async injectInto(page: Page): Promise<InjectedScript> {
    await page.addInitScript(stealPort);
    return new InjectedScript(page);
  }

  /** Injects the script into the page that is loaded now. */
  static async injectNow(page: ScriptedPage & CookieHolder): Promise<InjectedScript> {
    await page.evaluate(stealPort);
    return new InjectedScript(page);
  }

  /** Sends a request to the frame over the page's own port. `timeout` is in milliseconds. */
  async sendToFrame(request: object, timeout = 5_000): Promise<FrameReply> {
    return this.page.evaluate(
      async ({ request, timeout }) => {
        const port = window.stolenPort;
        if (!port) throw new Error("the page has not used its port yet");
        const id = 1_000_000_000 + Math.floor(Math.random() * 1_000_000_000);
        const reply = new Promise<FrameReply>((resolve) => {
          setTimeout(() => resolve(undefined), timeout);
          port.addEventListener("message", (event) => {
            const message = JSON.parse(event.data as string) as { answer?: { id: number; answer: FrameReply } };
            if (message.answer?.id === id) resolve(message.answer.answer);
          });
        });
        port.postMessage(JSON.stringify({ id, ask: request }));
        return reply;
      },
      { request, timeout },
    );
  }

  /** Requests a signature from the frame. */
  async requestSignature({ path, body = "{}", level = "signed", nonce, proof = null, session }: SignRequest, timeout?: number): Promise<FrameReply> {
    const sign = { session: session ?? (await this.sessionHandle()), path, body, level, nonce: nonce ?? null, proof };
    return this.sendToFrame({ sign }, timeout);
  }

  /** Requests a signature that the frame must give. */
  async sign(request: SignRequest): Promise<SignedHeaders> {
    const reply = await this.requestSignature(request);
    const signed = reply?.Ok?.signed;
    if (!signed) throw new Error(`the frame did not sign: ${JSON.stringify(reply)}`);
    return signed;
  }

  /** Fetches a fresh nonce. Script in the page can always do that. */
  async nonce(): Promise<string> {
    const signed = await this.sign({ path: "/api/nonces" });
    const { nonces } = await this.post("/api/nonces", "{}", signed);
    const nonce = nonces.split(", ")[0];
    if (!nonce) throw new Error("the server returned no nonce");
    return nonce;
  }

  /** Sends a signed request with the page's `fetch`. */
  async post(path: string, body: string, signed: SignedHeaders): Promise<{ status: number; text: string; code: string; nonces: string }> {
    return this.page.evaluate(
      async ({ path, body, headers }) => {
        const reply = await fetch(path, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
        const text = await reply.text();
        const isProblem = reply.headers.get("content-type") === "application/problem+json";
        const code = isProblem ? (JSON.parse(text) as { code: string }).code : "";
        return { status: reply.status, text, code, nonces: reply.headers.get("pan-nonce") ?? "" };
      },
      { path, body, headers: Object.fromEntries(signedHeaders(signed)) },
    );
  }

  /** The public handle of the page's session. */
  async sessionHandle(): Promise<string> {
    return handleOf(await sessionToken(this.page));
  }
}

/** The five headers of a signed request. */
export function signedHeaders(signed: SignedHeaders): Headers {
  return [
    ["x-session-id", signed.session],
    ["x-interaction-proof", signed.proof],
    ["content-digest", signed.digest],
    ["signature-input", signed.signature_input],
    ["signature", signed.signature],
  ];
}
