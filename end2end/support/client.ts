import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import { createSigner, httpbis } from "http-message-signatures";
import { expect } from "@playwright/test";
import { newName, PASSWORD } from "./bank.ts";
import { type Headers, type Reply, send } from "./http.ts";
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

/** The proof of a click on the sheet. It passes only with a signature by the frame's key. */
export function confirmation(action: string): object {
  return { ...keyPress(action), by: "signer", kind: "confirm", dwell: 900, visible: true };
}

/** What a browser sends with a POST from that origin. */
export function from(origin: string): Headers {
  return [
    ["origin", origin],
    ["sec-fetch-site", "same-origin"],
    ["content-type", "application/json"],
  ];
}

/**
 * PAN's client in plain Node, with other people's implementations of RFC 9421 and RFC 7638. The server accepts it, so the
 * wire is what the RFCs say; and it can bend what a browser cannot.
 */
export class Client {
  cookies = new Map<string, string>();
  handle = "";
  nonces: string[] = [];
  private keyid = "";
  private readonly privateKey: KeyObject;
  private readonly publicKey: KeyObject;

  constructor(
    readonly house: House,
    readonly name = newName(),
  ) {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.privateKey = pair.privateKey;
    this.publicKey = pair.publicKey;
  }

  /** Somebody with an account, signed in. */
  static async registered(house: House): Promise<Client> {
    const client = new Client(house);
    await client.enter("/api/register");
    const reply = await client.bind();
    expect(reply.status, reply.body).toBe(200);
    return client;
  }

  /** Registers or signs in. The session has no key yet. */
  async enter(path: "/api/register" | "/api/sign_in"): Promise<Reply> {
    const body = JSON.stringify({ user: this.name, password: PASSWORD });
    const reply = await this.take(await send(this.house, { path, headers: from(this.house.app), body }));
    expect(reply.status, reply.body).toBe(200);
    this.handle = handleOf(this.cookies.get("__Host-pan") ?? "");
    return reply;
  }

  cookie(...names: string[]): [string, string] {
    const wanted = names.length ? names : ["__Host-pan"];
    return ["cookie", wanted.map((name) => `${name}=${this.cookies.get(name) ?? ""}`).join("; ")];
  }

  async jwk(): Promise<JWK> {
    return exportJWK(this.publicKey);
  }

  /** What the frame sends to its own origin. */
  frameHeaders(): Headers {
    return [["host", new URL(this.house.sign).host], ...from(this.house.sign), this.cookie("pan-bind")];
  }

  async challenge(): Promise<string> {
    const reply = await send(this.house, { path: "/challenge", headers: this.frameHeaders() });
    expect(reply.status, reply.body).toBe(200);
    return (JSON.parse(reply.body) as { challenge: string }).challenge;
  }

  /** The body of `/bind`, which proves that this client has the key. `encoding` as Node names it. */
  async statement(challenge: string, encoding: "ieee-p1363" | "der" = "ieee-p1363"): Promise<{ jwk: JWK; challenge: string; signature: string }> {
    const jwk = await this.jwk();
    const text = ["pan-bind/1", new URL(this.house.sign).host, challenge, await calculateJwkThumbprint(jwk)].join("\n");
    const signature = sign("sha256", Buffer.from(text), { key: this.privateKey, dsaEncoding: encoding });
    return { jwk: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } as JWK, challenge, signature: `pan=:${signature.toString("base64")}:` };
  }

  async sendBind(body: object): Promise<Reply> {
    const reply = await send(this.house, { path: "/bind", headers: this.frameHeaders(), body: JSON.stringify(body) });
    return reply;
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

  /** Signs as a frame does, but by another implementation of RFC 9421. */
  async sign({ path, body = "{}", proof, created = Math.floor(Date.now() / 1000), nonce }: Order): Promise<Signed> {
    this.keyid ||= await calculateJwkThumbprint(await this.jwk());
    const covered: Headers = [
      ["content-digest", digestOf(body)],
      ["x-session-id", this.handle],
      ["x-interaction-proof", encodeProof(proof)],
    ];
    const key = createSigner(this.privateKey, "ecdsa-p256-sha256", this.keyid);
    const signed = await httpbis.signMessage(
      {
        key,
        name: "pan",
        fields: COMPONENTS,
        params: ["created", "nonce", "keyid", "alg", "tag"],
        paramValues: { created: new Date(created * 1000), nonce: nonce ?? (await this.nonce()), tag: "pan/1" },
      },
      { method: "POST", url: this.house.app + path, headers: Object.fromEntries(covered) },
    );
    const of = (name: string) => String(signed.headers[name]);
    return {
      path,
      body,
      headers: [...from(this.house.app), this.cookie(), ...covered, ["signature-input", of("Signature-Input")], ["signature", of("Signature")]],
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
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name) this.cookies.set(name, value ?? "");
    }
    const nonces = String(reply.headers["pan-nonce"] ?? "");
    if (nonces) this.nonces.push(...nonces.split(", "));
    return reply;
  }
}
