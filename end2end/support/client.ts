import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import { createSigner, httpbis } from "http-message-signatures";
import { expect } from "@playwright/test";
import { newName, PASSWORD } from "./bank.ts";
import { type Headers, type Reply, send, type Sent } from "./http.ts";
import type { House } from "./servers.ts";

export const COMPONENTS = ["@method", "@authority", "@path", "@query", "content-digest", "x-session-id", "x-interaction-proof"];

/** A request that is ready to be sent. */
export interface Signed {
  path: string;
  body: string;
  headers: Headers;
}

export interface Order {
  path: string;
  body?: string;
  proof?: object;
  /** Seconds; now if not said. */
  created?: number;
  nonce?: string;
  /** Which key signs; if not said, the one that the proof asks for. */
  by?: "frame" | "confirmation";
  /** Which origin it is sent to; the app's if not said. */
  at?: "app" | "sign";
}

/** base64url(SHA-256("pan-token" ‖ 0 ‖ ticket)) */
export function tokenOf(ticket: string): string {
  return createHash("sha256").update("pan-token\0").update(Buffer.from(ticket, "base64url")).digest("base64url");
}

/** base64url(SHA-256("pan-handle" ‖ 0 ‖ token))[..22] */
export function handleOf(token: string): string {
  const hash = createHash("sha256").update("pan-handle\0").update(Buffer.from(token, "base64url"));
  return hash.digest("base64url").slice(0, 22);
}

export function digestOf(body: string): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

export function encodeProof(proof: object | undefined): string {
  return proof ? Buffer.from(JSON.stringify(proof)).toString("base64url") : "none";
}

/** An interaction proof of a key press: the members in the order of the wire. */
export function keyPress(action: string, at = Date.now()): object {
  return { v: 1, by: "app", action, kind: "keyboard", at, hold: 80, path: [], target: [10, 10, 120, 32], hit: [70, 26] };
}

/** The proof of a click in the confirmation window. It passes only with a signature by the confirmation key. */
export function confirmation(action: string): object {
  return { ...keyPress(action), by: "signer", kind: "confirm", dwell: 900 };
}

/** A key pair of a session. */
export class Pair {
  private readonly pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  private name = "";

  async jwk(): Promise<JWK> {
    const { kty, crv, x, y } = await exportJWK(this.pair.publicKey);
    return { kty, crv, x, y } as JWK;
  }

  async thumbprint(): Promise<string> {
    return (this.name ||= await calculateJwkThumbprint(await this.jwk()));
  }

  /** A signature over lines of text, spelled as everywhere. `encoding` as Node names it. */
  sign(lines: string[], encoding: "ieee-p1363" | "der" = "ieee-p1363"): string {
    const signature = sign("sha256", Buffer.from(lines.join("\n")), { key: this.private, dsaEncoding: encoding });
    return `pan=:${signature.toString("base64")}:`;
  }

  get private(): KeyObject {
    return this.pair.privateKey;
  }
}

/** What a browser sends with a POST from that origin. */
export function from(origin: string): Headers {
  return [
    ["origin", origin],
    ["sec-fetch-site", "same-origin"],
    ["content-type", "application/json"],
  ];
}

/** What a page of the sign origin sends to its own origin. */
export function fromSign(house: House): Headers {
  return [["host", new URL(house.sign).host], ...from(house.sign)];
}

/**
 * PAN's client in plain Node, with other people's implementations of RFC 9421 and RFC 7638. The server accepts it, so the
 * wire is what the RFCs say; and it can bend what a browser cannot.
 */
export class Client {
  cookies = new Map<string, string>();
  handle = "";
  nonces: string[] = [];
  /** Signs what is confirmed. */
  confirmationKey = new Pair();
  /** Signs everything else. */
  frameKey = new Pair();
  /** The ticket of the last sign-in. */
  ticket = "";

  constructor(
    readonly house: House,
    readonly name = newName(),
  ) {}

  /** Somebody with an account, signed in. */
  static async registered(house: House): Promise<Client> {
    const client = new Client(house);
    await client.enter("/register");
    const reply = await client.bind();
    expect(reply.status, reply.body).toBe(200);
    return client;
  }

  /** Registers or signs in, and enters the app origin. The session has no frame key yet. */
  async enter(path: "/register" | "/sign-in"): Promise<Reply> {
    const signedIn = await this.signIn(path);
    expect(signedIn.status, signedIn.body).toBe(200);
    const reply = await this.present(this.ticket);
    expect(reply.status, reply.body).toBe(303);
    return reply;
  }

  /** Registers or signs in on the sign origin, which answers with a ticket. */
  async signIn(path: "/register" | "/sign-in", password = PASSWORD): Promise<Reply> {
    const reply = await this.take(await send(this.house, await this.credentials(path, password)));
    if (reply.status === 200) {
      this.ticket = (JSON.parse(reply.body) as { ticket: string }).ticket;
      this.handle = handleOf(tokenOf(this.ticket));
    }
    return reply;
  }

  /** The request of a sign-in or registration. `more` headers come with it, and with the one for its challenge. */
  async credentials(path: "/register" | "/sign-in", password = PASSWORD, more: Headers = []): Promise<Sent & { body: string }> {
    const challenge = await this.challenge(more);
    const jwk = await this.confirmationKey.jwk();
    const signature = this.confirmationKey.sign(["pan-sign-in/1", this.signHost(), challenge, await this.confirmationKey.thumbprint()]);
    const body = JSON.stringify({ user: this.name, password, jwk, challenge, signature });
    return { path, headers: [...this.signHeaders(), ...more], body };
  }

