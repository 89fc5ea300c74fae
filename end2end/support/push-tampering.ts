import canonicalize from "canonicalize";
import type { Tamper } from "./mitm-proxy.ts";

interface PushMessage {
  kid: string;
  ts: number;
  nonce: string;
  sig: string;
  payload: { seq: number; conn: string; type: string; id: string; data: Record<string, unknown> };
}

export const parsePushMessage = (message: string) => JSON.parse(message) as PushMessage;
export const isSignInMessage = (message: string) => message.includes('"signed_in"');
export const rewritten = (message: string, change: (message: PushMessage) => void): string => {
  const parsed = parsePushMessage(message);
  change(parsed);
  return canonicalize(parsed) ?? "";
};

function flipped(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[31] = (bytes[31] ?? 0) ^ 1;
  return bytes.toString("base64");
}

/** Tampers with the first push message about a sign-in and passes the others through. */
function tamperOnce(change: Tamper): Tamper {
  let done = false;
  return (message) => {
    if (done || !isSignInMessage(message)) return [message];
    done = true;
    return change(message);
  };
}

/** Holds the first push message about a sign-in back until the next message arrives. */
function swapped(): Tamper {
  let held: string | undefined;
  return (message) => {
    if (held === undefined && isSignInMessage(message)) {
      held = message;
      return [];
    }
    const late = held ? [held] : [];
    held = held && "";
    return [message, ...late];
  };
}

/** The ways of tampering with a push message, and the rejection reason that the signing frame reports. */
export const TAMPERING: [name: string, tamper: () => Tamper, reason: string][] = [
  ["altered", () => tamperOnce((message) => [message.replace(/"device":"[^"]*"/, '"device":"Evil phone"')]), "frame signature bad"],
  ["altered in one bit of its signature", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.sig = flipped(parsed.sig)))]), "frame signature bad"],
  ["given a later time", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.ts += 1))]), "frame signature bad"],
  ["given another nonce", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.nonce = Buffer.alloc(32, 7).toString("base64")))]), "frame signature bad"],
  ["given another sequence number", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.payload.seq += 1))]), "frame out of order"],
  ["given another key ID", () => tamperOnce((message) => [rewritten(message, (parsed) => (parsed.kid = `pan.${"B".repeat(21)}A`))]), "frame of unknown key"],
  ["serialized differently", () => tamperOnce((message) => [JSON.stringify(parsePushMessage(message), null, 1)]), "frame malformed"],
  ["unsigned", () => tamperOnce((message) => [canonicalize({ payload: parsePushMessage(message).payload }) ?? ""]), "frame malformed"],
  ["dropped", () => tamperOnce(() => []), "frame out of order"],
  ["repeated", () => tamperOnce((message) => [message, message]), "frame replayed"],
  ["swapped with the next one", swapped, "frame out of order"],
  ["delayed", () => tamperOnce(async (message) => new Promise((done) => setTimeout(() => done([message]), 6_500))), "frame stale"],
];
