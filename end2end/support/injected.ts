import type { Page, Request, Route } from "@playwright/test";
import { handleOf } from "./client.ts";
import type { Headers } from "./http.ts";

declare global {
  interface Window {
    /** The attacker's loot: the page's own port to the frame. */
    stolenPort: MessagePort | undefined;
  }
}

/** What the frame is asked to sign. */
export interface Wish {
  path: string;
  body?: string;
  level?: "signed" | "interaction" | "confirmed";
  nonce?: string | null;
  proof?: object | null;
  session?: string;
}

/** The headers of a signed request, as the frame answers them. */
export interface SignedHeaders {
  session: string;
  proof: string;
  digest: string;
  signature_input: string;
  signature: string;
}

/** `{Ok: …}` or `{Err: "refusal"}`, as the frame says it; undefined when it has not answered in time. */
export type Answer = { Ok?: { signed?: SignedHeaders }; Err?: unknown } | undefined;

/**
 * Script of an attacker in the page. It has everything that the page's own script has: also its port to the frame, which
 * it takes the first time that the page uses it.
 */
export class Injected {
  private constructor(private readonly page: Page) {}

  /** Gets in with the next page that is loaded. */
  static async into(page: Page): Promise<Injected> {
    await page.addInitScript(() => {
      if (window !== window.top) return;
      const post = MessagePort.prototype.postMessage as (this: MessagePort, ...given: unknown[]) => void;
      MessagePort.prototype.postMessage = function (this: MessagePort, ...given: unknown[]) {
        // Not the one to a confirmation window.
        if (String(given[0]).includes(`"ask"`)) window.stolenPort = this;
        post.apply(this, given);
      };
    });
    return new Injected(page);
  }

  /** Asks the frame over the page's own port. */
  async ask(ask: object, patience = 5_000): Promise<Answer> {
    return this.page.evaluate(
      async ({ ask, patience }) => {
        const port = window.stolenPort;
        if (!port) throw new Error("the page has not used its port yet");
        const id = 1_000_000_000 + Math.floor(Math.random() * 1_000_000_000);
        const answer = new Promise<Answer>((resolve) => {
          setTimeout(() => resolve(undefined), patience);
          port.addEventListener("message", (event) => {
            const message = JSON.parse(event.data as string) as { answer?: { id: number; answer: Answer } };
            if (message.answer?.id === id) resolve(message.answer.answer);
          });
        });
        port.postMessage(JSON.stringify({ id, ask }));
        return answer;
      },
      { ask, patience },
    );
  }

  /** Asks the frame for a signature. */
  async wish({ path, body = "{}", level = "signed", nonce, proof = null, session }: Wish, patience?: number): Promise<Answer> {
    const sign = { session: session ?? (await this.handle()), path, body, level, nonce: nonce ?? null, proof };
    return this.ask({ sign }, patience);
  }

  /** A signature that the frame does give. */
  async signed(wish: Wish): Promise<SignedHeaders> {
    const answer = await this.wish(wish);
    const signed = answer?.Ok?.signed;
    if (!signed) throw new Error(`the frame did not sign: ${JSON.stringify(answer)}`);
    return signed;
  }

  /** A fresh nonce, which script in the page can always get. */
  async nonce(): Promise<string> {
    const signed = await this.signed({ path: "/api/nonces" });
    const { nonces } = await this.post("/api/nonces", "{}", signed);
    const nonce = nonces.split(", ")[0];
    if (!nonce) throw new Error("the server gave no nonce");
    return nonce;
  }

  /** Sends with the page's fetch. */
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

  /** The session's public name. */
  async handle(): Promise<string> {
    return handleOf(await token(this.page));
  }
}

/** The five headers of a signature. */
export function signedHeaders(signed: SignedHeaders): Headers {
  return [
    ["x-session-id", signed.session],
    ["x-interaction-proof", signed.proof],
    ["content-digest", signed.digest],
    ["signature-input", signed.signature_input],
    ["signature", signed.signature],
  ];
}

/** The session cookie's value, as somebody who reads the network, the disk or a log has it. */
export async function token(page: Page): Promise<string> {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === "__Host-pan")?.value ?? "";
}

/** A whole request of the page, caught on its way. */
export interface Caught {
  path: string;
  body: string;
  headers: Headers;
}

/** Catches the next request to `path` while `act` makes the page send it. It does not reach the server. */
export async function catchNext(page: Page, path: string, act: () => Promise<unknown>): Promise<Caught> {
  const pattern = `**${path}`;
  let caught: (request: Request) => void = () => {};
  const request = new Promise<Request>((resolve) => (caught = resolve));
  const take = async (route: Route) => {
    caught(route.request());
    await route.abort();
  };
  await page.route(pattern, take, { times: 1 });
  await act();
  const got = await request;
  await page.unroute(pattern, take);
  const kept = Object.entries(got.headers()).filter(([name]) => /^(origin|content-type|x-|content-digest|signature)/.test(name));
  const cookie: [string, string] = ["cookie", `__Host-pan=${await token(page)}`];
  return { path, body: got.postData() ?? "", headers: [...kept, ["sec-fetch-site", "same-origin"], cookie] };
}
