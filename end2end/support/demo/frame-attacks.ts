import { expect } from "@playwright/test";
import { send } from "../http.ts";
import { type InjectedScript, signedHeaders } from "../injected-script.ts";
import { confirmationProof, encodeProof, keyPressProof } from "../interaction-proof.ts";
import type { TestServer } from "../test-server.ts";

/** Changes requests before and after the frame signs them. Ends with an unchanged one, which sets the name "Signed". */
export async function changeSignedRequests(script: InjectedScript, server: TestServer): Promise<void> {
  const nonce = await script.nonce();
  const rejection = async (request: Parameters<InjectedScript["requestSignature"]>[0]) => (await script.requestSignature({ nonce, ...request }))?.Err;
  expect(await rejection({ path: "/api/unheard_of" })).toBe("unknown_action");
  expect(await rejection({ path: "/api/account?as=admin" })).toBe("unknown_action");
  expect(await rejection({ path: "/api/account/" })).toBe("unknown_action");
  expect(await rejection({ path: "/api/account", body: '{"user":"bob"}' })).toBe("unknown_arguments");
  expect(await rejection({ path: "/api/account", body: "{} " })).toBe("unknown_arguments");
  expect(await rejection({ path: "/api/display_name", body: '{"name":"a"}', level: "signed" })).toBe("level_too_low");
  expect(await rejection({ path: "/api/transfer", body: '{"to":"bob","amount":1}', level: "confirmed" })).toBe("unknown_arguments");
  expect(await script.sendToFrame({ sign_bytes: { bytes: "AA" } })).toEqual({ Err: "malformed" });

  // The page's own request, changed after signing. Each attempt has its own signature, because a nonce is spent once.
  const body = JSON.stringify({ name: "Signed" });
  const signRename = async () =>
    script.sign({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof: keyPressProof("display_name") });
  const changed = JSON.stringify({ name: "Changed" });
  expect((await script.post("/api/display_name", changed, await signRename())).code).toBe("invalid_proof");
  const { digest } = await script.sign({ path: "/api/display_name", body: changed, level: "interaction", nonce: await script.nonce(), proof: keyPressProof("display_name") });
  expect((await script.post("/api/display_name", changed, { ...(await signRename()), digest })).code).toBe("invalid_proof");
  expect((await script.post("/api/display_name?as=admin", body, await signRename())).code).toBe("invalid_proof");
  expect((await script.post("/api/account", "{}", await signRename())).code).toBe("invalid_proof");
  expect((await script.post("/api/nowhere", body, await signRename())).code).toBe("malformed");
  const raised = { ...(await signRename()), proof: encodeProof(confirmationProof("display_name")) };
  expect((await script.post("/api/display_name", body, raised)).code).toBe("invalid_proof");
  expect((await script.post("/api/display_name", body, { ...(await signRename()), proof: "none" })).code).toBe("step_up_required");

  // The positive control: unchanged, it passes.
  expect((await script.post("/api/display_name", body, await signRename())).status).toBe(200);
  expect((await send(server, { path: "/api/account", headers: signedHeaders(raised) })).status).toBeGreaterThanOrEqual(400);
}

/** Requests a signature of the frame for a transfer, at its level and at lower ones. */
export async function requestTransferOfFrame(script: InjectedScript, transfer: { path: string; body: string; nonce: string }): Promise<void> {
  expect((await script.requestSignature({ ...transfer, level: "confirmed" }))?.Err).toBe("not_here");
  for (const level of ["signed", "interaction"] as const) {
    const reply = await script.requestSignature({ ...transfer, level, proof: level === "interaction" ? keyPressProof("transfer") : null });
    expect(reply?.Err, level).toBe("level_too_low");
  }
}
