import { createVerifier, httpbis } from "http-message-signatures";
import { calculateJwkThumbprint, importJWK, type JWK } from "jose";
import type { KeyObject } from "node:crypto";
import { newUserName } from "../support/app-page.ts";
import { expect, test } from "../support/fixtures.ts";
import { COMPONENTS, digestOf } from "../support/node-client.ts";

test("an independent implementation of RFC 9421 accepts what a browser sends", async ({ visitor, server, page }) => {
  const bound = page.waitForRequest(`${server.sign}/bind`);
  const read = page.waitForRequest(`${server.app}/api/account`);
  await visitor.registerQuickly(newUserName());
  const { jwk } = (await bound).postDataJSON() as { jwk: JWK };
  const request = await read;
  const headers = request.headers();

  const thumbprint = await calculateJwkThumbprint(jwk);
  expect(headers["content-digest"]).toBe(digestOf(request.postData() ?? ""));
  const key = (await importJWK(jwk, "ES256")) as CryptoKey;
  const node = (await import("node:crypto")).KeyObject.from(key) as KeyObject;
  const verified = async (method: string) =>
    httpbis.verifyMessage(
      {
        requiredFields: COMPONENTS,
        requiredParams: ["created", "nonce", "keyid", "alg", "tag"],
        keyLookup: async ({ keyid }) => (keyid === thumbprint ? { verify: createVerifier(node, "ecdsa-p256-sha256") } : null),
      },
      { method, url: request.url(), headers },
    );
  expect(await verified("POST")).toBe(true);
  expect(await verified("GET")).toBe(false);
});