  /** Posts a ticket to the app origin, as the form of the sign origin's page does. */
  async present(ticket: string, { key = this.confirmationKey, path = "/account", headers = [] as Headers } = {}): Promise<Reply> {
    const signature = key.sign(["pan-enter/1", new URL(this.house.app).host, handleOf(tokenOf(ticket)), path]);
    const body = new URLSearchParams({ ticket, signature, return: path }).toString();
    const sent: Headers = [
      ["origin", this.house.sign],
      ["sec-fetch-site", "same-site"],
      ["sec-fetch-mode", "navigate"],
      ["content-type", "application/x-www-form-urlencoded"],
    ];
    const replaced = new Set(headers.map(([name]) => name));
    return this.take(
      await send(this.house, { path: "/enter", headers: [...sent.filter(([name]) => !replaced.has(name)), ...headers], body }),
    );
  }

  cookie(...names: string[]): [string, string] {
    const wanted = names.length ? names : ["__Host-pan"];
    return ["cookie", wanted.map((name) => `${name}=${this.cookies.get(name) ?? ""}`).join("; ")];
  }

  private signHost(): string {
    return new URL(this.house.sign).host;
  }

  private signHeaders(): Headers {
    return fromSign(this.house);
  }

  /** What the frame sends to its own origin. */
  frameHeaders(): Headers {
    return [...this.signHeaders(), this.cookie("__Host-pan-sign")];
  }

  async challenge(more: Headers = []): Promise<string> {
    const reply = await send(this.house, { path: "/challenge", headers: [...this.signHeaders(), ...more], body: "{}" });
    expect(reply.status, reply.body).toBe(200);
    return (JSON.parse(reply.body) as { challenge: string }).challenge;
  }

  /** The body of `/bind`, which proves that this client has the frame key. `encoding` as Node names it. */
  async statement(challenge: string, encoding: "ieee-p1363" | "der" = "ieee-p1363"): Promise<{ jwk: JWK; challenge: string; signature: string }> {
    const signature = this.frameKey.sign(["pan-bind/1", this.signHost(), challenge, await this.frameKey.thumbprint()], encoding);
    return { jwk: await this.frameKey.jwk(), challenge, signature };
  }

  async sendBind(body: object): Promise<Reply> {
    return send(this.house, { path: "/bind", headers: this.frameHeaders(), body: JSON.stringify(body) });
  }

  async bind(): Promise<Reply> {
    const reply = await this.sendBind(await this.statement(await this.challenge()));
    if (reply.status === 200) {
      const bound = JSON.parse(reply.body) as { session: string; nonces: string[] };
      expect(bound.session).toBe(this.handle);
      this.nonces = bound.nonces;
    }
    return reply;
  }

  /** Signs as a browser does, but by another implementation of RFC 9421. */
  async sign({ path, body = "{}", proof, created = Math.floor(Date.now() / 1000), nonce, by, at = "app" }: Order): Promise<Signed> {
    const isConfirmed = (proof as { by?: string } | undefined)?.by === "signer";
    const pair = (by ?? (isConfirmed ? "confirmation" : "frame")) === "frame" ? this.frameKey : this.confirmationKey;
    const covered: Headers = [
      ["content-digest", digestOf(body)],
      ["x-session-id", this.handle],
      ["x-interaction-proof", encodeProof(proof)],
    ];
    const key = createSigner(pair.private, "ecdsa-p256-sha256", await pair.thumbprint());
    const signed = await httpbis.signMessage(
      {
        key,
        name: "pan",
        fields: COMPONENTS,
        params: ["created", "nonce", "keyid", "alg", "tag"],
        paramValues: { created: new Date(created * 1000), nonce: nonce ?? (await this.nonce()), tag: "pan/1" },
      },
      { method: "POST", url: this.house[at] + path, headers: Object.fromEntries(covered) },
    );
    const of = (name: string) => String(signed.headers[name]);
    const origin: Headers = at === "app" ? [...from(this.house.app), this.cookie()] : this.frameHeaders();
    return {
      path,
      body,
      headers: [...origin, ...covered, ["signature-input", of("Signature-Input")], ["signature", of("Signature")]],
    };
  }

  /** Sends, and keeps the nonces that come back. */
  async send(signed: Signed): Promise<Reply> {
    return this.take(await send(this.house, signed));
  }

  /** Signs and sends. */
  async call(order: Order): Promise<Reply> {
    return this.send(await this.sign(order));
  }

  /** Shows that the owner can still do everything. */
  async stillActs(): Promise<void> {
    const read = await this.call({ path: "/api/account" });
    expect(read.status, read.body).toBe(200);
    expect((JSON.parse(read.body) as { user: string }).user).toBe(this.name);
    const name = `${this.name} again`;
    const renamed = await this.call({ path: "/api/display_name", body: JSON.stringify({ name }), proof: keyPress("display_name") });
    expect(renamed.status, renamed.body).toBe(200);
  }

  /** A live nonce of its own. */
  async nonce(): Promise<string> {
    const nonce = this.nonces.pop();
    if (nonce) return nonce;
    const reply = await this.call({ path: "/api/nonces", nonce: randomBytes(16).toString("base64url") });
    expect(reply.status, reply.body).toBe(200);
    return this.nonces.pop() ?? "";
  }

  private async take(reply: Reply): Promise<Reply> {
    for (const cookie of reply.headers["set-cookie"] ?? []) {
      // Of the same name, in another jar: there is nothing in it.
      if (/;\s*Partitioned/i.test(cookie)) continue;
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name) this.cookies.set(name, value ?? "");
    }
    const nonces = String(reply.headers["pan-nonce"] ?? "");
    if (nonces) this.nonces.push(...nonces.split(", "));
    return reply;
  }
}
