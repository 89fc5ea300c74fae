import { createHash, randomBytes } from "node:crypto";
import type { JWK } from "jose";
import { createSigner, httpbis } from "http-message-signatures";
import { expect } from "@playwright/test";
import { newUserName, PASSWORD } from "./app-page.ts";
import { type Headers, type RawRequest, type Reply, send } from "./http.ts";
import { encodeProof, keyPressProof } from "./interaction-proof.ts";
import { KeyPair } from "./key-pair.ts";
import { handleOf, tokenOf } from "./session-token.ts";
import type { TestServer } from "./test-server.ts";

/** The components that a signature covers, in order. */
export const COMPONENTS = ["@method", "@authority", "@path", "@query", "content-digest", "x-session-id", "x-interaction-proof"];

/** A signed request that was not sent yet. */
export interface SignedRequest {
  path: string;
  body: string;
  headers: Headers;
}

/** What to sign. */
export interface RequestOptions {
  path: string;
  body?: string;
  proof?: object;
  /** Unix time in seconds; now by default. */
  created?: number;
  nonce?: string;
  /** The signing key; by default the one that belongs to the proof. */
  signingKey?: "frame" | "confirmation";
  /** The origin of the URL; `app` by default. */
  sendTo?: "app" | "sign";
}

/** The `Content-Digest` header's value. */
export function digestOf(body: string): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

/** The headers that a browser sends with a same-origin POST. */
export function originHeaders(origin: string): Headers {
  return [
    ["origin", origin],
    ["sec-fetch-site", "same-origin"],
    ["content-type", "application/json"],
  ];
}

/** The headers that a sign-origin page sends to its own origin. */
export function signOriginHeaders(server: TestServer): Headers {
  return [["host", new URL(server.sign).host], ...originHeaders(server.sign)];
}

/** The headers that a browser sends when the form on the sign-origin page posts a ticket to `/enter`. */
export function enterHeaders(server: TestServer): Headers {
  return [
    ["origin", server.sign],
    ["sec-fetch-site", "same-site"],
    ["sec-fetch-mode", "navigate"],
    ["content-type", "application/x-www-form-urlencoded"],
  ];
}

/**
 * A PAN client in Node, built on independent implementations of RFC 9421 and RFC 7638. That the server accepts it shows that
 * the wire format follows the RFCs. It can also send malformed requests, which a browser cannot.
 */
export class NodeClient {
  cookies = new Map<string, string>();
  handle = "";
  nonces: string[] = [];
  /** Signs requests of level Confirmed. */
  confirmationKey = new KeyPair();
  /** Signs all other requests. */
  frameKey = new KeyPair();
  /** The ticket of the last sign-in. */
  ticket = "";

  constructor(
    readonly server: TestServer,
    readonly name = newUserName(),
  ) {}

  /** Registers a new user and binds the frame key. */
  static async registered(server: TestServer): Promise<NodeClient> {
    const client = new NodeClient(server);
    await client.open("/register");
    return client;
  }

  /** Signs an existing user in, in a new session with new keys. */
  static async signedIn(server: TestServer, name: string): Promise<NodeClient> {
    const client = new NodeClient(server, name);
    await client.open("/sign-in");
    return client;
  }

  private async open(path: "/register" | "/sign-in"): Promise<void> {
    await this.signInAndEnter(path);
    const reply = await this.bind();
    expect(reply.status, reply.body).toBe(200);
  }

  /** Registers or signs in, and enters the app origin. Binds no frame key. */
  async signInAndEnter(path: "/register" | "/sign-in"): Promise<Reply> {
    const signedIn = await this.signIn(path);
    expect(signedIn.status, signedIn.body).toBe(200);
    const reply = await this.enterWithTicket(this.ticket);
    expect(reply.status, reply.body).toBe(303);
    return reply;
  }

