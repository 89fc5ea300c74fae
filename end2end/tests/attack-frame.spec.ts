import { Client, confirmation, encodeProof, keyPress } from "../support/client.ts";
import { send } from "../support/http.ts";
import { Injected, signedHeaders } from "../support/injected.ts";
import { numbers } from "../support/random.ts";
import { ScriptWindow } from "../support/script-window.ts";
import { expect, test } from "../support/test.ts";
import type { Bank } from "../support/bank.ts";
import type { House } from "../support/servers.ts";
import type { Page } from "@playwright/test";

/** Somebody signed in, with the attacker's script in the page. */
async function infected(bank: Bank, page: Page): Promise<Injected> {
  const script = await Injected.into(page);
  await bank.appear(`u${Math.random().toString(36).slice(2)}`);
  return script;
}

async function transferTo(house: House): Promise<string> {
  const friend = await Client.registered(house);
  return JSON.stringify({ to: friend.name, amount: 4200, note: "a gift" });
}

test("attack 5: script that asks for a transfer gets no signature without a person", async ({ bank, house, page }) => {
  const script = await infected(bank, page);
  const body = await transferTo(house);
  const order = { path: "/api/transfer", body, nonce: await script.nonce() };

  // The frame signs it at no level: not as what it is, and not as less.
  expect((await script.wish({ ...order, level: "confirmed" }))?.Err).toBe("not_here");
  for (const level of ["signed", "interaction"] as const) {
    const answer = await script.wish({ ...order, level, proof: level === "interaction" ? keyPress("transfer") : null });
    expect(answer?.Err, level).toBe("level_too_low");
  }

  // Script can open the confirmation window, wait as long as it likes, and click where it believes the button to be.
  const asked = await ScriptWindow.open(page, house.sign, { ...order, session: await script.handle() });
  await expect(asked.button("Send 42.00 EUR")).toHaveAttribute("aria-disabled", "false");
  expect(await asked.handle((handle) => handle.dispatchEvent(new MouseEvent("click")))).toBe("SecurityError");
  await asked.handle((handle) => handle.postMessage('{"signed":{}}', "*"));
  await asked.isUndecided();
  // Nor does it sign another order over the same line, or a second one.
  await page.evaluate(() => {
    const { port1, port2 } = new MessageChannel();
    window.opened?.[0]?.handle?.postMessage("pan:connect", "*", [port2]);
    port1.postMessage('{"session":"","path":"/api/revoke_others","body":"{}","nonce":null}');
  });
  await expect(asked.content).toContainText("42.00 EUR");
  await asked.isUndecided();
  await asked.page.close();
  await page.reload();
  await expect(bank.balance).toHaveText("1,000.00 EUR");

  // The positive control: with a person, the same order goes through.
  const friend = (JSON.parse(body) as { to: string }).to;
  await bank.order({ to: friend, amount: "42", note: "a gift" });
  await bank.confirm("Send 42.00 EUR");
  await expect(bank.balance).toHaveText("958.00 EUR");
});

test("attack 6: synthetic events make no proof and press no button of the confirmation window", async ({ bank, page }) => {
  await infected(bank, page);
  const proofs: string[] = [];
  page.on("request", (request) => {
    const proof = request.headers()["x-interaction-proof"];
    if (proof && proof !== "none") proofs.push(proof);
  });
  const events = () => {
    const field = document.querySelector<HTMLInputElement>("#name");
    const button = field?.form?.querySelector("button");
    if (!field || !button) throw new Error("the form is gone");
    field.value = "Robot";
    const at = button.getBoundingClientRect();
    const init = { bubbles: true, cancelable: true, composed: true, clientX: at.x + 5, clientY: at.y + 5, detail: 1, pointerType: "mouse" };
    for (const type of ["pointermove", "pointerdown", "mousedown", "pointerup", "mouseup", "click"]) button.dispatchEvent(new PointerEvent(type, init));
    for (const type of ["keydown", "keyup"]) button.dispatchEvent(new KeyboardEvent(type, { bubbles: true, key: "Enter" }));
    button.click();
    field.form?.requestSubmit();
  };
  await page.evaluate(events);
  // The page has no proof to give, so a person is asked; nobody answers.
  const window = await bank.confirmation();
  expect(proofs).toEqual([]);

  // Not even script inside the window can press its button: its events are not trusted either.
  const button = window.button("Change name");
  await expect(button).toHaveAttribute("aria-disabled", "false");
  await button.evaluate((button: HTMLElement) => {
    const init = { bubbles: true, composed: true, detail: 1 };
    for (const type of ["pointerdown", "pointerup", "click"]) button.dispatchEvent(new PointerEvent(type, init));
    for (const type of ["keydown", "keyup"]) button.dispatchEvent(new KeyboardEvent(type, { bubbles: true, key: "Enter" }));
    button.click();
  });
  await expect(window.status).toContainText("Check every line");
  await expect(button).toBeVisible();
  expect(proofs).toEqual([]);
  await window.cancel();
  await page.reload();
  await expect(bank.displayName).toHaveText(bank.user);

  // The positive control: a trusted click makes a proof, and presses that button.
  await bank.renamed("Person");
  expect(proofs).not.toEqual([]);
  await page.evaluate(events);
  await bank.confirm("Change name");
  await expect(bank.displayName).toHaveText("Robot");
});

