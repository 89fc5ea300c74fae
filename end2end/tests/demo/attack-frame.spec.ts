import type { Page } from "@playwright/test";
import { AttackerWindow } from "../../support/attacker-window.ts";
import { changeSignedRequests, requestTransferOfFrame } from "../../support/demo/frame-attacks.ts";
import { type AppPage, newUserName } from "../../support/app-page.ts";
import { expect, test } from "../../support/fixtures.ts";
import { InjectedScript } from "../../support/injected-script.ts";
import { confirmationProof, keyPressProof } from "../../support/interaction-proof.ts";
import { NodeClient } from "../../support/node-client.ts";
import { changeNameBySyntheticEvents, confirmBySyntheticEvents } from "../../support/page-scripts.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import type { TestServer } from "../../support/test-server.ts";

/** Registers a user in a page with the attacker's script. */
async function pageWithInjectedScript(visitor: AppPage, page: Page): Promise<InjectedScript> {
  const script = await InjectedScript.injectInto(page);
  await visitor.registerQuickly(newUserName());
  return script;
}

async function transferBody(server: TestServer): Promise<string> {
  const friend = await NodeClient.registered(server);
  return JSON.stringify({ to: friend.name, amount: 4200, note: "a gift" });
}

test("attack 5: script that requests a transfer gets no signature without the user", { tag: "@firefox" }, async ({ visitor, server, page }) => {
  const script = await pageWithInjectedScript(visitor, page);
  const body = await transferBody(server);
  const transfer = { path: "/api/transfer", body, nonce: await script.nonce() };

  // The frame signs it neither at its level nor at a lower one.
  await requestTransferOfFrame(script, transfer);

  // Script can open the confirmation window and dispatch a click, but cannot reach into the window.
  const opened = await AttackerWindow.open(page, server.sign, { ...transfer, session: await script.sessionHandle() });
  await expect(opened.button("Send 42.00 EUR")).toHaveAttribute("aria-disabled", "false");
  expect(await opened.withHandle((handle) => handle.dispatchEvent(new MouseEvent("click")))).toBe("SecurityError");
  await opened.withHandle((handle) => handle.postMessage('{"signed":{}}', "*"));
  await opened.expectUndecided();
  // The window accepts no second request, on this port or another.
  await page.evaluate(() => {
    const { port1, port2 } = new MessageChannel();
    window.opened?.[0]?.handle?.postMessage("pan:connect", "*", [port2]);
    port1.postMessage('{"session":"","path":"/api/revoke_others","body":"{}","nonce":null}');
  });
  await expect(opened.content).toContainText("42.00 EUR");
  await opened.expectUndecided();
  await opened.page.close();
  await page.reload();
  await expect(visitor.balance).toHaveText("1,000.00 EUR");

  // The positive control: the user makes the same transfer.
  const friend = (JSON.parse(body) as { to: string }).to;
  await visitor.submitTransfer({ to: friend, amount: "42", note: "a gift" });
  await visitor.confirm("Send 42.00 EUR");
  await expect(visitor.balance).toHaveText("958.00 EUR");
});

test("attack 6: synthetic events make no proof and do not activate the confirmation button", { tag: "@firefox" }, async ({ visitor, page }) => {
  await pageWithInjectedScript(visitor, page);
  const proofs: string[] = [];
  page.on("request", (request) => {
    const proof = request.headers()["x-interaction-proof"];
    if (proof && proof !== "none") proofs.push(proof);
  });
  await changeNameBySyntheticEvents(page);
  // The page has no proof, so a confirmation window opens.
  const window = await visitor.confirmationWindow();
  expect(proofs).toEqual([]);

  // Script inside the window cannot activate its button either, because its events are not trusted.
  const button = window.button("Change name");
  await expect(button).toHaveAttribute("aria-disabled", "false");
  await confirmBySyntheticEvents(window.page);
  await expect(window.status).toContainText("Check every line");
  await expect(button).toBeVisible();
  expect(proofs).toEqual([]);
  await window.cancel();
  await page.reload();
  await expect(visitor.displayName).toHaveText(visitor.user);

  // The positive control: a trusted click makes a proof and activates the button.
  await visitor.changeName("Person");
  expect(proofs).not.toEqual([]);
  await changeNameBySyntheticEvents(page);
  await visitor.confirm("Change name");
  await expect(visitor.displayName).toHaveText("Robot");
});