  /** Registers or signs in on the sign origin, which returns a ticket. */
  async signIn(path: "/register" | "/sign-in", password = PASSWORD): Promise<Reply> {
    const reply = await this.keepCookiesAndNonces(await send(this.server, await this.signInRequest(path, password)));
    if (reply.status === 200) {
      this.ticket = (JSON.parse(reply.body) as { ticket: string }).ticket;
      this.handle = handleOf(tokenOf(this.ticket));
    }
    return reply;
  }

  /** The request of a sign-in or registration. The `more` headers are sent with it and with the challenge request. */
  async signInRequest(path: "/register" | "/sign-in", password = PASSWORD, more: Headers = []): Promise<RawRequest & { body: string }> {
    const challenge = await this.fetchChallenge(more);
    const jwk = await this.confirmationKey.jwk();
    const signature = this.confirmationKey.sign(await this.signInStatement(challenge));
    const body = JSON.stringify({ user: this.name, password, jwk, challenge, signature });
    return { path, headers: [...signOriginHeaders(this.server), ...more], body };
  }

  /** Signs in with a passkey. `assert` returns the assertion for a WebAuthn challenge, as JSON. */
  async signInWithPasskey(assert: (challenge: Buffer) => Promise<string>): Promise<Reply> {
    const challenge = await this.fetchChallenge();
    const statement = await this.signInStatement(challenge);
    const passkey = await assert(createHash("sha256").update(statement.join("\n")).digest());
    const body = { jwk: await this.confirmationKey.jwk(), challenge, signature: this.confirmationKey.sign(statement), passkey };
    return send(this.server, { path: "/sign-in/passkey", headers: signOriginHeaders(this.server), body: JSON.stringify(body) });
  }

  private async signInStatement(challenge: string): Promise<string[]> {
    return ["pan-sign-in/1", this.signOriginHost(), challenge, await this.confirmationKey.thumbprint()];
  }

  /** The fields of the form with a ticket that the sign-origin page posts to the app origin. */
  enterFields(path: string, ticket = this.ticket, key = this.confirmationKey): Record<string, string> {
    const signature = key.sign(["pan-enter/1", new URL(this.server.app).host, handleOf(tokenOf(ticket)), path]);
    return { ticket, signature, return: path };
  }

  /** Posts a ticket to the app origin, as the form on the sign-origin page does. */
  async enterWithTicket(ticket: string, { key = this.confirmationKey, path = "/account", headers = [] as Headers } = {}): Promise<Reply> {
    const body = new URLSearchParams(this.enterFields(path, ticket, key)).toString();
    const replaced = new Set(headers.map(([name]) => name));
    return this.keepCookiesAndNonces(
      await send(this.server, { path: "/enter", headers: [...enterHeaders(this.server).filter(([name]) => !replaced.has(name)), ...headers], body }),
    );
  }

  cookie(...names: string[]): [string, string] {
    const wanted = names.length ? names : ["__Host-pan"];
    return ["cookie", wanted.map((name) => `${name}=${this.cookies.get(name) ?? ""}`).join("; ")];
  }

  private signOriginHost(): string {
    return new URL(this.server.sign).host;
  }

  /** The headers that the signing frame sends to its own origin. */
  frameHeaders(): Headers {
    return [...signOriginHeaders(this.server), this.cookie("__Host-pan-sign")];
  }

  async fetchChallenge(more: Headers = []): Promise<string> {
    const reply = await send(this.server, { path: "/challenge", headers: [...signOriginHeaders(this.server), ...more], body: "{}" });
    expect(reply.status, reply.body).toBe(200);
    return (JSON.parse(reply.body) as { challenge: string }).challenge;
  }

  /** The body of `/bind`, which proves possession of the frame key. `encoding` is Node's name for the ECDSA encoding. */
  async bindStatement(challenge: string, encoding: "ieee-p1363" | "der" = "ieee-p1363"): Promise<{ jwk: JWK; challenge: string; signature: string }> {
    const signature = this.frameKey.sign(["pan-bind/1", this.signOriginHost(), challenge, await this.frameKey.thumbprint()], encoding);
    return { jwk: await this.frameKey.jwk(), challenge, signature };
  }

