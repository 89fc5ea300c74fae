/** The value of the `X-Interaction-Proof` header. */
export function encodeProof(proof: object | undefined): string {
  return proof ? Buffer.from(JSON.stringify(proof)).toString("base64url") : "none";
}

/** The interaction proof of a key press. The members are in the order that the wire format requires. */
export function keyPressProof(action: string, at = Date.now()): object {
  return { v: 1, by: "app", action, kind: "keyboard", at, hold: 80, path: [], target: [10, 10, 120, 32], hit: [70, 26] };
}

/** The proof of a click in the confirmation window. The server accepts it only with a signature by the confirmation key. */
export function confirmationProof(action: string): object {
  return { ...keyPressProof(action), by: "signer", kind: "confirm", dwell: 900 };
}