type Point = [x: number, y: number];
/** The covered part of a path after a part of the time, both from 0 to 1. */
type Pace = (time: number) => number;

const constant: Pace = (time) => time;
/** Minimum jerk: slow at both ends, like a hand. */
const eased: Pace = (time) => time * time * time * (10 - 15 * time + 6 * time * time);

const FROM: Point = [870, 640];
const TO: Point = [70, 26];

/** A forged pointer proof. `path` is the starting point and then each step as `[dx, dy, dt]`. */
function pointer(path: number[][], hold = 90): object {
  return { ...keyPressProof("display_name"), kind: "pointer", path, hold };
}

/** A path to the button along a cubic Bézier curve with these control points. `tremor` is in pixels. */
function pointerPath(controls: [Point, Point], pace: Pace, { tremor = 0, seed = 0 } = {}): number[][] {
  const random = seededRandom(seed);
  const [first, second] = controls;
  const places = Array.from({ length: 41 }, (_, at) => {
    const t = pace(at / 40);
    const s = 1 - t;
    const off = at % 40 ? (random() - 0.5) * 2 * tremor : 0;
    return [0, 1].map((axis) => {
      const of = (point: Point) => point[axis as 0 | 1];
      return Math.round(s ** 3 * of(FROM) + 3 * s * s * t * of(first) + 3 * s * t * t * of(second) + t ** 3 * of(TO) + off);
    });
  });
  const steps = places.slice(1).map(([x = 0, y = 0], at) => {
    const [lastX = 0, lastY = 0] = places[at]!;
    return [x - lastX, y - lastY, tremor ? 13 + Math.floor(random() * 7) : 16];
  });
  return [[...FROM, 0], ...steps];
}

/** Control points on the straight line and beside it. */
const STRAIGHT: [Point, Point] = [[630, 456], [310, 210]];
const CURVED: [Point, Point] = [[700, 300], [250, 90]];

const CRUDE_FORGERIES: Record<string, () => object> = {
  "a straight line at constant speed": () => pointer(pointerPath(STRAIGHT, constant)),
  "a straight line that starts and ends slowly": () => pointer(pointerPath(STRAIGHT, eased)),
  "a curve at constant speed": () => pointer(Array.from({ length: 31 }, (_, at) => (at ? arc(at) : [400, 400, 0]))),
  "a teleport": () => pointer([[900, 700, 0], [-830, -674, 1]]),
  "no path": () => pointer([]),
  "a press of zero duration": () => pointer(pointerPath(STRAIGHT, constant), 0),
};

/** A step of 20 px in 16 ms on a quarter circle. */
function arc(at: number): number[] {
  const angle = (at * Math.PI) / 60;
  return [-Math.round(20 * Math.cos(angle)), -Math.round(20 * Math.sin(angle)), 16];
}

for (const [what, forge] of Object.entries(CRUDE_FORGERIES)) {
  test(`attack 7: a forged interaction proof (${what}) raises the level to Confirmed`, async ({ visitor, page }) => {
    const script = await pageWithInjectedScript(visitor, page);
    const body = JSON.stringify({ name: "Forged" });
    const signed = await script.sign({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof: forge() });
    const reply = await script.post("/api/display_name", body, signed);
    expect(reply.code, reply.text).toBe("step_up_required");
    await page.reload();
    await expect(visitor.displayName).toHaveText(visitor.user);
  });
}