  async sendBind(body: object): Promise<Reply> {
    return send(this.server, { path: "/bind", headers: this.frameHeaders(), body: JSON.stringify(body) });
  }

  async bind(): Promise<Reply> {
    const reply = await this.sendBind(await this.bindStatement(await this.fetchChallenge()));
    if (reply.status === 200) {
      const bound = JSON.parse(reply.body) as { session: string; nonces: string[] };
      expect(bound.session).toBe(this.handle);
      this.nonces = bound.nonces;
    }
    return reply;
  }

  /** Signs as a browser does, with an independent implementation of RFC 9421. */
  async sign({ path, body = "{}", proof, created = Math.floor(Date.now() / 1000), nonce, signingKey, sendTo = "app" }: RequestOptions): Promise<SignedRequest> {
    const isConfirmed = (proof as { by?: string } | undefined)?.by === "signer";
    const pair = (signingKey ?? (isConfirmed ? "confirmation" : "frame")) === "frame" ? this.frameKey : this.confirmationKey;
    const covered: Headers = [
      ["content-digest", digestOf(body)],
      ["x-session-id", this.handle],
      ["x-interaction-proof", encodeProof(proof)],
    ];
    const key = createSigner(pair.privateKey, "ecdsa-p256-sha256", await pair.thumbprint());
    const signed = await httpbis.signMessage(
      {
        key,
        name: "pan",
        fields: COMPONENTS,
        params: ["created", "nonce", "keyid", "alg", "tag"],
        paramValues: { created: new Date(created * 1000), nonce: nonce ?? (await this.takeNonce()), tag: "pan/1" },
      },
      { method: "POST", url: this.server[sendTo] + path, headers: Object.fromEntries(covered) },
    );
    const of = (name: string) => String(signed.headers[name]);
    const origin: Headers = sendTo === "app" ? [...originHeaders(this.server.app), this.cookie()] : this.frameHeaders();
    return {
      path,
      body,
      headers: [...origin, ...covered, ["signature-input", of("Signature-Input")], ["signature", of("Signature")]],
    };
  }

  /** Sends a signed request and stores the nonces of the reply. */
  async send(signed: SignedRequest): Promise<Reply> {
    return this.keepCookiesAndNonces(await send(this.server, signed));
  }

  /** Signs and sends a request. */
  async call(options: RequestOptions): Promise<Reply> {
    return this.send(await this.sign(options));
  }

  /** Checks that this session can still read and change data. */
  async expectStillWorks(): Promise<void> {
    const read = await this.call({ path: "/api/account" });
    expect(read.status, read.body).toBe(200);
    expect((JSON.parse(read.body) as { user: string }).user).toBe(this.name);
    const name = `${this.name} again`;
    const renamed = await this.call({ path: "/api/display_name", body: JSON.stringify({ name }), proof: keyPressProof("display_name") });
    expect(renamed.status, renamed.body).toBe(200);
  }

  /** An unused nonce of this session, fetched if there is none. */
  async takeNonce(): Promise<string> {
    const nonce = this.nonces.pop();
    if (nonce) return nonce;
    const reply = await this.call({ path: "/api/nonces", nonce: randomBytes(16).toString("base64url") });
    expect(reply.status, reply.body).toBe(200);
    return this.nonces.pop() ?? "";
  }

  private async keepCookiesAndNonces(reply: Reply): Promise<Reply> {
    for (const cookie of reply.headers["set-cookie"] ?? []) {
      // A partitioned cookie of the same name, with an empty value.
      if (/;\s*Partitioned/i.test(cookie)) continue;
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (name) this.cookies.set(name, value ?? "");
    }
    const nonces = String(reply.headers["pan-nonce"] ?? "");
    if (nonces) this.nonces.push(...nonces.split(", "));
    return reply;
  }
}
