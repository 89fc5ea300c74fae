import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";

/** A P-256 key pair that signs as PAN's browser keys do. */
export class KeyPair {
  private readonly keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  private cachedThumbprint = "";

  async jwk(): Promise<JWK> {
    const { kty, crv, x, y } = await exportJWK(this.keys.publicKey);
    return { kty, crv, x, y } as JWK;
  }

  /** The RFC 7638 thumbprint. */
  async thumbprint(): Promise<string> {
    return (this.cachedThumbprint ||= await calculateJwkThumbprint(await this.jwk()));
  }

  /** Signs lines of text. Returns the `Signature` header's value; `encoding` is Node's name for the ECDSA encoding. */
  sign(lines: string[], encoding: "ieee-p1363" | "der" = "ieee-p1363"): string {
    const signature = sign("sha256", Buffer.from(lines.join("\n")), { key: this.privateKey, dsaEncoding: encoding });
    return `pan=:${signature.toString("base64")}:`;
  }

  get privateKey(): KeyObject {
    return this.keys.privateKey;
  }
}