test("attack 7: a proof of another action, of the window or of a minute ago is rejected, and a repeated path raises the level", async ({ visitor, page }) => {
  const script = await pageWithInjectedScript(visitor, page);
  const body = JSON.stringify({ name: "Forged" });
  const request = async (proof: object) => ({ path: "/api/display_name", body, level: "interaction" as const, nonce: await script.nonce(), proof });
  expect((await script.requestSignature(await request(keyPressProof("transfer"))))?.Err).toBe("bad_proof");
  expect((await script.requestSignature(await request(confirmationProof("display_name"))))?.Err).toBe("bad_proof");
  const stale = await script.sign(await request(keyPressProof("display_name", Date.now() - 60_000)));
  expect((await script.post("/api/display_name", body, stale)).code).toBe("invalid_proof");
  await page.reload();
  await expect(visitor.displayName).toHaveText(visitor.user);

  // The same path again, with a fresh nonce, a fresh time and another hold, is still recognised.
  const path = pointerPath(CURVED, eased, { tremor: 2, seed: 1 });
  const once = await script.sign(await request(pointer(path)));
  expect((await script.post("/api/display_name", body, once)).status, "the positive control").toBe(200);
  for (const hold of [90, 117]) {
    const again = await script.sign(await request(pointer(path, hold)));
    expect((await script.post("/api/display_name", body, again)).code).toBe("step_up_required");
  }
});

// A documented limit of PAN: script in the open page can imitate the user perfectly.
test("attack 7: a perfect forgery passes at level Interaction, and only there", async ({ visitor, server, page }) => {
  const script = await pageWithInjectedScript(visitor, page);
  // A key press has no path that could look wrong, and script can record the user's own path and use it again.
  let header = "";
  await expect(async () => {
    const honest = page.waitForResponse("**/api/display_name");
    await visitor.changeName("Person");
    const reply = await honest;
    expect(reply.status(), "taken for the user's").toBe(200);
    header = reply.request().headers()["x-interaction-proof"] ?? "";
  }).toPass();
  const recorded = JSON.parse(Buffer.from(header, "base64url").toString()) as { path: number[][] };
  expect(recorded).toMatchObject({ by: "app", kind: "pointer" });
  const rename = async (name: string, proof: object) => {
    const body = JSON.stringify({ name });
    const signed = await script.sign({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof });
    return script.post("/api/display_name", body, signed);
  };
  // An exact copy is recognised. With one pixel changed, it is not.
  expect((await rename("Repeated", { ...recorded, at: Date.now() })).code).toBe("step_up_required");
  const path = recorded.path.map(([dx, dy, dt], at) => [(dx ?? 0) + (at === 1 ? 1 : 0), dy, dt]);
  const forgeries: Record<string, () => object> = {
    Pressed: () => keyPressProof("display_name"),
    Recorded: () => ({ ...recorded, path, at: Date.now() }),
    // A computed curve, slow at both ends, with a tremor.
    Drawn: () => pointer(pointerPath(CURVED, eased, { tremor: 2, seed: 2 })),
  };
  for (const [name, forge] of Object.entries(forgeries)) {
    const reply = await rename(name, forge());
    expect(reply.status, `${name}: ${reply.text}`).toBe(200);
    await page.reload();
    await expect(visitor.displayName).toHaveText(name);
  }

  // At level Confirmed none of them works: the frame does not sign, and the server would reject it.
  const body = await transferBody(server);
  const client = await NodeClient.registered(server);
  for (const [name, forge] of Object.entries(forgeries)) {
    const proof = { ...forge(), action: "transfer" };
    const request = { path: "/api/transfer", body, level: "interaction" as const, nonce: await script.nonce(), proof };
    expect((await script.requestSignature(request))?.Err, name).toBe("level_too_low");
    const reply = await client.call({ path: "/api/transfer", body, proof });
    expect(reply.code, `${name}: ${reply.body}`).toBe("step_up_required");
  }
  await page.reload();
  await expect(visitor.balance).toHaveText("1,000.00 EUR");
  expect((await client.call({ path: "/api/transfer", body, proof: confirmationProof("transfer") })).status).toBe(200);
});

test("attack 8: a signed request cannot be changed, and the frame signs only catalogue actions", { tag: "@firefox" }, async ({ visitor, server, page }) => {
  const script = await pageWithInjectedScript(visitor, page);
  await changeSignedRequests(script, server);
  await page.reload();
  await expect(visitor.displayName).toHaveText("Signed");
});