type Point = [x: number, y: number];
/** How far a way is gone after a part of its time; both from 0 to 1. */
type Pace = (time: number) => number;

const constant: Pace = (time) => time;
/** Minimum jerk: slow at both ends, as a hand. */
const eased: Pace = (time) => time * time * time * (10 - 15 * time + 6 * time * time);

const FROM: Point = [870, 640];
const TO: Point = [70, 26];

/** A pointer proof that script makes up: where the pointer began, and then each step as `[dx, dy, dt]`. */
function pointer(path: number[][], hold = 90): object {
  return { ...keyPress("display_name"), kind: "pointer", path, hold };
}

/** The way to the button along a cubic Bézier curve with these control points, and with so many pixels of tremor. */
function way(controls: [Point, Point], pace: Pace, { tremor = 0, seed = 0 } = {}): number[][] {
  const random = numbers(seed);
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

/** Control points on the straight line, and beside it. */
const RULER: [Point, Point] = [[630, 456], [310, 210]];
const BEND: [Point, Point] = [[700, 300], [250, 90]];

const CRUDE: Record<string, () => object> = {
  "a straight line at constant speed": () => pointer(way(RULER, constant)),
  "a straight line that starts and ends slowly": () => pointer(way(RULER, eased)),
  "a curve at constant speed": () => pointer(Array.from({ length: 31 }, (_, at) => (at ? arc(at) : [400, 400, 0]))),
  "a teleport": () => pointer([[900, 700, 0], [-830, -674, 1]]),
  "no way at all": () => pointer([]),
  "a press of no length": () => pointer(way(RULER, constant), 0),
};

/** A step of 20 px in 16 ms on a quarter of a circle. */
function arc(at: number): number[] {
  const angle = (at * Math.PI) / 60;
  return [-Math.round(20 * Math.cos(angle)), -Math.round(20 * Math.sin(angle)), 16];
}

for (const [what, forge] of Object.entries(CRUDE)) {
  test(`attack 7: a forged interaction proof (${what}) raises the level to Confirmed`, async ({ bank, page }) => {
    const script = await infected(bank, page);
    const body = JSON.stringify({ name: "Forged" });
    const signed = await script.signed({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof: forge() });
    const reply = await script.post("/api/display_name", body, signed);
    expect(reply.code, reply.text).toBe("step_up_required");
    await page.reload();
    await expect(bank.displayName).toHaveText(bank.user);
  });
}

test("attack 7: a proof of another action, of the frame's or of a minute ago is refused, and a way gone twice raises the level", async ({ bank, page }) => {
  const script = await infected(bank, page);
  const body = JSON.stringify({ name: "Forged" });
  const wish = async (proof: object) => ({ path: "/api/display_name", body, level: "interaction" as const, nonce: await script.nonce(), proof });
  expect((await script.wish(await wish(keyPress("transfer"))))?.Err).toBe("bad_proof");
  expect((await script.wish(await wish(confirmation("display_name"))))?.Err).toBe("bad_proof");
  const stale = await script.signed(await wish(keyPress("display_name", Date.now() - 60_000)));
  expect((await script.post("/api/display_name", body, stale)).code).toBe("invalid_proof");
  await page.reload();
  await expect(bank.displayName).toHaveText(bank.user);

  // The same way again: with a fresh nonce, a fresh time and another hold it is still the same way.
  const path = way(BEND, eased, { tremor: 2, seed: 1 });
  const once = await script.signed(await wish(pointer(path)));
  expect((await script.post("/api/display_name", body, once)).status, "the positive control").toBe(200);
  for (const hold of [90, 117]) {
    const again = await script.signed(await wish(pointer(path, hold)));
    expect((await script.post("/api/display_name", body, again)).code).toBe("step_up_required");
  }
});

// What PAN does not stop, and says so: script in the open page can imitate a person perfectly.
test("attack 7: a perfect forgery passes at level Interaction, and only there", async ({ bank, house, page }) => {
  const script = await infected(bank, page);
  // A key press has no way that could look wrong; and the person's own way to a button can be recorded and told again.
  let header = "";
  await expect(async () => {
    const honest = page.waitForResponse("**/api/display_name");
    await bank.renamed("Person");
    const reply = await honest;
    expect(reply.status(), "taken for a person's").toBe(200);
    header = reply.request().headers()["x-interaction-proof"] ?? "";
  }).toPass();
  const recorded = JSON.parse(Buffer.from(header, "base64url").toString()) as { path: number[][] };
  expect(recorded).toMatchObject({ by: "app", kind: "pointer" });
  const rename = async (name: string, proof: object) => {
    const body = JSON.stringify({ name });
    const signed = await script.signed({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof });
    return script.post("/api/display_name", body, signed);
  };
  // Told again as it was, it is recognised; with one pixel changed, it is not.
  expect((await rename("Repeated", { ...recorded, at: Date.now() })).code).toBe("step_up_required");
  const path = recorded.path.map(([dx, dy, dt], at) => [(dx ?? 0) + (at === 1 ? 1 : 0), dy, dt]);
  const forgeries: Record<string, () => object> = {
    Pressed: () => keyPress("display_name"),
    Recorded: () => ({ ...recorded, path, at: Date.now() }),
    // What a drawing program makes: a curve, slow at both ends, with a tremor.
    Drawn: () => pointer(way(BEND, eased, { tremor: 2, seed: 2 })),
  };
  for (const [name, forge] of Object.entries(forgeries)) {
    const reply = await rename(name, forge());
    expect(reply.status, `${name}: ${reply.text}`).toBe(200);
    await page.reload();
    await expect(bank.displayName).toHaveText(name);
  }

  // Where it matters none of them is worth anything: the frame does not sign, and the server would not take it.
  const body = await transferTo(house);
  const client = await Client.registered(house);
  for (const [name, forge] of Object.entries(forgeries)) {
    const proof = { ...forge(), action: "transfer" };
    const wish = { path: "/api/transfer", body, level: "interaction" as const, nonce: await script.nonce(), proof };
    expect((await script.wish(wish))?.Err, name).toBe("level_too_low");
    const reply = await client.call({ path: "/api/transfer", body, proof });
    expect(reply.code, `${name}: ${reply.body}`).toBe("step_up_required");
  }
  await page.reload();
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  expect((await client.call({ path: "/api/transfer", body, proof: confirmation("transfer") })).status).toBe(200);
});

test("attack 8: what was signed cannot be changed, and the frame signs nothing but the catalogue", async ({ bank, house, page }) => {
  const script = await infected(bank, page);
  const nonce = await script.nonce();
  const refused = async (wish: Parameters<Injected["wish"]>[0]) => (await script.wish({ nonce, ...wish }))?.Err;
  expect(await refused({ path: "/api/unheard_of" })).toBe("unknown_action");
  expect(await refused({ path: "/api/account?as=admin" })).toBe("unknown_action");
  expect(await refused({ path: "/api/account/" })).toBe("unknown_action");
  expect(await refused({ path: "/api/account", body: '{"user":"bob"}' })).toBe("unknown_arguments");
  expect(await refused({ path: "/api/account", body: "{} " })).toBe("unknown_arguments");
  expect(await refused({ path: "/api/display_name", body: '{"name":"a"}', level: "signed" })).toBe("level_too_low");
  expect(await refused({ path: "/api/transfer", body: '{"to":"bob","amount":1}', level: "confirmed" })).toBe("unknown_arguments");
  expect(await script.ask({ sign_bytes: { bytes: "AA" } })).toEqual({ Err: "malformed" });

  // The page's own request, bent after signing. Each gets a signature of its own, because a nonce is spent once.
  const body = JSON.stringify({ name: "Signed" });
  const order = async () =>
    script.signed({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof: keyPress("display_name") });
  const bent = JSON.stringify({ name: "Bent" });
  expect((await script.post("/api/display_name", bent, await order())).code).toBe("invalid_proof");
  const { digest } = await script.signed({ path: "/api/display_name", body: bent, level: "interaction", nonce: await script.nonce(), proof: keyPress("display_name") });
  expect((await script.post("/api/display_name", bent, { ...(await order()), digest })).code).toBe("invalid_proof");
  expect((await script.post("/api/display_name?as=admin", body, await order())).code).toBe("invalid_proof");
  expect((await script.post("/api/account", "{}", await order())).code).toBe("invalid_proof");
  expect((await script.post("/api/nowhere", body, await order())).code).toBe("malformed");
  const raised = { ...(await order()), proof: encodeProof(confirmation("display_name")) };
  expect((await script.post("/api/display_name", body, raised)).code).toBe("invalid_proof");
  expect((await script.post("/api/display_name", body, { ...(await order()), proof: "none" })).code).toBe("step_up_required");

  // The positive control: unbent, it passes.
  expect((await script.post("/api/display_name", body, await order())).status).toBe(200);
  expect((await send(house, { path: "/api/account", headers: signedHeaders(raised) })).status).toBeGreaterThanOrEqual(400);
  await page.reload();
  await expect(bank.displayName).toHaveText("Signed");
});
